"""torchvision beside a PyTorch for CPUs.

torchvision's wheels are for CUDA: their compiled operators do not load into a PyTorch for CPUs, and importing it then
fails on an operator that it describes to PyTorch ("operator torchvision::nms does not exist").
"""

import importlib.util
from functools import cache
from pathlib import Path

import torch

_DESCRIBED = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


@cache
def make_importable() -> torch.library.Library | None:
    """Lets `import torchvision` work; to be called before it.

    Returns:
        The operators' declarations, which hold for as long as they are kept (the cache does), and compute nothing;
        None where torchvision's own were loaded, or there is no torchvision.
    """
    spec = importlib.util.find_spec("torchvision")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for library in Path(folder).glob("_C.*"):
            try:
                torch.ops.load_library(library)
            except OSError:
                declared = torch.library.Library("torchvision", "FRAGMENT")
                for operator in _DESCRIBED:
                    declared.define(operator)
                return declared
    return None
