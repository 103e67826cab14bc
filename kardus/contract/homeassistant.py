"""Home Assistant's discovery document, so that an agent's locations and cameras appear there by themselves.

One retained document a device, sent again when Home Assistant says that it is online
(https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery, device discovery).
"""

import hashlib
import re
from collections.abc import Collection, Sequence
from typing import Any

from kardus.contract.topics import Topics
from kardus.contract.verdicts import ALERTS, Verdict

ONLINE = b"online"
"""What Home Assistant publishes to its status topic when it starts."""
_PROBLEM = "{{ 'ON' if value_json.data.verdict in " + str(sorted(str(v) for v in ALERTS)) + " else 'OFF' }}"
_WORKS = "{{ 'ON' if value_json.data.status == 'ok' else 'OFF' }}"


def discovery_topic(prefix: str, topics: Topics) -> str:
    """Where an agent's document belongs."""
    return f"{prefix}/device/{device_id(topics)}/config"


def status_topic(prefix: str) -> str:
    """Where Home Assistant says that it is online."""
    return f"{prefix}/status"


def device_id(topics: Topics) -> str:
    """An agent's name among Home Assistant's devices."""
    return _id("kardus", topics.site, topics.agent)


def discovery_document(
    topics: Topics,
    version: str,
    locations: Sequence[str],
    cameras: Sequence[str],
    gone: Collection[str] = (),
) -> dict[str, Any]:
    """The document.

    Args:
        topics: the agent's.
        version: of its software.
        locations: a sensor with the verdict each, and one that tells a problem.
        cameras: a sensor each that tells whether it works.
        gone: locations that were in an earlier document, to be taken away.
    """
    components: dict[str, Any] = {}
    for location in locations:
        components |= _location(topics, location)
    for camera in cameras:
        components |= _camera(topics, camera)
    for location in gone:
        components |= {name: {"platform": part["platform"]} for name, part in _location(topics, location).items()}
    return {
        "device": {
            "identifiers": [device_id(topics)],
            "name": f"Kardus {topics.agent}",
            "manufacturer": "Kardus",
            "sw_version": version,
        },
        "origin": {"name": "kardus", "sw_version": version},
        "availability": [{"topic": topics.status, "value_template": "{{ value_json.data.status }}"}],
        "qos": 1,
        "components": components,
    }


def _location(topics: Topics, location: str) -> dict[str, Any]:
    state = topics.state(location)
    own = _id("location", location)
    return {
        own: {
            "platform": "sensor",
            "unique_id": f"{device_id(topics)}_{own}",
            "name": location,
            "device_class": "enum",
            "options": [str(verdict) for verdict in Verdict],
            "state_topic": state,
            "value_template": "{{ value_json.data.verdict }}",
            "json_attributes_topic": state,
            "json_attributes_template": "{{ value_json.data | tojson }}",
        },
        f"{own}_problem": {
            "platform": "binary_sensor",
            "unique_id": f"{device_id(topics)}_{own}_problem",
            "name": f"{location} to be checked",
            "device_class": "problem",
            "state_topic": state,
            "value_template": _PROBLEM,
        },
    }


def _camera(topics: Topics, camera: str) -> dict[str, Any]:
    own = _id("camera", camera)
    return {
        own: {
            "platform": "binary_sensor",
            "unique_id": f"{device_id(topics)}_{own}",
            "name": f"Camera {camera}",
            "device_class": "connectivity",
            "state_topic": topics.health(camera),
            "value_template": _WORKS,
        }
    }


def _id(*parts: str) -> str:
    """An id of letters, digits, `_` and `-`, as Home Assistant wants it; two names never share one."""
    plain = "_".join(re.sub(r"[^A-Za-z0-9-]", "-", part) for part in parts)
    if plain == "_".join(parts):
        return plain
    return f"{plain}_{hashlib.sha256('/'.join(parts).encode()).hexdigest()[:8]}"
