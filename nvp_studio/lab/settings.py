"""The settings of an experiment with points of the plane, which can be kept as a file."""

from typing import Annotated, Literal, get_args

import msgspec

Law = Literal["affine", "spline"]
Mask = Literal["alternate", "mixed", "same"]
ToyName = Literal["moons", "rings", "checkerboard", "spirals", "pinwheel", "gaussians", "points"]
TOYS: tuple[ToyName, ...] = get_args(ToyName)[:-1]
"""Data sets that are drawn anew for each step. `points` are those of a person: drawn, or from a file."""
MAX_POINTS = 100_000
"""Of a person's points; of more, so many are chosen by chance."""
KIND = "nvp-studio-lab"


class LabSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is trained on what. A flow of `couplings` layers, whose networks are `width` wide."""

    data: ToyName = "moons"
    couplings: Annotated[int, msgspec.Meta(ge=1, le=32)] = 6
    width: Annotated[int, msgspec.Meta(ge=1, le=256)] = 32
    law: Law = "affine"
    bins: Annotated[int, msgspec.Meta(ge=2, le=32)] = 6
    """Of a spline."""
    mask: Mask = "alternate"
    """Which coordinate changes: the two in turn; in turn after a learned rotation and stretching; or always the second,
    which shows why masks alternate."""
    batch: Annotated[int, msgspec.Meta(ge=16, le=4096)] = 256
    learning_rate: Annotated[float, msgspec.Meta(gt=0, le=1)] = 5e-3
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**31)] = 0


class LabFile(msgspec.Struct, frozen=True, kw_only=True):
    """An experiment as a file: its settings, and the points where they are a person's."""

    kind: Literal["nvp-studio-lab"] = "nvp-studio-lab"
    version: Literal[1] = 1
    settings: LabSettings
    points: Annotated[tuple[tuple[float, float], ...], msgspec.Meta(max_length=MAX_POINTS)] = ()


def file_content(file: LabFile) -> bytes:
    """The content of the JSON file."""
    return msgspec.json.format(msgspec.json.encode(file), indent=1 if not file.points else 0)


def read_settings(content: bytes) -> LabFile:
    """The experiment in a JSON file; raises `ValueError` in plain words for a file of something else."""
    try:
        return msgspec.json.decode(content, type=LabFile)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"this file holds no settings of Lab ({error})") from error
