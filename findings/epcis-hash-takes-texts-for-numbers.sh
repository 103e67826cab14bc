#!/bin/sh
# What: the published generator of EPCIS event hashes reads every text that Python's float() takes as a number.
# Versions: epcis-event-hash-generator 1.9.3.
# Expected: batch "0017" and batch "17" are two batches, and "1_000" is a name: events that differ in them differ in their hash.
# Observed: leading zeros, exponents and even Python's underscores in fields of one's own are folded: one hash for both.
# Why it matters: who stores events by their hash (CBV 2.0, 8.9) keeps one of two and loses the other; our own fields hold no such text.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check epcis-event-hash-generator==1.9.3
"$work/venv/bin/python" -W ignore - <<'PYTHON'
from epcis_event_hash_generator import hash_generator, json_to_py


def hash_of(batch):
    event = {
        "type": "ObjectEvent",
        "eventTime": "2026-03-02T07:30:12.000Z",
        "eventTimeZoneOffset": "+00:00",
        "action": "OBSERVE",
        "epcList": ["https://id.gs1.org/01/04006381333931/21/1"],
        "example:batch": batch,
    }
    document = {
        "@context": [
            "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld",
            {"example": "https://ns.example.com/"},
        ],
        "type": "EPCISDocument",
        "schemaVersion": "2.0",
        "creationDate": "2026-03-02T08:00:00Z",
        "epcisBody": {"eventList": [event]},
    }
    return hash_generator.epcis_hashes_from_events(json_to_py.event_list_from_epcis_document_json(document))[0]


pairs = [("0017", "17"), ("1E3", "1000"), ("1_000", "1000"), ("A17", "A017")]
same = [one for one, other in pairs if hash_of(one) == hash_of(other)]
print("epcis-event-hash-generator 1.9.3")
print("expected: no two of these batches have one hash:", pairs)
print("observed: one hash for both:", same)
if same != ["0017", "1E3", "1_000"]:
    raise SystemExit("changed")
PYTHON
