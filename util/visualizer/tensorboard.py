"""Curves and pictures for TensorBoard."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from util.errors import UserError
from util.visualizer.history import Progress
from util.visualizer.sinks import PictureSink, by_side


class TensorBoard(PictureSink):
    """Event files in `tensorboard/`; `tensorboard --logdir checkpoints` compares all runs.

    Args:
        folder: the run's folder.
        total_pairs: training pairs done before this process began; TensorBoard hides later events of older processes.
        picture_every: training pairs between two displays of pictures.

    Raises:
        UserError: TensorBoard is not installed.
    """

    def __init__(self, folder: Path, total_pairs: int, picture_every: int) -> None:
        try:
            # An optional package.
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise UserError(
                "--tensorboard: TensorBoard is not installed; run pip install tensorboard==2.21.0"
            ) from error
        self._writer = SummaryWriter(str(folder / "tensorboard"), purge_step=total_pairs + 1)
        self.picture_every = picture_every

    def losses(self, progress: Progress, losses: Mapping[str, float]) -> None:
        self._add_scalars(progress, {**losses, **progress.telemetry})

    def end_epoch(self, progress: Progress, scores: Mapping[str, float]) -> None:
        self._add_scalars(progress, scores)

    def pictures(self, progress: Progress, pictures: Mapping[str, np.ndarray]) -> None:
        rows = [np.concatenate([pictures[label] for label in row], axis=1) for row in by_side(pictures)]
        self._writer.add_image("pictures", np.concatenate(rows), progress.total_pairs, dataformats="HWC")
        self._writer.add_text("pictures", ", ".join(pictures), progress.total_pairs)
        self._writer.flush()

    def _add_scalars(self, progress: Progress, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, progress.total_pairs)
        # If the run is killed, everything shown so far is on disk.
        self._writer.flush()
