"""Mosquitto's access list: who may publish and read which topics, by the name in the certificate."""

from collections.abc import Iterable, Sequence

from kardus.contract.homeassistant import device_id, discovery_topic, status_topic
from kardus.contract.topics import Topics, agents_filter, expected_filter

_DEVICE = "%u"
"""Mosquitto puts the name in the certificate here."""
_ANY = "+"


def acl_text(site: str, wms: Sequence[str], home_assistants: Sequence[str], prefix: str = "homeassistant") -> str:
    """The whole file. What it doesn't allow is refused.

    Args:
        site: the site; names of letters, digits and hyphens only, here and below.
        wms: names of the WMS side's programs.
        home_assistants: names of Home Assistant's installations.
        prefix: Home Assistant's discovery prefix.
    """
    lines = [
        "# Written by `kardus-wms authority`: issue or revoke a certificate, and it is written anew.",
        "# Mosquitto refuses what isn't allowed here. %u is the name in the client's certificate.",
        "",
        "# A device publishes under its own name alone, and reads what the WMS side says to it.",
        *_device(site, prefix),
    ]
    for name in wms:
        lines += ["", f"# {name}: WMS side", f"user {name}", *_wms(site)]
    for name in home_assistants:
        lines += ["", f"# {name}: Home Assistant", f"user {name}", *_home_assistant(site, prefix)]
    return "\n".join(lines) + "\n"


def _device(site: str, prefix: str) -> list[str]:
    own = Topics(site, _DEVICE)
    writes = [
        own.status,
        own.coverage,
        own.model,
        f"{own.base}/lost",
        own.health(_ANY),
        own.state(None),
        own.events(None),
        own.evidence(None, _ANY),
        f"{own.replies}/#",
        discovery_topic(prefix, Topics(site, "DEVICE")).replace("DEVICE", _DEVICE),
    ]
    reads = [own.commands_filter, own.ack, expected_filter(site), status_topic(prefix)]
    return [*_lines("pattern write", writes), *_lines("pattern read", reads)]


def _wms(site: str) -> list[str]:
    every = Topics(site, _ANY)
    cleared = [every.status, every.coverage, every.model, every.lost, every.health(_ANY), every.state(None)]
    return [
        *_lines("topic write", [every.commands_filter, every.ack, *cleared]),  # `kardus-wms forget` clears them
        *_lines("topic readwrite", [expected_filter(site)]),
        *_lines("topic read", [agents_filter(site), f"{every.replies}/#"]),
    ]


def _home_assistant(site: str, prefix: str) -> list[str]:
    every = Topics(site, _ANY)
    device = discovery_topic(prefix, Topics(site, "DEVICE")).replace(device_id(Topics(site, "DEVICE")), _ANY)
    return [
        *_lines("topic write", [status_topic(prefix), device]),  # it clears a device's document when that is deleted
        *_lines("topic read", [status_topic(prefix), device, every.status, every.health(_ANY), every.state(None)]),
    ]


def _lines(rule: str, topics: Iterable[str]) -> list[str]:
    return [f"{rule} {topic}" for topic in topics]
