"""Pictures as files: a PNG that carries its recipe, and any image file as a recipe."""

import os
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from nvp_studio.data.archive_paths import Archives
from nvp_studio.data.decoding import decoders
from nvp_studio.data.images import ImageError
from nvp_studio.explore.model import OpenedModel
from nvp_studio.explore.rendering import check_recipe
from nvp_studio.files import read_regular, write_whole
from nvp_studio.picture_png import enlarged, png_bytes
from nvp_studio.recipe import PNG_KEY, Image, Recipe
from nvp_studio.text import one_line

_MAX_RECIPE_BYTES = 16 * 2**20


@dataclass(frozen=True)
class PictureFile:
    """What an image file means to a model."""

    recipe: Recipe
    had_recipe: bool
    """Whether the recipe was inside the file; else its base is the image itself."""
    notes: tuple[str, ...]
    """What was done on the way, for a person."""
    unusable: bool = False
    """Whether there is something in the place of a recipe that is none for the model."""


def save_picture(
    path: str | os.PathLike[str], pixels: npt.NDArray[np.uint8], recipe: Recipe, pixel_size: int = 1
) -> None:
    """Write the picture (H, W, C) as a PNG file with its recipe inside, each pixel a square of `pixel_size` pixels.

    Raises `ValueError` for a size that is not possible, and `OSError` when the disk refuses.
    """
    write_png(path, enlarged(pixels, pixel_size), recipe)


def write_png(path: str | os.PathLike[str], image: npt.NDArray[np.uint8], recipe: Recipe) -> None:
    """Write an image (H, W, C) as a PNG file with a recipe inside."""
    write_whole(path, png_bytes(image, recipe))


def read_picture(model: OpenedModel, path: str | os.PathLike[str], *, plain: bool = False) -> PictureFile:
    """Read an image file for Explore, or a .json file that holds a recipe.

    A recipe inside comes back as it was, for the open model. Any other image, and one whose recipe does not fit the
    model, becomes a base latent at the model's size; with `plain` every image does. Raises `ImageError` when the
    file is neither an image nor a recipe, and `OSError`.
    """
    steps = reading_picture(model, path, plain=plain)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            file: PictureFile = end.value
            return file


def reading_picture(
    model: OpenedModel, path: str | os.PathLike[str], *, plain: bool = False
) -> Generator[None, None, PictureFile]:
    """As `read_picture`, but yields None some fifty times a second until the file is decoded."""
    if Path(path).suffix.lower() == ".json":
        return _recipe_file(model, Path(path), plain=plain)
    with Archives() as archives:
        source = archives.source(Path(path))
    if isinstance(source, ImageError):
        raise source
    image = yield from decoders().read_one(source, model.image_shape, model.reading)
    base = Image(model.pixel_shape, image.pixels.tobytes(), os.path.basename(path))
    as_image = Recipe(checkpoint=model.digest, base=base)
    if plain or PNG_KEY not in image.text:
        return PictureFile(as_image, False, image.notes)
    try:
        recipe = Recipe.from_json(image.text[PNG_KEY])
        check_recipe(model, recipe)
    except ValueError as error:
        return PictureFile(
            as_image, False, (f"opened as a plain image, for its recipe is of no use here: {error}", *image.notes), True
        )
    return _for_model(model, recipe)


def _recipe_file(model: OpenedModel, path: Path, *, plain: bool) -> PictureFile:
    if plain:
        raise ImageError("it is no image; a picture's recipe cannot be taken here")
    try:
        recipe = Recipe.from_json(read_regular(path, _MAX_RECIPE_BYTES))
        check_recipe(model, recipe)
    except ValueError as error:
        raise ImageError(one_line(error)) from error
    return _for_model(model, recipe)


def _for_model(model: OpenedModel, recipe: Recipe) -> PictureFile:
    if recipe.checkpoint in (model.digest, ""):
        return PictureFile(msgspec.structs.replace(recipe, checkpoint=model.digest), True, ())
    maker = one_line(recipe.checkpoint[:8]) or "unnamed"
    note = f"made with another model ({maker}), shown as the open one decodes its recipe"
    return PictureFile(msgspec.structs.replace(recipe, checkpoint=model.digest), True, (note,))
