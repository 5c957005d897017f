"""Directions in the latents of the training images that a checkpoint holds for exploring: principal and named ones."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nvp_studio.checkpoints import MAX_NAME
from nvp_studio.data.dataset import DataSet
from nvp_studio.flow.dequantization import unit_from_images
from nvp_studio.flow.engine.inference import Inference
from nvp_studio.flow.noise import keyed_generator
from nvp_studio.training.scoring_budget import MIN_DIRECTION_IMAGES

Mask = npt.NDArray[np.bool_]

DIRECTIONS = 24
_MAX_CLASSES = 12
"""With more classes than this, none gets a direction."""
_MAX_VALUES = 7
"""With more values than this, an attribute gets a direction for its presence only."""
_MIN_FRACTION = 0.02
"""Fraction of the training images that a contrast needs on either side."""
_MAX_BYTES = 2**29
"""Most memory for the latents: enough for 4000 images of up to 100x100 in colour."""
_BATCH_NUMBERS = 2**20
"""Most numbers in the images that are encoded at a time; networks compute many times as many."""
_SURE = 4.0
"""Standard errors by which the means of a value must differ to be a part of a named direction, with grey levels.

There a small step in any value may change a grey level, and with it all that is drawn after it, so that the noise in
thousands of values, small as it is in each, makes other pictures.
"""
_CHUNK_NUMBERS = 2**19
"""Most numbers of the latents that are converted to double precision at a time."""


@torch.no_grad()
def principal_directions(
    flow: Inference,
    images: npt.NDArray[np.uint8],
    contrasts: Mapping[str, Mask] | None = None,
    *,
    most: int = 4000,
    seconds: float = float("inf"),
    keep_going: Callable[[], bool] = lambda: True,
    batch_size: int = 200,
) -> dict[str, Tensor] | None:
    """Principal component analysis of the latents of up to `most` of the images, uint8 (N, H, W, C).

    There are fewer of them where the latents would take more than half a GiB. Pixels are dequantized at the middle of
    their level. Returns the checkpoint's tensors `components` (K, D) with rows of length 1, `mean` (D,), `deviation`
    (K,), the standard deviation along each, and `shares` (K,) of the total variance, the largest first; K is at most
    24. After them comes a direction for each of `contrasts`, from the mean of the latents of the other images to the
    mean of those that its mask (N,) holds, of flows over grey levels in the values that differ for certain; these
    directions are not orthogonal to any other. None when `keep_going` returned False, or there are too few finite
    latents.
    """
    dimensions = flow.config.dimensions
    most = min(most, max(3, _MAX_BYTES // (dimensions * flow.dtype.itemsize)))
    batch_size = max(1, min(batch_size, _BATCH_NUMBERS // dimensions))
    chosen = keyed_generator(b"directions").permutation(len(images))[:most]
    began = time.monotonic()
    latents = torch.empty(len(chosen), dimensions, dtype=flow.dtype)  # memory that is not written to is not taken
    taken = np.empty(0, np.int64)
    done = 0
    while done < len(chosen):
        if not keep_going():
            return None
        count = _batch_within(began, seconds, done, batch_size)
        if not count:
            break
        places = np.sort(chosen[done : done + count])
        done += len(places)
        batch = torch.from_numpy(images[places]).to(flow.device)
        z = flow.encode(unit_from_images(batch, 0.5).to(flow.dtype))[0].cpu()
        finite = torch.isfinite(z).all(1)
        kept = int(finite.sum())
        latents[len(taken) : len(taken) + kept] = z[finite]
        taken = np.concatenate((taken, places[finite.numpy()]))
    masks = {name: mask[taken] for name, mask in (contrasts or {}).items()}
    return _directions(latents[: len(taken)], masks, _SURE if flow.config.law == "levels" else 0.0)


def _batch_within(began: float, seconds: float, done: int, most: int) -> int:
    """Images of the next batch, so that `seconds` after `began` suffice at the speed of the `done` ones; 0: none."""
    if not done:
        return min(most, MIN_DIRECTION_IMAGES)
    passed = time.monotonic() - began
    fitting = done * (seconds - passed) / max(passed, 1e-9)
    return int(max(0, min(most, fitting)))


def _directions(latents: Tensor, contrasts: Mapping[str, Mask], sure: float) -> dict[str, Tensor] | None:
    """Principal directions of latents (N, D), and the directions of masks (N,)."""
    if len(latents) < 3:
        return None
    mean = torch.empty(latents.shape[1], dtype=torch.float64)  # made first: pieces between the parts break up the heap
    for columns, part in _columns(latents):
        mean[columns] = part.mean(0)
    components = _principal(latents, mean)
    if not len(components):
        return None
    if contrasts:
        components = torch.cat((components, _contrast_directions(latents, mean, list(contrasts.values()), sure)))
    along = torch.zeros(len(latents), len(components), dtype=torch.float64)
    total = torch.zeros((), dtype=torch.float64)
    for columns, part in _columns(latents, mean):
        along += part @ components[:, columns].T
        total += part.square().sum()
    return {
        "components": components.float().contiguous(),
        "mean": mean.float(),
        "deviation": along.std(0).float(),
        "shares": (along.square().sum(0) / total).float(),
    }


def _columns(latents: Tensor, mean: Tensor | None = None) -> Iterator[tuple[slice, Tensor]]:
    """Yield the latents in double precision, some columns at a time, minus their mean if that is given."""
    width = max(1, _CHUNK_NUMBERS // len(latents))
    for start in range(0, latents.shape[1], width):
        columns = slice(start, start + width)
        part = latents[:, columns].double()
        yield columns, part if mean is None else part.sub_(mean[columns])


def contrasts(data: DataSet) -> dict[str, Mask]:
    """Masks (N,) of the training images that are in a class, or have an attribute or one of its values.

    An attribute that may be absent ("none") asks whether it is there; one of few values asks for each of them as well.
    What hardly any image has, or hardly any has not, is left out.
    """
    masks: dict[str, Mask] = {}
    if data.train.labels is not None and len(data.label_names) <= _MAX_CLASSES:
        masks |= {name: data.train.labels == value for value, name in _distinct(data.label_names)}
    for column, attribute in enumerate(data.attributes):
        assert data.train.attributes is not None
        values = data.train.attributes[:, column]
        absent = attribute.values[0] == "none"
        if absent:
            masks[attribute.name] = values > 0
        if absent and len(attribute.values) == 2:
            continue
        if len(attribute.values) <= _MAX_VALUES:
            named = list(enumerate(attribute.values))[1:] if absent else _distinct(attribute.values)
            masks |= {f"{attribute.name}: {name}": values == value for value, name in named}
    kept = [(name, mask) for name, mask in masks.items() if _MIN_FRACTION <= mask.mean() <= 1 - _MIN_FRACTION]
    return {_short(name, number): mask for number, (name, mask) in enumerate(kept, 1)}


def _short(name: str, number: int) -> str:
    """The name, cut to the length that a checkpoint may hold; a cut one contains its number."""
    if 0 < len(name) <= MAX_NAME:
        return name
    return f"{name[: MAX_NAME - 10].rstrip()}… ({number})" if name else f"({number})"


def _distinct(names: Sequence[str]) -> list[tuple[int, str]]:
    """The numbered names that get a direction; of two, which are opposites, only the second."""
    return list(enumerate(names))[1 if len(names) == 2 else 0 :]


def _contrast_directions(latents: Tensor, mean: Tensor, masks: list[Mask], sure: float) -> Tensor:
    """The directions (M, D), of length 1, from the mean of the latents outside each mask to the mean of those in it.

    Only of values whose means differ by more than `sure` standard errors, if there are any.
    """
    chosen = torch.from_numpy(np.stack(masks)).double()
    counts = chosen.sum(1, keepdim=True)
    # All latents have mean 0 here: the mean of the others is the sum of these, negated, over the number of the others.
    sums = torch.empty(len(masks), len(mean), dtype=torch.float64)
    variance = torch.empty_like(mean)
    for columns, part in _columns(latents, mean):
        sums[:, columns] = chosen @ part
        variance[columns] = part.square().mean(0)
    others = len(latents) - counts
    steps = torch.nan_to_num(sums / counts + sums / others)
    certain = steps.abs() > sure * torch.sqrt(variance * (1 / counts + 1 / others))
    steps = torch.where(certain | ~certain.any(1, keepdim=True), steps, torch.zeros_like(steps))
    return torch.nn.functional.normalize(steps, dim=1)


def _principal(latents: Tensor, mean: Tensor) -> Tensor:
    """The principal directions (K, D), of length 1, that of the largest variance first; K may be 0."""
    count, dimensions = latents.shape
    # The smaller of the two matrices has the same nonzero eigenvalues.
    wide = dimensions > count
    values, vectors = torch.linalg.eigh(_between_images(latents, mean) if wide else _covariance(latents, mean))
    values, vectors = values.flip(0), vectors.flip(1)
    keep = int((values[:DIRECTIONS] > 1e-9 * values[0]).sum())
    vectors = vectors[:, :keep]
    components: Tensor = vectors.T
    if wide:
        components = torch.empty(keep, dimensions, dtype=torch.float64)
        for columns, part in _columns(latents, mean):
            components[:, columns] = vectors.T @ part
    components = components / torch.linalg.vector_norm(components, dim=1, keepdim=True)
    # Eigenvectors have no sign of their own: the largest entry is made positive.
    largest = components.gather(1, components.abs().argmax(1, keepdim=True))
    return components * torch.sign(largest)


def _between_images(latents: Tensor, mean: Tensor) -> Tensor:
    """The products of all pairs of latents minus their mean (N, N)."""
    products = torch.zeros(len(latents), len(latents), dtype=torch.float64)
    for _, part in _columns(latents, mean):
        products.addmm_(part, part.T)
    return products


def _covariance(latents: Tensor, mean: Tensor) -> Tensor:
    """N times the covariance of the latents (D, D)."""
    products = torch.zeros(len(mean), len(mean), dtype=torch.float64)
    for rows in torch.split(latents, max(1, _CHUNK_NUMBERS // len(mean))):
        part = rows.double() - mean
        products.addmm_(part.T, part)
    return products
