"""The frozen records that the stages hand on; every room may know them."""

from edge_agent.records.decisions import CodeWitness, Expectation, Finding, Message, MessageKind
from edge_agent.records.inputs import ExpectedMessage, HomeAssistantOnline, ReloadWanted
from edge_agent.records.pictures import Activity, ClassifiedCrops, Ended, Frame, Shown, Sighting, SignalLost

__all__ = [
    "Activity",
    "ClassifiedCrops",
    "CodeWitness",
    "Ended",
    "Expectation",
    "ExpectedMessage",
    "Finding",
    "Frame",
    "HomeAssistantOnline",
    "Message",
    "MessageKind",
    "ReloadWanted",
    "Shown",
    "Sighting",
    "SignalLost",
]
