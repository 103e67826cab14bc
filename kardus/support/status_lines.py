"""Lines of JSON on the standard output, for whoever follows a command that runs for good."""

import json
import logging
import os
import sys
from typing import Any

log = logging.getLogger(__name__)


def write_status_line(status: Any) -> None:
    """Write a line of what JSON can hold. Whoever reads them must not decide whether the work goes on.

    Once one can't be written, since the reader has gone or a disk is full, that is logged, and no more are.
    """
    try:
        sys.stdout.write(json.dumps(status) + "\n")
        sys.stdout.flush()
    except OSError as error:
        log.warning("no more lines of JSON: the standard output can't be written to (%s)", error.strerror)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())  # what is buffered would be tried, and fail, again at the end
        os.close(nowhere)
