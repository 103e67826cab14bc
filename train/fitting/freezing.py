"""Layers that keep the weights they begin with: the first ones of a pretrained backbone.

They see general features, edges and colours, at the finest resolution, where a step costs most: nothing has to be
propagated back through them.
"""

from torch import nn


def freeze(model: nn.Module, share: float) -> None:
    """Take the backbone's first layers out of training.

    Args:
        model: a network with its backbone as `features`.
        share: which part of the backbone's layers that have weights, 0..1, in the order that they are defined in.
    """
    for layer in frozen_layers(model, share):
        for parameter in layer.parameters(recurse=False):
            parameter.requires_grad = False


def keep_statistics(model: nn.Module, share: float) -> None:
    """Leave the frozen layers' normalisation the statistics that belong to its weights; call it after `train()`."""
    for layer in frozen_layers(model, share):
        layer.eval()


def frozen_layers(model: nn.Module, share: float) -> list[nn.Module]:
    """The layers that `freeze` takes out of training: none where the share is 0 or there is no backbone."""
    backbone = getattr(model, "features", None)
    if not share or not isinstance(backbone, nn.Module):
        return []
    layers = [layer for layer in backbone.modules() if any(True for _ in layer.parameters(recurse=False))]
    return layers[: round(share * len(layers))]
