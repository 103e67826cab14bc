"""An EPCIS 2.0 repository made from GS1's OpenAPI file: requests are checked by its schemas."""

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from tests.warehouse.connectors.deliver.served import Answer, Asked

GS1 = Path(__file__).parents[1] / "epcis" / "gs1"
API: dict[str, Any] = json.loads((GS1 / "epcis-rest-openapi.json").read_text(encoding="utf-8"))
DOCUMENTS = Draft202012Validator(json.loads((GS1 / "EPCIS-JSON-Schema.json").read_text(encoding="utf-8")))
_HEADERS = {
    name: Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": API["components"]})
    for name in ("GS1-EPCIS-Version", "GS1-CBV-Version", "GS1-Capture-Error-Behaviour")
}


class EpcisStandIn:
    """`POST /capture` and `GET /capture/{captureID}`; a job takes all events of its document or none."""

    def __init__(self) -> None:
        self.events: dict[str, dict[str, Any]] = {}
        """By `eventID`, in the order of capture."""
        self.refused: set[str] = set()
        """Ends of the read points of what isn't taken."""
        self.at_once = False
        """Whether a document that isn't taken is refused with 400, and not by its job."""
        self.documents = 0
        self._jobs: list[dict[str, Any]] = []

    def answer(self, asked: Asked) -> Answer:
        """One request."""
        if asked.method == "GET":
            return Answer(body=self._jobs[int(asked.path.rpartition("/")[2])])
        assert asked.path == "/capture"
        assert list(API["paths"]["/capture"]["post"]["requestBody"]["content"]) == ["application/json"]
        assert asked.headers["content-type"] == "application/json"
        for name, schema in _HEADERS.items():
            schema.validate(asked.headers[name.lower()])
        DOCUMENTS.validate(asked.json)
        self.documents += 1
        return self._capture(asked.json["epcisBody"]["eventList"])

    def _capture(self, events: list[dict[str, Any]]) -> Answer:
        bad = [event for event in events if event["readPoint"]["id"].rpartition("/")[2] in self.refused]
        problem = {"type": "epcisException:ValidationException", "title": "no such read point", "status": 400}
        if bad and self.at_once:
            return Answer(400, problem)
        if not bad:
            self.events |= {event["eventID"]: event for event in events}
        job = {"captureID": str(len(self._jobs)), "running": False, "success": not bad}
        job |= {"createdAt": "2026-03-02T07:30:12Z", "captureErrorBehaviour": "rollback"}
        self._jobs.append(job | {"errors": [problem] if bad else []})
        return Answer(202, headers={"Location": f"/capture/{len(self._jobs) - 1}"})
