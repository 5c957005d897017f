import re

import numpy as np
import pytest

from nvp_studio.data.labels import usable_labels

WHOLE = [2, 0, 1, 2]


@pytest.mark.parametrize(
    "values",
    [
        np.array(WHOLE),
        np.array(WHOLE, np.uint8),
        np.array(WHOLE, np.float32),
        np.array(WHOLE)[:, None],
        np.eye(3)[WHOLE],
        np.eye(3, dtype=bool)[WHOLE],
    ],
)
def test_forms_of_one_number_for_each_image(values):
    labels, names, notes = usable_labels({"y": (values, 4)})
    assert labels["y"].dtype == np.int64
    assert labels["y"].tolist() == WHOLE
    assert names == ("0", "1", "2")
    assert notes == ()


@pytest.mark.parametrize("dtype", ["U10", "S10"])
def test_text_is_numbered_in_sorted_order_over_all_parts(dtype):
    train, test = np.array(["shoe", "bag", "shoe"], dtype), np.array(["hat"], dtype)
    labels, names, notes = usable_labels({"a": (train, 3), "b": (test, 1)})
    assert names == ("bag", "hat", "shoe")
    assert labels["a"].tolist() == [2, 0, 2]
    assert labels["b"].tolist() == [1]
    assert notes == ()


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.zeros((4, 14)), "14 for each image"),
        (np.array([0, -1, 2, -1]), "2 images have none"),
        (np.array([0.5, 1, 2, 3]), "no whole numbers"),
        (np.array([0, np.nan, 2, 3]), "no whole numbers"),
        (np.array([0, 1, 2, 30_000]), "a label 30000"),
        (np.arange(3), "there are 3 for 4 images"),
        (np.array(3), "there are 1 for 4 images"),
        (np.zeros((4, 2, 2)), r"shape \(4, 2, 2\)"),
        (np.zeros(4, complex), "complex128"),
        (np.array([["a", "b"]] * 4), "2 for each image"),
    ],
)
def test_labels_that_cannot_be_used_are_left_out_with_a_word(values, reason):
    labels, names, (note,) = usable_labels({"y": (values, 4)})
    assert labels == {}
    assert names == ()
    assert note.startswith("y left out: ")
    assert re.search(reason, note)


def test_parts_keep_labels_that_can_be_used():
    labels, names, notes = usable_labels({"a": (np.array([0, 1]), 2), "b": (np.array([0]), 2)})
    assert labels.keys() == {"a"}
    assert names == ("0", "1")
    assert len(notes) == 1


def test_text_beside_numbers_is_left_out():
    labels, names, (note,) = usable_labels({"a": (np.array([0, 1]), 2), "b": (np.array(["0", "1"]), 2)})
    assert labels.keys() == {"a"}
    assert names == ("0", "1")
    assert note == "b left out: text, where others are numbers"
