"""Distances between sets of pictures by torch-fidelity, which is not among the requirements."""

import importlib.util
import logging
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import torch

from models.checkpoint import read_tensors
from util.errors import UserError
from util.torchvision_on_cpu import make_importable

logger = logging.getLogger(__name__)

# torch-fidelity's name of the Inception network that both distances are defined by.
WEIGHTS = "weights-inception-2015-12-05-6726825d.pth"
_MOST_IN_SUBSET = 1000


def inception_distances(made: Sequence[Path], photos: Sequence[Path], device: torch.device) -> dict[str, float]:
    """{"fid", "kid"}: the Frechet (Heusel et al. 2017) and kernel Inception distance (Binkowski et al. 2018).

    Nothing, and a line in the log that says why, where they cannot be computed: nothing is downloaded unasked.

    Args:
        made, photos: files of pictures, two of each at least. Frechet distances of few pictures are too large; kernel
            ones are not, but vary.
        device: that computes them.
    """
    weights = Path(torch.hub.get_dir()) / "checkpoints" / WEIGHTS
    if importlib.util.find_spec("torch_fidelity") is None:
        logger.info("FID and KID are left out: pip install torch-fidelity for them")
        return {}
    if not weights.is_file():
        logger.info("FID and KID are left out: they need torch-fidelity's %s in %s", WEIGHTS, weights.parent)
        return {}
    if min(len(made), len(photos)) < 2:
        logger.info("FID and KID are left out: they need two photos at least")
        return {}
    try:
        # No code in the file is run: this refuses it.
        read_tensors(weights)
        return _distances(made, photos, weights, device)
    except (UserError, ImportError, OSError, RuntimeError, ValueError) as error:
        logger.error("FID and KID are left out: %s: %s", weights, error)
        return {}


def _distances(made: Sequence[Path], photos: Sequence[Path], weights: Path, device: torch.device) -> dict[str, float]:
    make_importable()
    from torch_fidelity import calculate_metrics
    from torch_fidelity.datasets import ImagesPathDataset

    # torch-fidelity takes the current GPU.
    with torch.cuda.device(device) if device.type == "cuda" else nullcontext():
        figures = calculate_metrics(
            input1=ImagesPathDataset([str(path) for path in made]),
            input2=ImagesPathDataset([str(path) for path in photos]),
            fid=True,
            kid=True,
            kid_subset_size=min(_MOST_IN_SUBSET, len(made), len(photos)),
            feature_extractor_weights_path=str(weights),
            batch_size=1,  # pictures may differ in size
            cuda=device.type == "cuda",
            cache=False,
            save_cpu_ram=True,
        )
    return {
        "fid": float(figures["frechet_inception_distance"]),
        "kid": float(figures["kernel_inception_distance_mean"]),
    }
