"""A camera with one location, and what is seen there, for tests of votes and of attention."""

from edge_agent.config import Config
from kardus.inference.classification import Classification, SkuScore
from tests.edge_agent.racks import RACK


def one_slot_config() -> Config:
    """A configuration with a camera `rack` that sees the drawn rack's first location."""
    slot = RACK.slots()[0]
    content = {
        "name": "rack",
        "source": {"type": "file", "path": "x.jpg"},
        "locations": [{"id": slot.location, "corners": slot.corners.tolist()}],
    }
    agent = {"site": "s", "name": "b", "data_dir": "."}
    return Config.model_validate({"agent": agent, "model": {"bundle": "x"}, "cameras": [content]})


def seen_as(sku: str) -> Classification:
    """What a classifier says of a crop that it is sure of."""
    others = (SkuScore(name, 0.005) for name in ("A", "B", "C", "empty") if name != sku)
    scores = (SkuScore(sku, 0.98), *others)
    return Classification(sku, sku, "category", 0.98, 0.98, known=True, skus=scores)
