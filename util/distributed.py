"""Several processes train one model: PyTorch's DistributedDataParallel under its elastic launcher (torchrun)."""

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

# How long processes wait for one another; the first one may compute scores meanwhile.
_PATIENCE = timedelta(hours=1)


@dataclass(frozen=True)
class Processes:
    """This process among those that train one model together; alone unless told otherwise."""

    rank: int = 0
    count: int = 1

    @property
    def writes(self) -> bool:
        """Whether this is the process that writes files."""
        return self.rank == 0

    def part(self, total: int) -> slice:
        """This process's share of `total` things; the first processes have one more if it does not divide evenly."""
        each, more = divmod(total, self.count)
        start = self.rank * each + min(self.rank, more)
        return slice(start, start + each + (self.rank < more))

    def parallel(self, network: nn.Module) -> nn.Module:
        """The network with gradients averaged over the processes. All start with the first process's weights."""
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
        """Whether it holds in any process; the same answer in all of them. It does not wait for the GPU."""
        return flag if self.count == 1 else bool(self.total(torch.tensor(float(flag))))


ALONE = Processes()


def synchronized(network: nn.Module, *, now: bool) -> AbstractContextManager[None]:
    """Within it, a backward pass averages gradients over the processes if `now`; otherwise it only adds them up."""
    if now or not isinstance(network, DistributedDataParallel):
        return nullcontext()
    return network.no_sync()


def launched() -> bool:
    """Whether this process was started by torchrun, or by `launch`."""
    return dist.is_torchelastic_launched()


def first_process() -> bool:
    """Whether this is the process that writes files, or the one that starts it."""
    return not launched() or int(os.environ["RANK"]) == 0


def local_rank() -> int:
    """This process's number on its machine."""
    return int(os.environ.get("LOCAL_RANK", 0))


def process_count(wanted: int | None, gpu_ids: Sequence[int]) -> int:
    """How many processes train together: as many as torchrun started, as are `wanted`, or as there are GPUs."""
    if launched():
        return int(os.environ["WORLD_SIZE"])
    return wanted or (len(gpu_ids) if torch.cuda.is_available() and gpu_ids else 1)


def launch(command: Sequence[str], count: int, advice: str) -> int:
    """Runs a Python command in `count` processes on this machine until all end; returns their exit code.

    Args:
        command: script and arguments.
        count: number of processes.
        advice: what the user can do if a process is lost.

    Raises:
        UserError: a process was killed.
    """
    # torchrun gives each process one thread; here they share all cores.
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // count)))
    # The launcher's log repeats what the processes say themselves, with tracebacks.
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
            raise UserError(f"process {rank} of {count} was killed ({name}), and the run with it; {advice}") from None
        return failed.get_first_failure()[1].exitcode
    return 0


@contextmanager
def joined(device: torch.device, advice: str) -> Iterator[Processes]:
    """Joins the processes that torchrun started; without torchrun, this process is alone.

    Args:
        device: of the networks.
        advice: what the user can do if another process is lost.

    Raises:
        UserError: another process of the run ended while this one was within the context.
    """
    if not launched():
        yield ALONE
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    # Gloo carries what is on the CPU, such as the request to stop, so that asking for it does not wait for the GPU.
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" and dist.is_nccl_available() else "gloo"
    dist.init_process_group(backend, timeout=_PATIENCE)
    try:
        yield Processes(dist.get_rank(), dist.get_world_size())
        # When a process fails, the launcher stops the others. The one that writes files must have finished by then.
        dist.barrier()
    except (dist.DistError, RuntimeError) as error:
        if not isinstance(error, dist.DistError) and "gloo" not in str(error):
            raise
        if "/dev/shm" in str(error):
            raise UserError(
                "GPUs exchange data through /dev/shm, which is full; give a container more (docker run --shm-size 8g)"
            ) from error
        raise UserError(f"another process of this run is gone; {advice}") from error
    finally:
        # The networks' wrappers keep the group's threads alive. A live thread aborts the process when Python ends.
        gc.collect()
        dist.destroy_process_group()
