"""The frozen records that the stages hand on; every room may know them."""

from edge_agent.records.decisions import (
    NO_PICTURES,
    CodeWitness,
    EventPictures,
    Expectation,
    Finding,
    Message,
    MessageKind,
)
from edge_agent.records.inputs import ExpectedMessage, HomeAssistantOnline, ReloadWanted
from edge_agent.records.pictures import (
    Activity,
    ClassifiedCrops,
    Ended,
    Frame,
    LocationView,
    SignalLost,
    SlotObservations,
)

__all__ = [
    "NO_PICTURES",
    "Activity",
    "ClassifiedCrops",
    "CodeWitness",
    "Ended",
    "EventPictures",
    "Expectation",
    "ExpectedMessage",
    "Finding",
    "Frame",
    "HomeAssistantOnline",
    "LocationView",
    "Message",
    "MessageKind",
    "ReloadWanted",
    "SignalLost",
    "SlotObservations",
]
