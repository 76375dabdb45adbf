"""The losses of the last iteration, left on the device until somebody reads them."""

import math

import torch
from torch import Tensor

from util.errors import UserError


class DivergedError(UserError):
    """A run's numbers are no longer finite. What was saved before is not affected."""

    def __init__(self, what: str, iteration: int) -> None:
        super().__init__(f"{what} in iteration {iteration}: training has diverged")


class LossRecord:
    """Keeps the losses of the last iteration, or of the first one whose losses were not finite.

    Adding never waits for the GPU; reading does, and finds also a loss that was infinite for one iteration long ago.
    """

    def __init__(self, device: torch.device, *, iteration: int = 0) -> None:
        self._names: list[str] = []
        self._values = torch.zeros(1, device=device)
        self._iteration = torch.tensor(iteration, device=device)

    def add(self, names: list[str], values: Tensor) -> None:
        """Notes an iteration's losses (len(names),), unless those noted before were not finite."""
        finite = self._values.isfinite().all()
        self._values = torch.where(finite, values, self._values)
        self._iteration = self._iteration + finite
        self._names = names

    def read(self) -> dict[str, float]:
        """The losses of the last iteration by name; raises DivergedError if any were not finite so far."""
        # Before the first iteration there are no names yet.
        losses = dict(zip(self._names, self._values.tolist(), strict=False))
        for name, value in losses.items():
            if not math.isfinite(value):
                raise DivergedError(f"{name} is {value}", int(self._iteration))
        return losses
