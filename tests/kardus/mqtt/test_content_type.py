"""What is published says what it is."""

import json

import pytest

from kardus.contract.examples import EXAMPLES
from kardus.contract.messages import Envelope
from kardus.mqtt.content_type import CLOUD_EVENT, content_type
from tests.publishers import jpeg


@pytest.mark.parametrize("name", list(EXAMPLES))
def test_every_message_of_the_contract_is_told(name: str) -> None:
    record = EXAMPLES[name]
    expected = CLOUD_EVENT if isinstance(record, Envelope) else "application/json"
    assert content_type(record.model_dump_json().encode()) == expected


def test_pictures_and_documents_are_told_and_of_nothing_nothing_is_said() -> None:
    assert content_type(jpeg()) == "image/jpeg"
    assert content_type(json.dumps({"device": {}}).encode()) == "application/json"
    assert content_type(b"") == ""
