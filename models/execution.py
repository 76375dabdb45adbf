"""How a training iteration is computed: the choices that change its speed and memory."""

from dataclasses import dataclass

from models.precision import Precision


@dataclass(frozen=True)
class Execution:
    """How an iteration is computed.

    Attributes:
        precision: arithmetic of the networks. Losses stay in float32, and so does the discriminator where R1
            differentiates through it.
        accumulate: how many parts a batch is split into, to save memory. The gradients are those of the whole
            batch, except that each part has its own minibatch statistic in the discriminator.
        compile: whether the networks are compiled by torch.compile. R1's pass through the discriminator is not,
            because PyTorch has no second derivatives of compiled graphs.
        r1_interval: R1 is computed in one of so many iterations, with as many times the weight (Karras et al. 2020);
            1 is the paper's.
        cuda_graph: whether iterations are recorded and replayed (models/cuda_graph.py); for one process on CUDA only.
    """

    precision: Precision = "fp32"
    accumulate: int = 1
    compile: bool = False
    r1_interval: int = 1
    cuda_graph: bool = False
