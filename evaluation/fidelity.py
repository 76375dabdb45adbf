"""Distances between sets of pictures by torch-fidelity."""

import logging
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import torch

from models.checkpoint import read_tensors
from util.errors import UserError
from util.torchvision_on_cpu import make_importable

logger = logging.getLogger(__name__)

# torch-fidelity's name for the weights of the Inception network that defines both distances.
WEIGHTS = "weights-inception-2015-12-05-6726825d.pth"
_MOST_IN_SUBSET = 1000


def inception_distances(made: Sequence[Path], photos: Sequence[Path], device: torch.device) -> dict[str, float]:
    """{"fid", "kid"}: the Frechet (Heusel et al. 2017) and kernel Inception distance (Binkowski et al. 2018).

    If they cannot be computed the result is empty, and a line in the log says why. Nothing is downloaded unasked.

    Args:
        made, photos: picture files. With few of them the Frechet distance is too large; the kernel distance is right
            on average, but varies much.
        device: computes the distances.
    """
    weights = weights_path()
    if min(len(made), len(photos)) < 2:
        logger.info("FID and KID are left out: they need at least two photos")
        return {}
    if not weights.is_file():
        logger.info("FID and KID are left out: put torch-fidelity's Inception weights at %s", weights)
        return {}
    try:
        # torch-fidelity would run code that a damaged or foreign file may hold; this check refuses such files.
        read_tensors(weights)
        return _distances(made, photos, weights=weights, device=device)
    except (UserError, OSError, RuntimeError, ValueError) as error:
        logger.error("FID and KID are left out: %s: %s", weights, error)
        return {}


def weights_path() -> Path:
    """Where torch-fidelity's Inception weights belong on this machine."""
    return Path(torch.hub.get_dir()) / "checkpoints" / WEIGHTS


def _distances(
    made: Sequence[Path], photos: Sequence[Path], *, weights: Path, device: torch.device
) -> dict[str, float]:
    make_importable()
    from torch_fidelity import calculate_metrics
    from torch_fidelity.datasets import ImagesPathDataset

    # torch-fidelity computes on the current GPU.
    with torch.cuda.device(device) if device.type == "cuda" else nullcontext():
        figures = calculate_metrics(
            input1=ImagesPathDataset([str(path) for path in made]),
            input2=ImagesPathDataset([str(path) for path in photos]),
            fid=True,
            kid=True,
            kid_subset_size=min(_MOST_IN_SUBSET, len(made), len(photos)),
            feature_extractor_weights_path=str(weights),
            batch_size=1,  # because pictures may differ in size
            cuda=device.type == "cuda",
            cache=False,
            save_cpu_ram=True,
            verbose=False,
        )
    return {
        "fid": float(figures["frechet_inception_distance"]),
        "kid": float(figures["kernel_inception_distance_mean"]),
    }
