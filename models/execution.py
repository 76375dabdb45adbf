"""How a training iteration is computed: the choices that change its speed and memory."""

from dataclasses import dataclass

from models.precision import Precision


@dataclass(frozen=True)
class Execution:
    """How an iteration is computed.

    Attributes:
        precision: of the networks' arithmetic. Losses stay in float32, and so does the discriminator where R1 is
            differentiated through it.
        accumulate: parts that a batch is taken through the networks in, one after another. The gradients are those
            of the whole batch, except for the discriminator's minibatch statistic, which each part has its own of.
        compile: torch.compile the networks. The discriminator's pass that R1 is differentiated through is not
            compiled, because PyTorch has no second derivatives of compiled graphs.
        r1_interval: iterations from one R1 penalty to the next, which then counts as many times (Karras et al.
            2020); 1 is the paper's.
        cuda_graph: record iterations and replay them (models/cuda_graph.py); for one process on CUDA only.
    """

    precision: Precision = "fp32"
    accumulate: int = 1
    compile: bool = False
    r1_interval: int = 1
    cuda_graph: bool = False
