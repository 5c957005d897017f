"""Images that are the same in two splits, which scores then take for images that the flow has never seen."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nvp_studio.data.dataset import SPLITS, Images, Split
from nvp_studio.data.options import Progress, no_progress
from nvp_studio.data.reading import Suspicion
from nvp_studio.files import read_regular

_PLACES = 16
"""Bytes of an image that are compared before the whole of it."""
_BAND_BYTES = 2**24
"""Pixels that are looked at at once: images may be mapped from a file larger than memory."""
_NAMES = dict(zip(SPLITS, ("training", "validation", "test"), strict=True))
_MIXED = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F], np.uint64)

_TELL_EVERY = 500
_PAIRS = (("validation", "train"), ("test", "train"), ("test", "validation"))
_MOST_READ_BYTES = 64 * 2**20
"""Of files that are compared for a glance at a folder."""

Tell = Callable[[int, int], None]
Keys = npt.NDArray[np.uint64]


def doubts_about_twins(splits: Sequence[Split | None], progress: Progress = no_progress) -> tuple[Suspicion, ...]:
    """Say how many images of a split (of `SPLITS`, in this order) are also in one before it, to the last pixel."""

    def tell(done: int, total: int) -> None:
        progress(done, total, "looking for the same images in two splits")

    named = {name: split.images for name, split in zip(SPLITS, splits, strict=False) if split is not None}
    keys = {name: _keys(images, tell) for name, images in named.items()}
    doubts = []
    for later, earlier in _PAIRS:
        if later in named and earlier in named:
            count = _common(named[earlier], keys[earlier], named[later], keys[later], tell)
            if count:
                doubts.append(_doubt(count, len(named[later]), later, earlier))
    return tuple(doubts)


def equal_files(files: Iterable[tuple[str, Path]]) -> Generator[None, None, tuple[Suspicion, ...]]:
    """Say how many image files of a split are also in one before it, to the last byte; for a glance at a folder.

    `files` are splits with paths. Only files of equal size in several splits are read, and of them at most
    `_MOST_READ_BYTES`; yields after each file.
    """
    by_size: defaultdict[int, list[tuple[str, Path]]] = defaultdict(list)
    counts = Counter[str]()
    for split, path in files:
        counts[split] += 1
        with suppress(OSError):
            by_size[path.stat().st_size].append((split, path))
        yield
    found: defaultdict[bytes, Counter[str]] = defaultdict(Counter)
    left = _MOST_READ_BYTES
    for size, group in sorted(by_size.items()):
        if len({split for split, _ in group}) < 2 or not size or size * len(group) > left:
            continue
        left -= size * len(group)
        for split, path in group:
            with suppress(OSError):
                content = read_regular(path, size)
                found[hashlib.blake2b(content, digest_size=16).digest()][split] += 1
            yield
    doubts = []
    for later, earlier in _PAIRS:
        count = sum(splits[later] for splits in found.values() if splits[earlier])
        if count:
            doubts.append(_doubt(count, counts[later], later, earlier, "at least "))
    return tuple(doubts)


def _doubt(count: int, total: int, later: str, earlier: str, before: str = "") -> Suspicion:
    are = "is also a" if count == 1 else "are also"
    images = "image" if count == 1 else "images"
    words = f"{before}{count:,} of {total:,} {_NAMES[later]} images {are} {_NAMES[earlier]} {images}"
    return Suspicion(kind="twins", words=words)


def _common(earlier: Images, earlier_keys: Keys, later: Images, later_keys: Keys, tell: Tell) -> int:
    """How many of the `later` images are among the `earlier` ones; different keys are those of different images."""
    keys = np.intersect1d(earlier_keys, later_keys)
    known = set(_digests(earlier, np.flatnonzero(np.isin(earlier_keys, keys)), tell))
    return sum(digest in known for digest in _digests(later, np.flatnonzero(np.isin(later_keys, keys)), tell))


def _digests(images: Images, places: npt.NDArray[np.intp], tell: Tell) -> Iterator[bytes]:
    for done, place in enumerate(places):
        if done % _TELL_EVERY == 0:
            tell(done, len(places))
        yield hashlib.blake2b(np.ascontiguousarray(images[place]).data, digest_size=16).digest()


def _keys(images: Images, tell: Tell) -> Keys:
    """A number for each image, from a few bytes of it."""
    rows = images.reshape(len(images), -1)
    places = (np.arange(_PLACES) * 2 + 1) * rows.shape[1] // (2 * _PLACES)
    keys = np.empty(len(rows), np.uint64)
    step = max(1, _BAND_BYTES // max(1, rows.shape[1]))
    for start in range(0, len(rows), step):
        tell(start, len(rows))
        few = np.ascontiguousarray(rows[start : start + step][:, places]).view(np.uint64)
        keys[start : start + step] = (few * _MIXED).sum(axis=1, dtype=np.uint64)
    return keys
