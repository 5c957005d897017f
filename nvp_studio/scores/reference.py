"""The reference of a model: what verdicts and maps compare an image with, made once from images that are known good."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nvp_studio.flow.engine.inference import Inference
from nvp_studio.flow.engine.ledger import Ledger
from nvp_studio.scores.gaussians import Principal
from nvp_studio.scores.judge import VIEWS, Judge, Numbers, statistics
from nvp_studio.scores.measures import Floats, Images, Measures, measure
from nvp_studio.scores.shapes import ShapeModel
from nvp_studio.scores.temperatures import fitting_temperatures

OWN = "training"
"""The name of the reference that is made from a model's own data."""
FIT_IMAGES = 3000
"""Most images whose latents a Gaussian is fitted to."""
SHAPE_IMAGES = 10_000
"""Most images that the density of shapes is fitted to."""
HELD_IMAGES = 6000
"""Most further images, for statistics and calibration."""
MAP_IMAGES = 500
"""Most of these whose maps of bits are made."""
LEAST_IMAGES = 30
"""Fewest images of a reference, in each of its two groups."""
MAX_COMPONENTS = 64
_MAX_FIT_NUMBERS = 30_000_000
_BATCH = 64

Progress = Callable[[int, int], None]
"""Called with what is done and the total; what it raises ends the work."""


class NoReferenceError(ValueError):
    """A reference cannot be made, read or written; the message is one line."""


@dataclass(frozen=True)
class MapRange:
    """What maps of bits are drawn with: the same for every image."""

    low: Floats
    """(1 + S,): bits at a pixel that a hundredth of the reference's pixels are below; of the total, then each scale."""
    high: Floats
    """(1 + S,): likewise, above."""
    limit: npt.NDArray[np.float32]
    """(H, W): total bits at each place that a hundredth of the reference images exceed."""


@dataclass(frozen=True)
class Reference:
    """A judge of images and the range of their maps, for one model."""

    judge: Judge
    maps: MapRange
    name: str
    """What it is chosen by; the model's own is called ``training``."""
    model: str
    """SHA-256 of the model's checkpoint, hexadecimal."""
    source: str
    """Where its images are from, for a person."""
    images: int
    """How many there were."""
    created: str = ""
    """When it was made, ISO 8601."""
    temperatures: tuple[float, ...] = ()
    """Of each scale, finest first, at which samples are as likely as its images; empty unless it is the model's own."""

    @property
    def own(self) -> bool:
        """Whether it is that of the model's own training data."""
        return self.name == OWN


def build_reference(
    flow: Inference,
    known: Images,
    held: Images,
    *,
    name: str,
    model: str,
    source: str,
    progress: Progress = lambda done, total: None,
    created: str = "",
    batch_size: int = _BATCH,
) -> Reference:
    """Make a reference: shapes and latents are fitted to `known`, statistics to a third of `held`, which are others.

    Both uint8 (n, H, W, C). The rest of `held` calibrates, so that verdicts keep their false-alarm rate for images
    like those. Evenly spaced images of many are taken. Raises `NoReferenceError` where there are fewer than
    `LEAST_IMAGES` of one, or the flow gives them no finite density.
    """
    if min(len(known), len(held)) < LEAST_IMAGES:
        raise NoReferenceError(
            f"a reference needs at least {LEAST_IMAGES} images to fit and {LEAST_IMAGES} others to calibrate with, "
            f"not {len(known)} and {len(held)}"
        )
    last = flow.scales[-1]
    fitted = evenly(known, max(LEAST_IMAGES, min(FIT_IMAGES, _MAX_FIT_NUMBERS // (last.stop - last.start))))
    held = evenly(held, HELD_IMAGES)
    held = held[np.random.default_rng(0).permutation(len(held))]
    mapped = held[:MAP_IMAGES]
    counted = _Counted(progress, len(fitted) + len(held) + len(mapped))
    latents = np.concatenate([measured.coarse for _, measured in _measured(flow, fitted, batch_size, counted)])
    coarse = Principal.fit(latents, MAX_COMPONENTS)
    shape = ShapeModel.fit(evenly(known, SHAPE_IMAGES))
    measures = Measures.joined([measured for _, measured in _measured(flow, held, batch_size, counted)])
    if not (np.isfinite(measures.log_probs).all() and np.isfinite(latents).all()):
        raise NoReferenceError("the model gives some of the reference images no finite density")
    third = len(held) // 3
    values = statistics(measures)
    draft = Judge(Numbers.fit(values[:third]), coarse, shape, np.empty((len(VIEWS), 0)), np.empty(0), np.empty(0))
    views = draft.view_values(measures, held)
    fit, rest = np.sort(views[:third].T, 1), views[third:]
    draft = Judge(draft.numbers, coarse, shape, fit, np.empty(0), np.empty(0))
    distances = np.sort(draft.surprises(rest).sum(1))
    bits = np.sort(measures.first_bits[third:])
    judge = Judge(draft.numbers, coarse, shape, fit, distances, bits, subject_of(name))
    maps = _map_range(flow, mapped, batch_size, counted)
    temperatures = fitting_temperatures(flow, bits) if name == OWN else ()
    return Reference(judge, maps, name, model, source, len(fitted) + len(held), created, temperatures)


def subject_of(name: str) -> str:
    """What the reasons of verdicts compare with, of a reference of this name."""
    return "the training images" if name == OWN else f"the images of {name}"


def divided(images: Images) -> tuple[Images, Images]:
    """Images (n, H, W, C) of one source as `known` and `held` of `build_reference`, by content, not order."""
    digests = [hashlib.blake2b(image.tobytes(), digest_size=8).digest() for image in images]
    order = np.array(sorted(range(len(images)), key=digests.__getitem__), np.int64)
    known = round(0.4 * len(images))
    return images[order[:known]], images[order[known:]]


def evenly(images: Images, most: int) -> Images:
    """At most `most` images, evenly spaced; not copied where that are all."""
    if len(images) <= most:
        return images
    return images[np.linspace(0, len(images) - 1, most).round().astype(np.int64)]


class _Counted:
    """Counts images, for a progress report."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def __call__(self, more: int) -> None:
        self._done += more
        self._progress(self._done, self._total)


def _measured(flow: Inference, images: Images, batch_size: int, counted: _Counted) -> Iterator[tuple[Images, Measures]]:
    for start in range(0, len(images), batch_size):
        batch = images[start : start + batch_size]
        yield batch, measure(flow, batch)
        counted(len(batch))


def _ends(bits: Floats) -> Floats:
    """(2,): bits that a hundredth of the places are below, and above; a place without a value of the scale has 0."""
    held = bits[bits != 0]
    ends: Floats = np.quantile(held if len(held) else np.zeros(1), (0.01, 0.99))
    return ends


def _map_range(flow: Inference, images: Images, batch_size: int, counted: _Counted) -> MapRange:
    ledger = Ledger(flow)
    totals, lows, highs = [], [], []
    for start in range(0, len(images), batch_size):
        bits = ledger.bits(images[start : start + batch_size])
        totals.append(bits.total.astype(np.float32))
        layers = np.concatenate((bits.total[:, np.newaxis], bits.by_scale), 1)
        low, high = zip(*(_ends(layer) for layer in layers.swapaxes(0, 1)), strict=True)
        lows.append(low)
        highs.append(high)
        counted(len(bits.total))
    limit = np.quantile(np.concatenate(totals), 0.99, axis=0).astype(np.float32)
    return MapRange(np.mean(lows, 0), np.mean(highs, 0), limit)
