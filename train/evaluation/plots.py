"""Plots of an evaluation, as PNG bytes."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kardus.contract.manifest import PixelAccuracy
from kardus.inference.preprocess import Pixels
from train.evaluation.selective_classification import RiskCoverage
from train.pyplot import plt

_DPI = 110


def confusion_plot(truth: Sequence[int], predicted: Sequence[int], names: Sequence[str]) -> bytes:
    """The confusion matrix: rows are the true, columns the predicted classes, given as indices into `names`."""
    counts = np.zeros((len(names), len(names)), dtype=int)
    np.add.at(counts, (list(truth), list(predicted)), 1)
    side = max(4.0, 0.28 * len(names) + 2.5)
    figure, axes = plt.subplots(figsize=(side, side), layout="constrained")
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in zip(*np.nonzero(counts), strict=True):
        colour = "white" if shares[row, column] > 0.5 else "#b42318" if row != column else "black"  # noqa: PLR2004
        axes.text(column, row, counts[row, column], ha="center", va="center", fontsize=7, color=colour)
    axes.set(xticks=range(len(names)), yticks=range(len(names)), xlabel="answer", ylabel="truth")
    axes.set_xticklabels(names, rotation=90, fontsize=7)
    axes.set_yticklabels(names, fontsize=7)
    return _png(figure)


def risk_plot(curve: RiskCoverage) -> bytes:
    """The risk-coverage curve: the error rate of the predictions that are kept, over the proportion that is kept."""
    figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
    axes.plot(100 * curve.coverage, 100 * curve.risk)
    axes.set(xlabel="answers kept, most confident first (%)", ylabel="of them wrong (%)", xlim=(0, 100), ylim=(0, None))
    axes.grid(alpha=0.3)
    return _png(figure)


def pixel_plot(points: Sequence[PixelAccuracy]) -> bytes:
    """Accuracy by class, with its interval, over the resolution: the pixels of a crop's shorter side."""
    sides = [point.side_px for point in points]
    value, low, high = (100 * np.array([getattr(p.accuracy, key) for p in points]) for key in ("value", "low", "high"))
    figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
    axes.fill_between(sides, low, high, alpha=0.2)
    axes.plot(sides, value, marker="o")
    axes.set_xscale("log", base=2)
    axes.set(xticks=sides, xlabel="pixels of the shorter side", ylabel="right by class (%)", ylim=(0, 101))
    axes.set_xticklabels([str(side) for side in sides])
    axes.grid(alpha=0.3)
    return _png(figure)


def over_photo(crop: Pixels, evidence: NDArray[np.float32]) -> Pixels:
    """A crop (S, S, 3) with its class activation map (h, w; 0 or more) over it in red."""
    top = float(evidence.max())
    scaled = (255 * evidence / top if top > 0 else evidence).astype(np.uint8)
    size = (crop.shape[1], crop.shape[0])
    weight = np.asarray(Image.fromarray(scaled).resize(size, Image.Resampling.BICUBIC), dtype=np.float64) / 255
    shade = 0.6 * weight[:, :, None]
    mixed: Pixels = (crop * (1 - shade) + np.array([230, 30, 30]) * shade).astype(np.uint8)
    return mixed


def _png(figure: Any) -> bytes:
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=_DPI)
    plt.close(figure)
    return picture.getvalue()
