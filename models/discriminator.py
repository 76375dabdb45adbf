"""The discriminators (docs/method.md, Discriminator)."""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.layers import Blur, conv2d

_MOST_CHANNELS = 512
_HEAD_SIZE = 4


@dataclass(frozen=True)
class DiscriminatorConfig:
    """Sizes; the defaults are the published models' for 256x256 pictures.

    Attributes:
        ndf: channels of the first layer.
        num_classes: one output for each anchor class.
        layers: blocks, each of which halves the picture; the head needs at least 4x4 pixels after the last.
        scales: discriminators on an average-pooled pyramid.
        equalized: equalised learning rate.
    """

    ndf: int = 64
    num_classes: int = 6
    in_channels: int = 3
    layers: int = 6
    scales: int = 1
    equalized: bool = True


class DiscriminatorBlock(nn.Module):
    """Features (B, in, H, W) -> (B, out, H / 2, W / 2).

    The published block averages the output of its second convolution over 2x2 pixels. Both are linear, so that their
    order does not matter. Here the average comes first, without a stride; the convolution has the stride, and only a
    quarter of the work.
    """

    def __init__(self, in_channels: int, out_channels: int, *, equalized: bool) -> None:
        super().__init__()
        self.conv0 = nn.Sequential(
            nn.ReflectionPad2d(1),
            conv2d(in_channels, out_channels, 3, equalized=equalized),
            nn.LeakyReLU(0.2),
        )
        self.conv1 = nn.Sequential(
            Blur(out_channels),
            nn.Sequential(nn.ReflectionPad2d(1), nn.AvgPool2d(2, stride=1)),
            conv2d(out_channels, out_channels, 3, stride=2, equalized=equalized),
            nn.LeakyReLU(0.2),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.conv1(self.conv0(x))


class Discriminator(nn.Module):
    """Images (B, 3, H, W) in [-1, 1] -> [scores (B, num_classes, h, w)], a list of one scale."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        channels = config.ndf
        # The empty first module keeps the published numbering.
        layers: list[nn.Module] = [
            nn.Identity(),
            conv2d(config.in_channels, channels, 1, equalized=config.equalized),
            nn.LeakyReLU(0.2),
        ]
        for _ in range(config.layers):
            wider = min(channels * 2, _MOST_CHANNELS)
            layers.append(DiscriminatorBlock(channels, wider, equalized=config.equalized))
            channels = wider
        self.model = nn.Sequential(*layers)
        self.gan_head = nn.Sequential(
            nn.ReflectionPad2d(1),
            conv2d(channels + 1, channels, 3, equalized=config.equalized),
            nn.LeakyReLU(0.2),
            conv2d(channels, config.num_classes, _HEAD_SIZE, equalized=config.equalized),
            nn.LeakyReLU(0.2),
        )

    def scores(self, images: Tensor) -> Tensor:
        """(B, num_classes, h, w): one score for each position of the head; 1x1 for a map of 4x4."""
        features = self.model(images)
        spread = minibatch_stddev(features).expand(features.shape[0], 1, *features.shape[2:])
        return self.gan_head(torch.cat([features, spread], dim=1))

    def forward(self, images: Tensor) -> list[Tensor]:
        return [self.scores(images)]


class MultiScaleDiscriminator(Discriminator):
    """Discriminators on an average-pooled pyramid: images (B, 3, H, W) -> a list of scores, the finest first.

    The finest scale is this module itself, so that a discriminator of one scale has the published names. A coarser
    scale has one block fewer for each halving, so that its head still gets 4x4 pixels.
    """

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__(config)
        self.coarser = nn.ModuleList(
            Discriminator(replace(config, layers=config.layers - level, scales=1))
            for level in range(1, config.scales)
        )

    def forward(self, images: Tensor) -> list[Tensor]:
        scores = [self.scores(images)]
        for discriminator in self.coarser:
            images = F.avg_pool2d(images, 2)
            scores += discriminator(images)
        return scores


def minibatch_stddev(features: Tensor) -> Tensor:
    """How different the samples are: (B, C, H, W) -> one number, (1, 1, 1, 1).

    The standard deviation over the batch (biased variance + 1e-8) at each position, averaged (Karras et al. 2018).
    """
    return torch.sqrt(features.var(dim=0, unbiased=False) + 1e-8).mean().view(1, 1, 1, 1)


def smallest_side(layers: int) -> int:
    """The pixels that a picture's shorter side needs for a discriminator of this many layers."""
    smallest: int = _HEAD_SIZE * 2**layers
    return smallest
