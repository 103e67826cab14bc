"""Learning curves for TensorBoard, beside the run's own plots: `tensorboard --logdir RUN`."""

import math
from pathlib import Path

from train.fitting.loop import Epoch

FOLDER = "tensorboard"


class TensorboardLog:
    """Writes each epoch's metrics as TensorBoard reads them."""

    def __init__(self, run: Path) -> None:
        """Write into a folder of the run; when resumed, earlier epochs are written again."""
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - seconds, which only training takes

        folder = run / FOLDER
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
        """Write what is left."""
        self._writer.close()
