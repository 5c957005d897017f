"""A report on a data set that is loaded: counts, levels and sample images."""

from collections.abc import Sequence

import numpy as np

from nvp_studio.data.dataset import SPLITS, DataSet, Images, Labels, Split
from nvp_studio.data.fitting import fit
from nvp_studio.data.reading import Suspicion
from nvp_studio.data.report import MAX_CLASSES, MAX_SAMPLES, MAX_SIDE, DataReport, SplitFacts
from nvp_studio.image_batch import ImageBatch
from nvp_studio.text import one_line

_LOOKED_AT = 512
"""Images of each split whose levels are looked at."""
_DARK = 31
"""Images without a brighter level look black."""


def describe(data: DataSet) -> DataReport:
    """Report on `data` as a run would train on them."""
    named = dict(zip(SPLITS, data.splits, strict=False))
    samples: list[Images] = []
    names: list[str] = []
    looked_at = []
    for (name, split), share in zip(named.items(), shares([len(split) for split in data.splits]), strict=True):
        positions = spread(split.labels, len(split), share)
        samples += [split.images[position] for position in positions]
        names += [f"{name} {position + 1:,}{_class_of(split, position, data.label_names)}" for position in positions]
        looked_at.append(split.images[:: 1 + len(split) // _LOOKED_AT])
    facts = [split_facts(name, split.labels, len(split), data.label_names) for name, split in named.items()]
    levels, suspicions = levels_of(looked_at)
    _, height, width = data.image_shape
    return DataReport(
        title=data.title,
        splits=tuple(facts),
        class_count=len(data.label_names),
        image_shape=data.image_shape,
        smallest=(width, height),
        largest=(width, height),
        levels=levels,
        reading=data.reading,
        notes=data.notes,
        left_out=data.left_out,
        suspicions=data.suspicions or suspicions,
        samples=sample_batch(samples),
        sample_names=tuple(names),
    )


def split_facts(name: str, labels: Labels | None, images: int, label_names: Sequence[str]) -> SplitFacts:
    """What a split of so many images has of each class."""
    if labels is None or not label_names:
        return SplitFacts(name=name, images=images)
    counts = np.bincount(labels, minlength=len(label_names))
    there = np.flatnonzero(counts)
    classes = tuple((_class_name(label_names, number), int(counts[number])) for number in there[:MAX_CLASSES].tolist())
    return SplitFacts(name=name, images=images, classes=classes, class_count=len(there))


def shares(images: Sequence[int]) -> list[int]:
    """How many of `MAX_SAMPLES` each of some splits with so many images gets: as many as others, if it has them."""
    left, result = MAX_SAMPLES, [0] * len(images)
    for done, place in enumerate(sorted(range(len(images)), key=images.__getitem__)):
        result[place] = min(images[place], left // (len(images) - done))
        left -= result[place]
    return result


def spread(labels: Labels | None, images: int, wanted: int) -> list[int]:
    """At most `wanted` positions among so many images, evenly over classes and places, those of a class together."""
    order = np.arange(images) if labels is None else np.argsort(labels, kind="stable")
    middles = (np.arange(min(images, wanted)) + 0.5) * images / max(1, min(images, wanted))
    chosen: list[int] = order[middles.astype(int)].tolist()
    return chosen


def levels_of(images: Sequence[Images]) -> tuple[tuple[int, int, int] | None, tuple[Suspicion, ...]]:
    """The darkest and brightest level of some images and how many there are, with a doubt about them."""
    counts = sum((np.bincount(one.reshape(-1), minlength=256) for one in images), np.zeros(256, np.int64))
    there = np.flatnonzero(counts).tolist()
    if not there:
        return None, ()
    levels = (there[0], there[-1], len(there))
    if there[-1] > _DARK:
        return levels, ()
    words = f"no level is above {there[-1]} of 255: nearly black images"
    return levels, (Suspicion(kind="few values", words=words, serious=True),)


def sample_batch(images: Sequence[Images]) -> ImageBatch | None:
    """Images (H, W, C) of one shape, made smaller where they are larger than `MAX_SIDE`; None for no images."""
    if not images:
        return None
    height, width, channels = images[0].shape
    scale = min(1.0, MAX_SIDE / max(height, width))
    shape = (channels, max(1, round(height * scale)), max(1, round(width * scale)))
    return ImageBatch.of(np.stack([fit(image, shape)[0] for image in images]))


def _class_of(split: Split, position: int, label_names: Sequence[str]) -> str:
    if split.labels is None or not label_names:
        return ""
    return f": {_class_name(label_names, int(split.labels[position]))}"


def _class_name(names: Sequence[str], number: int) -> str:
    return one_line(names[number], 40)
