"""References as files: safetensors under the checks of a checkpoint, kept beside the model that they belong to.

The references of ``best.safetensors`` are the files ``NAME.reference`` in the folder ``best.references`` beside it, or,
where that cannot be written and for included models, in a folder of the user's own. A file has about 300 KB at most,
more only for images of over 200 pixels a side. Metadata: ``format``, ``info`` (JSON) and ``sha256`` over all of it.
"""

import hashlib
import os
import re
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import platformdirs
import torch
from torch import Tensor

from nvp_studio.files import write_whole
from nvp_studio.flow.config import FlowConfig
from nvp_studio.scores.gaussians import MAX_NUMBERS, Mixture, Principal
from nvp_studio.scores.judge import VIEWS, Judge, Numbers
from nvp_studio.scores.reference import (
    HELD_IMAGES,
    MAX_COMPONENTS,
    OWN,
    MapRange,
    NoReferenceError,
    Reference,
    subject_of,
)
from nvp_studio.scores.shapes import MAX_COMPONENTS as SHAPE_COMPONENTS
from nvp_studio.scores.shapes import MAX_GAUSSIANS, ShapeModel, reduced_shape
from nvp_studio.tensor_file import Header, TensorFileError, pack_tensors, read_tensors
from nvp_studio.text import one_line

FORMAT = "nvp-studio-reference-1"
ENDING = ".reference"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.-]{0,59}")
_Text = Annotated[str, msgspec.Meta(max_length=500)]
_Temperature = Annotated[float, msgspec.Meta(ge=0, le=2)]


class _Info(msgspec.Struct, frozen=True):
    name: _Text
    model: _Text
    source: _Text
    images: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    created: _Text = ""
    temperatures: Annotated[tuple[_Temperature, ...], msgspec.Meta(max_length=64)] = ()


def references_folder() -> Path:
    """Where references are kept that cannot be beside their model.

    The folder that the environment names in NVP_STUDIO_REFERENCES, else one in the user's data folder.
    """
    named = os.environ.get("NVP_STUDIO_REFERENCES")
    return Path(named) if named else platformdirs.user_data_path("nvp-studio") / "references"


def folders(model: str | os.PathLike[str], digest: str) -> tuple[Path, Path]:
    """Where the references of the checkpoint file `model` are: beside it, and in the user's own folder."""
    return Path(model).with_suffix(".references"), references_folder() / digest[:32]


def names_of(model: str | os.PathLike[str], digest: str) -> list[str]:
    """The names of a model's references that were made so far, its own first; whether they are sound is seen later."""
    found = set()
    for folder in folders(model, digest):
        try:
            found |= {file.stem for file in folder.iterdir() if file.suffix == ENDING and _NAME.fullmatch(file.stem)}
        except OSError:
            continue
    return sorted(found, key=lambda name: (name != OWN, name))


def find_reference(model: str | os.PathLike[str], digest: str, config: FlowConfig, name: str = OWN) -> Reference | None:
    """Read a model's reference of this name; None where there is none for these weights.

    Raises `NoReferenceError` for a file that is not sound.
    """
    check_name(name)
    for folder in folders(model, digest):
        path = folder / f"{name}{ENDING}"
        if path.is_file():
            reference = read_reference(path, config)
            if reference.model == digest:
                return reference
    return None


def keep_reference(reference: Reference, model: str | os.PathLike[str], *, beside: bool = True) -> Path:
    """Write a reference where `find_reference` finds it, and return the file; `beside` the model where that works.

    Raises `OSError` where neither place can be written, and `NoReferenceError` for an unfit name.
    """
    first, second = folders(model, reference.model)
    file = f"{check_name(reference.name)}{ENDING}"
    for folder in [first, second] if beside else [second]:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_reference(folder / file, reference)
            return folder / file
        except OSError:
            if folder is second:
                raise
    raise AssertionError("there are two folders")


def check_name(name: str) -> str:
    """The name, where it can be that of a file on every system; raises `NoReferenceError`."""
    if not _NAME.fullmatch(name):
        raise NoReferenceError(
            "the name of a reference has at most 60 letters, digits, blanks and any of _.-, "
            "and begins with a letter or digit"
        )
    return name


def write_reference(path: str | os.PathLike[str], reference: Reference) -> None:
    """Write a reference to a file; raises `OSError`, and `NoReferenceError` where reading it would."""
    judge, maps = reference.judge, reference.maps
    narrow = {
        "numbers.mean": judge.numbers.mean,
        "numbers.deviation": judge.numbers.deviation,
        "numbers.whitening": judge.numbers.whitening,
        **_principal_arrays("coarse", judge.coarse),
        **_principal_arrays("shape", judge.shape.principal),
        "mixture.log_weights": judge.shape.mixture.log_weights,
        "mixture.means": judge.shape.mixture.means,
        "mixture.whitening": judge.shape.mixture.whitening,
        "views.values": judge.views,
        "maps.low": maps.low,
        "maps.high": maps.high,
        "maps.limit": maps.limit,
    }
    tensors = {name: torch.from_numpy(np.ascontiguousarray(array, np.float32)) for name, array in narrow.items()}
    tensors["calibration.distance"] = torch.from_numpy(judge.calibration)
    tensors["calibration.bits_per_dim"] = torch.from_numpy(judge.bits_per_dim)
    source = one_line(reference.source, 500)
    info = _Info(reference.name, reference.model, source, reference.images, reference.created, reference.temperatures)
    metadata = {"format": FORMAT, "info": msgspec.json.encode(info).decode()}
    metadata["sha256"] = _digest(metadata, tensors)
    try:
        _check_values(tensors)
        data = pack_tensors(tensors, metadata)
    except TensorFileError as error:
        raise NoReferenceError(f"the reference is not written: {error}") from error
    write_whole(path, data)


def read_reference(path: str | os.PathLike[str], config: FlowConfig) -> Reference:
    """Read a reference for a flow of this configuration.

    Checked before anything is computed: header, names, types and shapes (which bound its size), SHA-256, values.
    Raises `NoReferenceError`.
    """
    try:
        metadata, tensors = read_tensors(path, lambda header: _check_header(header, config))
        if _digest(metadata, tensors) != metadata.get("sha256"):
            raise TensorFileError("it is damaged (its checksum is wrong)")
        _check_values(tensors)
        info = msgspec.json.decode(metadata["info"], type=_Info)
        if len(info.temperatures) not in (0, config.scales):
            raise TensorFileError(f"it has {len(info.temperatures)} temperatures for {config.scales} scales")
    except (TensorFileError, msgspec.MsgspecError, RecursionError) as error:
        raise NoReferenceError(f"{path} is not a usable reference: {one_line(str(error), 500)}") from error
    arrays = {name: tensor.double().numpy() for name, tensor in tensors.items()}
    shape = ShapeModel(
        _principal("shape", arrays),
        Mixture(arrays["mixture.log_weights"], arrays["mixture.means"], arrays["mixture.whitening"]),
    )
    numbers = Numbers(*(arrays[f"numbers.{name}"] for name in ("mean", "deviation", "whitening")))
    judge = Judge(
        numbers,
        _principal("coarse", arrays),
        shape,
        arrays["views.values"],
        arrays["calibration.distance"],
        arrays["calibration.bits_per_dim"],
        subject_of(info.name),
    )
    maps = MapRange(arrays["maps.low"], arrays["maps.high"], tensors["maps.limit"].numpy())
    return Reference(judge, maps, info.name, info.model, info.source, info.images, info.created, info.temperatures)


def _principal_arrays(name: str, fitted: Principal) -> dict[str, np.ndarray]:
    return {
        f"{name}.mean": fitted.mean,
        f"{name}.components": fitted.components,
        f"{name}.variance": fitted.variance,
        f"{name}.rest": np.array([fitted.rest]),
    }


def _principal(name: str, arrays: dict[str, np.ndarray]) -> Principal:
    mean, components, variance = (arrays[f"{name}.{part}"] for part in ("mean", "components", "variance"))
    return Principal(mean, components, variance, float(arrays[f"{name}.rest"][0]))


def _digest(metadata: dict[str, str], tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256(metadata["info"].encode())
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].dtype} {tuple(tensors[name].shape)}\n".encode())
        digest.update(tensors[name].reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _check_header(header: Header, config: FlowConfig) -> None:
    if header.metadata.get("format") != FORMAT or "info" not in header.metadata:
        raise TensorFileError("it is no reference that this version of NVP Studio can read")
    shapes = {name: (entry.dtype, entry.shape) for name, entry in header.entries.items()}

    def size(name: str, axis: int, most: int) -> int:
        shape = shapes[name][1] if name in shapes else ()
        return min(shape[axis], most) if axis < len(shape) else 1

    channels, height, width = config.image_shape
    last, scales = config.latent_scales[-1], config.scales
    small_height, small_width = reduced_shape(height, width)
    count = 4 + 2 * scales
    wanted: dict[str, tuple[int, ...]] = {
        "numbers.mean": (count,),
        "numbers.deviation": (count,),
        "numbers.whitening": (count, count),
        "maps.low": (1 + scales,),
        "maps.high": (1 + scales,),
        "maps.limit": (height, width),
    }
    for name, values, most in (
        ("coarse", last.stop - last.start, MAX_COMPONENTS),
        ("shape", channels * small_height * small_width, SHAPE_COMPONENTS),
    ):
        kept = size(f"{name}.components", 0, max(1, min(most, MAX_NUMBERS // values)))
        wanted |= {
            f"{name}.mean": (values,),
            f"{name}.components": (kept, values),
            f"{name}.variance": (kept,),
            f"{name}.rest": (1,),
        }
    gaussians, kept = size("mixture.log_weights", 0, MAX_GAUSSIANS), wanted["shape.variance"][0]
    wanted |= {
        "mixture.log_weights": (gaussians,),
        "mixture.means": (gaussians, kept),
        "mixture.whitening": (gaussians, kept, kept),
        "views.values": (len(VIEWS), max(1, size("views.values", 1, HELD_IMAGES))),
    }
    calibrating = max(1, size("calibration.distance", 0, HELD_IMAGES))
    wide = {"calibration.distance": (calibrating,), "calibration.bits_per_dim": (calibrating,)}
    expected = {name: (torch.float32, shape) for name, shape in wanted.items()}
    expected |= {name: (torch.float64, shape) for name, shape in wide.items()}
    if shapes != expected:
        wrong = sorted(name for name in shapes.keys() | expected.keys() if shapes.get(name) != expected.get(name))
        raise TensorFileError(f"its {wrong[0]} is missing or does not fit the model")


def _check_values(tensors: dict[str, Tensor]) -> None:
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise TensorFileError(f"its {name} holds NaN or infinite values")
        kind = name.rpartition(".")[2]
        if kind in ("deviation", "variance", "rest") and not (tensor > 0).all():
            raise TensorFileError(f"its {name} holds values that are not positive")
        if name.startswith(("calibration.", "views.")) and not (tensor.diff() >= 0).all():
            raise TensorFileError(f"its {name} is not sorted")
    if not (torch.diagonal(tensors["mixture.whitening"], dim1=1, dim2=2) != 0).all():
        raise TensorFileError("its mixture.whitening is singular")
    if not (tensors["maps.low"] <= tensors["maps.high"]).all():
        raise TensorFileError("its maps.low exceeds its maps.high")
