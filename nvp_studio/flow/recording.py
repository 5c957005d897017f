"""The decoding of a single image recorded as one graph, which runs without Python between its operations.

A single image is small: what its operations cost is mostly Python's way to them. TorchScript's tracing takes about a
second and needs no compiler on the machine; the same operations run in the same order, to the same bits. Its first few
calls are slow and made here.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

_FIRST_CALLS = 3
"""Calls in which TorchScript looks at shapes and prepares its plan."""


@torch.no_grad()
def recorded(function: Callable[[Tensor], Tensor], example: Tensor) -> Callable[[Tensor], Tensor]:
    """`function` as a graph for arguments of the shape of `example`; tensors that it takes from elsewhere are kept.

    Only for functions whose operations do not depend on values.
    """
    function(example)  # what is made once and kept is no part of the graph
    with warnings.catch_warnings():
        # Tracing warns of newer ways, `torch.compile`, which needs a compiler and minutes.
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
    """Without a warning of each shape that is taken for fixed, which is what is meant here.

    Python's filters of warnings are those of all threads: another one may put them back while this one is tracing.
    """
    engine: Any = torch._C
    before = engine._jit_get_tracer_state_warn()
    engine._jit_set_tracer_state_warn(False)
    try:
        yield
    finally:
        engine._jit_set_tracer_state_warn(before)


class _FixedShapes(TorchFunctionMode):
    """Shapes are numbers to those who ask; tracing would record the question, and all that is computed from it."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """As any function's, but for shapes."""
        result = func(*args, **(kwargs or {}))
        return torch.Size(int(side) for side in result) if func == _SHAPE else result


_SHAPE: Any = Tensor.shape.__get__  # type: ignore[attr-defined]
