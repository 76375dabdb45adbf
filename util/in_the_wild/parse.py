"""An aligned portrait -> its face-parsing labels: DeepLab, or GrabCut where its weights are missing."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models.checkpoint import adopt_weights, read_tensors
from util.errors import UserError
from util.in_the_wild.deeplab import DeepLab
from util.in_the_wild.grabcut import parse_by_grabcut

logger = logging.getLogger(__name__)

ParserName = Literal["auto", "deeplab", "grabcut"]
# Aligned pixels (S, S, 3) uint8 and their landmarks (68, 2) -> labels (S, S) uint8.
Parse = Callable[[np.ndarray, np.ndarray], np.ndarray]

DEEPLAB_WEIGHTS = Path(__file__).parent.parent.parent / "deeplab_model" / "deeplab_model.pth"
_INPUT_SIZE = 513
_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)


def choose_parser(name: ParserName, device: torch.device, weights: Path = DEEPLAB_WEIGHTS) -> Parse:
    """DeepLab if asked for or at hand; GrabCut in its place is announced by one warning.

    Raises:
        UserError: DeepLab is asked for without its weights, or they are damaged.
    """
    get = "python download_models.py --only deeplab_model"
    if name == "deeplab" and not weights.is_file():
        raise UserError(f"--parser deeplab: {weights} is missing; run {get}")
    if name != "grabcut" and weights.is_file():
        return DeepLabParser(weights, device)
    if name == "auto":
        logger.warning(
            "The published face parser is not there: GrabCut cuts the person out instead, less exactly around hair "
            "and collar. To get the better one: %s",
            get,
        )
    return parse_by_grabcut


class DeepLabParser:
    """The published face parser (spec/method.md section 7.3).

    Args:
        weights: the published file, a dictionary with `state_dict`.
        device: where it runs.
    """

    def __init__(self, weights: Path, device: torch.device) -> None:
        content = read_tensors(weights)
        tensors = content.get("state_dict")
        if not isinstance(tensors, dict):
            raise UserError(f"{weights}: has no 'state_dict'; fetch the published file again")
        network = DeepLab()
        # Counters of batch norms that the network was once built with.
        adopt_weights(network, {name: value for name, value in tensors.items() if "tracked" not in name}, weights)
        self.network = network.to(device).eval().requires_grad_(False)
        self.device = device

    def __call__(self, pixels: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """Labels (S, S) uint8 of aligned pixels (S, S, 3) uint8; landmarks are not needed."""
        image = torch.from_numpy(pixels.copy()).to(self.device).permute(2, 0, 1)[None].float() / 255
        mean, deviation = (torch.tensor(v, device=self.device)[:, None, None] for v in (_MEAN, _DEVIATION))
        with torch.inference_mode():
            enlarged = F.interpolate(image, (_INPUT_SIZE, _INPUT_SIZE), mode="bilinear", align_corners=False)
            labels: Tensor = self.network((enlarged - mean) / deviation).argmax(dim=1, keepdim=True)
            reduced = F.interpolate(labels.float(), pixels.shape[:2], mode="nearest")
        return reduced[0, 0].byte().cpu().numpy()
