"""The generator: identity encoder, age encoder, mapping network and decoder (docs/method.md, Generator)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from models.layers import Activation, EqualizedLinear, PixelNorm, StyledConvBlock, activation_layer, conv2d

LATENT_DIM = 256
# Padding, convolution, normalisation and activation of a resolution of the identity encoder.
LAYERS_PER_LEVEL = 4
_AGE_DOWNSAMPLINGS = 4
_MAPPING_LAYERS = 8
_RESIDUAL_BLOCKS = 4


@dataclass(frozen=True)
class GeneratorConfig:
    """Sizes and variants; the defaults are the published models'.

    Attributes:
        ngf: channels of the first layer.
        num_classes: anchor classes; `dim_per_class` entries of the age code belong to each.
        downsamplings: stride-2 layers of the identity encoder, and upsamplings of the decoder.
        adaptive_blocks: styled blocks at the lowest resolution.
        id_norm: normalisation of the identity encoder.
        decoder_pixel_norm: whether styled blocks end in PixelNorm.
        residual_pixel_norm: whether residual blocks end in PixelNorm.
        activation: of the age encoder, mapping network and decoder; the identity encoder keeps ReLU, without which
            training collapses.
        modulated: modulated convolutions in the decoder, or convolutions with AdaIN.
        normalize_mlp: PixelNorm in the mapping network and after the style branches.
        equalized: equalised learning rate in the encoders' convolutions; all other layers always have it.
    """

    ngf: int = 64
    num_classes: int = 6
    dim_per_class: int = 50
    in_channels: int = 3
    out_channels: int = 3
    downsamplings: int = 2
    adaptive_blocks: int = 4
    id_norm: Literal["pixel", "instance"] = "pixel"
    decoder_pixel_norm: bool = True
    residual_pixel_norm: bool = False
    activation: Activation = "lrelu"
    modulated: bool = True
    normalize_mlp: bool = True
    equalized: bool = True

    @property
    def code_dim(self) -> int:
        """Length of an age code."""
        return self.num_classes * self.dim_per_class


class _ResidualBlock(nn.Module):
    def __init__(self, channels: int, config: GeneratorConfig) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            *_padded_conv(config, channels, channels),
            _id_norm(channels, config),
            nn.ReLU(),
            *_padded_conv(config, channels, channels),
            _id_norm(channels, config),
        )
        self.norm = PixelNorm() if config.residual_pixel_norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x + self.conv_block(x))


class IdentityEncoder(nn.Module):
    """Images (B, 3, H, W) in [-1, 1] -> identity features (B, 4 * ngf, H / 4, W / 4), by default."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        channels = config.ngf
        layers = _padded_conv(config, config.in_channels, channels, kernel=7)
        layers += [_id_norm(channels, config), nn.ReLU()]
        for _ in range(config.downsamplings):
            layers += _padded_conv(config, channels, channels * 2, stride=2)
            layers += [_id_norm(channels * 2, config), nn.ReLU()]
            channels *= 2
        layers += [_ResidualBlock(channels, config) for _ in range(_RESIDUAL_BLOCKS)]
        self.encoder = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        return self.encoder(images)


class AgeEncoder(nn.Module):
    """Images (B, 3, H, W) in [-1, 1] -> age features (B, code_dim), comparable with age codes."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        channels = config.ngf
        activation = activation_layer(config.activation)
        layers = [*_padded_conv(config, config.in_channels, channels, kernel=7), activation]
        for _ in range(_AGE_DOWNSAMPLINGS):
            layers += [*_padded_conv(config, channels, channels * 2, stride=2), activation]
            channels *= 2
        layers.append(conv2d(channels, config.code_dim, 1, equalized=config.equalized))
        self.encoder = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        return self.encoder(images).mean(dim=(2, 3))


class MappingNetwork(nn.Module):
    """Age codes (B, code_dim) -> latents W (B, 256)."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        norm = [PixelNorm()] if config.normalize_mlp else []
        layers: list[nn.Module] = [*norm, EqualizedLinear(config.code_dim, LATENT_DIM)]
        for _ in range(_MAPPING_LAYERS - 1):
            layers += [activation_layer(config.activation), *norm, EqualizedLinear(LATENT_DIM, LATENT_DIM)]
        self.model = nn.Sequential(*layers, *norm)

    def forward(self, codes: Tensor) -> Tensor:
        return self.model(codes)


class Decoder(nn.Module):
    """Identity features (B, 4 * ngf, h, w) and latents (B, 256) -> images (B, 3, 4h, 4w) in [-1, 1], by default.

    The mapping network is inside as `mlp`, because the published files have it there.
    """

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        styled_block = partial(
            StyledConvBlock,
            latent_dim=LATENT_DIM,
            modulated=config.modulated,
            normalize_style=config.normalize_mlp,
            pixel_norm=config.decoder_pixel_norm,
            activation=config.activation,
        )
        channels = config.ngf * 2**config.downsamplings
        for index in range(config.adaptive_blocks):
            self.add_module(f"StyledConvBlock_{index}", styled_block(channels, channels))
        for index in range(config.downsamplings):
            block = styled_block(channels, channels // 2, upsample=True)
            self.add_module(f"StyledConvBlock_up{index}", block)
            channels //= 2
        # The layer that makes RGB keeps its equalised learning rate in all variants.
        self.conv_img = nn.Sequential(conv2d(channels, config.out_channels, 1), nn.Tanh())
        self.mlp = MappingNetwork(config)

    def forward(self, id_features: Tensor, latents: Tensor) -> Tensor:
        x = id_features
        for block in self.children():
            if isinstance(block, StyledConvBlock):
                x = block(x, latents)
        return self.conv_img(x)


@dataclass(frozen=True)
class TrainingForward:
    """The generator's outputs for a training batch; images (B, 3, H, W) in [-1, 1]."""

    rec: Tensor
    gen: Tensor
    cyc: Tensor
    real_id: Tensor
    real_age: Tensor
    fake_id: Tensor
    fake_age: Tensor

    def map(self, change: Callable[[Tensor], Tensor]) -> "TrainingForward":
        """The same with every tensor changed."""
        return TrainingForward(**{name: change(value) for name, value in vars(self).items()})


class Generator(nn.Module):
    """The whole network. Images (B, 3, H, W) in [-1, 1]; H and W divisible by 2 ** downsamplings."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        self.id_encoder = IdentityEncoder(config)
        self.age_encoder = AgeEncoder(config)
        self.decoder = Decoder(config)
        # CPUs and tensor cores convolve fastest in this layout. On some CPUs the kernels for the other layout also
        # round so coarsely that pictures leave the golden tolerance. (torch's stubs do not know the argument.)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def freeze_inner(self, outer_levels: int) -> None:
        """Leaves the outermost resolutions, at most `config.downsamplings`, and the age encoder to be trained."""
        blocks = [block for block in self.decoder.children() if isinstance(block, StyledConvBlock)]
        inner_layers = self.id_encoder.encoder[LAYERS_PER_LEVEL * (1 + outer_levels) :]
        for part in (inner_layers, self.decoder.mlp, *blocks[: len(blocks) - outer_levels]):
            part.requires_grad_(False)

    def encode(self, images: Tensor) -> Tensor:
        """Identity features of images, (B, 4 * ngf, H / 4, W / 4) by default."""
        return self.id_encoder(images)

    def latents(self, codes: Tensor) -> Tensor:
        """Latents W (B, 256) of age codes (B, code_dim)."""
        return self.decoder.mlp(codes)

    def decode(self, id_features: Tensor, latents: Tensor) -> Tensor:
        """Images of identity features and latents, one latent for each."""
        return self.decoder(id_features, latents)

    def synthesize(self, images: Tensor, codes: Tensor) -> Tensor:
        """Images at the ages of the codes (B, code_dim)."""
        return self.decode(self.encode(images), self.latents(codes))

    def forward(self, images: Tensor, target: Tensor, cycle: Tensor, source: Tensor) -> TrainingForward:
        """Images with codes (B, code_dim): to the target age, back again by `cycle`, and unchanged by `source`."""
        real_id, real_age = self.encode(images), self.age_encoder(images)
        rec = self.decode(real_id, self.latents(source))
        gen = self.decode(real_id, self.latents(target))
        fake_id, fake_age = self.encode(gen), self.age_encoder(gen)
        cyc = self.decode(fake_id, self.latents(cycle))
        return TrainingForward(rec, gen, cyc, real_id, real_age, fake_id, fake_age)


class Synthesizer(nn.Module):
    """The part of a generator that makes pictures, without its age encoder, as a network of its own.

    It shares its parameters with the generator. Training in several processes needs it, because that waits for a
    gradient of every parameter of a network.
    """

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.id_encoder, self.decoder = generator.id_encoder, generator.decoder

    def forward(self, images: Tensor, codes: Tensor) -> Tensor:
        """Images (B, 3, H, W) in [-1, 1] at the ages of the codes (B, code_dim), as `Generator.synthesize`."""
        made: Tensor = self.decoder(self.id_encoder(images), self.decoder.mlp(codes))
        return made


def _padded_conv(
    config: GeneratorConfig, in_channels: int, out_channels: int, *, kernel: int = 3, stride: int = 1
) -> list[nn.Module]:
    """A convolution of an encoder, which pads by reflection."""
    conv = conv2d(in_channels, out_channels, kernel, stride=stride, equalized=config.equalized)
    return [nn.ReflectionPad2d(kernel // 2), conv]


def _id_norm(channels: int, config: GeneratorConfig) -> nn.Module:
    return PixelNorm() if config.id_norm == "pixel" else nn.InstanceNorm2d(channels, affine=False)
