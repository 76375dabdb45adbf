"""The layers of the networks (docs/method.md, Layers).

Modules and parameters have the names of the published weights (tests/golden/keys_*.json).
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

Activation = Literal["lrelu", "relu"]


def activation_layer(name: Activation) -> nn.Module:
    """Leaky ReLU with slope 0.2, or ReLU."""
    return nn.LeakyReLU(0.2) if name == "lrelu" else nn.ReLU()


def conv2d(in_channels: int, out_channels: int, kernel: int, *, stride: int = 1, equalized: bool = True) -> nn.Module:
    """A convolution without padding: with equalised learning rate, or a plain one that starts at the same scale."""
    if equalized:
        return EqualizedConv2d(in_channels, out_channels, kernel, stride)
    plain = nn.Conv2d(in_channels, out_channels, kernel, stride)
    nn.init.kaiming_normal_(plain.weight)
    nn.init.zeros_(plain.bias)  # type: ignore[arg-type]
    return plain


class EqualizedConv2d(nn.Module):
    """Convolution with equalised learning rate: (B, in, H, W) -> (B, out, H', W')."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = _EqualizedWeights((out_channels, in_channels, kernel, kernel))
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.conv.scaled(), self.conv.bias, stride=self.stride)


class EqualizedLinear(nn.Module):
    """Linear layer with equalised learning rate: (B, in) -> (B, out)."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.linear = _EqualizedWeights((out_features, in_features))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.linear.scaled(), self.linear.bias)


class _EqualizedWeights(nn.Module):
    """A bias, and a weight that is stored as N(0, 1) and scaled by sqrt(2 / fan_in) at run time."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.scale = math.sqrt(2 / math.prod(shape[1:]))
        self.bias = nn.Parameter(torch.zeros(shape[0]))
        self.weight_orig = nn.Parameter(torch.randn(shape))

    def scaled(self) -> Tensor:
        return self.weight_orig * self.scale


class PixelNorm(nn.Module):
    """Divides by the root mean square over the channels (dim 1) of feature maps or vectors."""

    def forward(self, x: Tensor) -> Tensor:
        if not torch.jit.is_tracing():
            return _PixelNorm.apply(x)
        # OpenVINO computes this norm without storing the squares, which makes a frame 7 % faster in bfloat16.
        power = torch.linalg.vector_norm(x, dim=1, keepdim=True).square() / x.shape[1]
        return x * torch.rsqrt(power + 1e-5)


class _PixelNorm(torch.autograd.Function):
    """It exists for speed: this gradient takes half the time of autograd's, which goes over the maps more often."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        inverse = torch.rsqrt(x.square().mean(dim=1, keepdim=True) + 1e-5)
        ctx.save_for_backward(y := x * inverse, inverse)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        y, inverse = ctx.saved_tensors
        return inverse * (gradient - y * (gradient * y).mean(dim=1, keepdim=True))


class Blur(nn.Module):
    """Depthwise binomial 3x3 filter with zero padding: (B, channels, H, W) -> the same shape.

    It can be differentiated twice, which the R1 penalty needs. The kernel and its mirror image are buffers because
    the published files carry both.
    """

    weight: Tensor
    weight_flip: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        row = torch.tensor([1.0, 2.0, 1.0])
        kernel = (torch.outer(row, row) / 16).expand(channels, 1, 3, 3).clone()
        self.register_buffer("weight", kernel)
        self.register_buffer("weight_flip", kernel.flip(2, 3))

    def forward(self, x: Tensor) -> Tensor:
        return _SymmetricFilter.apply(x, self.weight)


class _SymmetricFilter(torch.autograd.Function):
    """Depthwise convolution with a constant symmetric kernel, which is its own gradient.

    It exists for speed: PyTorch computes the second derivative of a grouped convolution channel by channel.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor) -> Tensor:
        ctx.save_for_backward(kernel)
        return F.conv2d(x, kernel.to(x.dtype), padding=1, groups=x.shape[1])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (kernel,) = ctx.saved_tensors
        return _SymmetricFilter.apply(gradient, kernel), None


class _StyledConv2d(nn.Module, ABC):
    """The parts of both styled 3x3 convolutions: a kernel, a bias, and branches that turn a latent into styles."""

    mlp_class_std: nn.Module
    mlp_class_mean: nn.Module

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        latent_dim: int,
        *,
        upsample: bool = False,
        normalize_style: bool = True,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(1, out_channels, 1, 1))
        for name, channels in self.style_branches(in_channels, out_channels).items():
            branch = EqualizedLinear(latent_dim, channels)
            self.add_module(name, nn.Sequential(branch, PixelNorm()) if normalize_style else branch)
        self.blur = Blur(out_channels)
        self.upsample = upsample
        self.scale = math.sqrt(2 / (in_channels * 9))

    @staticmethod
    @abstractmethod
    def style_branches(in_channels: int, out_channels: int) -> Mapping[str, int]:
        """The names of the style branches, and how many channels each of them styles."""


class ModulatedConv2d(_StyledConv2d):
    """Styled 3x3 convolution: x (B, in, H, W), latent (B, latent_dim) -> (B, out, H, W), or (B, out, 2H, 2W).

    Each sample's kernel is scaled by 1 + style over its inputs and demodulated to unit norm over its outputs. It is
    computed as demodulation * conv(x * (1 + style)) with one kernel shared by the whole batch.
    """

    @staticmethod
    def style_branches(in_channels: int, out_channels: int) -> Mapping[str, int]:
        return {"mlp_class_std": in_channels}

    def forward(self, x: Tensor, latent: Tensor) -> Tensor:
        style = self.scale * (1 + self.mlp_class_std(latent))
        power = style.square() @ self.weight.square().sum(dim=(2, 3)).t()
        x = x * style[:, :, None, None]
        x = _upsampled_conv(x, self.weight) if self.upsample else F.conv2d(_reflect(x), self.weight)
        x = x * torch.rsqrt(power + 1e-5)[:, :, None, None] + self.bias
        return self.blur(x) if self.upsample else x


class AdaptiveNormConv2d(_StyledConv2d):
    """The alternative to `ModulatedConv2d` (`--use_modulated_conv false`): convolution, then AdaIN.

    Adaptive instance normalisation (Huang and Belongie 2017): the latent gives each channel's scale and shift.
    """

    @staticmethod
    def style_branches(in_channels: int, out_channels: int) -> Mapping[str, int]:
        return {"mlp_class_std": out_channels, "mlp_class_mean": out_channels}

    def forward(self, x: Tensor, latent: Tensor) -> Tensor:
        weight = self.weight * self.scale
        x = self.blur(_upsampled_conv(x, weight)) if self.upsample else F.conv2d(_reflect(x), weight)
        scale = 1 + self.mlp_class_std(latent)[:, :, None, None]
        shift = self.mlp_class_mean(latent)[:, :, None, None]
        return F.instance_norm(x) * scale + shift + self.bias


class StyledConvBlock(nn.Module):
    """Two convolutions styled by one latent: x (B, in, H, W) -> (B, out, H, W), or (B, out, 2H, 2W) with `upsample`.

    Each is followed by the activation, a gain of sqrt(2) and, with `pixel_norm`, PixelNorm. Only the first upsamples.
    The convolutions are modulated or have AdaIN; with `normalize_style`, their style branches end in PixelNorm.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        latent_dim: int,
        *,
        modulated: bool,
        normalize_style: bool,
        pixel_norm: bool,
        activation: Activation,
        upsample: bool = False,
    ) -> None:
        super().__init__()
        conv_type = ModulatedConv2d if modulated else AdaptiveNormConv2d
        conv = partial(conv_type, latent_dim=latent_dim, normalize_style=normalize_style)
        self.conv0 = conv(in_channels, out_channels, upsample=upsample)
        self.conv1 = conv(out_channels, out_channels)
        self.activation = activation_layer(activation)
        self.norm = PixelNorm() if pixel_norm else nn.Identity()

    def forward(self, x: Tensor, latent: Tensor) -> Tensor:
        for conv in (self.conv0, self.conv1):
            x = self.norm(self.activation(conv(x, latent)) * math.sqrt(2))
        return x


def _reflect(x: Tensor) -> Tensor:
    return F.pad(x, (1, 1, 1, 1), mode="reflect")


def _repeat_border(x: Tensor) -> Tensor:
    if torch.compiler.is_compiling():
        # F.pad's gradient fails to compile for channels-last maps (PyTorch 2.13); the compiler fuses this.
        x = torch.cat([x[:, :, :1], x, x[:, :, -1:]], dim=2)
        return torch.cat([x[..., :1], x, x[..., -1:]], dim=3)
    return F.pad(x, (1, 1, 1, 1), mode="replicate")


def _upsampled_conv(x: Tensor, weight: Tensor) -> Tensor:
    """A 3x3 convolution of x after nearest x2 upsampling and reflection padding, at a quarter of the work.

    Nearest upsampling puts zeros between the pixels and then sums each 2x2 neighbourhood. The sum is linear, so it
    can come last. Before it, a convolution over the zeros is a transposed convolution at the low resolution.
    Reflecting the upsampled map repeats the border of the low one.
    """
    # OpenVINO knows the mean of four, but not their sum.
    kernel = 4 * weight.flip(2, 3).transpose(0, 1)
    spread = F.conv_transpose2d(_repeat_border(x), kernel, stride=2, padding=2)
    return F.avg_pool2d(spread, 2, stride=1)
