"""The original's procedure, which benchmarks take as their baseline: the same mathematics, done its way."""

from pathlib import Path
from types import MethodType

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.optim import Adam

from data.in_the_wild.align import Square, find_square
from data.in_the_wild.detect import find_boxes, find_shape
from data.masking import MASK_COLOR, MASKED_LABELS
from data.portrait import parsing_path
from models.batch import Batch
from models.discriminator import DiscriminatorBlock, MultiScaleDiscriminator
from models.ema import update_average
from models.generator import Generator
from models.layers import ModulatedConv2d
from models.losses import discriminator_losses, generator_losses
from models.trainer import Trainer

_OVERSAMPLED = (4096, 4096)


def make_original(generator: Generator, discriminator: MultiScaleDiscriminator | None = None) -> None:
    """Has the networks compute as the original's do: a kernel for each sample, and no pooling before convolutions."""
    generator.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    for module in generator.modules():
        if isinstance(module, ModulatedConv2d):
            module.forward = MethodType(_per_sample, module)  # type: ignore[method-assign]
    for block in discriminator.modules() if discriminator else ():
        if isinstance(block, DiscriminatorBlock):
            blur, _, conv, activation = block.conv1
            conv.stride = 1  # type: ignore[assignment]
            block.conv1 = nn.Sequential(blur, nn.ReflectionPad2d(1), conv, nn.AvgPool2d(2), activation)


def _per_sample(self: ModulatedConv2d, x: Tensor, latent: Tensor) -> Tensor:
    """`ModulatedConv2d.forward` with a kernel for each sample, in one grouped convolution over the upsampled maps."""
    batch, _, height, width = x.shape
    style = 1 + self.mlp_class_std(latent)
    weight = self.weight * self.scale * style[:, None, :, None, None]
    weight = weight * torch.rsqrt(weight.square().sum(dim=(2, 3, 4), keepdim=True) + 1e-5)
    if self.upsample:
        x, height, width = F.interpolate(x, scale_factor=2), 2 * height, 2 * width
    grouped = F.pad(x, (1, 1, 1, 1), "reflect").reshape(1, -1, height + 2, width + 2)
    made = F.conv2d(grouped, weight.flatten(0, 1), groups=batch).view(batch, -1, height, width) + self.bias
    return self.blur(made) if self.upsample else made


def step_one_by_one(adam: Adam) -> None:
    """Has Adam update one tensor after another, in several passes over each."""
    for group in adam.param_groups:
        group["fused"] = False


def training_step(trainer: Trainer, batch: Batch) -> None:
    """One iteration that leaves out none of the work.

    The generator's graph is kept in the discriminator's step, and the discriminator's gradients are computed in the
    generator's.
    """
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


def read_picture(path: Path, size: int) -> Tensor:
    """A masked training picture (3, size, size) in [-1, 1], read pixel by pixel and masked label by label."""
    image, parsing = Image.open(path).convert("RGB"), Image.open(parsing_path(path))
    pixels = np.array(image.getdata(), dtype=np.uint8).reshape(*image.size[::-1], 3)
    labels = np.array(parsing.getdata(), dtype=np.uint8).reshape(parsing.size[::-1])
    resized = Image.fromarray(masked(pixels, labels)).resize((size, size), Image.Resampling.NEAREST)
    return torch.from_numpy(np.array(resized, np.float32)).permute(2, 0, 1) / 127.5 - 1


def masked(pixels: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Paints a copy of (H, W, 3) uint8 grey where the labels are not the person's, label by label."""
    pixels = pixels.copy()
    for label in MASKED_LABELS:
        pixels[labels == label] = MASK_COLOR
    return pixels


def aligned(photo: Image.Image, size: int) -> np.ndarray:
    """Finds the largest face in the whole photo and aligns it over a picture of 4096x4096 pixels.

    It is for photos that hold the whole square. The method also reduces photos whose square is much larger than the
    output; that is kept.
    """
    pixels = np.asarray(photo)
    shape = find_shape(pixels, find_boxes(pixels)[0])
    return over_4096(photo, find_square(np.array([(point.x, point.y) for point in shape.parts()], float)), size)


def over_4096(photo: Image.Image, square: Square, size: int) -> np.ndarray:
    """The square of a photo, (size, size, 3) uint8, by way of 4096x4096 pixels."""
    data = tuple((square.corners + 0.5).ravel().tolist())
    upright = photo.transform(_OVERSAMPLED, Image.Transform.QUAD, data, Image.Resampling.BILINEAR)
    return np.asarray(upright.resize((size, size), Image.Resampling.LANCZOS))
