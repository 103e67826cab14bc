"""What the agent writes to its log: lines for people, or JSON for programs."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Literal

LogFormat = Literal["text", "json"]


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, thread, and the traceback where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        content = {
            "time": moment,
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "thread": record.threadName,
        }
        if record.exc_info:
            content["traceback"] = self.formatException(record.exc_info)
        return json.dumps(content, ensure_ascii=False)


ALWAYS = ("kardus.mqtt", "kardus.agent")
"""Connections and cameras: whoever reads that one was lost must also read that it is back."""


def set_up(form: LogFormat, *, verbose: bool) -> None:
    """Log to the standard error: warnings, errors, connections and cameras, and when verbose what else happens."""
    handler = logging.StreamHandler(sys.stderr)
    text = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    handler.setFormatter(JsonFormatter() if form == "json" else text)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("kardus").setLevel(logging.INFO if verbose else logging.WARNING)
    for name in ALWAYS:
        logging.getLogger(name).setLevel(logging.INFO)
