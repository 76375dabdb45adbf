"""Makes torchvision importable beside a PyTorch for CPUs.

A PyTorch for CPUs cannot load the compiled operators of torchvision's wheels, which are built for CUDA. Importing
torchvision then fails, because it registers more about an operator that was never declared ("operator
torchvision::nms does not exist").
"""

import importlib.util
from functools import cache
from pathlib import Path

import torch

_OPERATORS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


@cache
def make_importable() -> torch.library.Library | None:
    """Declares the missing operators; call it before `import torchvision`.

    Returns:
        Declarations without implementations, or None if torchvision's own operators were loaded. They last as long as
        the returned object, which the cache keeps.
    """
    spec = importlib.util.find_spec("torchvision")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for library in Path(folder).glob("_C.*"):
            try:
                torch.ops.load_library(library)
            except OSError:
                declared = torch.library.Library("torchvision", "FRAGMENT")
                for operator in _OPERATORS:
                    declared.define(operator)
                return declared
    return None
