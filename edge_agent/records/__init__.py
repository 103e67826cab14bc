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
    Frame,
    LocationView,
    SignalLost,
    SlotObservations,
    SourceEnded,
)

__all__ = [
    "NO_PICTURES",
    "Activity",
    "ClassifiedCrops",
    "CodeWitness",
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
    "SourceEnded",
]
