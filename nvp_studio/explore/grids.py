"""Many pictures on one sheet: the manifold through four corners, a sweep along one direction, what parts are kept."""

from collections.abc import Generator, Iterable, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from nvp_studio.explore.larger import at_size
from nvp_studio.explore.model import OpenedModel
from nvp_studio.explore.rendering import draw
from nvp_studio.picture_png import MAX_SIDE
from nvp_studio.recipe import KEPT_SHARES, Corners, Kept, Move, Recipe

BATCH = 8
"""Pictures of a sheet that are decoded together."""


def corners_grid(recipe: Recipe, rows: int, columns: int, turns: float = 1.0) -> list[Recipe]:
    """Recipes of a grid on the manifold of a `Corners` recipe, row by row; `turns` quarter turns along each side.

    1 goes from corner to corner; with 4 it is the whole manifold, whose last row and column would repeat the first and
    are left out. Raises `ValueError` for a recipe of another kind, and for fewer than two rows or columns.
    """
    base = recipe.base
    if not isinstance(base, Corners):
        raise ValueError("the recipe is not of a picture between four corners")
    if min(rows, columns) < 2:
        raise ValueError("a grid needs at least two rows and two columns")
    whole = turns >= 4
    return [
        msgspec.structs.replace(
            recipe,
            base=msgspec.structs.replace(
                base,
                phi=turns * row / (rows if whole else rows - 1),
                phi_prime=turns * column / (columns if whole else columns - 1),
            ),
        )
        for row in range(rows)
        for column in range(columns)
    ]


def sweep(recipe: Recipe, direction: int | Move, offsets: Iterable[float]) -> list[Recipe]:
    """The recipe with each of these offsets along one direction, the model's (by its index) or another."""
    if isinstance(direction, Move):
        return [recipe.with_move(msgspec.structs.replace(direction, offset=offset)) for offset in offsets]
    return [recipe.with_offset(direction, offset) for offset in offsets]


def kept_strip(
    recipe: Recipe, seed: int = 0, temperature: float = 1.0, shares: Sequence[float] = KEPT_SHARES
) -> list[Recipe]:
    """The recipe with ever smaller parts of its base latent kept and the rest drawn anew: conceptual compression."""
    return [msgspec.structs.replace(recipe, kept=Kept(share, seed, temperature)) for share in shares]


def drawing_sheet(
    model: OpenedModel, recipes: Sequence[Recipe], columns: int, pixel_size: int = 1
) -> Generator[None, None, npt.NDArray[np.uint8]]:
    """Decode recipes and return them side by side without gaps, (H', W', C), `columns` in a row; the rest is white.

    Yields None after each batch. Raises `ValueError` when the sheet is too large, before anything is decoded.
    """
    height, width, channels = at_size(model, recipes[0]).pixel_shape if recipes else model.pixel_shape
    rows = -(-len(recipes) // columns)
    if pixel_size < 1:
        raise ValueError(f"a scale of {pixel_size} is not possible")
    if max(rows * height, columns * width) * pixel_size > MAX_SIDE:
        raise ValueError(f"a sheet of {columns}x{rows} pictures at this scale is more than {MAX_SIDE:,} pixels wide")
    sheet = np.full((rows * height, columns * width, channels), 255, np.uint8)
    for start in range(0, len(recipes), BATCH):
        images = draw(model, recipes[start : start + BATCH]).images
        for index, image in enumerate(images, start):
            top, left = index // columns * height, index % columns * width
            sheet[top : top + height, left : left + width] = image
        yield
    return sheet.repeat(pixel_size, 0).repeat(pixel_size, 1)


def draw_sheet(
    model: OpenedModel, recipes: Sequence[Recipe], columns: int, pixel_size: int = 1
) -> npt.NDArray[np.uint8]:
    """As `drawing_sheet`, in one go."""
    steps = drawing_sheet(model, recipes, columns, pixel_size)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            sheet: npt.NDArray[np.uint8] = end.value
            return sheet
