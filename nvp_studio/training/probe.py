"""How fast a run would go: a few real steps on made-up images, and a few of them scored and decoded."""

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from nvp_studio.device import choose_device, choose_threads
from nvp_studio.flow.config import preset_config
from nvp_studio.flow.engine.inference import Inference
from nvp_studio.flow.flow import Flow
from nvp_studio.flow.noise import keyed_generator
from nvp_studio.training.augmentation import Augmentation
from nvp_studio.training.batches import Batches
from nvp_studio.training.config import TrainConfig, check_trainable
from nvp_studio.training.distributed import micro_batch_ranges, split_range
from nvp_studio.training.evaluation import Images, samples
from nvp_studio.training.step import train_step
from nvp_studio.training.train_state import TrainState

_MIN_STEPS = 2
_SOME_IMAGES, _MANY_IMAGES = 16, 250
_MAX_SECONDS = 4.0
"""A batch of many images is scored if that seems to take less."""


class ProbeResult(NamedTuple):
    """Parameters of the flow, its speed, and the memory that training took (of the device if it is CUDA)."""

    parameters: int
    images_per_second: float
    """Trained on."""
    memory_bytes: int
    scored_per_second: float
    decoded_per_second: float


def probe(config: TrainConfig, image_shape: tuple[int, int, int], seconds: float = 2.0) -> ProbeResult:
    """Train on random images of shape (C, H, W) for about `seconds` seconds, at least two steps.

    Then a few are scored and decoded. The first step, which allocates, is not timed. Raises `RunError` or `ValueError`
    as a run would.
    """
    check_trainable(config)
    device = choose_device(config.device)
    torch.set_num_threads(choose_threads(config.threads))
    with torch.random.fork_rng(devices=[]):
        flow = Flow(config.flow or preset_config(config.preset, image_shape)).to(device)
    channels, height, width = image_shape
    images = keyed_generator(b"probe").integers(0, 256, (config.batch_size, height, width, channels), np.uint8)
    batches = Batches(images, config.batch_size, config.seed, augmentation=Augmentation.of(config), device=device)
    state = TrainState(flow, config)
    ranges = micro_batch_ranges(0, config.batch_size, config.accumulate)
    noise = split_range(0, batches.noise_count if config.noise_share else 0, len(ranges))

    def step(number: int) -> None:
        train_step(state, batches.micro_batches(number, 0, ranges, noise), config, 0.0)

    _forget_peak(device)
    step(0)
    started = time.monotonic()
    steps = 0
    while steps < _MIN_STEPS or time.monotonic() - started < seconds:
        steps += 1
        step(steps)
    speed = steps * config.batch_size / (time.monotonic() - started)
    memory = _memory(device)
    parameters = sum(parameter.numel() for parameter in flow.parameters())
    return ProbeResult(parameters, speed, memory, *_evaluation_speeds(state.averaged, images))


def _evaluation_speeds(flow: Inference, images: Images) -> tuple[float, float]:
    """Images that are scored and that are decoded in a second, scored in batches as in a run if that is quick."""
    some = np.resize(images, (_SOME_IMAGES, *images.shape[1:]))
    many = np.resize(images, (_MANY_IMAGES, *images.shape[1:]))
    flow.bits_per_dim(some[:2])  # allocates
    scored = _speed(lambda: flow.bits_per_dim(some), _SOME_IMAGES)
    if _MANY_IMAGES / scored < _MAX_SECONDS:
        scored = _speed(lambda: flow.bits_per_dim(many), _MANY_IMAGES)
    return scored, _speed(lambda: samples(flow, _SOME_IMAGES, 1.0, 0), _SOME_IMAGES)


def _speed(work: Callable[[], object], images: int) -> float:
    started = time.monotonic()
    work()
    return images / max(time.monotonic() - started, 1e-9)


def _forget_peak(device: torch.device) -> None:
    """Have the peak of memory counted from now on, where the system can: a run before took its own."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # of Linux


def _memory(device: torch.device) -> int:
    """Peak memory in bytes: of CUDA's allocator, else of this process (0 where the system does not say)."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if sys.platform == "win32":
        return 0
    import resource  # exists on Unix alone

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
