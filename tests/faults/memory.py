"""A shim over the memory of a save: each tensor that it makes, and the buffer of its file, may find no room.

Within `Publisher.checkpoint` every operation of torch that gives a new tensor counts as an allocation, and so does the
`bytearray` that becomes the file. The errors are those of CPython and of torch's allocator for a CPU.
"""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from torch.utils._python_dispatch import TorchDispatchMode

from nvp_studio import tensor_file
from nvp_studio.training.publisher import Publisher

REFUSED = (
    "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate"
)


class Memory:
    """Counts allocations; `fail_at` (from 1) fails, and with `for_ever` so does every one after it."""

    def __init__(self, fail_at: int | None = None, *, for_ever: bool = False) -> None:
        self.allocations = 0
        self.failed = 0
        self.for_ever = for_ever
        self._fail_at = fail_at

    def install(self, patch: pytest.MonkeyPatch) -> None:
        write = Publisher.checkpoint

        def watched(publisher: Publisher, *words: Any) -> bool:
            with _Watch(self):
                return write(publisher, *words)

        patch.setattr(Publisher, "checkpoint", watched)
        patch.setattr(tensor_file, "bytearray", self._buffer, raising=False)

    def refuses(self) -> bool:
        """Count an allocation; whether there is no room for it."""
        self.allocations += 1
        turn = self._fail_at is not None and (
            self.allocations == self._fail_at or (self.for_ever and self.allocations > self._fail_at)
        )
        self.failed += turn
        return turn

    def _buffer(self, size: int) -> bytearray:
        if self.refuses():
            raise MemoryError
        return bytearray(size)


class _Watch(TorchDispatchMode):
    def __init__(self, memory: Memory) -> None:
        super().__init__()
        self._memory = memory

    def __torch_dispatch__(
        self,
        function: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        returned = function._schema.returns  # type: ignore[attr-defined] # of torch's operators
        makes = bool(returned) and returned[0].alias_info is None and str(returned[0].type) == "Tensor"
        if makes and self._memory.refuses():
            raise RuntimeError(f"{REFUSED} 64 bytes. Error code 12 (Cannot allocate memory)")
        return function(*args, **(kwargs or {}))
