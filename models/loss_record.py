"""Keeps the last iteration's losses on the device until they are read."""

import math

import torch
from torch import Tensor

from util.errors import UserError


class DivergedError(UserError):
    """A loss or weight of a run is no longer finite. Checkpoints saved before are not affected."""

    def __init__(self, what: str, iteration: int) -> None:
        super().__init__(f"{what} in iteration {iteration}: training has diverged")


class LossRecord:
    """Keeps the losses of the last iteration, or of the first iteration whose losses were not finite.

    Adding never waits for the GPU; reading does. Reading also finds a loss that was infinite in an earlier iteration.
    """

    def __init__(self, device: torch.device, *, iteration: int = 0) -> None:
        self._names: list[str] = []
        self._values = torch.zeros(1, device=device)
        self._iteration = torch.tensor(iteration, device=device)

    def add(self, names: list[str], values: Tensor) -> None:
        """Stores an iteration's losses (len(names),), unless the stored ones are not finite."""
        finite = self._values.isfinite().all()
        self._values = torch.where(finite, values, self._values)
        self._iteration = self._iteration + finite
        self._names = names

    def read(self) -> dict[str, float]:
        """The losses of the last iteration by name; raises DivergedError if a loss was not finite."""
        # Before the first iteration there are no names yet.
        losses = dict(zip(self._names, self._values.tolist(), strict=False))
        for name, value in losses.items():
            if not math.isfinite(value):
                raise DivergedError(f"{name} is {value}", int(self._iteration))
        return losses
