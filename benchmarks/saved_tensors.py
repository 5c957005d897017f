"""Counting what autograd keeps between forward and backward pass: the tensors, and their bytes at the highest point."""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


class SavedTensors:
    """What was kept so far; storage that several tensors share counts once, storage of `apart` does not count."""

    def __init__(self, apart: Iterable[Tensor] = ()) -> None:
        self._apart = {_storage(tensor) for tensor in apart}
        self._holders: Counter[int] = Counter()
        self._bytes: dict[int, int] = {}
        self.count = 0
        """Tensors kept since the beginning."""
        self.bytes = 0
        """Bytes held now."""
        self.peak_bytes = 0
        """Most bytes held at a time."""

    def keep(self, tensor: Tensor) -> None:
        place = _storage(tensor)
        if place in self._apart:
            return
        self.count += 1
        if not self._holders[place]:
            self._bytes[place] = tensor.untyped_storage().nbytes()
            self.bytes += self._bytes[place]
            self.peak_bytes = max(self.peak_bytes, self.bytes)
        self._holders[place] += 1

    def release(self, tensor: Tensor) -> None:
        place = _storage(tensor)
        if place in self._apart:
            return
        self._holders[place] -= 1
        if not self._holders[place]:
            self.bytes -= self._bytes.pop(place)


class _Held:
    """A tensor in autograd's hands, let go of when the graph is."""

    def __init__(self, tensor: Tensor, saved: SavedTensors) -> None:
        self.tensor = tensor
        self._saved = saved
        saved.keep(tensor)

    def __del__(self) -> None:
        self._saved.release(self.tensor)


@contextmanager
def saved_tensors(apart: Iterable[Tensor] = ()) -> Iterator[SavedTensors]:
    """Count what autograd keeps inside the block; backward passes there count too, with what they run again."""
    saved = SavedTensors(apart)
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: _Held(tensor, saved), lambda held: held.tensor):
        yield saved


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
