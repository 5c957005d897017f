"""Which image files a data set's preparation reads."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from nvp_studio.data.decoding import Decoders


def watch_reading(monkeypatch: pytest.MonkeyPatch, act: Callable[[int], None] = lambda count: None) -> list[str]:
    """The names of the files whose pixels are read from now on; `act` is called with their number after each."""
    read: list[str] = []
    real = Decoders.read

    def watched(self: Decoders, sources: Iterable[Path], *how: object) -> Iterator[object]:
        paths = list(sources)
        names = [path.name for path in paths]
        for image in real(self, paths, *how):
            if image is not None:
                read.append(names.pop(0))
                act(len(read))
            yield image

    monkeypatch.setattr(Decoders, "read", watched)
    return read
