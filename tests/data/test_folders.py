"""A folder of image files becomes a data set, whatever else lies in it."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nvp_studio.data import load_data
from nvp_studio.data.dataset import DataError, DataSet, digest_of
from nvp_studio.data.options import LoadOptions
from nvp_studio.data.places import cache_folder
from nvp_studio.data.reading import Reading
from nvp_studio.data.report import DataReport, left_out_text
from nvp_studio.data.survey import survey_data
from tests.watched_reading import watch_reading


def paint(path: Path, shade: int, size: tuple[int, int] = (8, 8), mode: str = "L") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, shade if mode == "L" else (shade,) * 3).save(path)
    return path


def shades(data: DataSet) -> dict[str, set[int]]:
    """The grey values of each split's images; each file of a test has its own."""
    parts = {"train": data.train, "validation": data.validation, "test": data.test}
    return {name: {int(image[0, 0, 0]) for image in split.images} for name, split in parts.items() if split is not None}


def test_a_flat_folder(tmp_path: Path) -> None:
    for shade in range(60):
        paint(tmp_path / f"{shade}.png", shade)
    data = load_data(str(tmp_path))
    found = shades(data)
    assert found["train"] | found["validation"] == set(range(60))
    assert not found["train"] & found["validation"]
    assert 1 <= len(found["validation"]) <= 15
    assert data.train.labels is None
    assert data.image_shape == (1, 8, 8)
    assert data.title == tmp_path.name
    assert data.notes == ()


def test_sub_folders_are_classes(tmp_path: Path) -> None:
    for shade in range(20):
        paint(tmp_path / ("cats/small" if shade % 2 else "dogs") / f"{shade}.png", shade)
    data = load_data(str(tmp_path))
    assert data.label_names == ("cats", "dogs")
    for split in (data.train, data.validation):
        assert split.labels is not None
        np.testing.assert_array_equal(split.labels, 1 - split.images[:, 0, 0, 0] % 2)


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    for shade in range(12):
        paint(tmp_path / ("cats" if shade % 2 else "dogs") / f"{shade}.png", shade)
    paint(tmp_path / "stray.png", 99)
    for name in ("photo.heic", "cats/scan.nii", "readme.txt"):
        (tmp_path / name).touch()
    data = load_data(str(tmp_path))
    assert data.label_names == ("cats", "dogs")
    assert 99 not in shades(data)["train"] | shades(data)["validation"]
    assert [left_out_text(one) for one in data.left_out] == [
        "1: beside the folders of classes (stray.png)",
        "1: files with the extension .heic are not read: convert them to PNG or JPEG (photo.heic)",
        "1: files with the extension .nii are not read: save their slices as 16-bit PNG or TIFF files (cats/scan.nii)",
    ]


def test_labels_of_one_split_do_not_need_those_of_another(tmp_path: Path) -> None:
    for shade in range(30):
        folder = "val" if shade >= 20 else "train/a" if shade % 2 else "train/b"
        paint(tmp_path / folder / f"{shade}.png", shade)
    first, second = load_data(str(tmp_path)), load_data(str(tmp_path))
    for data in (first, second):
        assert data.label_names == ("a", "b")
        assert data.train.labels is not None
        np.testing.assert_array_equal(data.train.labels, 1 - data.train.images[:, 0, 0, 0] % 2)
        assert data.validation.labels is None
    assert first.digest == second.digest == digest_of(first.train, first.validation, first.test)


@pytest.mark.parametrize("names", [("train", "val", "test"), ("Training", "validation", "testing")])
def test_folders_of_splits(tmp_path: Path, names: tuple[str, str, str]) -> None:
    for index, name in enumerate(names):
        for shade in range(10 * index, 10 * index + 10):
            paint(tmp_path / name / ("a" if shade % 2 else "b") / f"{shade}.png", shade)
    data = load_data(str(tmp_path))
    assert shades(data) == {"train": set(range(10)), "validation": set(range(10, 20)), "test": set(range(20, 30))}
    assert data.label_names == ("a", "b")


def test_folders_of_train_and_test_hold_validation_out_of_train(tmp_path: Path) -> None:
    for shade in range(20):
        paint(tmp_path / ("test" if shade >= 15 else "train") / f"{shade}.png", shade)
    found = shades(load_data(str(tmp_path)))
    assert found["test"] == set(range(15, 20))
    assert found["train"] | found["validation"] == set(range(15))


def test_the_division_is_stable_when_files_come_and_move(tmp_path: Path) -> None:
    for shade in range(50):
        paint(tmp_path / "one" / f"{shade}.png", shade)
    before = shades(load_data(str(tmp_path / "one")))
    (tmp_path / "one").rename(tmp_path / "two")
    assert shades(load_data(str(tmp_path / "two"))) == before
    for shade in range(50, 100):
        paint(tmp_path / "two" / f"{shade}.png", shade)
    after = shades(load_data(str(tmp_path / "two")))
    assert before["validation"] <= after["validation"]
    assert before["train"] <= after["train"]


def test_unreadable_files_are_skipped_and_counted(tmp_path: Path) -> None:
    for shade in range(10):
        paint(tmp_path / f"{shade}.png", shade)
    (tmp_path / "a.png").write_text("no image")
    (tmp_path / "b.png").touch()
    cut = paint(tmp_path / "c.png", 3, size=(8, 8))
    cut.write_bytes(cut.read_bytes()[:-30])  # its header is sound
    data = load_data(str(tmp_path))
    assert len(data.train) + len(data.validation) == 10
    (note,) = data.notes
    assert note.startswith("3 unreadable files skipped (")
    for name in ("a.png: not an image", "b.png: the file is empty", "c.png: "):
        assert name in note


@pytest.mark.skipif(os.name != "posix", reason="pipes by POSIX")
def test_a_pipe_in_a_folder_does_not_block(tmp_path: Path) -> None:
    for shade in range(10):
        paint(tmp_path / f"{shade}.png", shade)
    os.mkfifo(tmp_path / "pipe.png")
    assert "1 unreadable file skipped (pipe.png: not a regular file" in load_data(str(tmp_path)).notes[0]


def test_different_sizes_need_an_image_size(tmp_path: Path) -> None:
    for shade in range(10):
        paint(tmp_path / f"{shade}.png", shade, size=(40, 30) if shade % 3 else (16, 16))
    with pytest.raises(DataError, match=r"2 different sizes, most often 40x30; choose an image size"):
        load_data(str(tmp_path))
    data = load_data(str(tmp_path), image_size=12)
    assert data.image_shape == (1, 12, 12)
    assert shades(data)["train"] | shades(data)["validation"] == set(range(10))
    assert data.notes == ("10 images resized", "6 images centre-cropped")


def test_one_colour_image_makes_all_colour(tmp_path: Path) -> None:
    for shade in range(10):
        paint(tmp_path / f"{shade}.png", shade, mode="RGB" if shade == 4 else "L")
    assert load_data(str(tmp_path)).image_shape == (3, 8, 8)
    grey = load_data(str(tmp_path), channels=1)
    assert grey.image_shape == (1, 8, 8)
    assert grey.notes == ("1 image colour to grey",)


def test_folders_without_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no image files in"):
        load_data(str(tmp_path))
    (tmp_path / "a.psd").touch()
    with pytest.raises(DataError, match=r"no image files in .*\.psd are not read: convert them"):
        load_data(str(tmp_path))
    (tmp_path / "a.png").write_text("no image")
    with pytest.raises(DataError, match=r"no image files that can be read \(a.png: not an image"):
        load_data(str(tmp_path))
    paint(tmp_path / "b.png", 0)
    with pytest.raises(DataError, match="at least two"):
        load_data(str(tmp_path))


def test_two_images_are_one_of_each(tmp_path: Path) -> None:
    for shade in range(2):
        paint(tmp_path / f"{shade}.png", shade)
    data = load_data(str(tmp_path))
    assert (len(data.train), len(data.validation)) == (1, 1)


def test_progress_is_told_and_may_end_it(tmp_path: Path) -> None:
    for shade in range(10):
        paint(tmp_path / f"{shade}.png", shade)
    steps: list[tuple[int, int, str]] = []
    load_data(str(tmp_path), progress=lambda *step: steps.append(step))
    assert steps[-1][:2] == (10, 10)

    class Cancelled(Exception):  # noqa: N818 - it is no error
        pass

    def cancel(done: int, total: int, word: str) -> None:
        if done == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        load_data(str(tmp_path), image_size=6, progress=cancel)


def test_a_second_start_reads_no_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for shade in range(20):
        paint(tmp_path / ("cats" if shade % 2 else "dogs") / f"{shade}.png", shade)
    first = load_data(str(tmp_path))

    def fail(*_: object) -> None:
        raise AssertionError("an image was read again")

    monkeypatch.setattr("nvp_studio.data.image_files.decoders", fail)
    second = load_data(str(tmp_path))
    assert (second.digest, second.label_names, second.notes) == (first.digest, first.label_names, first.notes)
    assert second.digest == digest_of(second.train, second.validation, second.test)
    for old, new in zip(first.splits, second.splits, strict=True):
        np.testing.assert_array_equal(old.images, new.images)
        np.testing.assert_array_equal(old.labels, new.labels)


def test_images_are_mapped_not_held(tmp_path: Path) -> None:
    for shade in range(20):
        paint(tmp_path / f"{shade}.png", shade)
    images = load_data(str(tmp_path)).train.images
    base: object = images
    while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
        base = base.base
    assert isinstance(base, np.memmap)
    assert not images.flags.writeable


def test_what_changed_is_prepared_anew(tmp_path: Path) -> None:
    for shade in range(10):
        paint(tmp_path / "set" / f"{shade}.png", shade)
    spec = str(tmp_path / "set")
    first = load_data(spec)
    paint(tmp_path / "set" / "3.png", 103)
    second = load_data(spec)
    assert second.digest != first.digest
    found = shades(second)
    assert found["train"] | found["validation"] == {*range(10), 103} - {3}
    np.testing.assert_array_equal(np.unique(first.train.images), np.unique(list(shades(first)["train"])))
    (tmp_path / "set" / "5.png").unlink()
    assert sum(map(len, load_data(spec).splits)) == 9
    prepared = [path for path in cache_folder().iterdir() if path.name.startswith("set-")]
    assert sum(len(list(path.glob("*.u8"))) for path in prepared) == len(prepared)


def test_an_interrupted_start_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "photos"
    for shade in range(30):
        paint(folder / f"{shade:02}.png", shade, size=(20, 20))
    (folder / "10a.png").write_text("no image")
    cut = paint(folder / "02a.png", 3)
    cut.write_bytes(cut.read_bytes()[:-30])

    class Cancelled(Exception):  # noqa: N818 - it is no error
        pass

    def cancel(done: int, total: int, word: str) -> None:
        if done == 17 and word.startswith("reading"):
            raise Cancelled

    with pytest.raises(Cancelled):
        load_data(str(folder), image_size=10, progress=cancel)
    read = watch_reading(monkeypatch)
    steps: list[tuple[int, int, str]] = []
    data = load_data(str(folder), image_size=10, progress=lambda *step: steps.append(step))
    assert steps[0][0] == 0
    assert (17, 31, "going on with photos") in steps
    assert len(read) == 31 - 17
    monkeypatch.setenv("NVP_STUDIO_CACHE", str(tmp_path / "other"))
    whole = load_data(str(folder), image_size=10)
    assert data.digest == whole.digest
    assert data.notes == whole.notes
    assert "2 unreadable files skipped" in data.notes[-1]


def test_a_full_disk_is_told_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for shade in range(4):
        paint(tmp_path / f"{shade}.png", shade)
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr("nvp_studio.data.row_writer.shutil.disk_usage", lambda _: usage)
    with pytest.raises(DataError, match="make room, or name another folder in NVP_STUDIO_CACHE"):
        load_data(str(tmp_path))


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paint(tmp_path / "a.png", 1)
    (tmp_path / "file").touch()
    monkeypatch.setenv("NVP_STUDIO_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(DataError, match=r"cannot be kept in .*NVP_STUDIO_CACHE"):
        load_data(str(tmp_path))


@pytest.mark.parametrize(
    "damage", ["more pixels", "half a line", "fewer pixels", "no pixels", "no journal", "other words"]
)
def test_whatever_an_ended_process_left_the_next_one_makes_the_same_set(
    damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "photos"
    for shade in range(40):
        paint(folder / f"{shade:02}.png", shade)
    (folder / "05a.png").write_text("no image")
    whole = load_data(str(folder), image_size=4)
    monkeypatch.setattr("nvp_studio.data.row_writer._CHUNK_BYTES", 5 * 16)
    monkeypatch.setenv("NVP_STUDIO_CACHE", str(tmp_path / "other"))

    class Ended(Exception):  # noqa: N818 - it is no error
        pass

    def end(done: int, total: int, word: str) -> None:
        if done == 23 and word.startswith("reading"):
            raise Ended

    with pytest.raises(Ended):
        load_data(str(folder), image_size=4, progress=end)
    (place,) = cache_folder().iterdir()
    (pixels,), (journal,) = list(place.glob("*.u8")), list(place.glob("*.jsonl"))
    content, lines = pixels.read_bytes(), journal.read_bytes()
    assert lines.count(b"\n") == 5
    if damage == "more pixels":
        pixels.write_bytes(content + b"\xff" * 37)
    elif damage == "half a line":
        journal.write_bytes(lines[:-9])
    elif damage == "fewer pixels":
        pixels.write_bytes(content[:-17])
    elif damage == "no pixels":
        pixels.unlink()
    elif damage == "no journal":
        journal.unlink()
    else:
        journal.write_bytes(lines + b'{"taken": "many"}\n\xff\n')
    again = load_data(str(folder), image_size=4)
    assert (again.digest, again.notes) == (whole.digest, whole.notes)
    assert [path.suffix for path in place.iterdir()].count(".u8") == 1


def test_a_prepared_set_that_was_cut_short_is_made_again(tmp_path: Path) -> None:
    for shade in range(20):
        paint(tmp_path / "cut" / f"{shade}.png", shade)
    first = load_data(str(tmp_path / "cut"))
    (place,) = [path for path in cache_folder().iterdir() if path.name.startswith("cut-")]
    for name in (next(place.glob("*.u8")), place / "manifest.json"):
        name.write_bytes(name.read_bytes()[:-1])
        assert load_data(str(tmp_path / "cut")).digest == first.digest


def test_another_process_that_prepares_the_same_is_waited_for(tmp_path: Path) -> None:
    import threading

    for shade in range(20):
        paint(tmp_path / f"{shade}.png", shade)
    words: list[str] = []
    inside, found = threading.Event(), threading.Event()

    def hold(done: int, total: int, word: str) -> None:
        if done == 5:
            inside.set()
            found.wait(60)

    def note(done: int, total: int, word: str) -> None:
        words.append(word)
        if word.startswith("waiting"):
            found.set()

    first = threading.Thread(target=lambda: load_data(str(tmp_path), progress=hold))
    first.start()
    assert inside.wait(60)
    data = load_data(str(tmp_path), progress=note)
    first.join()
    assert sum(map(len, data.splits)) == 20
    assert any(word.startswith("waiting for process ") for word in words)
    assert not any(word.startswith("reading") for word in words)


def stack(path: Path, shades_of_pages: range, sizes: Sequence[tuple[int, int]] = ((8, 8),)) -> None:
    pages = [Image.new("L", sizes[place % len(sizes)], shade) for place, shade in enumerate(shades_of_pages)]
    pages[0].save(path, save_all=True, append_images=pages[1:])


def test_all_pages_of_tiff_stacks_are_images(tmp_path: Path) -> None:
    for number in range(4):
        stack(tmp_path / f"{number}.tif", range(12 * number, 12 * number + 12))
    paint(tmp_path / "single.tif", 99)
    data = load_data(str(tmp_path))
    found = shades(data)
    assert found["train"] | found["validation"] == {*range(48), 99}
    assert data.notes == ()
    *_, report = survey_data(str(tmp_path), LoadOptions())
    assert isinstance(report, DataReport)
    assert (report.images, report.train) == (49, len(data.train))
    first = load_data(str(tmp_path), reading=Reading(pages="first"))
    assert shades(first)["train"] | shades(first)["validation"] == {0, 12, 24, 36, 99}
    assert first.notes == ("4 images first frame",)


def test_a_tiff_stack_alone_is_a_set(tmp_path: Path) -> None:
    stack(tmp_path / "scan.tif", range(12))
    found = shades(load_data(str(tmp_path / "scan.tif")))
    assert found["train"] | found["validation"] == set(range(12))
    paint(tmp_path / "one.tif", 1)
    with pytest.raises(DataError, match="at least two"):
        load_data(str(tmp_path / "one.tif"))


def test_pages_of_different_sizes_are_not_a_stack(tmp_path: Path) -> None:
    for number in range(3):
        stack(tmp_path / f"{number}.tif", range(2 * number, 2 * number + 2), ((8, 8), (4, 4)))
    data = load_data(str(tmp_path))
    assert (sum(map(len, data.splits)), data.notes) == (3, ("3 images first frame",))
