"""The training images that are nearest to a picture, in pixels or in latents: does the model copy?

A distance alone says little: a smooth picture is near to many images. It is therefore compared with the distances of
images that were not trained on, each from the training image that is nearest to it.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nvp_studio.data.dataset import Images
from nvp_studio.explore.known_images import KnownImages, encoding, known_images, latents_of
from nvp_studio.explore.model import OpenedModel
from nvp_studio.recipe import Space

COUNT = 8
"""Neighbours that are found without another wish."""
COPY_PERCENT = 1.0
"""A picture is called a possible copy where fewer per cent of the held-out images are as near to a training image."""
_SPARE = 8
"""Further candidates of the search in single precision, among which exact distances decide."""
_BLOCK_VALUES = 2**20
"""Values of images that are compared with a single picture in one step."""
_HELD_BATCH = 4

Step = tuple[str, int, int]
"""(what is done, how much of it, of how much): "encoding" images, "comparing" held-out ones or "searching"."""
Rows = Callable[[int, int], Tensor]
"""Values (stop - start, D) of images `start` to `stop`, float32."""


@dataclass(frozen=True)
class Neighbours:
    """The training images nearest to a picture, nearest first."""

    space: Space
    indices: npt.NDArray[np.int64]
    """(K,): their numbers among the training images, from 0."""
    distances: npt.NDArray[np.float64]
    """(K,): root of the mean squared difference of a value: of pixels ("x") in grey levels, 0 to 255; of latents ("z")
    in standard deviations of the prior, in which two of its samples are 1.41 apart."""
    images: Images
    """(K, H, W, C)."""
    held_distances: npt.NDArray[np.float64]
    """(M,): distances of images that were not trained on from the nearest training image, in the same unit, sorted."""
    searched: int
    """Number of training images that were compared; in latents at most `MAX_LATENTS`."""

    @property
    def percent(self) -> float:
        """Percentage of the held-out images that are as near to a training image as the picture is, or nearer."""
        below = np.searchsorted(self.held_distances, self.distances[0], side="right")
        return 100.0 * float(below) / len(self.held_distances)

    @property
    def near(self) -> bool:
        """Whether the picture is nearer than all but `COPY_PERCENT` of the held-out images: it may be a copy."""
        return self.percent < COPY_PERCENT

    @property
    def known(self) -> bool:
        """Whether the picture is one of the training images, to the pixel."""
        return self.space == "x" and float(self.distances[0]) == 0.0


def find_neighbours(
    model: OpenedModel, image: Images, data: str | KnownImages = "", space: Space = "x", count: int = COUNT
) -> Neighbours:
    """Find the `count` training images nearest to a picture, uint8 (H, W, C) of the model's size.

    `data` is the name of a data set or a path, empty for the model's own data; or what `known_images` returned, which
    is as well for several pictures. The search in latents encodes all images first, which takes minutes and is kept in
    a file of the cache. Raises `ValueError` where the data cannot be had or the picture is of another size.
    """
    known = known_images(model, data) if isinstance(data, str) else data
    steps = finding(model, known, image, space, count)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: Neighbours = end.value
            return found


def finding(
    model: OpenedModel, known: KnownImages, image: Images, space: Space = "x", count: int = COUNT
) -> Generator[Step, None, Neighbours]:
    """As `find_neighbours`, in short steps: yields after each what is done, and returns the neighbours."""
    if image.shape != model.pixel_shape:
        raise ValueError(f"the picture is {image.shape}, the model's are {model.pixel_shape}")
    if space == "z":
        for done, total in encoding(model, known):
            yield "encoding", done, total
    rows, total, exact = _rows(known, space)
    if space not in known.held_distances:
        held = yield from _held_values(model, known, space)
        search = _nearest(held, rows, total, 1, exact)
        known.held_distances[space] = np.sort((yield from _reporting(search, "comparing", total))[1][:, 0])
    picture = _values(model, image[None], space)
    places, distances = yield from _reporting(_nearest(picture, rows, total, count, exact), "searching", total)
    numbers = places[0] if space == "x" else known.order[places[0]]
    return Neighbours(space, numbers, distances[0], known.train[numbers], known.held_distances[space], total)


def _rows(known: KnownImages, space: Space) -> tuple[Rows, int, Callable[[npt.NDArray[np.int64]], Tensor]]:
    """How blocks of values are read, how many there are, and how single ones are read in double precision."""
    if space == "x":
        train = known.train

        def pixels(start: int, stop: int) -> Tensor:
            return _centred(train[start:stop]).float()

        return pixels, len(train), lambda numbers: _centred(train[numbers]).double()
    latents = known.latents

    def rows(start: int, stop: int) -> Tensor:
        return torch.from_numpy(np.array(latents.rows(start, stop))).float()

    return (
        rows,
        latents.count,
        lambda numbers: torch.from_numpy(np.array(latents.rows(0, latents.count)[numbers])).double(),
    )


def _centred(images: Images) -> Tensor:
    """Pixels as (n, D) around 0, so that sums in single precision lose less."""
    return torch.from_numpy(np.ascontiguousarray(images)).flatten(1).short() - 128


def _values(model: OpenedModel, images: Images, space: Space) -> Tensor:
    """What is compared of images (n, H, W, C): (n, D) float64; latents as precise as those that are kept."""
    if space == "x":
        return _centred(images).double()
    return torch.from_numpy(latents_of(model, images)).half().double()


def _held_values(model: OpenedModel, known: KnownImages, space: Space) -> Generator[Step, None, Tensor]:
    if space == "x":
        return _values(model, known.held, space)
    parts = []
    for start in range(0, len(known.held), _HELD_BATCH):
        parts.append(_values(model, known.held[start : start + _HELD_BATCH], space))
        yield "comparing", start, len(known.held)
    return torch.cat(parts)


Found = tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]


def _reporting(search: Generator[int, None, Found], text: str, total: int) -> Generator[Step, None, Found]:
    while True:
        try:
            done = next(search)
        except StopIteration as end:
            found: Found = end.value
            return found
        yield text, done, total


def _nearest(
    queries: Tensor, rows: Rows, total: int, count: int, exact: Callable[[npt.NDArray[np.int64]], Tensor]
) -> Generator[int, None, Found]:
    """The places (Q, K) of the `count` rows nearest to each query (Q, D), and their distances (Q, K), nearest first.

    Blocks of rows are compared in single precision, by |a - b|^2 = |a|^2 + |b|^2 - 2 ab, and the best candidates in
    double precision; of equal distances the smaller place comes first. Yields how many rows are done.
    """
    short = queries.float()
    own = short.square().sum(1, keepdim=True)
    keep = min(count + _SPARE, total)
    best = torch.full((len(queries), 0), torch.inf)
    places = torch.empty((len(queries), 0), dtype=torch.int64)
    block = max(1, _BLOCK_VALUES // (queries.shape[1] * (1 + len(queries) // 64)))
    for start in range(0, total, block):
        stop = min(start + block, total)
        with torch.inference_mode():
            values = rows(start, stop)
            squares = own + values.square().sum(1) - 2 * short @ values.T
            best = torch.cat([best, squares], 1)
            places = torch.cat([places, torch.arange(start, stop).expand(len(queries), -1)], 1)
            best, chosen = best.topk(min(keep, best.shape[1]), 1, largest=False)
            places = places.gather(1, chosen)
        yield stop
    numbers, distances = [], []
    for query, candidates in zip(queries, places.sort(1).values.numpy(), strict=True):
        apart = (exact(candidates) - query).square().mean(1).sqrt().numpy()
        order = np.argsort(apart, kind="stable")[:count]
        numbers.append(candidates[order])
        distances.append(apart[order])
    return np.stack(numbers), np.stack(distances)
