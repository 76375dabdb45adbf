"""A CUDA graph: work of the GPU that is recorded once and replayed."""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import torch
from torch import Tensor

_Result = TypeVar("_Result")


class RecordedCall(Generic[_Result]):
    """A function of CUDA tensors as a CUDA graph, which launches all its kernels at once instead of one by one.

    The function must already have run a few times, must not wait for the GPU, and must do the same at every call. Its
    Python code runs only while it is recorded.

    Args:
        function: the function to record. It may change other tensors, such as weights, in place.
        inputs: tensors with the shapes of every later call.
    """

    def __init__(self, function: Callable[..., _Result], inputs: Sequence[Tensor]) -> None:
        self._inputs = [tensor.clone() for tensor in inputs]
        self._graph = torch.cuda.CUDAGraph()
        torch.cuda.synchronize()
        # The loader's thread pins memory at the same time, which the default mode treats as an error.
        with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
            self._result = function(*self._inputs)

    def __call__(self, *inputs: Tensor) -> _Result:
        """Returns the function's result, whose tensors the next call overwrites."""
        for recorded, tensor in zip(self._inputs, inputs, strict=True):
            recorded.copy_(tensor)
        self._graph.replay()
        return self._result
