"""The number format that the networks s and t compute in during training, chosen for the device."""

from typing import Literal

import torch

from nvp_studio.training.errors import RunError

_TENSOR_CORES = (8, 0)
"""CUDA devices from this compute capability on multiply in bfloat16 themselves; older ones emulate it, slowly."""


def settled_precision(
    wanted: Literal["auto", "float32", "bfloat16"], device: torch.device
) -> Literal["float32", "bfloat16"]:
    """`auto` is bfloat16 where the device gains by it, else float32; `RunError` when the device has no bfloat16."""
    capable = device.type == "cuda" and torch.cuda.get_device_capability(device) >= _TENSOR_CORES
    if wanted == "auto":
        return "bfloat16" if capable else "float32"
    if wanted == "bfloat16" and not capable and device.type != "cpu":
        raise RunError(f"{device} does not compute in bfloat16; take precision float32")
    return wanted


def network_type(wanted: Literal["auto", "float32", "bfloat16"], device: torch.device) -> torch.dtype | None:
    """The argument of `flow.engine.acceleration.accelerate`: None for float32."""
    return torch.bfloat16 if settled_precision(wanted, device) == "bfloat16" else None
