"""Which device to compute on, and with how many threads."""

import os

import torch
from torch import Tensor

_MAX_THREADS = 64
"""Threads that may be asked for on a machine with fewer cores."""


def choose_device(name: str = "auto") -> torch.device:
    """The device called `name`; `auto` is CUDA, else MPS, else the CPU. Raises `ValueError` when there is none such."""
    if name == "auto":
        if torch.cuda.is_available():
            return exact(torch.device("cuda"))
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(f"there is no device {name!r} here; use auto or cpu") from error
    return exact(device)


def exact(device: torch.device) -> torch.device:
    """Disable TensorFloat-32 on the device, and return it.

    By default, CUDA's convolutions round what they multiply to the ten bits of TensorFloat-32, by up to 2^-11 of its
    size in every layer, and half a grey level is 2^-9 of the whole range: images would not be decoded as they were
    encoded.
    """
    if device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False
    return device


def pinned(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor of the host in pinned memory, from which a copy to a CUDA `device` need not be waited for; for another
    device, as it is.
    """
    if device.type != "cuda" or not tensor.numel():
        return tensor
    with torch.cuda.device(device):
        return tensor.pin_memory()


def choose_threads(threads: int | None = None) -> int:
    """`threads`, or for None one less than the cores this process may use, at least 1.

    The core left free keeps the window and other programs responsive; two busy threads on two busy cores were measured
    to train several times slower than one.
    """
    if threads is not None:
        return min(max(1, threads), max(_MAX_THREADS, os.cpu_count() or 1))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores - 1)
