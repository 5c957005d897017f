"""Checks of a checkpoint from an unknown source: its configuration, its shapes, its values.

Everything before the values is arithmetic on the header: nothing is built, and nothing allocated but small tables.
"""

import math
from collections.abc import Callable, Mapping

import msgspec
import torch
from torch import Tensor

from nvp_studio.flow.config import MOST, MOST_BLOCKS, MOST_SIDE, FlowConfig
from nvp_studio.flow.inventory import largest_activation_bytes, state_entries
from nvp_studio.flow.preprocessing import LEAST_SHARE
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
        _check_bounds(fields)
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
        promise, holds = _PROMISES.get(name.rpartition(".")[2], ("", _anything))
        if not holds(tensor):
            raise TensorFileError(f"tensor {name} {promise}")


def _check_bounds(fields: object) -> None:
    """Refuse a configuration whose examination alone would be costly, before a `FlowConfig` is made of it."""
    if not isinstance(fields, dict):
        raise TensorFileError("its configuration is not a table")
    for name, limit in MOST.items():
        value = fields.get(name, 0)
        if type(value) is not int or not 0 <= value <= limit:
            raise TensorFileError(f"its configuration has {name} {ascii(value)[:20]}, the limit is {limit}")
    shape = fields.get("image_shape")
    if not isinstance(shape, list) or not all(type(side) is int and 0 < side <= MOST_SIDE for side in shape):
        raise TensorFileError(f"its configuration has no image shape with sides up to {MOST_SIDE}")
    couplings = fields.get("checkerboard_couplings", 3) + fields.get("channel_couplings", 3)
    networks = fields.get("scales", 2) * couplings + fields.get("final_couplings", 4)
    if networks * (fields.get("blocks", 4) + 1) > MOST_BLOCKS:
        raise TensorFileError(f"its configuration has more than {MOST_BLOCKS} residual blocks")


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


def _anything(tensor: Tensor) -> bool:
    return True


def _not_negative(tensor: Tensor) -> bool:
    return bool((tensor >= 0).all())


def _is_permutation(tensor: Tensor) -> bool:
    ones = tensor == 1
    whole = bool((ones | (tensor == 0)).all())
    return whole and bool((ones.sum(0) == 1).all()) and bool((ones.sum(1) == 1).all())


def _are_edges(tensor: Tensor) -> bool:
    ends = bool((tensor[:, 0] == 0).all()) and bool((tensor[:, -1] == 1).all())
    return ends and bool((tensor.diff() > LEAST_SHARE / 2).all())


def _is_sign(tensor: Tensor) -> bool:
    return bool((tensor.abs() == 1).all())


_PROMISES: dict[str, tuple[str, Callable[[Tensor], bool]]] = {
    "permutation": ("is no permutation", _is_permutation),
    "edges": ("does not rise from 0 to 1 with a share for each level", _are_edges),
    "sign": ("holds other values than 1 and -1", _is_sign),
    "variance": ("holds negative variances", _not_negative),
    "running_var": ("holds negative variances", _not_negative),
    "deviation": ("holds negative deviations", _not_negative),
}
"""By the last part of a tensor's name: what is said of one with other values, and the check of the values."""
