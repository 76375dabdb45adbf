"""Chooses the face parser; the published one, DeepLab v3: an aligned portrait -> labels (docs/method.md, Photos)."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from data.in_the_wild.cut_out import Parse
from data.in_the_wild.grabcut import parse_by_grabcut
from data.masking import Label
from models.checkpoint import adopt_weights, read_weights
from util.errors import UserError

logger = logging.getLogger(__name__)

FaceParserName = Literal["auto", "deeplab", "grabcut"]
DEEPLAB_WEIGHTS = Path(__file__).parent.parent / "deeplab_model" / "deeplab_model.pth"

_GROUPS = 32
_INPUT_SIZE = 513
_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)


def choose_face_parser(name: FaceParserName, device: torch.device, weights: Path = DEEPLAB_WEIGHTS) -> Parse:
    """DeepLab if its weights are installed, otherwise GrabCut, unless the user has chosen one.

    Raises:
        UserError: the user has chosen DeepLab, but its weights are missing; or its weights are damaged.
    """
    get = "python download_models.py --only deeplab_model"
    if name == "deeplab" and not weights.is_file():
        raise UserError(f"--parser deeplab: {weights} is missing; run {get}")
    if uses_deeplab(name, weights):
        return DeepLabParser(weights, device)
    if name == "auto":
        logger.warning(
            "The published face parser is not installed. GrabCut cuts the person out instead, less exactly around "
            "hair and collar. To fetch the parser: %s",
            get,
        )
    return parse_by_grabcut


def uses_deeplab(name: FaceParserName, weights: Path = DEEPLAB_WEIGHTS) -> bool:
    """Whether `choose_face_parser` takes DeepLab, where its weights are not missing."""
    return name != "grabcut" and weights.is_file()


class DeepLabParser:
    """DeepLab with its published weights, as a callable for `data.in_the_wild`.

    Args:
        weights: the published file.
        device: where it runs.
    """

    def __init__(self, weights: Path, device: torch.device) -> None:
        network = DeepLab()
        tensors = read_weights(weights, network.state_dict())
        # The file still holds counters of the batch norms that the network was first built with.
        adopt_weights(network, {name: value for name, value in tensors.items() if "tracked" not in name}, weights)
        self.network = network.to(device).eval().requires_grad_(False)
        self.device = device

    def __call__(self, pixels: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """Labels (S, S) uint8 of aligned pixels (S, S, 3) uint8; landmarks are not needed."""
        image = torch.from_numpy(pixels.copy()).to(self.device).permute(2, 0, 1)[None].float() / 255
        mean, deviation = (torch.tensor(v, device=self.device)[:, None, None] for v in (_MEAN, _DEVIATION))
        with torch.inference_mode():
            enlarged = F.interpolate(image, (_INPUT_SIZE, _INPUT_SIZE), mode="bilinear", align_corners=False)
            labels: Tensor = self.network((enlarged - mean) / deviation).argmax(dim=1, keepdim=True)
            # Mode "nearest" would shift the map by half a pixel.
            reduced = F.interpolate(labels.float(), pixels.shape[:2], mode="nearest-exact")
        return reduced[0, 0].byte().cpu().numpy()


class StandardizedConv2d(nn.Conv2d):
    """Convolution whose kernels are scaled to mean 0 and deviation 1 over their inputs (Qiao et al. 2019)."""

    def forward(self, x: Tensor) -> Tensor:
        # The published weights were trained with the mean in three steps. Rounding adds up over a hundred layers.
        mean = self.weight.mean(dim=1, keepdim=True).mean(dim=2, keepdim=True).mean(dim=3, keepdim=True)
        weight = self.weight - mean
        weight = weight / (weight.flatten(1).std(dim=1)[:, None, None, None] + 1e-5)
        return F.conv2d(x, weight, None, self.stride, self.padding, self.dilation)


def _conv(inputs: int, outputs: int, kernel: int, *, stride: int = 1, dilation: int = 1) -> StandardizedConv2d:
    """A convolution that pads by as much as its kernel reaches beyond the edge."""
    padding = dilation * (kernel // 2)
    return StandardizedConv2d(inputs, outputs, kernel, stride, padding, dilation, bias=False)


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(_GROUPS, channels)


class Bottleneck(nn.Module):
    """A residual block of ResNet-101."""

    def __init__(self, inputs: int, width: int, *, stride: int = 1, dilation: int) -> None:
        super().__init__()
        outputs = 4 * width
        self.conv1, self.bn1 = _conv(inputs, width, 1), _norm(width)
        self.conv2, self.bn2 = _conv(width, width, 3, stride=stride, dilation=dilation), _norm(width)
        self.conv3, self.bn3 = _conv(width, outputs, 1), _norm(outputs)
        self.downsample: nn.Module = nn.Identity()
        if inputs != outputs:
            self.downsample = nn.Sequential(_conv(inputs, outputs, 1, stride=stride), _norm(outputs))

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        out = F.relu(self.bn2(self.conv2(out)))
        return F.relu(self.bn3(self.conv3(out)) + self.downsample(x))


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling, and the scores of the classes."""

    def __init__(self, inputs: int, width: int, classes: int) -> None:
        super().__init__()
        self.aspp1 = _conv(inputs, width, 1)
        self.aspp2, self.aspp3, self.aspp4 = (_conv(inputs, width, 3, dilation=d) for d in (6, 12, 18))
        self.aspp5 = _conv(inputs, width, 1)
        self.aspp1_bn, self.aspp2_bn, self.aspp3_bn, self.aspp4_bn, self.aspp5_bn = (_norm(width) for _ in range(5))
        self.conv2, self.bn2 = _conv(5 * width, width, 1), _norm(width)
        self.conv3 = nn.Conv2d(width, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        pooled = F.relu(self.aspp5_bn(self.aspp5(x.mean(dim=(2, 3), keepdim=True))))
        branches = [
            F.relu(self.aspp1_bn(self.aspp1(x))),
            F.relu(self.aspp2_bn(self.aspp2(x))),
            F.relu(self.aspp3_bn(self.aspp3(x))),
            F.relu(self.aspp4_bn(self.aspp4(x))),
            F.interpolate(pooled, size=x.shape[2:], mode="bilinear", align_corners=True),
        ]
        return self.conv3(F.relu(self.bn2(self.conv2(torch.cat(branches, dim=1)))))


class DeepLab(nn.Module):
    """(B, 3, H, W), normalised as ImageNet -> scores (B, 19, H, W) of the labels of `data.masking.Label`."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = _conv(3, 64, 7, stride=2), _norm(64)
        self.layer1 = _layer(64, 64, dilations=[1] * 3)
        self.layer2 = _layer(256, 128, dilations=[1] * 4, stride=2)
        self.layer3 = _layer(512, 256, dilations=[1] * 23, stride=2)
        self.layer4 = _layer(1024, 512, dilations=[1, 2, 2])
        self.aspp = ASPP(2048, 256, len(Label))

    def forward(self, x: Tensor) -> Tensor:
        size = x.shape[2:]
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, stride=2, padding=1)
        x = self.aspp(self.layer4(self.layer3(self.layer2(self.layer1(x)))))
        return F.interpolate(x, size=size, mode="bilinear", align_corners=True)


def _layer(inputs: int, width: int, *, dilations: Sequence[int], stride: int = 1) -> nn.Sequential:
    """A block for each dilation, of which the first has the stride."""
    first = Bottleneck(inputs, width, stride=stride, dilation=dilations[0])
    return nn.Sequential(first, *(Bottleneck(4 * width, width, dilation=dilation) for dilation in dilations[1:]))
