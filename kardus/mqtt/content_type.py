"""What a payload is, for MQTT 5's content type: told by how it begins, so that what an outbox kept tells it too."""

CLOUD_EVENT = "application/cloudevents+json"
_BEGINNINGS = (
    (b'{"specversion":', CLOUD_EVENT),  # the first attribute of every envelope that Kardus writes
    (b"{", "application/json"),
    (b"\xff\xd8\xff", "image/jpeg"),
)


def content_type(payload: bytes) -> str:
    """The media type of what Kardus publishes; empty: nothing can be said of it, as of a topic that is cleared."""
    return next((kind for beginning, kind in _BEGINNINGS if payload.startswith(beginning)), "")
