"""The checkpoint: one safetensors file with a flow's weights and all that explains them, checked before it is believed.

Tensors in the file:

- ``average.<name>``: parameters and buffers of the averaged model, which is what `load` gives;
- ``weights.<name>`` and ``optimizer.<state>``: what training goes on from (the optimizer's state of all parameters in
  one vector, in the order of `Flow.parameters`);
- ``directions.components`` (K, D), ``.mean`` (D,), ``.deviation`` (K,), ``.shares`` (K,): principal directions of the
  training images' latents, behind them those of the data's contrasts, their standard deviations and shares of the
  variance;
- ``reference.bits_per_dim`` (n,): sorted scores of validation images under these weights.

The metadata are strings: ``format``, ``config`` (a `FlowConfig` as JSON), ``info`` (a `CheckpointInfo` as JSON),
``resume`` (JSON that belongs to the training loop, may be empty) and ``sha256`` over all of it.
"""

import hashlib
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import torch
from torch import Tensor

from nvp_studio.files import write_whole
from nvp_studio.flow.config import MOST, MOST_BLOCKS, MOST_SIDE, FlowConfig
from nvp_studio.flow.flow import Flow
from nvp_studio.resources import INCLUDED_MODELS, resource_path
from nvp_studio.tensor_file import Header, TensorFileError, pack_tensors, read_header, read_tensors

FORMAT = "nvp-studio-checkpoint"
FORMAT_VERSION = 1
MAX_DIRECTIONS = 256
MAX_REFERENCE = 100_000
_MAX_NAME = 100


class CheckpointError(ValueError):
    """A checkpoint cannot be read or written; the message is one line that says which and why."""


class DataInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The data set that a flow was trained on."""

    name: str
    title: str
    digest: str
    label_names: tuple[str, ...] = ()
    contrasts: tuple[str, ...] = ()
    """Names of the last directions of the checkpoint, each from the images without to those with it."""
    licence: str = ""


class CheckpointInfo(msgspec.Struct, frozen=True, kw_only=True):
    """Where a checkpoint comes from."""

    name: str
    """Of the run, or of the model."""
    preset: str
    data: DataInfo
    step: int
    epoch: float
    seconds: float
    """Time spent on training."""
    images: int
    """Training images seen, with repetition."""
    seed: int
    validation: float | None = None
    """Bits/dim of the averaged weights on validation images: a bound, with one dequantization sample."""
    validation_images: int = 0
    test: float | None = None
    """Bits/dim on the whole test set, likewise."""
    test_images: int = 0
    train_config: str = ""
    """The `TrainConfig` as JSON."""
    created: str = ""
    """When the file was written, ISO 8601 with time zone."""
    format_version: int = FORMAT_VERSION


@dataclass(frozen=True)
class Checkpoint:
    """The content of a checkpoint file. `digest` (sha-256, hexadecimal) is known once it has been written or read."""

    config: FlowConfig
    info: CheckpointInfo
    tensors: Mapping[str, Tensor] = field(repr=False)
    resume: str = ""
    digest: str = ""

    def group(self, prefix: str) -> dict[str, Tensor]:
        """The tensors called ``prefix.<name>``, by <name>."""
        start = len(prefix) + 1
        return {name[start:]: tensor for name, tensor in self.tensors.items() if name.startswith(prefix + ".")}


def write_checkpoint(
    path: str | os.PathLike[str], checkpoint: Checkpoint, *, keep: str | os.PathLike[str] | None = None
) -> str:
    """Write the file whole and return its digest; the file that it replaces stays as `keep`, if that is given.

    Raises `CheckpointError` when it holds NaN, infinity or tensors that do not fit its configuration (the file at
    `path` stays as it was), and `OSError` when the disk refuses.
    """
    tensors = {name: tensor.detach().to("cpu").contiguous() for name, tensor in checkpoint.tensors.items()}
    metadata = {
        "format": FORMAT,
        "config": msgspec.json.encode(checkpoint.config).decode(),
        "info": msgspec.json.encode(checkpoint.info).decode(),
        "resume": checkpoint.resume,
    }
    metadata["sha256"] = _digest(metadata, tensors)
    try:
        _check_shapes({name: (t.dtype, tuple(t.shape)) for name, t in tensors.items()}, checkpoint.config)
        _check_values(tensors)
        data = pack_tensors(tensors, metadata)
    except TensorFileError as error:
        raise CheckpointError(f"{Path(path).name} is not written: {error}") from error
    write_whole(path, data, keep=keep)
    return metadata["sha256"]


def read_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Read and verify a checkpoint file.

    Checked, in this order: size and header within limits; configuration within limits; tensors' names, shapes and types
    equal to the configuration's; sha-256; all numbers finite. Raises `CheckpointError`.
    """
    try:
        metadata, tensors = read_tensors(path, _check_header)
        if _digest(metadata, tensors) != metadata["sha256"]:
            raise TensorFileError("it is damaged (its checksum is wrong)")
        _check_values(tensors)
        return Checkpoint(_config(metadata), _info(metadata), tensors, metadata.get("resume", ""), metadata["sha256"])
    except TensorFileError as error:
        raise CheckpointError(f"{path} is not a usable checkpoint: {error}") from error


def peek(path: str | os.PathLike[str]) -> CheckpointInfo:
    """Read where a checkpoint comes from, without its tensors and without verifying them; raises `CheckpointError`."""
    try:
        metadata = read_header(path).metadata
        _check_format(metadata)
        return _info(metadata)
    except TensorFileError as error:
        raise CheckpointError(f"{path} is not a usable checkpoint: {error}") from error


def slim(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint without what only resuming needs."""
    kept = {name: t for name, t in checkpoint.tensors.items() if name.split(".")[0] not in ("weights", "optimizer")}
    return replace(checkpoint, tensors=kept, resume="", digest="")


def find_checkpoint(path: str | os.PathLike[str] = "") -> Path:
    """The checkpoint file that `path` means: a file, or of a run folder the best, else the last.

    The name of an included model means its file, and an empty path the first of them. Raises `CheckpointError`.
    """
    name = os.fspath(path) or next(iter(INCLUDED_MODELS))
    if name in INCLUDED_MODELS and not Path(name).exists():
        try:
            return resource_path(f"models/{name}.safetensors")
        except FileNotFoundError as error:
            raise CheckpointError(str(error)) from error
    target = Path(path)
    if not target.is_dir():
        return target
    for folder in (target / "checkpoints", target):
        for name in ("best.safetensors", "last.safetensors", "previous.safetensors"):
            if (folder / name).is_file():
                return folder / name
    raise CheckpointError(f"{target} holds no checkpoint; give a run folder or a .safetensors file")


def build_flow(checkpoint: Checkpoint, device: str | torch.device = "cpu") -> Flow:
    """The checkpoint's flow with the averaged weights, in evaluation mode, frozen and folded for inference."""
    flow = _new_flow(checkpoint.config)
    flow.load_state_dict(checkpoint.group("average"))
    return flow.to(device).for_inference()


def load(path: str | os.PathLike[str] = "", device: str | torch.device = "cpu") -> Flow:
    """Load the flow of a checkpoint file, or of a run folder its best, or the included model of that name.

    An empty path is the first included model. The flow has the averaged weights and is in evaluation mode. Raises
    `CheckpointError`.
    """
    return build_flow(read_checkpoint(find_checkpoint(path)), device)


def _digest(metadata: Mapping[str, str], tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over the metadata but ``sha256`` itself, and each tensor's name, type, shape and bytes."""
    digest = hashlib.sha256()
    for key in sorted(metadata.keys() - {"sha256"}):
        digest.update(f"{len(key)} {len(metadata[key].encode())} {key} {metadata[key]}\n".encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _check_header(header: Header) -> None:
    _check_format(header.metadata)
    _info(header.metadata)
    shapes = {name: (entry.dtype, entry.shape) for name, entry in header.entries.items()}
    _check_shapes(shapes, _config(header.metadata))


def _check_format(metadata: Mapping[str, str]) -> None:
    if metadata.get("format") != FORMAT:
        raise TensorFileError("it was not written by NVP Studio")
    missing = [key for key in ("config", "info", "sha256") if key not in metadata]
    if missing:
        raise TensorFileError(f"its metadata lack {missing[0]!r}")


def _info(metadata: Mapping[str, str]) -> CheckpointInfo:
    try:
        info = msgspec.json.decode(metadata["info"], type=CheckpointInfo)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise TensorFileError(f"its information is not understood ({error})") from error
    if not all(0 < len(name) <= _MAX_NAME for name in info.data.contrasts):
        raise TensorFileError(f"its directions have names that are empty or over {_MAX_NAME} characters")
    if info.format_version > FORMAT_VERSION:
        raise TensorFileError("a newer version of NVP Studio wrote it; update this one")
    return info


def _config(metadata: Mapping[str, str]) -> FlowConfig:
    try:
        fields = msgspec.json.decode(metadata["config"])
        _check_bounds(fields)
        return msgspec.convert(fields, FlowConfig)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise TensorFileError(f"its configuration is not understood ({error})") from error


def _check_bounds(fields: object) -> None:
    """Refuse a configuration that would be costly merely to look at, before a `FlowConfig` is made of it."""
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


_Shapes = Mapping[str, tuple[torch.dtype, tuple[int, ...]]]


def _check_shapes(shapes: _Shapes, config: FlowConfig) -> None:
    """Compare names, types and shapes of the tensors with those that the configuration asks for."""
    held = sum(math.prod(shape) for name, (_, shape) in shapes.items() if name.startswith("average."))
    if _least_parameters(config) > held:
        raise TensorFileError("it holds fewer numbers than its configuration asks for")
    flow = _new_flow(config)
    model = {name: (tensor.dtype, tuple(tensor.shape)) for name, tensor in flow.state_dict().items()}
    wanted = {f"average.{name}": value for name, value in model.items()}
    if any(name.startswith("weights.") for name in shapes):
        wanted |= {f"weights.{name}": value for name, value in model.items()}
    parameters = sum(parameter.numel() for parameter in flow.parameters())
    for name in ("exp_avg", "exp_avg_sq", "exp_inf"):
        if f"optimizer.{name}" in shapes:
            wanted[f"optimizer.{name}"] = (torch.float32, (parameters,))
    wanted |= _wanted_directions(shapes, config.dimensions)
    if "reference.bits_per_dim" in shapes:
        (count, *_) = shapes["reference.bits_per_dim"][1] or (0,)
        wanted["reference.bits_per_dim"] = (torch.float64, (min(count, MAX_REFERENCE),))
    for name in wanted.keys() - shapes.keys():
        raise TensorFileError(f"tensor {name} is missing")
    for name, found in shapes.items():
        if name not in wanted:
            raise TensorFileError(f"tensor {name} does not belong to its configuration")
        if found != wanted[name]:
            raise TensorFileError(
                f"tensor {name} is {_told(*found)}, its configuration asks for {_told(*wanted[name])}"
            )


def _least_parameters(config: FlowConfig) -> int:
    """A lower bound of the parameter count, close to it: what a file must hold before a flow of its size is built."""
    blocks = {"residual": 19 * config.blocks + 1, "gated": 11 * config.blocks, "depthwise": 4 * config.blocks}
    numbers = {"affine": 2, "mixture": 3 * config.pieces + 2, "spline": 3 * config.pieces + 3}[config.law]
    matrices = {"none": 0, "permutation": 0, "orthogonal": 1, "conv1x1": 2}[config.mixing]

    def couplings(count: int, half: int, width: int) -> int:
        """Networks that see at least `half` channels and say so many numbers of as many."""
        return count * (blocks[config.network] * width**2 + (9 + numbers) * half * width)

    total = 0
    channels = config.image_shape[0]
    for scale in range(config.scales - 1):
        width = config.width * (2**scale if config.doubling else 1)
        total += couplings(config.checkerboard_couplings, channels, width)
        total += couplings(config.channel_couplings, 2 * channels, width)
        total += config.channel_couplings * matrices * (4 * channels) ** 2
        channels *= 2
    width = config.width * (2 ** (config.scales - 1) if config.doubling else 1)
    if config.final_mask == "checkerboard":
        return total + couplings(config.final_couplings, channels, width)
    return (
        total
        + couplings(config.final_couplings, channels // 2, width)
        + config.final_couplings * matrices * channels**2
    )


def _new_flow(config: FlowConfig) -> Flow:
    """A flow about to be filled; its random initialization leaves the caller's random numbers alone."""
    with torch.random.fork_rng(devices=[]):
        return Flow(config)


def _wanted_directions(shapes: _Shapes, dimensions: int) -> dict[str, tuple[torch.dtype, tuple[int, ...]]]:
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


def _told(dtype: torch.dtype, shape: tuple[int, ...]) -> str:
    return f"{str(dtype).removeprefix('torch.')} {'x'.join(map(str, shape)) or 'scalar'}"


def _check_values(tensors: Mapping[str, Tensor]) -> None:
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise TensorFileError(f"tensor {name} holds NaN or infinite values")
