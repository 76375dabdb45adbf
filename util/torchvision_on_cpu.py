"""Makes torchvision importable beside a PyTorch for CPUs.

torchvision's wheels are built for CUDA, so a PyTorch for CPUs cannot load their compiled operators. Importing
torchvision then fails, because it describes an operator to PyTorch that was never declared ("operator
torchvision::nms does not exist").
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
    """Call this before `import torchvision`.

    Returns:
        Declarations of the operators, which compute nothing, or None if torchvision's own operators were loaded. The
        declarations last as long as the returned object, which the cache keeps.
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
