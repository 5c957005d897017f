"""A direction from one group of pictures to another, by the difference of their means or a linear classifier."""

import os
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

from nvp_studio.data.archive_paths import Archives
from nvp_studio.data.archives import is_archive_name
from nvp_studio.data.decoding import decoders
from nvp_studio.data.images import ReadImage
from nvp_studio.direction_file import MAX_NAME, OwnDirection, direction_file, read_directions
from nvp_studio.explore.model import OpenedModel
from nvp_studio.explore.moves import vector_bytes
from nvp_studio.explore.pictures import reading_picture
from nvp_studio.explore.rendering import latent
from nvp_studio.recipe import Image, Recipe

CLASSIFIED_FROM = 20
"""Pictures that both groups must have for a classifier."""
MAX_PICTURES = 1000
"""Most pictures of a group."""

Values = npt.NDArray[np.float64]
Method = Literal["means", "classifier"]


def direction_between(a: Values, b: Values) -> tuple[Values, Method]:
    """The direction (D,) from latents `a` (n, D) to `b` (m, D), and how it was found.

    A vector w with (w / |w|) . (mean b - mean a) = 2 |w|: along it, an offset of 2 goes the whole way from the mean of
    A to that of B. With fewer than 20 in either group it is half of the difference of the means. From 20 on w is a
    normal of a linear discriminant, S^-1 (mean b - mean a), with the covariance S within the groups shrunk towards a
    multiple of the identity by Ledoit and Wolf's rule (2004). Raises `ValueError` where the groups are empty or do not
    differ.
    """
    if not (len(a) and len(b)):
        raise ValueError("both groups need at least one picture")
    difference = b.mean(0) - a.mean(0)
    if not np.linalg.norm(difference) > 1e-9:
        raise ValueError("the two groups of pictures do not differ")
    if min(len(a), len(b)) < CLASSIFIED_FROM:
        return difference / 2, "means"
    normal = _discriminant(np.concatenate((a - a.mean(0), b - b.mean(0))), difference)
    normal /= np.linalg.norm(normal)
    return normal * (difference @ normal) / 2, "classifier"


def shrinkage(x: Values) -> tuple[float, float]:
    """Ledoit and Wolf's share of the identity in the covariance of x (N, D), whose mean is 0, and its mean variance."""
    count, size = x.shape
    gram = x @ x.T / count  # its squared norm is that of the covariance
    mean = float(np.trace(gram)) / size
    square = float((gram**2).sum())
    distance = square - size * mean**2
    error = (float((np.diag(gram) ** 2).sum()) * count**2 - count * square) / count**2
    return (min(error, distance) / distance if distance > 0 else 1.0), mean


def _discriminant(x: Values, difference: Values) -> Values:
    """S^-1 d for S = (1 - r) x^T x / N + r v I, by the inverse of an N x N matrix."""
    share, mean = shrinkage(x)
    share = max(share, 1e-6)
    ridge = share * mean
    inner = np.eye(len(x)) * (ridge * len(x) / max(1 - share, 1e-12)) + x @ x.T
    solved: Values = (difference - x.T @ np.linalg.solve(inner, x @ difference)) / ridge
    return solved


def making_direction(
    model: OpenedModel, name: str, a: Sequence[Recipe], b: Sequence[Recipe]
) -> Generator[tuple[int, int], None, OwnDirection]:
    """The direction from the pictures of `a` to those of `b`; yields how many of all latents are found.

    Raises `ValueError` as `direction_between`, and where a recipe does not fit the model.
    """
    name = name.strip()[:MAX_NAME]
    if not name:
        raise ValueError("the direction needs a name")
    for group in (a, b):
        if len(group) > MAX_PICTURES:
            raise ValueError(f"a group has at most {MAX_PICTURES:,} pictures")
    rows: list[Values] = []
    for recipe in (*a, *b):
        rows.append(latent(model, recipe)[0].to("cpu", torch.float64).numpy())
        yield len(rows), len(a) + len(b)
    size = model.flow.config.dimensions
    found = np.concatenate([np.empty((0, size)), *(row[None] for row in rows)])
    vector, method = direction_between(found[: len(a)], found[len(a) :])
    return OwnDirection(name, vector_bytes(vector), model.digest, (len(a), len(b)), method)


def make_direction(model: OpenedModel, name: str, a: Sequence[Recipe], b: Sequence[Recipe]) -> OwnDirection:
    """As `making_direction`, in one go."""
    steps = making_direction(model, name, a, b)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            made: OwnDirection = end.value
            return made


def reading_pictures(
    model: OpenedModel, paths: Iterable[str | os.PathLike[str]], most: int = MAX_PICTURES
) -> Generator[None, None, tuple[Recipe, ...]]:
    """Recipes of the readable pictures under `paths` (files, folders, archives); yields None between them.

    A single file that holds a recipe is the picture of it. Raises `ValueError` where there are no pictures, or more
    than `most`.
    """
    found: list[Recipe] = []
    with Archives() as archives:
        for path in map(Path, paths):
            if path.is_file() and not is_archive_name(path.name):
                found.append((yield from reading_picture(model, path)).recipe)
            else:
                sources = (archives.source(one) for one in archives.find([path]) if isinstance(one, Path))
                with closing(decoders().read(sources, model.image_shape, model.reading)) as images:
                    for image in images:
                        if isinstance(image, ReadImage):
                            base = Image(model.pixel_shape, image.pixels.tobytes(), path.name)
                            found.append(Recipe(checkpoint=model.digest, base=base))
                        if len(found) > most:
                            break
                        yield None
            if len(found) > most:
                raise ValueError(f"these are more than {most:,} pictures")
    if not found:
        raise ValueError("there are no pictures that could be read")
    return tuple(found)


def read_pictures(
    model: OpenedModel, paths: Iterable[str | os.PathLike[str]], most: int = MAX_PICTURES
) -> tuple[Recipe, ...]:
    """As `reading_pictures`, in one go."""
    steps = reading_pictures(model, paths, most)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            recipes: tuple[Recipe, ...] = end.value
            return recipes


def read_own_directions(model: OpenedModel) -> tuple[OwnDirection, ...]:
    """The directions that are kept with a model; raises `OSError` and `ValueError` as `read_directions`."""
    return read_directions(direction_file(model.path, model.digest), model.flow.config.dimensions)
