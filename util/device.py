"""Chooses the device that the networks run on, and reads its peak memory."""

import logging
import math
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from util.errors import UserError

try:
    import resource
except ImportError:  # Windows lacks it.
    resource = None  # type: ignore[assignment]

logger = logging.getLogger(__name__)

# Where Linux says how much processor time a container gets in how much time, by the versions of its control groups.
_QUOTAS = (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"))


def choose_device(gpu_ids: Sequence[int], number: int = 0) -> torch.device:
    """The GPU for one of this machine's processes. Without CUDA, Apple's GPU or the CPU is chosen and logged.

    Args:
        gpu_ids: CUDA devices; empty for the CPU.
        number: this process's number on the machine, from 0.

    Raises:
        UserError: CUDA is available, but this device does not exist.
    """
    limit_threads()
    if not gpu_ids:
        return torch.device("cpu")
    if torch.cuda.is_available():
        if number >= len(gpu_ids):
            raise UserError(f"--gpu_ids {','.join(map(str, gpu_ids))}: list one GPU for each process of this machine")
        count = torch.cuda.device_count()
        if gpu_ids[number] >= count:
            raise UserError(f"--gpu_ids {gpu_ids[number]}: no such GPU; this machine has {count}, numbered from 0")
        return torch.device("cuda", gpu_ids[number])
    if torch.backends.mps.is_available():
        logger.info("CUDA is not available: running on Apple's GPU.")
        return torch.device("mps")
    logger.info("No GPU is available: running on the CPU (--gpu_ids -1 chooses it without this message).")
    return torch.device("cpu")


def limit_threads(groups: Path = Path("/sys/fs/cgroup")) -> None:
    """Lowers PyTorch's number of threads to the processors that a container grants, of which PyTorch does not know.

    PyTorch's number heeds OMP_NUM_THREADS and the processors that the process may run on. OpenVINO gets it as well.
    """
    for names in _QUOTAS:
        try:
            quota, period = map(int, " ".join((groups / name).read_text() for name in names).split())
        except (OSError, ValueError):  # Another version or system, or no limit, which is spelt "max".
            continue
        if quota > 0:
            torch.set_num_threads(min(torch.get_num_threads(), math.ceil(quota / period)))


def peak_memory(device: torch.device) -> float | None:
    """Peak memory in GiB: tensors on the GPU, or this process on the CPU; None if unknown."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**30
    if resource is None:
        return None
    # Linux counts KiB, macOS bytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**30 if sys.platform == "darwin" else 2**20)
