"""What TensorBoard is given."""

import math
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from train.fitting.loop import Epoch
from train.fitting.tensorboard_log import FOLDER, TensorboardLog


def _told(run: Path) -> dict[str, list[tuple[int, float]]]:
    events = EventAccumulator(str(run / FOLDER))
    events.Reload()
    return {tag: [(e.step, round(e.value, 4)) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_curves_are_written_and_missing_figures_left_out(tmp_path: Path) -> None:
    board = TensorboardLog(tmp_path)
    board.write(Epoch(1, 9, 2.0, 0.5, math.nan, math.nan, 1.0))
    board.write(Epoch(2, 9, 1.0, 0.75, 1.5, 0.5, 1.0))
    board.close()
    told = _told(tmp_path)
    assert told["loss/training"] == [(1, 2.0), (2, 1.0)]
    assert told["loss/held out"] == [(2, 1.5)]
    assert told["accuracy/held out"] == [(2, 0.5)]


def test_a_run_that_goes_on_writes_its_curves_once(tmp_path: Path) -> None:
    for epochs in (1, 2):
        board = TensorboardLog(tmp_path)
        for number in range(1, epochs + 1):
            board.write(Epoch(number, 9, 2.0, 0.5, 1.0, 0.5, 1.0))
        board.close()
    assert _told(tmp_path)["loss/training"] == [(1, 2.0), (2, 2.0)]
