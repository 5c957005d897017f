"""Checks of a checkpoint from an unknown source: its configuration, its shapes, its values.

Everything before the values is arithmetic on the header: nothing is built, and nothing allocated but small tables.
"""

import math
from collections.abc import Callable, Mapping

import msgspec
import torch
from torch import Tensor

from nvp_studio.flow.config import FlowConfig
from nvp_studio.flow.inventory import largest_activation_bytes, state_entries
from nvp_studio.flow.preprocessing import MIN_SHARE
from nvp_studio.removed_options import RemovedOptionError, refuse_removed_options
from nvp_studio.tensor_file import TensorFileError

MAX_DIRECTIONS = 256
MAX_REFERENCE = 100_000
MAX_ACTIVATION_BYTES = 512 * 2**20
"""Largest tensor that the flow may compute for one image; a pass takes a few times that."""

Shapes = Mapping[str, tuple[torch.dtype, tuple[int, ...]]]
"""Type and shape of tensors by name."""


def read_config(text: str) -> FlowConfig:
    """The configuration in JSON; raises `TensorFileError` when it is none, or asks for more than any flow may."""
    try:
        fields = msgspec.json.decode(text)
        refuse_removed_options(fields)
        return msgspec.convert(fields, FlowConfig)
    except RemovedOptionError as error:
        raise TensorFileError(str(error)) from error
    except (msgspec.MsgspecError, RecursionError) as error:
        raise TensorFileError(f"its configuration is not understood ({error})") from error


def check_shapes(shapes: Shapes, config: FlowConfig) -> None:
    """Compare names, types and shapes of the tensors with those that the configuration asks for."""
    activation = largest_activation_bytes(config)
    if activation > MAX_ACTIVATION_BYTES:
        raise TensorFileError(
            f"its configuration asks for {activation / 2**20:,.0f} MB at once for a single image, "
            f"the limit is {MAX_ACTIVATION_BYTES // 2**20} MB"
        )
    model, parameters = _model(shapes, config)
    wanted = {f"average.{name}": value for name, value in model.items()}
    if any(name.startswith("weights.") for name in shapes):
        wanted |= {f"weights.{name}": value for name, value in model.items()}
    for name in ("exp_avg", "exp_avg_sq", "exp_inf"):
        if f"optimizer.{name}" in shapes:
            wanted[f"optimizer.{name}"] = (torch.float32, (parameters,))
    wanted |= _wanted_directions(shapes, config.dimensions)
    if "reference.bits_per_dim" in shapes:
        (count, *_) = shapes["reference.bits_per_dim"][1] or (0,)
        wanted["reference.bits_per_dim"] = (torch.float64, (min(count, MAX_REFERENCE),))
    for name in wanted.keys() - shapes.keys():
        raise TensorFileError(f"tensor {name} is missing")
    for name, stored in shapes.items():
        if name not in wanted:
            raise TensorFileError(f"tensor {name} does not belong to its configuration")
        if stored != wanted[name]:
            raise TensorFileError(
                f"tensor {name} is {_described(*stored)}, its configuration asks for {_described(*wanted[name])}"
            )


def check_values(tensors: Mapping[str, Tensor]) -> None:
    """Refuse values that no training produces and that layers do not handle."""
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise TensorFileError(f"tensor {name} holds NaN or infinite values")
        kind = name.rpartition(".")[2]
        if kind in _VALUE_CHECKS and not _VALUE_CHECKS[kind][0](tensor):
            raise TensorFileError(f"tensor {name} {_VALUE_CHECKS[kind][1]}")


def _model(shapes: Shapes, config: FlowConfig) -> tuple[dict[str, tuple[torch.dtype, tuple[int, ...]]], int]:
    """The state that the configuration asks for, and its number of parameters.

    Given up as soon as it is more than the file has: a table of terabytes is not even written down.
    """
    held = [shape for name, (_, shape) in shapes.items() if name.startswith("average.")]
    numbers = sum(map(math.prod, held))
    model: dict[str, tuple[torch.dtype, tuple[int, ...]]] = {}
    asked = parameters = 0
    for entry in state_entries(config):
        count = math.prod(entry.shape)
        asked += count
        parameters += count if entry.trained else 0
        model[entry.name] = (entry.dtype, entry.shape)
        if asked > numbers or len(model) > len(held):
            raise TensorFileError(
                f"it holds fewer numbers than its configuration asks for ({numbers:,} in {len(held):,} tensors)"
            )
    return model, parameters


def _wanted_directions(shapes: Shapes, dimensions: int) -> dict[str, tuple[torch.dtype, tuple[int, ...]]]:
    if not any(name.startswith("directions.") for name in shapes):
        return {}
    _, shape = shapes.get("directions.components", (None, (0,)))
    count = min(shape[0] if shape else 0, MAX_DIRECTIONS)
    return {
        "directions.components": (torch.float32, (count, dimensions)),
        "directions.mean": (torch.float32, (dimensions,)),
        "directions.deviation": (torch.float32, (count,)),
        "directions.shares": (torch.float32, (count,)),
    }


def _described(dtype: torch.dtype, shape: tuple[int, ...]) -> str:
    return f"{str(dtype).removeprefix('torch.')} {'x'.join(map(str, shape)) or 'scalar'}"


def _not_negative(tensor: Tensor) -> bool:
    return bool((tensor >= 0).all())


def _is_permutation(tensor: Tensor) -> bool:
    ones = tensor == 1
    whole = bool((ones | (tensor == 0)).all())
    return whole and bool((ones.sum(0) == 1).all()) and bool((ones.sum(1) == 1).all())


def _are_edges(tensor: Tensor) -> bool:
    ends = bool((tensor[:, 0] == 0).all()) and bool((tensor[:, -1] == 1).all())
    return ends and bool((tensor.diff() > MIN_SHARE / 2).all())


def _is_sign(tensor: Tensor) -> bool:
    return bool((tensor.abs() == 1).all())


_VALUE_CHECKS: dict[str, tuple[Callable[[Tensor], bool], str]] = {
    "permutation": (_is_permutation, "is no permutation"),
    "edges": (_are_edges, "does not rise from 0 to 1 with a share for each level"),
    "sign": (_is_sign, "holds other values than 1 and -1"),
    "variance": (_not_negative, "holds negative variances"),
    "running_var": (_not_negative, "holds negative variances"),
    "deviation": (_not_negative, "holds negative deviations"),
}
"""By the last part of a tensor's name: the check of its values, and what is said of values that fail it."""
