"""What a bundle says of itself, for people: `kardus-export inspect`."""

from rich.table import Table

from kardus.contract.manifest import Manifest, Metric
from kardus.inference.bundle import Bundle
from kardus.support.console import table_of


def facts_table(bundle: Bundle) -> Table:
    """A row for each: network, input, precision, what it was trained on, how it was changed, its measured accuracy."""
    manifest = bundle.manifest
    rows = {
        "network": f"{manifest.training.architecture}, {manifest.training.parameters / 1e6:.2f} M parameters",
        "input": f"{manifest.input.size} x {manifest.input.size} px, uint8 RGB, resize {manifest.input.resize}",
        "precision": f"{manifest.precision}, ONNX opset {manifest.opset}, {len(bundle.model) / 1e6:.2f} MB",
        "made": manifest.created,
        "trained on": f"{manifest.training.photos} photos, SHA-256 {manifest.training.data_sha256[:16]}...",
        "parity": f"{manifest.parity.max_logit_difference:.1e} largest logit difference on {manifest.parity.n} crops",
        "calibration": f"temperature {manifest.calibration.temperature:.2f}, unknown below "
        f"{manifest.calibration.rejection_threshold:.2f}, doubted below {manifest.calibration.doubt_threshold:.2f}, "
        f"fitted on {manifest.calibration.n} photos",
        "signed by": ", ".join(bundle.signed_by) or "nobody",
    }
    if manifest.form == "portable":
        rows["form"] = "portable: float NCHW, one crop at a time, no evidence"
    rows |= _changed(manifest)
    if manifest.pixels:
        points = (f"{100 * p.accuracy.value:.0f} % at {p.side_px} px" for p in manifest.pixels)
        rows["held out, by pixels"] = ", ".join(points)
    for m in manifest.metrics:
        rows[f"held out, by {m.name}"] = _percent(m)
    return table_of((), rows.items(), bundle.title)


def _percent(metric: Metric) -> str:
    return f"{100 * metric.value:.1f} % ({100 * metric.low:.1f} to {100 * metric.high:.1f}, n = {metric.n})"


def _changed(manifest: Manifest) -> dict[str, str]:
    """How the model was changed after training."""
    rows = {}
    if low := manifest.lower_precision:
        lost = 100 * (low.accuracy_before.value - low.accuracy.value)
        kept = f", {len(low.in_float)} layers left in float" if low.in_float else ""
        rows["precision cost"] = f"{lost:.2f} points by class on {low.accuracy.n} unseen photos{kept}"
    if changes := manifest.changes:
        live = {info.name for info in manifest.classes}
        enrolled = [f"{name} ({count} photos)" for name, count in changes.enrolled.items()]
        rows["enrolled"] = ", ".join(enrolled) or "nothing"
        rows["retired"] = ", ".join(name for name in changes.graph_classes if name not in live) or "nothing"
    return rows
