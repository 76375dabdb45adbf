"""The layers of the networks (spec/method.md section 2).

Module and parameter names are those of the published weights (tests/golden/keys_*.json).
"""

import math
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Activation = Literal["lrelu", "relu"]


def activation_layer(name: Activation) -> nn.Module:
    """Leaky ReLU with slope 0.2, or ReLU."""
    return nn.LeakyReLU(0.2) if name == "lrelu" else nn.ReLU()


class _Weights(nn.Module):
    """A weight and a bias; with `equalized`, stored as N(0, 1) and scaled by sqrt(2 / fan_in) at run time.

    Equalised weights are called `weight_orig`, plain ones (He-initialised, the same scale) `weight`.
    """

    def __init__(self, shape: tuple[int, ...], equalized: bool) -> None:
        super().__init__()
        self.equalized = equalized
        self.scale = math.sqrt(2 / math.prod(shape[1:]))
        self.bias = nn.Parameter(torch.zeros(shape[0]))
        if equalized:
            self.weight_orig = nn.Parameter(torch.randn(shape))
        else:
            self.weight = nn.Parameter(torch.randn(shape) * self.scale)

    def effective(self) -> Tensor:
        return self.weight_orig * self.scale if self.equalized else self.weight


class EqualizedConv2d(nn.Module):
    """Convolution with equalised learning rate: (B, in, H, W) -> (B, out, H', W'). No padding."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, equalized: bool = True):
        super().__init__()
        self.conv = _Weights((out_channels, in_channels, kernel, kernel), equalized)
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.conv.effective(), self.conv.bias, stride=self.stride)


class EqualizedLinear(nn.Module):
    """Linear layer with equalised learning rate: (B, in) -> (B, out)."""

    def __init__(self, in_features: int, out_features: int, equalized: bool = True) -> None:
        super().__init__()
        self.linear = _Weights((out_features, in_features), equalized)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.linear.effective(), self.linear.bias)


class PixelNorm(nn.Module):
    """Divides by the root mean square over the channels (dim 1) of feature maps or vectors."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + 1e-5)


class Blur(nn.Module):
    """Depthwise binomial 3x3 filter with zero padding: (B, channels, H, W) -> the same shape.

    Twice differentiable, as the R1 penalty asks. The kernel and its mirror image are buffers because the published
    files carry both.
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

    PyTorch's second derivative of a grouped convolution goes through the channels one by one.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor) -> Tensor:
        ctx.save_for_backward(kernel)
        return F.conv2d(x, kernel.to(x.dtype), padding=1, groups=x.shape[1])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (kernel,) = ctx.saved_tensors
        return _SymmetricFilter.apply(gradient, kernel), None


class ModulatedConv2d(nn.Module):
    """Styled 3x3 convolution: x (B, in, H, W), latent (B, latent_dim) -> (B, out, H, W), or (B, out, 2H, 2W).

    Each sample's kernel is scaled by 1 + style over its inputs and demodulated to unit norm over its outputs. It is
    computed as demod * conv(x * (1 + style)) with one kernel shared by the whole batch.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        latent_dim: int,
        upsample: bool = False,
        normalize_style: bool = True,
        equalized: bool = True,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(1, out_channels, 1, 1))
        self.mlp_class_std = _style_branch(latent_dim, in_channels, normalize_style, equalized)
        self.blur = Blur(out_channels)
        self.upsample = upsample
        self.scale = math.sqrt(2 / (in_channels * 9))

    def forward(self, x: Tensor, latent: Tensor) -> Tensor:
        style = 1 + self.mlp_class_std(latent)
        weight = self.weight * self.scale
        power = style.square() @ weight.square().sum(dim=(2, 3)).t()
        demodulation = torch.rsqrt(power + 1e-5)[:, :, None, None]
        x = x * style[:, :, None, None]
        if not self.upsample:
            return F.conv2d(_reflect(x), weight) * demodulation + self.bias
        return self.blur(_upsampled_conv(x, weight) * demodulation + self.bias)


class AdaptiveNormConv2d(nn.Module):
    """The alternative to `ModulatedConv2d` (`--use_modulated_conv false`): convolution, then AdaIN.

    Adaptive instance normalisation (Huang and Belongie 2017): the latent gives each channel's scale and shift.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        latent_dim: int,
        upsample: bool = False,
        normalize_style: bool = True,
        equalized: bool = True,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(1, out_channels, 1, 1))
        self.mlp_class_std = _style_branch(latent_dim, out_channels, normalize_style, equalized)
        self.mlp_class_mean = _style_branch(latent_dim, out_channels, normalize_style, equalized)
        self.blur = Blur(out_channels)
        self.upsample = upsample
        self.scale = math.sqrt(2 / (in_channels * 9))

    def forward(self, x: Tensor, latent: Tensor) -> Tensor:
        weight = self.weight * self.scale
        x = self.blur(_upsampled_conv(x, weight)) if self.upsample else F.conv2d(_reflect(x), weight)
        scale = 1 + self.mlp_class_std(latent)[:, :, None, None]
        shift = self.mlp_class_mean(latent)[:, :, None, None]
        return F.instance_norm(x) * scale + shift + self.bias


class StyledConvBlock(nn.Module):
    """Two styled convolutions by one latent: x (B, in, H, W) -> (B, out, H, W), or (B, out, 2H, 2W) upsampling.

    Each is followed by the activation, a gain of sqrt(2) and PixelNorm. Only the first upsamples.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        latent_dim: int,
        upsample: bool = False,
        modulated: bool = True,
        pixel_norm: bool = True,
        normalize_style: bool = True,
        equalized: bool = True,
        activation: Activation = "lrelu",
    ) -> None:
        super().__init__()
        conv = ModulatedConv2d if modulated else AdaptiveNormConv2d
        self.conv0 = conv(in_channels, out_channels, latent_dim, upsample, normalize_style, equalized)
        self.conv1 = conv(out_channels, out_channels, latent_dim, False, normalize_style, equalized)
        self.activation = activation_layer(activation)
        self.norm = PixelNorm() if pixel_norm else nn.Identity()

    def forward(self, x: Tensor, latent: Tensor) -> Tensor:
        for conv in (self.conv0, self.conv1):
            x = self.norm(self.activation(conv(x, latent)) * math.sqrt(2))
        return x


def _style_branch(latent_dim: int, channels: int, normalize: bool, equalized: bool) -> nn.Sequential:
    layers: list[nn.Module] = [EqualizedLinear(latent_dim, channels, equalized)]
    return nn.Sequential(*layers, PixelNorm()) if normalize else nn.Sequential(*layers)


def _reflect(x: Tensor) -> Tensor:
    return F.pad(x, (1, 1, 1, 1), mode="reflect")


def _repeat_border(x: Tensor) -> Tensor:
    if torch.compiler.is_compiling():
        # F.pad's gradient fails to compile for channels-last maps (PyTorch 2.13); the compiler fuses this.
        x = torch.cat([x[:, :, :1], x, x[:, :, -1:]], dim=2)
        return torch.cat([x[..., :1], x, x[..., -1:]], dim=3)
    return F.pad(x, (1, 1, 1, 1), mode="replicate")


def _upsampled_conv(x: Tensor, weight: Tensor) -> Tensor:
    """A 3x3 convolution of the nearest x2 upsampled, reflection-padded x, with a quarter of its work.

    Nearest upsampling is zeros between the pixels, then the sum of each 2x2 neighbourhood. The sum is linear and can
    be taken last, after a convolution over the zeros, which is a transposed one of the low resolution. Reflection of
    the upsampled map repeats the border of the low one.
    """
    spread = F.conv_transpose2d(_repeat_border(x), weight.flip(2, 3).transpose(0, 1), stride=2, padding=2)
    return F.avg_pool2d(spread, 2, stride=1, divisor_override=1)
