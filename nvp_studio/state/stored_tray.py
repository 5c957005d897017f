"""The tray of Explore as a file: named pictures, each by its recipe, with a small image and its model."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import platformdirs

from nvp_studio.files import read_regular, write_whole
from nvp_studio.image_batch import ImageBatch
from nvp_studio.limits import Name, PathText
from nvp_studio.recipe import Recipe
from nvp_studio.state.settings import settings_path
from nvp_studio.text import one_line

MAX_PICTURES = 500
MAX_NAME = 100
"""Characters of a picture's name."""
THUMBNAIL = 64
"""Longest side of a stored small image, in pixels."""
_MAX_BYTES = 256 * 2**20


class Thumbnail(msgspec.Struct, frozen=True):
    """A small image: uint8 values in (H, W, C) order."""

    shape: tuple[int, int, int]
    pixels: Annotated[bytes, msgspec.Meta(max_length=3 * THUMBNAIL**2)]

    def __post_init__(self) -> None:
        height, width, channels = self.shape
        if min(height, width) < 1 or channels not in (1, 3) or math.prod(self.shape) != len(self.pixels):
            raise ValueError(f"a small image of shape {self.shape} does not have {len(self.pixels)} bytes")

    def batch(self) -> ImageBatch:
        """The image as a batch of one."""
        return ImageBatch((1, *self.shape), self.pixels)


class TrayPicture(msgspec.Struct, frozen=True):
    """A picture of the tray."""

    name: Annotated[str, msgspec.Meta(max_length=MAX_NAME)]
    recipe: Recipe
    thumbnail: Thumbnail
    model: PathText = ""
    """What the model was opened by; empty: the included one that opens first."""
    model_name: Name = ""


class TrayFile(msgspec.Struct, frozen=True):
    """What the file holds, as JSON."""

    pictures: Annotated[tuple[TrayPicture, ...], msgspec.Meta(max_length=MAX_PICTURES)] = ()


def tray_path(settings: Path) -> Path:
    """The file of the tray."""
    return kept_path(settings, "tray")


def kept_path(settings: Path, name: str) -> Path:
    """A file in the user's data folder, or beside settings that are not in their usual place."""
    usual = platformdirs.user_config_path("nvp-studio") / settings_path().name
    data = platformdirs.user_data_path("nvp-studio")
    return data / f"{name}.json" if settings == usual else settings.with_suffix(f".{name}")


def write_tray(path: Path, pictures: Sequence[TrayPicture]) -> None:
    """Write the tray; raises `OSError`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, msgspec.json.encode(TrayFile(tuple(pictures))))


def read_tray(path: Path) -> tuple[TrayPicture, ...]:
    """The pictures in the file, none where there is no file; `OSError`, or `ValueError` with one line why not."""
    try:
        file = msgspec.json.decode(read_regular(path, _MAX_BYTES), type=TrayFile)
    except FileNotFoundError:
        return ()
    except (msgspec.MsgspecError, UnicodeError, RecursionError, OverflowError) as error:
        raise ValueError(one_line(error)) from error
    return file.pictures
