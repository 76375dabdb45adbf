"""Seconds and peak memory of a training iteration, against the original's procedure.

The baseline is the same mathematics as the original does it: modulated convolutions with a kernel for each sample in
one grouped convolution over the upsampled picture, the generator's graph kept in the discriminator's step, and the
discriminator's gradients computed in the generator's. Each measurement has a process of its own.
"""

import argparse
import resource
import subprocess
import sys
import time
from types import MethodType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.batch import Batch
from models.discriminator import DiscriminatorBlock, DiscriminatorConfig, MultiScaleDiscriminator
from models.ema import update_average
from models.execution import Execution
from models.generator import Generator, GeneratorConfig
from models.layers import ModulatedConv2d
from models.losses import LossWeights, discriminator_losses, generator_losses
from models.optimizers import OptimizerConfig
from models.precision import Precision, set_tf32
from models.trainer import Trainer

VARIANTS = ("baseline", "fp32", "tf32", "bf16")


def per_sample(self: ModulatedConv2d, x: Tensor, latent: Tensor) -> Tensor:
    """`ModulatedConv2d.forward` with a kernel for each sample."""
    batch, _, height, width = x.shape
    style = 1 + self.mlp_class_std(latent)
    weight = self.weight * self.scale * style[:, None, :, None, None]
    weight = weight * torch.rsqrt(weight.square().sum(dim=(2, 3, 4), keepdim=True) + 1e-5)
    if self.upsample:
        x, height, width = F.interpolate(x, scale_factor=2), 2 * height, 2 * width
    grouped = F.pad(x, (1, 1, 1, 1), "reflect").reshape(1, -1, height + 2, width + 2)
    made = F.conv2d(grouped, weight.flatten(0, 1), groups=batch).view(batch, -1, height, width) + self.bias
    return self.blur(made) if self.upsample else made


def make_original(generator: Generator, discriminator: MultiScaleDiscriminator) -> None:
    """Has the networks compute as the original's do."""
    for module in generator.modules():
        if isinstance(module, ModulatedConv2d):
            module.forward = MethodType(per_sample, module)  # type: ignore[method-assign]
    for block in discriminator.modules():
        if isinstance(block, DiscriminatorBlock):
            blur, _, conv, activation = block.conv1
            conv.stride = 1  # type: ignore[assignment]
            block.conv1 = nn.Sequential(blur, nn.ReflectionPad2d(1), conv, nn.AvgPool2d(2), activation)


def original_step(trainer: Trainer, batch: Batch) -> None:
    """One iteration that leaves out none of the work."""
    reals, codes = batch.reals, trainer.draw_codes(batch).to(trainer.device)
    made = trainer.generator(reals, codes.target, codes.cycle, codes.source)
    reals.requires_grad_(True)
    scores = trainer.discriminator(reals)
    losses = discriminator_losses(
        trainer.weights,
        batch=batch,
        real_scores=scores,
        fake_scores=trainer.discriminator(made.gen.detach()),
        penalised=reals,
    )
    trainer.optimizer_d.zero_grad()
    torch.stack(list(losses.values())).sum().backward()
    trainer.optimizer_d.step()

    codes = trainer.draw_codes(batch).to(trainer.device)
    made = trainer.generator(batch.reals, codes.target, codes.cycle, codes.source)
    scores = trainer.discriminator(made.gen)
    losses = generator_losses(trainer.weights, batch=batch, codes=codes, made=made, scores=scores, iteration=0)
    trainer.optimizer_g.zero_grad()
    torch.stack(list(losses.values())).sum().backward()
    trainer.optimizer_g.step()
    update_average(trainer.average, trainer.generator)


def measure(options: argparse.Namespace) -> tuple[float, float]:
    """One variant: (seconds an iteration, peak memory in MiB: of the process, or of the GPU)."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(0)
    precision: Precision = "fp32" if options.one == "baseline" else options.one
    set_tf32(precision)
    layers = (options.size // 4).bit_length() - 1
    generator = Generator(GeneratorConfig(ngf=options.ngf))
    discriminator = MultiScaleDiscriminator(DiscriminatorConfig(ndf=options.ngf, layers=layers))
    if options.one == "baseline":
        make_original(generator, discriminator)
    layout = torch.contiguous_format if options.one == "baseline" else torch.channels_last
    for network in (generator, discriminator):
        network.to(device, memory_format=layout)  # type: ignore[call-overload]
    trainer = Trainer(
        generator,
        discriminator,
        weights=LossWeights(),
        optimizer=OptimizerConfig(),
        rng=torch.Generator(),
        noise_sigma=0.2,
        execution=Execution(precision),
    )
    images = torch.rand(2, options.pairs, 3, options.size, options.size) * 2 - 1
    classes = torch.randint(6, (2, options.pairs))
    batch = Batch(images[0], images[1], classes[0], classes[1]).to(device)
    seconds = []
    for _ in range(options.iterations + 1):
        start = time.perf_counter()
        if options.one == "baseline":
            original_step(trainer, batch)
        else:
            trainer.step(batch)
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    if device.type == "cuda":
        return min(seconds[1:]), torch.cuda.max_memory_allocated() / 2**20
    return min(seconds[1:]), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--ngf", type=int, default=64)
    parser.add_argument("--pairs", type=int, default=1)
    parser.add_argument("--iterations", type=int, default=3)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS[1:], default=("fp32", "bf16"))
    parser.add_argument("--one", choices=VARIANTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        sys.stdout.write("{} {}\n".format(*measure(options)))
        return
    results: dict[str, tuple[float, float]] = {}
    for variant in ("baseline", *options.variants):
        command = [sys.executable, "-m", "benchmarks.train_iteration", "--one", variant]
        for name in ("size", "ngf", "pairs", "iterations"):
            command += [f"--{name}", str(getattr(options, name))]
        seconds, memory = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        results[variant] = float(seconds), float(memory)
        base_seconds, base_memory = results["baseline"]
        sys.stdout.write(
            f"{variant}: {float(seconds):.2f} s an iteration ({1 / float(seconds):.2f} a second), "
            f"{base_seconds / float(seconds):.2f} times as fast as the baseline; "
            f"peak {float(memory):.0f} MiB, {float(memory) / base_memory:.2f} of the baseline's\n"
        )


if __name__ == "__main__":
    main()
