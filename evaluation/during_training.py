"""FID and KID of a model while it trains."""

import logging
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from data.classes import ClassImages
from data.portrait import read_portrait
from data.transforms import Transform
from evaluation.fidelity import inception_distances, weights_path
from models.age_code import anchor_blends
from models.engines import TorchEngine
from models.trainer import Trainer
from models.transformer import AgeTransformer
from util.errors import UserError
from util.images import write_image

logger = logging.getLogger(__name__)

_MOST_PICTURES = 1000


class TrainingScores:
    """Compares a data set's pictures, 1000 at most, with as many that a model makes of them, each at another age.

    Args:
        trainer: has the model, whose weights change between calls. Only its process that writes compares.
        classes: the data set. Pictures of all classes count alike, as far as a class has them.
        to_model_size: resizes the pictures.
        every: epochs from one comparison to the next; 0 for none. Without the weights of the network that compares,
            there is none either, and one line says so.
    """

    def __init__(
        self, trainer: Trainer, classes: Sequence[ClassImages], to_model_size: Transform, every: int
    ) -> None:
        self._transformer = AgeTransformer(TorchEngine(trainer.average, trainer.device), trainer.noise_sigma)
        self._device = trainer.device
        self._transform, self._every = to_model_size, every if trainer.processes.writes else 0
        if self._every and not weights_path().is_file():
            logger.info("no FID and KID: --metrics_freq needs torch-fidelity's Inception weights: %s", weights_path())
            self._every = 0
        most = _MOST_PICTURES // len(classes)
        self._pictures = [(number, path) for number, images in enumerate(classes) for path in images.paths[:most]]
        self._blends = anchor_blends(len(classes))

    def __call__(self, epoch: int) -> dict[str, float]:
        """{"fid", "kid"} after an epoch; empty if the epoch has no turn or they cannot be computed."""
        if not self._every or epoch % self._every:
            return {}
        with TemporaryDirectory() as folder:
            for number, (of_class, path) in enumerate(self._pictures):
                try:
                    pixels = read_portrait(path).at_size(self._transform)
                    step = 1 + number % (len(self._blends) - 1)
                    target = (of_class + step) % len(self._blends)
                    (frame,) = self._transformer.frames(pixels, self._blends[target : target + 1], seed=number)
                    write_image(Path(folder) / f"made_{number}.png", frame)
                    write_image(Path(folder) / f"photo_{number}.png", pixels)
                except UserError as error:
                    logger.warning("left out of FID and KID: %s", error)
            photos, made = (sorted(Path(folder).glob(f"{kind}_*")) for kind in ("photo", "made"))
            return inception_distances(made, photos, self._device)
