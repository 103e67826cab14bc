"""Learning curves: loss and accuracy over the epochs, as a plot."""

import io
import math
from collections.abc import Sequence
from pathlib import Path

from kardus.support.files import write_whole
from train.fitting.loop import Epoch
from train.pyplot import plt

TENSORBOARD_FOLDER = "tensorboard"


def draw_curves(history: Sequence[Epoch], path: Path) -> None:
    """Write a PNG with loss and accuracy of training and validation."""
    epochs = [epoch.epoch for epoch in history]
    validated = [epoch for epoch in history if not math.isnan(epoch.val_loss)]  # long runs skip epochs
    validated_at = [epoch.epoch for epoch in validated]
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
    left.plot(epochs, [epoch.train_loss for epoch in history], label="training")
    left.plot(validated_at, [epoch.val_loss for epoch in validated], label="held out")
    left.set(title="Loss", xlabel="epoch", ylabel="cross-entropy")
    right.plot(epochs, [100 * epoch.train_accuracy for epoch in history], label="training (augmented)")
    right.plot(validated_at, [100 * epoch.val_accuracy for epoch in validated], label="held out")
    right.set(title="Accuracy", xlabel="epoch", ylabel="%", ylim=(0, 101))
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.legend()
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=110)
    plt.close(figure)
    write_whole(path, picture.getvalue())


class TensorboardLog:
    """Writes each epoch's metrics as TensorBoard reads them."""

    def __init__(self, run: Path) -> None:
        """Write into a folder of the run; when resumed, earlier epochs are written again."""
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - seconds, which only training takes

        folder = run / TENSORBOARD_FOLDER
        if folder.is_dir():
            for old in folder.iterdir():
                old.unlink()
        self._writer = SummaryWriter(str(folder))

    def write(self, epoch: Epoch) -> None:
        """Write loss and accuracy of training and, where there was a validation, of the held-out photos."""
        figures = {
            "loss/training": epoch.train_loss,
            "loss/held out": epoch.val_loss,
            "accuracy/training (augmented)": epoch.train_accuracy,
            "accuracy/held out": epoch.val_accuracy,
            "seconds": epoch.seconds,
        }
        for name, value in figures.items():
            if not math.isnan(value):
                self._writer.add_scalar(name, value, epoch.epoch)
        self._writer.flush()

    def close(self) -> None:
        """Write what is left, and end the thread that writes."""
        self._writer.close()
