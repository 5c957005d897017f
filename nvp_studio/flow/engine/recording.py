"""A function of a tensor recorded as one graph, which runs without Python between its operations.

For a single image most of the time of decoding is Python's. TorchScript's tracing takes about a second and needs no
compiler on the machine; the same operations run in the same order, to the same bits. The first few calls of the graph
are slow and made here.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

_FIRST_CALLS = 3
"""Calls in which TorchScript examines shapes and prepares the execution."""


@torch.no_grad()
def recorded(function: Callable[[Tensor], Tensor], example: Tensor) -> Callable[[Tensor], Tensor]:
    """`function` as a graph for arguments of the shape of `example`; other tensors that it uses become constants.

    Only for functions whose operations do not depend on values.
    """
    function(example)  # so that tensors which are cached at the first call become constants
    with warnings.catch_warnings():
        # Tracing recommends `torch.compile`, which needs a compiler and minutes.
        warnings.simplefilter("ignore")
        with _silent_tracing(), _FixedShapes():
            graph = torch.jit.trace(function, (example,), check_trace=False)  # type: ignore[no-untyped-call]
        for _ in range(_FIRST_CALLS):
            graph(example)

    def call(argument: Tensor) -> Tensor:
        with torch.no_grad():
            result: Tensor = graph(argument)
        return result

    return call


@contextmanager
def _silent_tracing() -> Iterator[None]:
    """Without a warning for each shape that becomes a constant, which is intended here.

    Python's warning filters are shared by all threads: another one may restore them while this one is tracing.
    """
    engine: Any = torch._C
    before = engine._jit_get_tracer_state_warn()
    engine._jit_set_tracer_state_warn(False)
    try:
        yield
    finally:
        engine._jit_set_tracer_state_warn(before)


class _FixedShapes(TorchFunctionMode):
    """Gives shapes as numbers; tracing would record each request of one, and all that is computed from it."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call `func`; return a shape as a `torch.Size` of numbers, and a length, of which torch warns, as a number."""
        if func is Tensor.__len__:
            return int(_SHAPE(args[0])[0])
        result = func(*args, **(kwargs or {}))
        return torch.Size(int(side) for side in result) if func == _SHAPE else result


_SHAPE: Any = Tensor.shape.__get__  # type: ignore[attr-defined]
