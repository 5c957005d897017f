"""A device that need not exist: tensors on it have shapes and types but no values, and what is done with them is
recorded.

torch's `FakeTensorMode` computes nothing and refuses operations on tensors of different devices. `FakeDevice` adds what
a program needs to go on (an answer where it reads a number), and records per phase where the host waits for the device,
which operations mix devices, and the types of the results.

The device is "meta" with any torch. "cuda" needs torch for CUDA, and `benchmarks.fake_gpu` to prepare the process.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn
from torch._subclasses import FakeTensorMode, fake_tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from nvp_studio.flow.engine import fused_spline

PROGRAM = Path(__file__).resolve().parents[1] / "nvp_studio"
_COPIES = (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)
_OF_VALUES = ("nonzero", "masked_select", "_unique2", "unique_dim", "repeat_interleave")
"""Operations whose result has a shape that depends on values, which the host must know."""
_FLOAT = 2.0**-10
"""What every floating-point number that the program reads is: finite, and below half a grey level."""

Place = tuple[str, str]
"""What was done, and the line of the program that did it."""


@dataclass
class Record:
    """What happened in one phase."""

    name: str
    operations: int = 0
    """Operations with a result on the device; nearly each is the launch of a kernel."""
    waits: Counter[Place] = field(default_factory=Counter)
    """Where the host waits for the device: numbers read, copies to the host, copies from memory that is not pinned."""
    mixed: Counter[Place] = field(default_factory=Counter)
    """Operations on tensors of both the device and the host, other than copies and numbers."""
    types: Counter[torch.dtype] = field(default_factory=Counter)
    """Of the results on the device."""
    slips: Counter[Place] = field(default_factory=Counter)
    """Results of a type that the phase does not allow."""


class FakeDevice:
    """The device of `kind`, "meta" or "cuda", while the block runs; as a context manager it gives itself.

    `truth` is what every truth value is that the program reads from a tensor; it may be changed at any time.
    """

    def __init__(self, kind: str = "meta") -> None:
        self.device = torch.device(kind, 0) if kind == "cuda" else torch.device(kind)
        self.truth = True
        self.record = Record("")
        self._types: frozenset[torch.dtype] | None = None
        self._stack = ExitStack()

    def __enter__(self) -> "FakeDevice":
        _clear_caches()
        self._stack.callback(_clear_caches)
        self._stack.enter_context(patch.object(nn.Module, "_apply", _apply))
        # A fake tensor refers to its mode, which a copy of the tensor has to share.
        self._stack.enter_context(patch.object(FakeTensorMode, "__deepcopy__", lambda mode, memo: mode, create=True))
        # Its own reads number by number, where a tensor on a device is copied to the host once.
        self._stack.enter_context(patch.object(fake_tensor.FakeTensor, "tolist", Tensor.tolist))
        if self.device.type == "cuda":
            self._stack.enter_context(patch.object(fake_tensor, "init_gpu_context", lambda device: None))
            self._stack.enter_context(patch.object(FakeTensorMode, "avoid_device_init", True))
            self._stack.enter_context(patch.object(torch._C, "_ensureCUDADeviceGuardSet", lambda: None))
            backend = torch._C._ConvBackend.Cudnn
            self._stack.enter_context(patch.object(torch._C, "_select_conv_backend", lambda *args, **kwargs: backend))
            self._stack.enter_context(patch.object(torch._C, "_conv_determine_backend_memory_format", _as_cudnn))
            for name, stand_in in _CUDA.items():
                self._stack.enter_context(patch.object(torch.cuda, name, stand_in))
        self._stack.enter_context(torch.autograd.set_multithreading_enabled(False))  # modes belong to this thread
        self._stack.enter_context(FakeTensorMode(allow_non_fake_inputs=True))
        self._stack.enter_context(_Operations(self))
        self._stack.enter_context(_Reading(self))
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    @contextmanager
    def phase(self, name: str, types: Sequence[torch.dtype] | None = None) -> Iterator[Record]:
        """Record the block by itself; results on the device may have these types (None: any) and those of no float.

        bfloat16 is allowed within networks (`engine.precision`) and in backward passes alone.
        """
        before = self.record, self._types
        self.record, self._types = Record(name), None if types is None else frozenset(types)
        try:
            yield self.record
        finally:
            self.record, self._types = before

    def holds(self, tensor: Tensor) -> bool:
        return tensor.device.type == self.device.type

    def allows(self, dtype: torch.dtype) -> bool:
        if self._types is None or not (dtype.is_floating_point or dtype.is_complex):
            return True
        if dtype == torch.bfloat16 and dtype in self._types:
            return torch._C._current_autograd_node() is not None or _is_called_by("_run_rounded")
        return dtype in self._types

    def scalar(self, dtype: torch.dtype) -> bool | int | float:
        """What a number of this type is said to be."""
        if dtype == torch.bool:
            return self.truth
        return _FLOAT if dtype.is_floating_point else 1


class _Operations(TorchDispatchMode):
    """Sees each operation before `FakeTensorMode` does, backward passes included."""

    def __init__(self, fake: FakeDevice) -> None:
        super().__init__()
        self._fake = fake

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        fake, record, kwargs = self._fake, self._fake.record, kwargs or {}
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        there = [tensor for tensor in tensors if fake.holds(tensor)]
        name = func.overloadpacket.__name__
        if func is torch.ops.aten._local_scalar_dense.default:
            if there:
                record.waits["a number is read", _line()] += 1
            return fake.scalar(args[0].dtype)
        if func is torch.ops.aten.equal.default:
            if there:
                record.waits["tensors are compared", _line()] += 1
            return False
        if func in _COPIES:
            self._copy(func, args, kwargs)
        elif there and any(tensor.ndim and not fake.holds(tensor) for tensor in tensors):
            record.mixed[name, _line()] += 1
        if there and (name in _OF_VALUES or (name == "index" and _selects(args[1]))):
            record.waits[f"{name} needs values", _line()] += 1
        result = func(*args, **kwargs)
        results = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor) and fake.holds(leaf)]
        if results and not func.is_view:
            record.operations += 1
        for tensor in results:
            record.types[tensor.dtype] += 1
            if not fake.allows(tensor.dtype):
                record.slips[f"{name} gives {str(tensor.dtype).removeprefix('torch.')}", _line()] += 1
        return result

    def _copy(self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Record a copy that the host waits for."""
        fake, source = self._fake, args[0]
        target, in_background = kwargs.get("device") or source.device, kwargs.get("non_blocking", False)
        if func is torch.ops.aten.copy_.default:
            source, target = args[1], args[0].device
            in_background = in_background or (len(args) > 2 and args[2])
        if source.device.type == target.type or fake.device.type not in (source.device.type, target.type):
            return
        if fake.holds(source):
            fake.record.waits["a copy to the host", _line()] += 1
        elif source.numel() and not (in_background and getattr(source, "_pinned", fake.device.type != "cuda")):
            fake.record.waits["a copy from memory that is not pinned", _line()] += 1


class _Reading(TorchFunctionMode):
    """Answers what leaves torch: arrays and lists are zeros; and remembers which tensors are in pinned memory."""

    def __init__(self, fake: FakeDevice) -> None:
        super().__init__()
        self._fake = fake

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in (Tensor.numpy, Tensor.__array__, Tensor.tolist):
            tensor = args[0]
            if self._fake.holds(tensor):
                if func is not Tensor.tolist:
                    raise TypeError("the array is asked of a tensor that is on the device")
                self._fake.record.waits["a list is read", _line()] += 1
            array = np.full(tensor.shape, self._fake.scalar(tensor.dtype), _NUMPY[tensor.dtype])
            return array.tolist() if func is Tensor.tolist else array
        if func is Tensor.pin_memory:
            pinned = args[0].clone()
            pinned._pinned = True
            return pinned
        return func(*args, **(kwargs or {}))


def _apply(module: nn.Module, function: Callable[[Tensor], Tensor], recurse: bool = True) -> nn.Module:
    """As `nn.Module._apply`, which exchanges the content of tensors: fake ones do not allow that."""
    for child in module.children() if recurse else ():
        child._apply(function)
    for name, parameter in module._parameters.items():
        if parameter is not None:
            with torch.no_grad():
                moved = function(parameter)
            module._parameters[name] = nn.Parameter(moved, parameter.requires_grad)
    for name, buffer in module._buffers.items():
        if buffer is not None:
            module._buffers[name] = function(buffer)
    return module


def _as_cudnn(x: Tensor, weight: Tensor, backend: object) -> torch.memory_format:
    """The memory format that cuDNN's convolutions return."""
    formats = (torch.channels_last, torch.contiguous_format)
    innermost = any(t.ndim == 4 and t.is_contiguous(memory_format=formats[0]) for t in (x, weight))
    return formats[0] if innermost else formats[1]


def _selects(indices: Sequence[Tensor | None]) -> bool:
    return any(index is not None and index.dtype in (torch.bool, torch.uint8) for index in indices)


def _line() -> str:
    """The line of the program that is being executed; of torch's own backward pass, the one that started it."""
    frame = sys._getframe(1)
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if PROGRAM in path.parents:
            return f"{path.relative_to(PROGRAM.parent).as_posix()}:{frame.f_lineno} {frame.f_code.co_name}"
        frame = frame.f_back  # type: ignore[assignment] # None ends it
    return "outside of the program"


def _is_called_by(name: str) -> bool:
    frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_name != name:
        frame = frame.f_back  # type: ignore[assignment] # None ends it
    return frame is not None


def _clear_caches() -> None:
    """Forget tensors that are kept from call to call: fake ones and others must not meet."""
    for name in ("_edge_table", "_least_sizes", "_constant", "_three"):
        getattr(fused_spline, name).cache_clear()


_NUMPY = {
    torch.float64: np.float64,
    torch.float32: np.float32,
    torch.int64: np.int64,
    torch.int32: np.int32,
    torch.uint8: np.uint8,
    torch.bool: np.bool_,
}
_CUDA: dict[str, Callable[..., Any]] = {
    "_lazy_init": lambda: None,
    "get_device_capability": lambda device=None: (9, 0),
    "is_bf16_supported": lambda *arguments, **more: True,
    "mem_get_info": lambda device=None: (2**36, 2**36),
    "max_memory_allocated": lambda device=None: 0,
}
"""What the program asks CUDA for, of a GPU of 64 GiB that multiplies in bfloat16."""
