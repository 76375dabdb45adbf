"""Trains one model in several processes: DistributedDataParallel under PyTorch's elastic launcher (torchrun)."""

import gc
import logging
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.elastic.multiprocessing import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch
from torch.nn.parallel import DistributedDataParallel

from util.errors import UserError

# Longest wait for another process. It is long because the first process may be computing scores.
_TIMEOUT = timedelta(hours=1)


@dataclass(frozen=True)
class Processes:
    """This process's rank among the processes that train one model together; by default it is the only one."""

    rank: int = 0
    count: int = 1

    @property
    def writes(self) -> bool:
        """Whether this is the process that writes files."""
        return self.rank == 0

    def part(self, total: int) -> slice:
        """This process's share of `total` items; if they do not divide evenly, the first processes take one more."""
        each, more = divmod(total, self.count)
        start = self.rank * each + min(self.rank, more)
        return slice(start, start + each + (self.rank < more))

    def parallel(self, network: nn.Module) -> nn.Module:
        """Wraps a network to average gradients over the processes. All of them get the first one's weights."""
        if self.count == 1:
            return network
        device = next(network.parameters()).device
        return DistributedDataParallel(
            network, device_ids=[device.index] if device.type == "cuda" else None, broadcast_buffers=False
        )

    def total(self, values: Tensor) -> Tensor:
        """The sum over all processes."""
        if self.count > 1:
            dist.all_reduce(values)
        return values

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any process. All get the same answer, and none waits for the GPU."""
        return flag if self.count == 1 else bool(self.total(torch.tensor(float(flag))))


SINGLE_PROCESS = Processes()


def gradient_sync(network: nn.Module, *, enabled: bool) -> AbstractContextManager[None]:
    """Within it, a backward pass averages gradients over the processes, or only accumulates them if not `enabled`."""
    if enabled or not isinstance(network, DistributedDataParallel):
        return nullcontext()
    return network.no_sync()


def in_torchrun() -> bool:
    """Whether torchrun, or `launch`, started this process."""
    return dist.is_torchelastic_launched()


def require_single_process() -> None:
    """Raises UserError if torchrun started several processes, because each of them would do all of the work."""
    if in_torchrun() and int(os.environ["WORLD_SIZE"]) > 1:
        raise UserError(
            "torchrun: only training, and test.py with --image_path_file, share their work among processes; "
            "start this command with python instead"
        )


def is_main_process() -> bool:
    """Whether this process writes the files, or starts the one that does."""
    return not in_torchrun() or int(os.environ["RANK"]) == 0


def local_rank() -> int:
    """This process's number on its machine."""
    return int(os.environ.get("LOCAL_RANK", 0))


def process_count(wanted: int | None, gpu_ids: Sequence[int]) -> int:
    """How many processes train together: the count that torchrun started, the `wanted` one, or one for each GPU."""
    if in_torchrun():
        return int(os.environ["WORLD_SIZE"])
    return wanted or (len(gpu_ids) if torch.cuda.is_available() and gpu_ids else 1)


def launch(command: Sequence[str], count: int, advice: str) -> int:
    """Runs a Python command in `count` processes on this machine, waits for all, and returns their exit code.

    Args:
        command: script and arguments.
        count: number of processes.
        advice: ends the message if a process is lost; it says what the user can do.

    Raises:
        UserError: a process was killed.
    """
    # torchrun allows each process one thread. The processes share all cores instead.
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // count)))
    # The launcher's log repeats the processes' own messages, with tracebacks.
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        run_id="lifespan",
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
    )
    try:
        elastic_launch(config, sys.executable)(*command)
    except SignalException as stop:
        return 128 + stop.sigval
    except ChildFailedError as failed:
        killed = {rank: -failure.exitcode for rank, failure in failed.failures.items() if failure.exitcode < 0}
        for rank, number in killed.items():
            name = signal.Signals(number).name
            raise UserError(f"process {rank} of {count} was killed ({name}), which ended the run; {advice}") from None
        return failed.get_first_failure()[1].exitcode
    return 0


@contextmanager
def process_group(device: torch.device, advice: str, timeout: timedelta = _TIMEOUT) -> Iterator[Processes]:
    """Joins the processes that torchrun started; without torchrun, this process is alone.

    Args:
        device: the device of the networks.
        advice: ends the message if another process is lost; it says what the user can do.
        timeout: longest wait for another process.

    Raises:
        UserError: another process of the run ended while this one was within the context.
    """
    if not in_torchrun():
        yield SINGLE_PROCESS
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    # Gloo carries CPU tensors such as the request to stop, so that sharing it does not wait for the GPU.
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" and dist.is_nccl_available() else "gloo"
    dist.init_process_group(backend, timeout=timeout)
    try:
        yield Processes(dist.get_rank(), dist.get_world_size())
        # The launcher stops all processes when one fails, so each waits until the one that writes files has finished.
        dist.barrier()
    except (dist.DistError, RuntimeError) as error:
        if not isinstance(error, dist.DistError) and "gloo" not in str(error):
            raise
        if "/dev/shm" in str(error):
            raise UserError(
                "/dev/shm, through which GPUs exchange data, is full; enlarge it (docker run --shm-size 8g)"
            ) from error
        raise UserError(f"another process of this run has ended; {advice}") from error
    finally:
        # The networks' wrappers keep the group's threads alive. A live thread aborts the process when Python ends.
        gc.collect()
        dist.destroy_process_group()
