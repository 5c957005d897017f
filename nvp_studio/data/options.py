"""Options of loading data, and the callback by which loading reports its progress."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from nvp_studio.data.image_size import ImageSize, width_and_height
from nvp_studio.data.reading import UNDECIDED, Reading

Progress = Callable[[int, int, str], None]
"""Called with the count done, the total (0 while unknown) and a description; an exception from it ends the loading."""


def no_progress(done: int, total: int, description: str) -> None:
    """A `Progress` for a caller who wants no reports."""


_TELL_SECONDS = 0.1


class Paced:
    """Calls a `Progress` about ten times a second, however often it is called itself: for many short steps."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._due = time.monotonic()

    def __call__(self, done: int, total: int, description: str) -> None:
        """As the `Progress`, whose exception ends the loading."""
        now = time.monotonic()
        if now >= self._due:
            self._due = now + _TELL_SECONDS
            self._progress(done, total, description)


@dataclass(frozen=True)
class LoadOptions:
    """Options of loading a data set; `image_size` and `channels` are None to leave the images as they are.

    `data_root` is a folder in which files are looked for first.
    """

    image_size: ImageSize | None = None
    channels: int | None = None
    data_root: str | None = None
    progress: Progress = no_progress
    reading: Reading = UNDECIDED

    @property
    def size(self) -> tuple[int, int] | None:
        """(height, width) in pixels that are asked for."""
        if self.image_size is None:
            return None
        width, height = width_and_height(self.image_size)
        return height, width
