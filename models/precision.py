"""What --precision means, in training and in use."""

from typing import Literal

import torch

Precision = Literal["fp32", "tf32", "bf16"]


def set_tf32(precision: Precision) -> None:
    """Sets for this process whether float32 convolutions and products on NVIDIA GPUs may round to TF32.

    bfloat16 is coarser than TF32, so what `autocast` leaves in float32 may be TF32 as well.
    """
    allowed = precision != "fp32"
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed


def fast_precision(device: torch.device) -> Precision:
    """bf16 where the device's hardware computes in it, otherwise fp32."""
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    has = torch.cpu.get_capabilities()
    return "bf16" if device.type == "cpu" and (has.get("amx_bf16") or has.get("avx512_bf16")) else "fp32"


def autocast(precision: Precision, device: torch.device, *, enabled: bool = True) -> torch.autocast:
    """Within it, networks compute in bfloat16 if that is the precision and it is `enabled`."""
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled and precision == "bf16")
