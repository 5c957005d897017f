"""Images of a batch divided among threads; kernels let other threads go on while they run."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise

import torch

_MIN_IMAGES = 8
"""Images for which a further thread is worth its start."""


def in_threads(work: Callable[[slice], object], images: int) -> None:
    """Call `work` for slices that together are so many images, in up to as many threads as torch may use."""
    threads = min(torch.get_num_threads(), images // _MIN_IMAGES)
    if threads < 2:
        work(slice(0, images))
        return
    ends = [images * i // threads for i in range(threads + 1)]
    list(_threads().map(work, (slice(low, high) for low, high in pairwise(ends))))


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(torch.get_num_threads(), "kernels")
