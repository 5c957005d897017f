"""Arrays of numbers as images and labels: one decision on axes and range for all splits of a source."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from msgspec.structs import replace

from nvp_studio.data.arrays import LoadedData
from nvp_studio.data.axes import choose_axes, to_nhwc
from nvp_studio.data.dataset import SPLITS, DataError, Images, Labels, Split
from nvp_studio.data.labels import usable_labels
from nvp_studio.data.modes import over_white
from nvp_studio.data.reading import Reading, Suspicion, ValueFacts
from nvp_studio.data.values import apply, choose_all, facts_of, kind_of, range_for
from nvp_studio.text import counted

Numbers = npt.NDArray[Any]

_BATCH = 1000
"""Images whose numbers are tested at once."""


@dataclass(frozen=True, eq=False)
class RawSplit:
    """What a source has for a split, as it stands there: numbers in any order of axes, and labels of any form.

    The names are for messages.
    """

    values: Numbers
    name: str
    labels: Numbers | None = None
    labels_name: str = ""


def images_of(raw: Mapping[str, RawSplit], reading: Reading, notes: tuple[str, ...] = ()) -> LoadedData:
    """Return the images and labels of a source with these splits, of which "train" must be one.

    Images with numbers that are not finite are left out; so are labels that cannot be used. Raises `DataError` where
    the numbers cannot be images, or are one.
    """
    first = raw["train"]
    kinds = {split: kind_of(one.values.dtype, one.name) for split, one in raw.items()}
    order, doubts = choose_axes(first.values, reading, first.name)
    like_first = replace(reading, axes=order)
    views, kept, about = {}, {}, [*notes, *_about_axes(first.values, order)]
    for split, one in raw.items():
        own = like_first if one.values.ndim == first.values.ndim else reading
        views[split] = to_nhwc(one.values, choose_axes(one.values, own, one.name)[0])
        kept[split] = _finite(views[split])
        if not kept[split].all():
            views[split] = views[split][kept[split]]
        if not len(views[split]):
            raise DataError(f"{one.name} has no image whose numbers are all finite")
    decided, more = choose_all(_facts(views, kinds), like_first)
    if lost := sum(int((~one).sum()) for one in kept.values()):
        words = f"{counted(lost, 'image')} left out, as not all of the numbers are finite"
        more.append(Suspicion(kind="not finite", words=words))
    labels, names, left_out = _labels(raw, kept, reading)
    splits = {}
    for split in raw:
        images, conversions = _levels(views.pop(split), decided, kinds[split])
        about += [note for note in conversions if note not in about]
        splits[split] = Split(images, labels.get(split))
    return LoadedData(
        splits["train"],
        splits.get("validation"),
        splits.get("test"),
        label_names=names,
        notes=(*about, *left_out),
        reading=decided,
        suspicions=(*doubts, *more),
    )


def with_range(loaded: LoadedData, reading: Reading) -> LoadedData:
    """Decide the range of a source of bytes whose axes are known, and apply it."""
    splits = {name: split for name in SPLITS if (split := getattr(loaded, name)) is not None}
    decided, doubts = choose_all(_facts({name: one.images for name, one in splits.items()}, {}), reading)
    changed = {}
    notes: list[str] = []
    for name, split in splits.items():
        images, notes = _levels(split.images, decided, "8-bit")
        changed[name] = dataclasses.replace(split, images=images)
    return dataclasses.replace(
        loaded, **changed, notes=(*loaded.notes, *notes), reading=decided, suspicions=tuple(doubts)
    )


def _facts(views: Mapping[str, Numbers], kinds: Mapping[str, str]) -> list[ValueFacts]:
    """The facts of all splits together, for each kind of numbers."""
    facts: dict[str, ValueFacts] = {}
    for split, view in views.items():
        kind = kinds.get(split, "8-bit")
        facts[kind] = facts.get(kind, ValueFacts(kind=kind)) + facts_of(_colour(view), kind)
    return list(facts.values())


def _levels(view: Numbers, decided: Reading, kind: str) -> tuple[Images, list[str]]:
    """Images (N, H, W, C), C 1 or 3, of numbers (N, H, W, C), C 1 to 4, with what was done."""
    scale = range_for(decided, kind)
    inverted = decided.white == "low"
    levels, _ = apply(_colour(view), scale, inverted=inverted)
    notes = [note for note in (scale.note, "inverted" if inverted else "") if note]
    if view.shape[3] in (2, 4):
        alpha, _ = apply(view[..., -1:], scale)
        if alpha.min() == 255 or not alpha.any():
            return np.ascontiguousarray(levels), [*notes, "alpha dropped, which is the same everywhere"]
        return over_white(levels, alpha), [*notes, "alpha over white"]
    return np.ascontiguousarray(levels), notes


def _colour(view: Numbers) -> Numbers:
    """Without alpha."""
    return view[..., :-1] if view.shape[3] in (2, 4) else view


def _finite(view: Numbers) -> npt.NDArray[np.bool_]:
    """Which images have finite numbers alone."""
    if view.dtype.kind != "f":
        return np.ones(len(view), bool)
    starts = range(0, len(view), _BATCH)
    return np.concatenate([np.isfinite(view[start : start + _BATCH]).all(axis=(1, 2, 3)) for start in starts])


def _labels(
    raw: Mapping[str, RawSplit], kept: Mapping[str, npt.NDArray[np.bool_]], reading: Reading
) -> tuple[dict[str, Labels], tuple[str, ...], tuple[str, ...]]:
    """The labels of the images that are kept, of those splits whose labels can be used; names, and notes of others."""
    if reading.labels == "none":
        return {}, (), ()
    found = {one.labels_name: (one.labels, len(kept[split])) for split, one in raw.items() if one.labels is not None}
    usable, names, notes = usable_labels(found)
    labels = {split: usable[one.labels_name][kept[split]] for split, one in raw.items() if one.labels_name in usable}
    return labels, names, notes


def _about_axes(values: Numbers, order: str) -> list[str]:
    if order in ("NHW", "NHWC"):
        return []
    count, height, width, _ = to_nhwc(values, order).shape
    return [f"axes {order}: {count:,} images of {width}x{height}"]
