"""The settings of a training iteration that change its speed and memory."""

from dataclasses import dataclass

from models.precision import Precision


@dataclass(frozen=True)
class Execution:
    """How an iteration is computed.

    Attributes:
        precision: arithmetic of the networks. Losses stay in float32, and so does the discriminator where R1
            differentiates through it.
        accumulate: number of parts that a batch is split into to save memory. The gradients are those of the whole
            batch, except that each part has its own minibatch statistic in the discriminator.
        compile: whether the networks are compiled by torch.compile. R1's pass through the discriminator is not,
            because PyTorch has no second derivatives of compiled graphs.
        r1_interval: iterations between two R1 penalties, whose weight is multiplied by this number (Karras et al.
            2020); the paper has 1.
        cuda_graph: whether iterations are recorded and replayed (models/cuda_graph.py); this needs one CUDA process.
    """

    precision: Precision = "fp32"
    accumulate: int = 1
    compile: bool = False
    r1_interval: int = 1
    cuda_graph: bool = False
