"""Draws training pairs, and reads them as batches in worker processes (docs/method.md, Data)."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import cycle, islice
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from data.aging_dataset import AgingDataset, PairIndex, PairItem
from util.errors import UserError
from util.images import to_tensor
from util.interrupt import StopRequest
from util.workers import become_worker, how_it_ended, start_worker, usable_cores

logger = logging.getLogger(__name__)

# Seconds that one batch may take: normally, and after a request to stop.
_BATCH_TIMEOUT, _STOP_TIMEOUT = 300.0, 5.0
_POLL_SECONDS = 0.2


class PairSampler:
    """Draws class A and another class B uniformly, then a picture of each uniformly.

    An epoch depends only on the seed and its number, so that a run can resume at any batch.

    Args:
        sizes: number of pictures in each class.
        batch_size: number of pairs in a batch.
        seed: the run's seed.
        serial: whether pictures and classes are taken in order instead of at random.
        part: the items of each batch that this process trains on.
        paired: whether both pictures have the same index in their classes, and the same crop and flip.
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
        """Number of full batches in an epoch, which has round(pictures / 2) pairs."""
        return round(sum(self.sizes) / 2) // self.batch_size

    def start_at(self, epoch: int, first_batch: int = 0) -> None:
        """Sets where the next iteration begins; epochs are counted from 1."""
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
    """A, B: (B, H, W, 3) uint8; A_class, B_class: (B,) int64; messages about pictures that were replaced.

    `inputs` are A and B changed by augmentation, or empty without it.
    """

    A: np.ndarray
    B: np.ndarray
    A_class: np.ndarray
    B_class: np.ndarray
    faults: tuple[str, ...]
    inputs: tuple[np.ndarray, ...] = ()

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """A, B (B, 3, H, W) in [-1, 1], the classes, and the inputs like A and B."""
        classes = torch.from_numpy(self.A_class), torch.from_numpy(self.B_class)
        return to_tensor(self.A), to_tensor(self.B), *classes, *map(to_tensor, self.inputs)


class PairLoader:
    """Reads a sampler's pairs in worker processes, ahead of the training loop. It is a context manager.

    The workers read batches in turn and send them through pipes. PyTorch's DataLoader would use shared memory, and it
    hangs in containers, which have little of it.

    Args:
        dataset: reads the items.
        sampler: draws the batches that the workers divide among themselves.
        workers: number of processes, at most one for each core; with 0, this process reads.
        timeout: seconds that one batch may take.
    """

    def __init__(
        self, dataset: AgingDataset, sampler: PairSampler, workers: int, timeout: float = _BATCH_TIMEOUT
    ) -> None:
        self._dataset, self._sampler, self._timeout = dataset, sampler, timeout
        self._count = min(workers, usable_cores())
        self._workers: list[tuple[BaseProcess, Connection]] = []
        self._reported: set[str] = set()

    def __enter__(self) -> "PairLoader":
        for number in range(self._count):
            turns = slice(number, None, self._count)
            self._workers.append(start_worker(_read_batches, self._dataset, self._sampler, turns))
        return self

    def __exit__(self, *_error: object) -> None:
        # A worker has nothing to save, and one that hangs would ignore a milder signal.
        for process, _ in self._workers:
            process.kill()
        for process, connection in self._workers:
            process.join(_STOP_TIMEOUT)
            connection.close()
        self._workers.clear()

    def epoch(self, stop: StopRequest) -> Iterator[PairBatch]:
        """The batches from the sampler's position to the end of its epoch; the caller must read all of them.

        Each picture that was replaced is reported once.

        Raises:
            UserError: no picture of a class can be used, a worker has ended, or a batch takes too long.
        """
        for _, connection in self._workers:
            # A worker that has ended is reported when its batch is due.
            with suppress(OSError):
                connection.send((self._sampler.epoch, self._sampler.first_batch))
        workers = cycle(self._workers)
        for pairs in self._sampler:
            batch = self._receive(*next(workers), stop) if self._workers else _read(self._dataset, pairs)
            for fault in set(batch.faults) - self._reported:
                logger.warning("replaced by another picture of its class: %s", fault)
                self._reported.add(fault)
            yield batch

    def _receive(self, process: BaseProcess, connection: Connection, stop: StopRequest) -> PairBatch:
        waited = 0.0
        try:
            while not connection.poll(_POLL_SECONDS):
                waited += _POLL_SECONDS
                if waited > (min(self._timeout, _STOP_TIMEOUT) if stop else self._timeout):
                    raise UserError(
                        f"--dataroot: no pictures arrived for {waited:.0f} seconds; check its disk and the "
                        "machine's load, or give --nThreads 0"
                    )
            content = connection.recv()
        except (EOFError, OSError) as error:
            raise UserError(
                f"--nThreads {self._count}: a process that reads pictures {how_it_ended(process)}; "
                "if the machine ran out of memory, give a smaller number or 0"
            ) from error
        if isinstance(content, UserError):
            raise content
        assert isinstance(content, PairBatch)
        return content


def _read_batches(dataset: AgingDataset, sampler: PairSampler, turns: slice, connection: Connection) -> None:
    """The loop of a worker until it is killed: it receives the start of an epoch and sends its share of batches."""
    become_worker()
    while True:
        sampler.start_at(*connection.recv())
        for pairs in islice(sampler, turns.start, None, turns.step):
            try:
                connection.send(_read(dataset, pairs))
            except UserError as error:
                connection.send(error)


def _read(dataset: AgingDataset, pairs: Sequence[PairIndex]) -> PairBatch:
    items: list[PairItem] = [dataset[pair] for pair in pairs]
    return PairBatch(
        np.stack([item.A for item in items]),
        np.stack([item.B for item in items]),
        np.array([item.A_class for item in items]),
        np.array([item.B_class for item in items]),
        tuple(fault for item in items for fault in item.faults),
        tuple(np.stack(side) for side in zip(*(item.inputs for item in items), strict=True)),
    )
