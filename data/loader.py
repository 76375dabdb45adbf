"""Which pairs are drawn, and how they become batches (docs/method.md, Data)."""

import os
import signal
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from data.aging_dataset import AgingDataset, PairIndex, PairItem
from util.errors import UserError


class PairSampler(Sampler[list[PairIndex]]):
    """Batches of pairs: class A and another class B uniformly, then a picture of each uniformly.

    An epoch depends on the seed and its number only, so a run can resume at any batch.

    Args:
        sizes: pictures in each class.
        batch_size: pairs in a batch.
        seed: of the run.
        serial: takes pictures and classes in order instead of at random.
        part: which items of each batch this process gets.
        paired: both pictures have the same number in their classes, and are cropped and flipped alike.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        batch_size: int,
        seed: int,
        serial: bool = False,
        part: slice = slice(None),
        paired: bool = False,
    ) -> None:
        self.sizes = list(sizes)
        self.batch_size = batch_size
        self.seed = seed
        self.serial = serial
        self.part = part
        self.paired = paired
        self.epoch = 1
        self.first_batch = 0
        if len(self.sizes) < 2:
            raise UserError("--sort_order: training needs at least two classes")
        if not self.batches_per_epoch:
            raise UserError(f"--batchSize {batch_size}: the data set has only {sum(self.sizes)} pictures; lower it")

    @property
    def batches_per_epoch(self) -> int:
        """Whole batches in the round(pictures / 2) pairs of an epoch."""
        return round(sum(self.sizes) / 2) // self.batch_size

    def start_at(self, epoch: int, first_batch: int = 0) -> None:
        """Sets where the next iteration begins; epochs count from 1."""
        self.epoch, self.first_batch = epoch, first_batch

    def __len__(self) -> int:
        return self.batches_per_epoch - self.first_batch

    def __iter__(self) -> Iterator[list[PairIndex]]:
        rng = np.random.default_rng((self.seed, self.epoch))
        for batch in range(self.batches_per_epoch):
            pairs = [self._pair(rng, batch * self.batch_size + item) for item in range(self.batch_size)]
            if batch >= self.first_batch:
                yield pairs[self.part]

    def _pair(self, rng: np.random.Generator, number: int) -> PairIndex:
        count = len(self.sizes)
        seeds = rng.integers(2**63, size=2)
        if self.serial:
            a, b = number % count, (number + 1 + number // count % (count - 1)) % count
            images = [number // count % self.sizes[of_class] for of_class in (a, b)]
        else:
            a = int(rng.integers(count))
            b = (a + 1 + int(rng.integers(count - 1))) % count
            images = [int(rng.integers(self.sizes[of_class])) for of_class in (a, b)]
        if self.paired:
            images[1], seeds[1] = images[0], seeds[0]
        return PairIndex(a, images[0], b, images[1], int(seeds[0]), int(seeds[1]))


class PairBatch(NamedTuple):
    """A, B: (B, 3, H, W) in [-1, 1]; A_class, B_class: (B,) int64; the faults of pictures that were replaced."""

    A: Tensor
    B: Tensor
    A_class: Tensor
    B_class: Tensor
    faults: tuple[str, ...]


def make_loader(dataset: AgingDataset, sampler: PairSampler, workers: int, pin_memory: bool) -> DataLoader:
    """Reads `PairBatch`es ahead in `workers` processes, one a core at most, or in this process if 0."""
    workers = min(workers, _usable_cores())
    return DataLoader(
        dataset,
        batch_sampler=sampler,
        num_workers=workers,
        pin_memory=pin_memory,
        persistent_workers=workers > 0,
        collate_fn=collate,
        worker_init_fn=_ignore_stop_signals,
    )


def _usable_cores() -> int:
    # A container or a batch system may give this process fewer cores than the machine has.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _ignore_stop_signals(_worker: int) -> None:
    """The run ends its workers itself: terminals and torchrun signal all processes, which is too early for these."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def collate(items: Sequence[PairItem]) -> PairBatch:
    """Items -> a batch."""
    return PairBatch(
        torch.stack([item.A for item in items]),
        torch.stack([item.B for item in items]),
        torch.tensor([item.A_class for item in items]),
        torch.tensor([item.B_class for item in items]),
        tuple(fault for item in items for fault in item.faults),
    )
