"""Seconds of a training iteration, and its peak memory, against the original's procedure."""

from collections.abc import Callable, Iterator
from functools import partial

import torch

from benchmarks import original
from benchmarks.measure import Row, alternated, compared, in_new_process, peak_memory
from models.batch import Batch
from models.discriminator import DiscriminatorConfig, MultiScaleDiscriminator
from models.execution import Execution
from models.generator import Generator, GeneratorConfig
from models.losses import LossWeights
from models.optimizers import OptimizerConfig
from models.precision import Precision, set_tf32
from models.trainer import Trainer

_SIZE, _PAIRS = 128, 1
_AIMS = {"fp32": "1.5 times", "bf16": "2.5 times"}
_VARIANTS: tuple[Precision, ...] = ("fp32", "bf16")


def iteration(
    precision: Precision,
    *,
    size: int,
    pairs: int,
    ngf: int = 64,
    device: torch.device,
    by_original: bool = False,
    execution: Execution | None = None,
) -> Callable[[], None]:
    """A function that trains for one iteration on random pictures."""
    torch.manual_seed(0)
    set_tf32(precision)
    generator = Generator(GeneratorConfig(ngf=ngf))
    discriminator = MultiScaleDiscriminator(DiscriminatorConfig(ndf=ngf, layers=(size // 4).bit_length() - 1))
    if by_original:
        original.make_original(generator, discriminator)
    layout = torch.contiguous_format if by_original else torch.channels_last
    for network in (generator, discriminator):
        network.to(device, memory_format=layout)  # type: ignore[call-overload]
    trainer = Trainer(
        generator,
        discriminator,
        weights=LossWeights(),
        optimizer=OptimizerConfig(),
        rng=torch.Generator(),
        noise_sigma=0.2,
        execution=execution or Execution(precision),
    )
    if by_original:
        for adam in (trainer.optimizer_g, trainer.optimizer_d):
            original.step_one_by_one(adam)
    images = torch.rand(2, pairs, 3, size, size) * 2 - 1
    classes = torch.randint(6, (2, pairs))
    batch = Batch(images[0], images[1], classes[0], classes[1])
    on_device = batch.to(device)

    def iterate() -> None:
        if by_original:
            original.training_step(trainer, on_device)
        else:
            trainer.step(batch)
        if device.type == "cuda":
            torch.cuda.synchronize()

    return iterate


def memory_of(precision: Precision, *, size: int, by_original: bool) -> float:
    """The peak memory of a process that trains for two iterations, in MiB."""
    iterate = iteration(precision, size=size, pairs=_PAIRS, device=torch.device("cpu"), by_original=by_original)
    iterate()
    iterate()
    return peak_memory()


def rows(rounds: int, *, quick: bool) -> Iterator[Row]:
    """Seconds and memory of an iteration on the CPU, at half the default size to keep it short."""
    size = 32 if quick else _SIZE
    make = partial(iteration, size=size, pairs=_PAIRS, device=torch.device("cpu"))
    works = {"baseline": make("fp32", by_original=True)}
    works |= {name: make(name) for name in _VARIANTS}
    work = f"training iteration, {_PAIRS} pair of {size}x{size}"
    yield from compared(work, alternated(works, rounds), aims=_AIMS)
    works.clear()
    baseline = in_new_process(memory_of, "fp32", size=size, by_original=True)
    yield Row(f"memory of a {work}", "baseline", baseline, "MiB")
    for name in _VARIANTS:
        memory = in_new_process(memory_of, name, size=size, by_original=False)
        yield Row(f"memory of a {work}", name, memory, "MiB", ratio=baseline / memory)
