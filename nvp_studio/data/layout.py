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
from nvp_studio.data.reading import UNDECIDED, Reading, Suspicion
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
NO_SUCH_FOLDER = "no such folder"
"""The kind of the doubt about a name of what is to be left out."""
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

    def leave_out(self, number: int, reason: str, depth: int, option: tuple[str, ...] = ()) -> None:
        """Leave a file out, by the name of its folder down to `depth`, or by its own where it is not as deep."""
        folders = self.folders.pop(number)
        inside = len(folders) >= depth
        self.left_out.add(reason, "/".join(folders[:depth]) + "/" if inside else self.names[number], option=option)


def lay_out(names: Sequence[str], reading: Reading = UNDECIDED) -> Layout:
    """Sort images by their `names`, which are paths below the top, with slashes.

    Each gets one of `SPLITS` and perhaps a class. Masks beside images, what lies beside folders of splits, and a few
    files beside folders of classes are left out. Without a folder for validation, `held_out` chooses from training.
    `reading` says whether folders are splits, and which are left out besides.
    """
    if reading.earlier_layout:
        return _lay_out_as_earlier(names)
    sorting = _Sorting({number: tuple(name.split("/")[:-1]) for number, name in enumerate(names)}, names)
    _leave_named_out(sorting, reading.leave_out)
    _leave_masks_out(sorting)
    _leave_mask_files_out(sorting)
    depth, at_top = _split_level(sorting, reading.split)
    entries = []
    for number, folders in sorting.folders.items():
        split = _split_of(folders[depth]) if depth is not None else "train"
        rest = folders if depth is None else folders[:depth] + folders[depth + 1 :]
        label = rest[at_top] if len(rest) > at_top and reading.labels != "none" else None
        entries.append(Entry(number, split or "train", label))
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


def _leave_named_out(sorting: _Sorting, names: Sequence[str]) -> None:
    """Leave out the files in folders of these names, which may be the last parts of their paths: test/defect."""
    for name in names:
        wanted = tuple(name.lower().strip("/").split("/"))
        found = False
        for number, folders in list(sorting.folders.items()):
            parts = tuple(map(str.lower, folders))
            stops = range(len(wanted), len(parts) + 1)
            depth = next((stop for stop in stops if parts[stop - len(wanted) : stop] == wanted), None)
            if depth is not None:
                sorting.leave_out(number, "left out as was asked", depth)
                found = True
        if not found:
            words = one_line(f"nothing to leave out: there are no images in a folder {name}")
            sorting.suspicions.append(Suspicion(kind=NO_SUCH_FOLDER, words=words))


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


def _split_level(sorting: _Sorting, split: str) -> tuple[int | None, int]:
    """The depth of the folders that are splits, None without; and how many folders at the top are no classes.

    What lies beside the splits is left out. With the `split` "none" their folders are dropped from the files' names.
    """
    top = _common_depth(sorting.folders.values())
    for depth in (top, top + 1):
        homes = _homes_of_splits(sorting, depth, split)
        inside = {number for number, folders in sorting.folders.items() if _is_split(folders, depth, homes)}
        if not inside or (depth > top and split != "folders" and 2 * len(inside) < len(sorting.folders)):
            continue
        at_top = top if len(homes) > 1 else depth
        if split == "none":
            for number in inside:
                folders = sorting.folders[number]
                sorting.folders[number] = folders[:depth] + folders[depth + 1 :]
            return None, at_top
        names = sorted({sorting.folders[number][depth] for number in inside})
        reason = f"beside the folders {', '.join(names[:4])}"
        for number, folders in list(sorting.folders.items()):
            if number not in inside:
                name_depth = depth + 1 if folders[:depth] in homes else depth
                sorting.leave_out(number, reason, name_depth, ("--split", "none"))
        return depth, at_top
    if split != "none":
        _doubt_classes(sorting, top, split)
    return None, top


def _doubt_classes(sorting: _Sorting, top: int, split: str) -> None:
    """Say of folders that have the names of splits that they are taken as classes, or that there are none."""
    taken = sorted({folders[top] for folders in sorting.folders.values() if len(folders) > top})
    classes = [name for name in taken if _split_of(name)]
    if split == "folders":
        words = "there is no folder of training images, so all images are"
        sorting.suspicions.append(Suspicion(kind="folder of a split", words=words))
    elif classes and len(taken) > 1:
        words = f"taken as classes, for there are no folders of both training and test images: {', '.join(classes)}"
        option = ("--split", "folders") if "train" in map(_split_of, classes) else ()
        sorting.suspicions.append(Suspicion(kind="folder of a split", words=one_line(words), option=option))


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


def _homes_of_splits(sorting: _Sorting, depth: int, split: str) -> set[Folders]:
    """The folders at this depth in which there is one for training, and beside it another split or no other folder.

    A folder "train" beside "bus" and "car" is a class, unless `split` is "folders".
    """
    inside: defaultdict[Folders, set[str]] = defaultdict(set)
    for folders in set(sorting.folders.values()):
        if len(folders) > depth:
            inside[folders[:depth]].add(folders[depth])
    splits = {home: {_split_of(name) for name in names} for home, names in inside.items()}
    return {
        home
        for home in inside
        if "train" in splits[home]
        and (split == "folders" or len(splits[home] - {None}) > 1 or None not in splits[home])
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
            name, option = sorting.names[one.number], ("--labels", "none")
            sorting.left_out.add("beside the folders of classes", name, option=option)
        else:
            kept.append(one)
    return kept if len({one.label for one in kept} - {None}) > 1 else [replace(one, label=None) for one in kept]


def _choose_validation(entries: list[Entry], names: Sequence[str]) -> None:
    train = [place for place, one in enumerate(entries) if one.split == "train"]
    for place, chosen in zip(train, held_out([names[entries[place].number] for place in train]), strict=True):
        if chosen:
            entries[place] = replace(entries[place], split="validation")


def _lay_out_as_earlier(names: Sequence[str]) -> Layout:
    """Sort images as an earlier version did, so that its runs go on: nothing is left out.

    The folders at the top are splits if all files are in some that have names of splits, one of them for training. The
    others, or those in them, are classes if all files are in one and there are two.
    """
    paths = [name.split("/") for name in names]
    tops = {SPLIT_BY_NAME.get(path[0].lower()) if len(path) > 1 else None for path in paths}
    by_folder = "train" in tops and None not in tops
    rest = [path[1:] if by_folder else path for path in paths]
    labels = [path[0] if len(path) > 1 else None for path in rest]
    has_classes = None not in labels and len(set(labels)) > 1
    entries = [
        Entry(number, SPLIT_BY_NAME[path[0].lower()] if by_folder else "train", label if has_classes else None)
        for number, (path, label) in enumerate(zip(paths, labels, strict=True))
    ]
    chosen = all(one.split != "validation" for one in entries)
    if chosen:
        _choose_validation(entries, names)
    return Layout(entries, chosen=chosen)
