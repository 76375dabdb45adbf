"""Seconds and peak memory of a training iteration, against the original's procedure.

The baseline is the same mathematics as the original does it: modulated convolutions with a kernel for each sample in
one grouped convolution over the upsampled picture, the generator's graph kept in the discriminator's step, and the
discriminator's gradients computed in the generator's.
"""

import argparse
import sys
from types import MethodType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.measure import in_new_process, parser_of, peak_memory, timed
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


def measure(variant: str, options: argparse.Namespace) -> tuple[float, float]:
    """One variant: (seconds an iteration, peak memory in MiB: of the process, or of the GPU)."""
    baseline = variant == "baseline"
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(0)
    precision: Precision = "fp32" if baseline else variant  # type: ignore[assignment]
    set_tf32(precision)
    layers = (options.size // 4).bit_length() - 1
    generator = Generator(GeneratorConfig(ngf=options.ngf))
    discriminator = MultiScaleDiscriminator(DiscriminatorConfig(ndf=options.ngf, layers=layers))
    if baseline:
        make_original(generator, discriminator)
    layout = torch.contiguous_format if baseline else torch.channels_last
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

    def iterate() -> None:
        if baseline:
            original_step(trainer, batch)
        else:
            trainer.step(batch)
        if device.type == "cuda":
            torch.cuda.synchronize()

    iterate()  # allocates memory and chooses algorithms
    seconds, _ = timed(iterate, options.iterations)
    return seconds, torch.cuda.max_memory_allocated() / 2**20 if device.type == "cuda" else peak_memory()


def main() -> None:
    parser = parser_of(__doc__, {"--size": 256, "--ngf": 64, "--pairs": 1, "--iterations": 3})
    parser.add_argument("--variants", nargs="+", choices=("fp32", "tf32", "bf16"), default=("fp32", "bf16"))
    options = parser.parse_args()
    base_seconds, base_memory = in_new_process(measure, "baseline", options)
    sys.stdout.write(f"baseline: {base_seconds:.2f} s an iteration; peak {base_memory:.0f} MiB\n")
    for variant in options.variants:
        seconds, memory = in_new_process(measure, variant, options)
        sys.stdout.write(
            f"{variant}: {seconds:.2f} s an iteration ({1 / seconds:.2f} a second), "
            f"{base_seconds / seconds:.2f} times as fast as the baseline; "
            f"peak {memory:.0f} MiB, {memory / base_memory:.2f} of the baseline's\n"
        )


if __name__ == "__main__":
    main()
