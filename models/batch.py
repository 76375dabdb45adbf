"""A batch of training pairs, and its age codes."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Codes:
    """Age codes of a batch cat(A, B), each (2B, code_dim): of the ages to go to, to come back to, and there now."""

    target: Tensor
    cycle: Tensor
    source: Tensor

    @property
    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.target, self.cycle, self.source

    def split(self, parts: int) -> "list[Codes]":
        """Those of the batch's parts."""

        def parted(codes: Tensor) -> list[Tensor]:
            return [part.flatten(0, 1) for part in _parts(codes.unflatten(0, (2, -1)), parts, dim=1)]

        return [Codes(*codes) for codes in zip(*map(parted, self.tensors), strict=True)]


@dataclass(frozen=True)
class Batch:
    """Pairs of pictures of different classes: A, B (B, 3, H, W) in [-1, 1], their classes (B,) int64.

    Attributes:
        whole: pairs of the batch that these are part of; None if they are all.
    """

    A: Tensor
    B: Tensor
    A_class: Tensor
    B_class: Tensor
    whole: int | None = None

    @property
    def share(self) -> float:
        """Of the whole batch."""
        return len(self.A) / (self.whole or len(self.A))

    @property
    def reals(self) -> Tensor:
        return torch.cat([self.A, self.B])

    @property
    def source(self) -> Tensor:
        return torch.cat([self.A_class, self.B_class])

    @property
    def target(self) -> Tensor:
        return torch.cat([self.B_class, self.A_class])

    def to(self, device: torch.device) -> "Batch":
        a, b, a_class, b_class = (tensor.to(device, non_blocking=True) for tensor in self.tensors)
        return Batch(a, b, a_class, b_class, self.whole)

    def split(self, parts: int) -> "list[Batch]":
        """At most so many parts, of numbers of pairs as equal as may be."""
        whole = self.whole or len(self.A)
        split = (_parts(tensor, parts) for tensor in self.tensors)
        return [Batch(a, b, a_class, b_class, whole) for a, b, a_class, b_class in zip(*split, strict=True)]

    @property
    def tensors(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.A, self.B, self.A_class, self.B_class


def _parts(tensor: Tensor, parts: int, dim: int = 0) -> Sequence[Tensor]:
    return tensor.tensor_split(min(parts, tensor.shape[dim]), dim)
