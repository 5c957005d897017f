"""A person's own directions among the latents of a model, as a file beside it that can be given to others."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import numpy as np
import platformdirs

from nvp_studio.files import read_regular, write_whole
from nvp_studio.limits import Name, VectorBytes
from nvp_studio.recipe import Move
from nvp_studio.resources import included_model
from nvp_studio.text import one_line

MAX_DIRECTIONS = 64
"""Most directions of one file."""
MAX_NAME = 60
"""Characters of a direction's name."""
ENDING = ".directions.json"
MAX_BYTES = 256 * 2**20
_MAX_VALUE = 1e4
"""Of a value of a vector: latents are standard normal."""


class OwnDirection(msgspec.Struct, frozen=True):
    """A direction from the pictures of a group A to those of a group B (`explore.own_directions`)."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_NAME)]
    vector: VectorBytes
    """As that of a `Move`: D values as float16."""
    checkpoint: Name
    """Digest of the weights whose latents it was made of."""
    pictures: tuple[Annotated[int, msgspec.Meta(ge=0, le=10**9)], Annotated[int, msgspec.Meta(ge=0, le=10**9)]] = (0, 0)
    """How many were in A and B."""
    method: Literal["means", "classifier"] = "means"

    @property
    def move(self) -> Move:
        """A move along it, of offset 0."""
        return Move(self.name, self.vector)


class _File(msgspec.Struct, frozen=True):
    directions: Annotated[tuple[OwnDirection, ...], msgspec.Meta(max_length=MAX_DIRECTIONS)]
    format: Literal["nvp-studio-directions"] = "nvp-studio-directions"


def direction_file(model: str | os.PathLike[str], digest: str) -> Path:
    """Where the directions of the checkpoint file `model` are kept.

    Beside it, or where it is included in the program or its folder cannot be written, in the folder that the
    environment names in NVP_STUDIO_DIRECTIONS, else in one in the user's data folder.
    """
    path = Path(model).absolute()
    beside = path.with_suffix(ENDING)
    if not included_model(str(path)) and (beside.exists() or os.access(path.parent, os.W_OK)):
        return beside
    named = os.environ.get("NVP_STUDIO_DIRECTIONS")
    folder = Path(named) if named else platformdirs.user_data_path("nvp-studio") / "directions"
    return folder / f"{digest[:32]}{ENDING}"


def read_directions(path: str | os.PathLike[str], dimensions: int) -> tuple[OwnDirection, ...]:
    """The directions in a file of any origin, for a model of so many `dimensions`; none where there is no file.

    Raises `OSError`, and `ValueError` with one line that says what is wrong.
    """
    try:
        content = msgspec.json.decode(read_regular(path, MAX_BYTES), type=_File)
    except FileNotFoundError:
        return ()
    except (msgspec.MsgspecError, UnicodeError, RecursionError, OverflowError) as error:
        raise ValueError(f"no file of directions: {one_line(error)}") from error
    for direction in content.directions:
        _check(direction, dimensions)
    if len({direction.name for direction in content.directions}) < len(content.directions):
        raise ValueError("two directions of the file have one name")
    return content.directions


def write_directions(path: str | os.PathLike[str], directions: Sequence[OwnDirection]) -> None:
    """Write directions to a file; raises `OSError`, and `ValueError` beyond `MAX_DIRECTIONS`."""
    if len(directions) > MAX_DIRECTIONS:
        raise ValueError(f"a model has at most {MAX_DIRECTIONS} directions of your own")
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, msgspec.json.encode(_File(tuple(directions))))


def merged(kept: Sequence[OwnDirection], added: Sequence[OwnDirection]) -> tuple[OwnDirection, ...]:
    """`kept` and then what of `added` is not there, under another name where its own is taken.

    Raises `ValueError` beyond `MAX_DIRECTIONS`.
    """
    found = list(kept)
    for direction in added:
        if all(direction.vector != one.vector for one in found):
            found.append(msgspec.structs.replace(direction, name=free_name(direction.name, found)))
    if len(found) > MAX_DIRECTIONS:
        raise ValueError(f"a model has at most {MAX_DIRECTIONS} directions of your own")
    return tuple(found)


def free_name(name: str, taken: Sequence[OwnDirection]) -> str:
    """The name, with a number behind it where one of `taken` has it."""
    names = {one.name for one in taken}
    found, number = name, 2
    while found in names:
        found, number = f"{name[: MAX_NAME - 5]} {number}", number + 1
    return found


def _check(direction: OwnDirection, dimensions: int) -> None:
    name = one_line(direction.name, MAX_NAME)
    if not direction.name.strip():
        raise ValueError("a direction of the file has no name")
    if len(direction.vector) != 2 * dimensions:
        raise ValueError(f"direction {name} is of another size than the open model's latents, {dimensions}")
    vector = np.frombuffer(direction.vector, "<f2").astype(np.float64)
    if not (np.isfinite(vector).all() and np.abs(vector).max() <= _MAX_VALUE):
        raise ValueError(f"direction {name} has values that are not finite or too large")
