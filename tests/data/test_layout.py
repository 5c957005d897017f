"""Splits and classes are told by the names of folders in the layouts that people have; the rest is left out by name."""

from collections import Counter

import pytest

from nvp_studio.data.layout import lay_out
from nvp_studio.data.left_out import why_unread
from nvp_studio.data.reading import UNDECIDED, Reading
from nvp_studio.data.report import DataReport, left_out_text, rows


def files(**counts: int) -> list[str]:
    """So many images in each folder; two underscores stand for a slash, "top" for no folder."""
    return [
        f"{'' if folder == 'top' else folder.replace('__', '/') + '/'}{number:03}.png"
        for folder, count in counts.items()
        for number in range(count)
    ]


def sorted_into(names: list[str], reading: Reading = UNDECIDED) -> tuple[dict[str, int], dict[str, int]]:
    """How many images each pair of split and class has, validation as training unless it has a folder; left out."""
    layout = lay_out(names, reading)
    assert len(layout.entries) + sum(one.count for one in layout.left_out) == len(names)
    own = any("val" in name for name in names)
    used = Counter(
        f"{one.split if own or one.split != 'validation' else 'train'} {one.label or ''}".strip()
        for one in layout.entries
    )
    left_out = Counter[str]()
    for one in layout.left_out:
        left_out[" ".join(one.examples)] += one.count
    return dict(used), dict(left_out)


@pytest.mark.parametrize(
    ("names", "used", "left_out"),
    [
        (files(top=9), {"train": 9}, {}),
        (files(cats=5, dogs__small=5), {"train cats": 5, "train dogs": 5}, {}),
        (files(photos__cats=5, photos__dogs=5), {"train cats": 5, "train dogs": 5}, {}),
        (files(one=9), {"train": 9}, {}),
        (files(cats=20, dogs=20, top=1), {"train cats": 20, "train dogs": 20}, {"000.png": 1}),
        (files(cats=5, dogs=5, top=5), {"train": 15}, {}),
        # Splits
        (files(train=9, test=4), {"train": 9, "test": 4}, {}),
        (files(train=9), {"train": 9}, {}),
        (files(train2017=9, val2017=4), {"train": 9, "validation": 4}, {}),
        (files(train_images=9, test_images=4), {"train": 9, "test": 4}, {}),
        ([*files(Training=9), "Testing set/a.png"], {"train": 9, "test": 1}, {}),
        (
            files(train__a=5, train__b=5, test__a=3, test__b=3, top=1),
            {"train a": 5, "train b": 5, "test a": 3, "test b": 3},
            {"000.png": 1},
        ),
        (files(train__a=5, train__b=5, test__b=3, docs__x=2), {"train a": 5, "train b": 5, "test b": 3}, {"docs/": 2}),
        (files(train__a=5, train__b=5, val=3), {"train a": 5, "train b": 5, "validation": 3}, {}),
        (files(train=9, extra=2, top=1, test=3), {"train": 9, "test": 3}, {"extra/ 000.png": 3}),
        # One folder or several above those of the splits
        (files(set__train__a=5, set__train__b=5, set__test__a=3), {"train a": 5, "train b": 5, "test a": 3}, {}),
        (files(data__train=9, data__test=3, docs=1, top=1), {"train": 9, "test": 3}, {"docs/ 000.png": 2}),
        (
            files(bottle__train__good=5, bottle__test__hole=3, cable__train__good=5, cable__test__good=3),
            {"train bottle": 5, "test bottle": 3, "train cable": 5, "test cable": 3},
            {},
        ),
        # Masks
        (
            files(train__good=9, test__good=3, test__scratch=3, ground_truth__scratch=3),
            {"train good": 9, "test good": 3, "test scratch": 3},
            {"ground_truth/": 3},
        ),
        (
            files(
                bottle__train__good=5,
                bottle__test__hole=3,
                bottle__ground_truth__hole=3,
                cable__train__good=5,
                cable__test__good=3,
                cable__ground_truth__cut=3,
            ),
            {"train bottle": 5, "test bottle": 3, "train cable": 5, "test cable": 3},
            {"bottle/ground_truth/ cable/ground_truth/": 6},
        ),
        (files(images=9, masks=9), {"train": 9}, {"masks/": 9}),
        (files(top=9, masks=9), {"train": 9}, {"masks/": 9}),
        (files(masks=9), {"train": 9}, {}),
        (files(train=9, train_masks=9, test=3), {"train": 9, "test": 3}, {"train_masks/": 9}),
        (
            files(images__train=9, images__val=3, labels__train=9, labels__val=3),
            {"train": 9, "validation": 3},
            {"labels/": 12},
        ),
        (
            files(train__images=9, train__masks=9, test__images=3, test__masks=3),
            {"train": 9, "test": 3},
            {"train/masks/ test/masks/": 12},
        ),
        (["a.png", "a_mask.png", "b.png", "b-mask1.png", "face mask.png"], {"train": 3}, {"a_mask.png b-mask1.png": 2}),
        # Names that mean something else
        (files(bus=5, car=5, train=5), {"train bus": 5, "train car": 5, "train train": 5}, {}),
        (files(mask=5, no_mask=5), {"train mask": 5, "train no_mask": 5}, {}),
        (files(bus_station=5, train_station=5), {"train bus_station": 5, "train train_station": 5}, {}),
        ([], {}, {}),
    ],
)
def test_layouts(names: list[str], used: dict[str, int], left_out: dict[str, int]) -> None:
    assert sorted_into(names) == (used, left_out)
    wrapped = [f"my set/{name}" for name in names]
    assert sorted_into(wrapped)[0] == used


def test_a_folder_that_could_be_a_split_is_doubted() -> None:
    (suspicion,) = lay_out(files(bus=5, train=5)).suspicions
    assert suspicion.words == "taken as classes, for there are no folders of both training and test images: train"
    assert lay_out(files(train=5, test=5)).suspicions == ()


def test_classes_that_are_dropped_are_doubted() -> None:
    (suspicion,) = lay_out(files(cats=5, dogs=5, top=5)).suspicions
    assert suspicion.words == "no classes, for 5 of 15 images for train are in no folder of one"
    assert lay_out(files(cats=5, dogs=5, top=1)).suspicions == ()


def test_examples_are_few() -> None:
    (left_out,) = lay_out(files(train=20, test=9, top=5)).left_out
    assert left_out_text(left_out) == "5: beside the folders test, train (000.png, 001.png, 002.png, ...)"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a.PSD", "files with the extension .psd are not read: convert them to PNG or JPEG"),
        ("a.nii.gz", "files with the extension .nii are not read: save their slices as 16-bit PNG or TIFF files"),
        ("a.jpg.part", "files with the extension .part are not read"),
        ("scan", "files without an extension are not read"),
        ("README", ""),
        ("labels.json", ""),
    ],
)
def test_files_that_are_not_read_get_a_reason(name: str, reason: str) -> None:
    assert why_unread(name) == reason


INSPECTION = files(train__good=9, test__good=3, test__scratch=3, ground_truth__scratch=3)
MASKS = {"ground_truth/": 3}


@pytest.mark.parametrize(
    ("names", "reading", "used", "left_out"),
    [
        # No folder is a split
        (INSPECTION, Reading(split="none"), {"train good": 12, "train scratch": 3}, MASKS),
        (files(train=9, extra=2, top=1, test=3), Reading(split="none"), {"train": 15}, {}),
        (files(a__train=5, a__test=2, b__train=5), Reading(split="none"), {"train a": 7, "train b": 5}, {}),
        (files(cats=5, dogs=5), Reading(split="none"), {"train cats": 5, "train dogs": 5}, {}),
        # All folders with the names of splits are
        (files(bus=5, car=5, train=9), Reading(split="folders"), {"train": 9}, {"bus/ car/": 10}),
        (INSPECTION, Reading(split="folders"), {"train good": 9, "test good": 3, "test scratch": 3}, MASKS),
        (files(top=9), Reading(split="folders"), {"train": 9}, {}),
        # No folder is a class
        (files(cats=20, dogs=20, top=1), Reading(labels="none"), {"train": 41}, {}),
        # Folders that are left out
        (
            INSPECTION,
            Reading(leave_out=("test/scratch",)),
            {"train": 9, "test": 3},
            {"ground_truth/": 3, "test/scratch/": 3},
        ),
        (
            files(cats=5, cats__Thumbs=5, dogs=5),
            Reading(leave_out=("thumbs",)),
            {"train cats": 5, "train dogs": 5},
            {"cats/Thumbs/": 5},
        ),
        (files(cats=5, dogs=5, birds=5), Reading(leave_out=("birds", "dogs")), {"train": 5}, {"birds/ dogs/": 10}),
        # As an earlier version did
        (INSPECTION, Reading(earlier_layout=True), {"train train": 9, "train test": 6, "train ground_truth": 3}, {}),
        (files(train__a=5, Test__b=3), Reading(earlier_layout=True), {"train a": 5, "test b": 3}, {}),
        (files(train__a=5, test__b=3, top=1), Reading(earlier_layout=True), {"train": 9}, {}),
    ],
)
def test_reading_says_otherwise(
    names: list[str], reading: Reading, used: dict[str, int], left_out: dict[str, int]
) -> None:
    assert sorted_into(names, reading) == (used, left_out)


def test_the_option_that_reads_otherwise_is_named() -> None:
    report = DataReport(left_out=lay_out(files(train=9, test=3, other=2)).left_out)
    assert ("left out", "2: beside the folders test, train (other/) (--split none takes them in)") in rows(report)
    (suspicion,) = lay_out(files(bus=5, train=5)).suspicions
    assert suspicion.option == ("--split", "folders")
    (suspicion,) = lay_out(files(top=5), Reading(split="folders")).suspicions
    assert "no folder of training images" in suspicion.words
    (suspicion,) = lay_out(files(top=5), Reading(leave_out=("a/b",))).suspicions
    assert suspicion.words.endswith("no images in a folder a/b")
