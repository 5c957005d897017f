"""The split and the class of each image of a folder or archive, told by the names of its folders alone.

People keep images in many ways: all in one folder; a folder for each class; folders `train` and `test`, or
`train_images`, `val2017`; these once for each of several objects; masks in a folder beside the images. What is beside
such folders belongs to no split, and is left out and counted rather than trained on.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from nvp_studio.data.dataset import SPLIT_BY_NAME
from nvp_studio.data.left_out import LeftOutCount
from nvp_studio.data.partition import held_out
from nvp_studio.data.reading import Suspicion
from nvp_studio.data.report import LeftOut
from nvp_studio.text import one_line

_WORDS = re.compile(r"[a-z]+")
_NEUTRAL_WORDS = frozenset({"data", "dataset", "image", "images", "img", "imgs", "photos", "pictures", "set", "split"})
"""Words that may accompany that of a split or of masks in the name of a folder."""
_MASK_WORDS = frozenset(
    {"annotation", "annotations", "gt", "label", "labels", "mask", "masks", "segmentation", "segmentations", "trimaps"}
    | {"groundtruth", "segmentationclass", "segmentationobject"}
)
_MASK_FILE = re.compile(r"(.+?)[ ._-]?(gt|label|labels|mask|masks|seg|segmentation)([ ._-]?\d+)?", re.IGNORECASE)
"""The name, without extension, of a mask that lies beside its image: cell_mask beside cell."""
_MASK_REASON = "masks or annotations beside images"
_FEW = 0.1
"""Images without a class are left out where they are one, or at most this share of a split whose others have one."""

Folders = tuple[str, ...]
"""The names of the folders in which a file is, from the top."""


@dataclass(frozen=True)
class Entry:
    """The image with this number among those given, its split, and its class if it has one."""

    number: int
    split: str
    label: str | None


@dataclass(frozen=True)
class Layout:
    """The images that are used, in the order given, what is left out, and what is doubtful."""

    entries: list[Entry]
    left_out: tuple[LeftOut, ...] = ()
    suspicions: tuple[Suspicion, ...] = ()
    chosen: bool = False
    """Whether the images for validation were chosen from those for training."""


@dataclass
class _Sorting:
    """The files that are still used, by their numbers, while they are sorted."""

    folders: dict[int, Folders]
    names: Sequence[str]
    left_out: LeftOutCount = field(default_factory=LeftOutCount)
    suspicions: list[Suspicion] = field(default_factory=list)

    def leave_out(self, number: int, reason: str, depth: int) -> None:
        """Leave a file out, by the name of its folder down to `depth`, or by its own where it is not as deep."""
        folders = self.folders.pop(number)
        inside = len(folders) >= depth
        self.left_out.add(reason, "/".join(folders[:depth]) + "/" if inside else self.names[number])


def lay_out(names: Sequence[str]) -> Layout:
    """Sort images by their `names`, which are paths below the top, with slashes.

    Each gets one of `SPLITS` and perhaps a class. Masks beside images, what lies beside folders of splits, and a few
    files beside folders of classes are left out. Without a folder for validation, `held_out` chooses from training.
    """
    sorting = _Sorting({number: tuple(name.split("/")[:-1]) for number, name in enumerate(names)}, names)
    _leave_masks_out(sorting)
    _leave_mask_files_out(sorting)
    depth, at_top = _split_level(sorting)
    entries = []
    for number, folders in sorting.folders.items():
        split = _split_of(folders[depth]) if depth is not None else "train"
        rest = folders if depth is None else folders[:depth] + folders[depth + 1 :]
        entries.append(Entry(number, split or "train", rest[at_top] if len(rest) > at_top else None))
    entries = _with_classes(entries, sorting)
    chosen = all(one.split != "validation" for one in entries)
    if chosen:
        _choose_validation(entries, names)
    return Layout(entries, sorting.left_out.all(), tuple(sorting.suspicions), chosen)


def _split_of(folder: str) -> str | None:
    """The split that a folder's name stands for, such as train2017 or test-images; None for other names."""
    words = [word for word in _WORDS.findall(folder.lower()) if word not in _NEUTRAL_WORDS]
    return SPLIT_BY_NAME.get(words[0].removesuffix("set")) if len(words) == 1 else None


def _is_mask_name(folder: str) -> bool:
    """Whether a folder of this name may hold masks."""
    text = folder.lower().replace("ground_truth", "groundtruth").replace("ground-truth", "groundtruth")
    words = [word for word in _WORDS.findall(text) if word not in _NEUTRAL_WORDS and word not in SPLIT_BY_NAME]
    return bool(words) and all(word in _MASK_WORDS for word in words)


def _leave_masks_out(sorting: _Sorting) -> None:
    """Leave out the files in folders of masks, which are such only where images lie beside them."""
    inside: defaultdict[Folders, set[str]] = defaultdict(set)
    for folders in set(sorting.folders.values()):
        inside[folders].add("")  # a file
        for depth, folder in enumerate(folders):
            inside[folders[:depth]].add(folder)
    masks = {(*parent, folder) for parent, beside in inside.items() for folder in beside if _is_mask(folder, beside)}
    if not masks:
        return
    for number, folders in list(sorting.folders.items()):
        depths = [depth for depth in range(1, len(folders) + 1) if folders[:depth] in masks]
        if depths:
            sorting.leave_out(number, _MASK_REASON, depths[0])


def _leave_mask_files_out(sorting: _Sorting) -> None:
    """Leave out masks that lie in one folder with their images, by names such as cell_mask beside cell."""
    stems = {number: PurePosixPath(sorting.names[number]).stem for number in sorting.folders}
    masks = {number: match[1] for number, stem in stems.items() if (match := _MASK_FILE.fullmatch(stem))}
    if not masks:
        return
    images = {(sorting.folders[number], stem) for number, stem in stems.items() if number not in masks}
    for number, stem in masks.items():
        if (sorting.folders[number], stem) in images:
            sorting.leave_out(number, _MASK_REASON, len(sorting.folders[number]) + 1)


def _is_mask(folder: str, beside: set[str]) -> bool:
    """Whether a folder holds masks of what is `beside` it; "mask" beside "no_mask" is a class."""
    if not _is_mask_name(folder):
        return False
    images = [other for other in beside if not _is_mask_name(other)]
    return bool(images) and not any(folder.lower() in other.lower() for other in images)


def _split_level(sorting: _Sorting) -> tuple[int | None, int]:
    """The depth of the folders that are splits, None without; and how many folders at the top are no classes.

    What lies beside the splits is left out.
    """
    top = _common_depth(sorting.folders.values())
    for depth in (top, top + 1):
        homes = _homes_of_splits(sorting, depth)
        inside = {number for number, folders in sorting.folders.items() if _is_split(folders, depth, homes)}
        if not inside or (depth > top and 2 * len(inside) < len(sorting.folders)):
            continue
        names = sorted({sorting.folders[number][depth] for number in inside})
        reason = f"beside the folders {', '.join(names[:4])}"
        for number, folders in list(sorting.folders.items()):
            if number not in inside:
                sorting.leave_out(number, reason, depth + 1 if folders[:depth] in homes else depth)
        return depth, top if len(homes) > 1 else depth
    taken = sorted({folders[top] for folders in sorting.folders.values() if len(folders) > top})
    classes = [name for name in taken if _split_of(name)]
    if classes and len(taken) > 1:
        words = f"taken as classes, for there are no folders of both training and test images: {', '.join(classes)}"
        sorting.suspicions.append(Suspicion(kind="folder of a split", words=one_line(words)))
    return None, top


def _common_depth(all_folders: Iterable[Folders]) -> int:
    """How many folders hold all files, one in the other, without any beside them; those of splits do not count."""
    distinct = list(set(all_folders))
    depth = 0
    while distinct and all(len(folders) > depth for folders in distinct):
        names = {folders[depth] for folders in distinct}
        if len(names) > 1 or _split_of(next(iter(names))):
            break
        depth += 1
    return depth


def _homes_of_splits(sorting: _Sorting, depth: int) -> set[Folders]:
    """The folders at this depth in which there is one for training, and beside it another split or no other folder.

    A folder "train" beside "bus" and "car" is a class.
    """
    inside: defaultdict[Folders, set[str]] = defaultdict(set)
    for folders in set(sorting.folders.values()):
        if len(folders) > depth:
            inside[folders[:depth]].add(folders[depth])
    splits = {home: {_split_of(name) for name in names} for home, names in inside.items()}
    return {
        home
        for home in inside
        if "train" in splits[home] and (len(splits[home] - {None}) > 1 or None not in splits[home])
    }


def _is_split(folders: Folders, depth: int, homes: set[Folders]) -> bool:
    return len(folders) > depth and folders[:depth] in homes and _split_of(folders[depth]) is not None


def _with_classes(entries: list[Entry], sorting: _Sorting) -> list[Entry]:
    """Leave out a few files beside folders of classes; drop the classes of a split where many files have none.

    Classes need two names at least.
    """
    counts = Counter(one.split for one in entries)
    unlabelled = Counter(one.split for one in entries if one.label is None)
    classes: defaultdict[str, set[str]] = defaultdict(set)
    for one in entries:
        if one.label is not None:
            classes[one.split].add(one.label)
    if len(set().union(*classes.values())) < 2:
        return [replace(one, label=None) for one in entries]
    dropped = {
        split for split, none in unlabelled.items() if len(classes[split]) < 2 or none > max(1, _FEW * counts[split])
    }
    for split in sorted(split for split in dropped if classes[split]):
        words = f"no classes, for {unlabelled[split]:,} of {counts[split]:,} images for {split} are in no folder of one"
        sorting.suspicions.append(Suspicion(kind="images without a class", words=words))
    kept = []
    for one in entries:
        if one.split in dropped:
            kept.append(replace(one, label=None))
        elif one.label is None:
            sorting.left_out.add("beside the folders of classes", sorting.names[one.number])
        else:
            kept.append(one)
    return kept if len({one.label for one in kept} - {None}) > 1 else [replace(one, label=None) for one in kept]


def _choose_validation(entries: list[Entry], names: Sequence[str]) -> None:
    train = [place for place, one in enumerate(entries) if one.split == "train"]
    for place, chosen in zip(train, held_out([names[entries[place].number] for place in train]), strict=True):
        if chosen:
            entries[place] = replace(entries[place], split="validation")
