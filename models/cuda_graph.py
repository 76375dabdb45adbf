"""Work of the GPU, recorded once and replayed."""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import torch
from torch import Tensor

_Result = TypeVar("_Result")


class RecordedCall(Generic[_Result]):
    """A function of CUDA tensors as a CUDA graph: one launch for all its kernels, where each has its own otherwise.

    The function must already have run a few times, must not wait for the GPU, and must do the same at every call. Its
    Python code runs at the recording alone.

    Args:
        function: what is recorded. It may change other tensors, such as weights, in place.
        inputs: of the shapes of every later call.
    """

    def __init__(self, function: Callable[..., _Result], inputs: Sequence[Tensor]) -> None:
        self._inputs = [tensor.clone() for tensor in inputs]
        self._graph = torch.cuda.CUDAGraph()
        torch.cuda.synchronize()
        # The loader's thread pins memory meanwhile, which the default mode takes for a fault of the recording.
        with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
            self._result = function(*self._inputs)

    def __call__(self, *inputs: Tensor) -> _Result:
        """The function's result, whose tensors the next call overwrites."""
        for recorded, tensor in zip(self._inputs, inputs, strict=True):
            recorded.copy_(tensor)
        self._graph.replay()
        return self._result
