"""A batch of training pairs, its age codes, and pictures of its first pair."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from models.age_code import make_codes
from models.generator import GeneratorConfig, TrainingForward
from util.images import to_pixels


@dataclass(frozen=True)
class Codes:
    """Age codes for the pictures cat(A, B), each (2B, code_dim).

    Attributes:
        target: codes of the partners' classes.
        cycle: codes that lead back to a picture's own class.
        source: codes of the pictures' own classes.
    """

    target: Tensor
    cycle: Tensor
    source: Tensor

    @property
    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.target, self.cycle, self.source

    def to(self, device: torch.device) -> "Codes":
        return Codes(*(_to(tensor, device) for tensor in self.tensors))

    def split(self, parts: int) -> "list[Codes]":
        """The codes of `Batch.split(parts)`."""

        def split(codes: Tensor) -> list[Tensor]:
            return [part.flatten(0, 1) for part in _split(codes.unflatten(0, (2, -1)), parts, dim=1)]

        return [Codes(*codes) for codes in zip(*map(split, self.tensors), strict=True)]


@dataclass(frozen=True)
class Batch:
    """Pairs of pictures of different classes: A, B (B, 3, H, W) in [-1, 1], their classes (B,) int64.

    Attributes:
        A_input, B_input: what the generator gets, like A and B; None if it gets these.
        global_size: pairs of the whole batch over all processes; None if these pairs are the whole batch.
    """

    A: Tensor
    B: Tensor
    A_class: Tensor
    B_class: Tensor
    A_input: Tensor | None = None
    B_input: Tensor | None = None
    global_size: int | None = field(default=None, kw_only=True)

    @property
    def share(self) -> float:
        """The fraction of the global batch that these pairs make up."""
        return len(self.A) / (self.global_size or len(self.A))

    @property
    def reals(self) -> Tensor:
        return torch.cat([self.A, self.B])

    @property
    def inputs(self) -> Tensor:
        """What the generator gets, in the order of `reals`."""
        if self.A_input is None or self.B_input is None:
            return self.reals
        return torch.cat([self.A_input, self.B_input])

    @property
    def partners(self) -> Tensor:
        """The other picture of each pair, in the order of `reals`."""
        return torch.cat([self.B, self.A])

    @property
    def source(self) -> Tensor:
        return torch.cat([self.A_class, self.B_class])

    @property
    def target(self) -> Tensor:
        return torch.cat([self.B_class, self.A_class])

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The fields that are tensors, in their order."""
        tensors = self.A, self.B, self.A_class, self.B_class, self.A_input, self.B_input
        return tuple(tensor for tensor in tensors if tensor is not None)

    def to(self, device: torch.device) -> "Batch":
        return Batch(*(_to(tensor, device) for tensor in self.tensors), global_size=self.global_size)

    def split(self, parts: int) -> "list[Batch]":
        """At most `parts` batches whose sizes differ by at most one."""
        size = self.global_size or len(self.A)
        split = (_split(tensor, parts) for tensor in self.tensors)
        return [Batch(*tensors, global_size=size) for tensors in zip(*split, strict=True)]


def draw_codes(batch: Batch, config: GeneratorConfig, rng: torch.Generator, *, sigma: float, part: slice) -> Codes:
    """Age codes for a batch that is `part` of the global one; the cycle uses the partner's target code.

    `rng` draws the noise of the global batch, so that its state stays the same in all processes.
    """

    def draw(classes: Tensor) -> Tensor:
        global_classes = classes.new_zeros(batch.global_size or len(classes))
        global_classes[part] = classes
        return make_codes(global_classes, config.num_classes, config.dim_per_class, rng, sigma)[part]

    a_target, b_target, a_source, b_source = map(draw, (batch.B_class, batch.A_class, batch.A_class, batch.B_class))
    return Codes(torch.cat([a_target, b_target]), torch.cat([b_target, a_target]), torch.cat([a_source, b_source]))


def first_pictures(batch: Batch, made: TrainingForward, classes: Sequence[str]) -> dict[str, np.ndarray]:
    """The first pair of a batch and what `Trainer.show` made of it, (H, W, 3) uint8, by labels with the ages."""
    a, b = classes[int(batch.A_class[0])], classes[int(batch.B_class[0])]
    pictures: dict[str, np.ndarray] = {}
    for number, (side, reals, source, target) in enumerate((("A", batch.A, a, b), ("B", batch.B, b, a))):
        pictures |= {
            f"{side} real {source}": to_pixels(reals[0]),
            f"{side} synthesised {target}": to_pixels(made.gen[number]),
            f"{side} reconstructed {source}": to_pixels(made.rec[number]),
            f"{side} cycled {source}": to_pixels(made.cyc[number]),
        }
    return pictures


def _split(tensor: Tensor, parts: int, dim: int = 0) -> Sequence[Tensor]:
    return tensor.tensor_split(min(parts, tensor.shape[dim]), dim)


def _to(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on a device. Only pinned memory is copied to a GPU without waiting for the GPU's queue."""
    if device.type == "cuda" and tensor.device.type == "cpu":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)
