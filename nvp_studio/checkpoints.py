"""The checkpoint: one safetensors file with a flow's weights and where they come from, checked before it is used.

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
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

import msgspec
import torch
from torch import Tensor

from nvp_studio.checkpoint_checks import check_shapes, check_values, read_config
from nvp_studio.device import exact
from nvp_studio.files import write_whole
from nvp_studio.flow.config import FlowConfig
from nvp_studio.flow.engine.inference import Inference
from nvp_studio.flow.flow import Flow
from nvp_studio.parent import Parent
from nvp_studio.resources import INCLUDED_MODELS, resource_path
from nvp_studio.tensor_file import Header, TensorFileError, pack_tensors, read_header, read_tensors
from nvp_studio.text import one_line

FORMAT = "nvp-studio-checkpoint"
FORMAT_VERSION = 1
MAX_NAME = 100
"""Characters in the name of a direction."""
_MAX_CHARACTERS = 5000

Line = Annotated[str, msgspec.Meta(max_length=_MAX_CHARACTERS)]
"""Characters of a text that is shown, or of a path."""
Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Integer = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class CheckpointError(ValueError):
    """A checkpoint cannot be read or written; the message is one line that says which and why."""

    def __init__(self, reason: str) -> None:
        super().__init__(one_line(reason, _MAX_CHARACTERS))


class DataInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The data set that a flow was trained on."""

    name: Line
    title: Line
    digest: Line
    label_names: tuple[str, ...] = ()
    contrasts: tuple[str, ...] = ()
    """Names of the last directions of the checkpoint, each from the images without to those with it."""
    licence: Line = ""


class CheckpointInfo(msgspec.Struct, frozen=True, kw_only=True):
    """Where a checkpoint comes from."""

    name: Line
    """Of the run, or of the model."""
    preset: Line
    data: DataInfo
    step: Count
    epoch: float
    seconds: float
    """Time spent on training."""
    images: Count
    """Training images seen, with repetition."""
    seed: Integer
    validation: float | None = None
    """Bits/dim of the averaged weights on validation images: a bound, with one dequantization sample."""
    validation_images: Count = 0
    test: float | None = None
    """Bits/dim on images of the test set, likewise."""
    test_images: Count = 0
    train_config: str = ""
    """The `TrainConfig` as JSON."""
    parent: Parent | None = None
    """The model whose weights training began from; None where they were drawn at random."""
    created: Line = ""
    """When the file was written, ISO 8601 with time zone."""
    format_version: Count = FORMAT_VERSION


class _Version(msgspec.Struct):
    """The part of a `CheckpointInfo` that every version has."""

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
        check_shapes({name: (t.dtype, tuple(t.shape)) for name, t in tensors.items()}, checkpoint.config)
        check_values(tensors)
        _info(metadata)
        data = pack_tensors(tensors, metadata)
    except TensorFileError as error:
        raise CheckpointError(f"{Path(path).name} is not written: {error}") from error
    write_whole(path, data, keep=keep)
    return metadata["sha256"]


def read_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Read and verify a checkpoint file.

    Checked, in this order: size and header within limits; configuration within limits; tensors' names, shapes and types
    equal to the configuration's; sha-256; all numbers finite and fit for their layers. Raises `CheckpointError`.
    """
    try:
        metadata, tensors = read_tensors(path, _check_header)
        if _digest(metadata, tensors) != metadata["sha256"]:
            raise TensorFileError("it is damaged (its checksum is wrong)")
        check_values(tensors)
        return Checkpoint(
            read_config(metadata["config"]), _info(metadata), tensors, metadata.get("resume", ""), metadata["sha256"]
        )
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


def build_flow(checkpoint: Checkpoint, device: str | torch.device = "cpu") -> Inference:
    """The checkpoint's flow with the averaged weights, for inference."""
    flow = _new_flow(checkpoint.config)
    flow.load_state_dict(checkpoint.group("average"))
    return Inference(flow.to(exact(torch.device(device))))


def load(path: str | os.PathLike[str] = "", device: str | torch.device = "cpu") -> Inference:
    """Load the flow of a checkpoint file, or of a run folder its best, or the included model of that name.

    An empty path is the first included model. The flow has the averaged weights and is prepared for inference; to
    train it further, take `flow.flow.requires_grad_()`. Raises `CheckpointError`.
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
    check_shapes(shapes, read_config(header.metadata["config"]))


def _check_format(metadata: Mapping[str, str]) -> None:
    if metadata.get("format") != FORMAT:
        raise TensorFileError("it was not written by NVP Studio")
    missing = [key for key in ("config", "info", "sha256") if key not in metadata]
    if missing:
        raise TensorFileError(f"its metadata lack {missing[0]!r}")


def _info(metadata: Mapping[str, str]) -> CheckpointInfo:
    try:
        if msgspec.json.decode(metadata["info"], type=_Version).format_version > FORMAT_VERSION:
            raise TensorFileError("a newer version of NVP Studio wrote it; update this one")
        info = msgspec.json.decode(metadata["info"], type=CheckpointInfo)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise TensorFileError(f"its information is not understood ({error})") from error
    if not all(0 < len(name) <= MAX_NAME for name in info.data.contrasts):
        raise TensorFileError(f"its directions have names that are empty or over {MAX_NAME} characters")
    return info


def _new_flow(config: FlowConfig) -> Flow:
    """A flow whose weights are to be loaded; its random initialization does not advance torch's global generator."""
    with torch.random.fork_rng(devices=[]):
        return Flow(config)
