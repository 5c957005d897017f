"""The table of scored files: order, replacement, memory, CSV."""

import csv
import io
import math
import os
from pathlib import Path

import pytest
from PySide6.QtCore import QPersistentModelIndex, Qt

from nvp_studio.csv_file import csv_text
from nvp_studio.image_batch import ImageBatch
from nvp_studio.score_row import COLUMNS, ScoreRow
from nvp_studio.state import score_rows
from nvp_studio.state.score_filter import ScoreFilter
from nvp_studio.state.scores import IMAGE_ROLE, ScoresModel
from tests.qt import Bot

pytestmark = pytest.mark.usefixtures("qapp")

NAME, SCORE, VERDICT, NOTES = (ScoresModel.COLUMNS.index(one) for one in ("name", "score", "verdict", "notes"))


def row(path: str, score: float | None = None, **more: object) -> ScoreRow:
    percentile = None if score is None else 10 * score
    return ScoreRow(path=path, bits_per_dim=score, percentile=percentile, **more)  # type: ignore[arg-type]


def names(model: ScoresModel) -> list[str]:
    return [model.index(place, NAME).data() for place in range(model.rowCount())]


@pytest.fixture
def model() -> ScoresModel:
    model = ScoresModel()
    model.add([row("/x/b.png", 3.0), row("/x/c.png", error="not an image"), row("/x/a.png", 5.0)])
    model.add([row("/y/d.png", 1.0, notes=("resized from 9×9", "colour to grey"))])
    return model


def test_shows_rows_as_they_come(model: ScoresModel) -> None:
    assert names(model) == ["b.png", "c.png", "a.png", "d.png"]
    assert [model.index(place, SCORE).data() for place in range(4)] == ["3.000", "–", "5.000", "1.000"]
    assert model.index(1, NOTES).data() == "not an image"
    assert model.index(3, NOTES).data() == "resized from 9×9, colour to grey"
    assert model.failed == 1
    assert sorted(model.scores) == [1.0, 3.0, 5.0]


@pytest.mark.parametrize(
    ("column", "order", "wanted"),
    [
        (SCORE, Qt.SortOrder.AscendingOrder, "d b a c"),
        (SCORE, Qt.SortOrder.DescendingOrder, "a b d c"),
        (NAME, Qt.SortOrder.AscendingOrder, "a b c d"),
        (NAME, Qt.SortOrder.DescendingOrder, "d c b a"),
        (-1, Qt.SortOrder.AscendingOrder, "b c a d"),
    ],
)
def test_sorts_with_failures_last(model: ScoresModel, column: int, order: Qt.SortOrder, wanted: str) -> None:
    model.sort(NAME)
    model.sort(column, order)
    assert names(model) == [f"{letter}.png" for letter in wanted.split()]


@pytest.mark.parametrize(
    ("chosen", "count"),
    [(["/x"], 3), (["/x", "/y/d.png"], 4), (["/"], 4), (["/x/a.png", "/z"], 1), (["/x/a"], 0)],
)
def test_counts_the_rows_of_what_was_chosen(chosen: list[str], count: int) -> None:
    model = ScoresModel()
    model.add([row(str(Path(path)), 2.0) for path in ("/x/a.png", "/x/b.png", "/x/in/c.png", "/y/d.png")])
    assert model.count_of(chosen) == count


def test_files_are_named_below_what_was_chosen() -> None:
    paths = [str(Path(path)) for path in ("/x/cat/000.png", "/x/dog/000.png", "/z/p.zip/in/e.png", "/xy/000.png")]
    model = ScoresModel()
    model.add([row(path, 2.0) for path in paths])
    assert names(model) == ["000.png", "000.png", "e.png", "000.png"]
    model.show_below(["/x/", "/x/dog", "/z/p.zip", "/xy/000.png"])
    below = [os.path.join(*parts) for parts in (("cat", "000.png"), ("dog", "000.png"), ("in", "e.png"))]
    assert names(model) == [*below, "000.png"]
    assert model.index(1, NAME).data(Qt.ItemDataRole.ToolTipRole) == paths[1]
    model.sort(NAME)
    assert names(model) == ["000.png", *below]
    model.show_below(["/"])
    assert os.path.join("x", "dog", "000.png") in names(model)


def test_a_selected_row_stays_itself_when_sorted(model: ScoresModel) -> None:
    kept = QPersistentModelIndex(model.index(0, NAME))
    model.sort(SCORE)
    assert kept.data() == "b.png"
    assert kept.row() == 1
    assert model.row_of("/x/b.png") == 1


def test_a_file_scored_again_takes_its_own_place(model: ScoresModel) -> None:
    model.add([row("/x/c.png", 2.0), row("/z/new.png", 9.0)])
    assert names(model) == ["b.png", "c.png", "a.png", "d.png", "new.png"]
    assert model.file(1).bits_per_dim == 2.0
    assert model.failed == 0


def test_rows_that_come_while_sorted_are_sorted_in(model: ScoresModel, qtbot: Bot) -> None:
    model.sort(SCORE)
    model.add([row("/x/e.png", 2.0)])
    qtbot.waitUntil(lambda: names(model) == ["d.png", "e.png", "b.png", "a.png", "c.png"])


def test_images_are_made_of_the_scored_pixels() -> None:
    model = ScoresModel()
    model.add([row("/a", 1.0, pixels=ImageBatch((1, 2, 3, 1), bytes([0, 50, 100, 150, 200, 250])))])
    image = model.index(0, 0).data(IMAGE_ROLE)
    assert [image.pixelColor(x, y).red() for y in range(2) for x in range(3)] == [0, 50, 100, 150, 200, 250]
    assert model.file(0).pixels == ImageBatch((1, 2, 3, 1), bytes([0, 50, 100, 150, 200, 250]))
    assert not model.is_thumbnail(0)


def test_pixels_beyond_the_memory_set_aside_become_thumbnails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score_rows, "MAX_PIXEL_BYTES", 2 * 100 * 100 * 3)
    model = ScoresModel()
    batch = ImageBatch((1, 100, 100, 3), bytes(100 * 100 * 3))
    model.add([row(f"/{number}", 1.0, pixels=batch) for number in range(4)])
    assert [model.is_thumbnail(place) for place in range(4)] == [False, False, True, True]
    small = model.file(3).pixels
    assert small is not None
    assert max(small.shape[1:3]) <= score_rows.THUMBNAIL_SIDE


@pytest.mark.slow
def test_a_hundred_thousand_rows_are_added_and_sorted() -> None:
    model = ScoresModel()
    for start in range(0, 100_000, 1000):
        model.add([row(f"/x/{(7919 * n) % 100_000:06d}.png", float(n % 977)) for n in range(start, start + 1000)])
    model.sort(SCORE, Qt.SortOrder.DescendingOrder)
    assert model.rowCount() == 100_000
    assert model.file(0).bits_per_dim == 976.0
    model.sort(NAME)
    assert names(model)[:2] == ["000000.png", "000001.png"]


def judged(path: str, score: float, p_value: float, label: str = "", **more: object) -> ScoreRow:
    causes = (("coarse shape unlike any", 6.0), ("texture the model has not seen", 4.0))
    unusual = {"p_value": p_value, "log_tail": 1.5 * math.log(p_value), "causes": causes}
    return row(path, score, label_name=label, **unusual, **more)


@pytest.fixture
def verdicts() -> ScoresModel:
    model = ScoresModel()
    model.add([judged("/x/usual.png", 3.0, 0.4, "x"), judged("/x/odd.png", 9.0, 0.008, "x")])
    model.add([judged("/y/Far.png", 1.0, 0.0001, "y"), row("/y/broken.png", error="not an image", label_name="y")])
    return model


def test_another_rate_judges_anew_what_is_shown(verdicts: ScoresModel) -> None:
    def shown() -> list[str]:
        return [verdicts.index(place, VERDICT).data() for place in range(4)]

    assert shown() == ["typical", "unusual", "far outside", "–"]
    assert verdicts.index(1, NOTES).data() == "coarse shape unlike any"
    verdicts.judge_at(0.02)
    assert shown() == ["typical", "unusual", "far outside", "–"]
    assert verdicts.index(1, NOTES).data() == "coarse shape unlike any; texture the model has not seen"
    verdicts.judge_at(0.001)
    assert shown() == ["typical", "typical", "far outside", "–"]
    assert [verdicts.file(place).verdict or "–" for place in range(4)] == shown()
    assert verdicts.verdicts.tolist() == [0, 0, 2, -1]


@pytest.mark.parametrize(
    ("wanted", "names_shown"),
    [
        (ScoreFilter(), "usual odd Far broken"),
        (ScoreFilter(verdict="not typical"), "odd Far"),
        (ScoreFilter(verdict="far outside"), "Far"),
        (ScoreFilter(verdict="no score"), "broken"),
        (ScoreFilter(label="y"), "Far broken"),
        (ScoreFilter(text="FA"), "Far"),
        (ScoreFilter(lowest=20.0, highest=50.0), "usual"),
        (ScoreFilter(verdict="typical", label="y"), ""),
    ],
)
def test_rows_are_filtered_sorted_and_come_back(verdicts: ScoresModel, wanted: ScoreFilter, names_shown: str) -> None:
    verdicts.show_only(wanted)
    shown = [f"{name}.png" for name in names_shown.split()]
    assert names(verdicts) == [Path(one.path).name for one in verdicts.files()] == shown
    assert verdicts.total == 4
    verdicts.add([judged("/y/far-too.png", 2.5, 0.0001, "y")])
    verdicts.sort(SCORE)
    passes = names_shown.split()[-2:] != ["usual"] and "Far" in names_shown
    assert ("far-too.png" in names(verdicts)) == (passes or wanted.lowest == 20.0)
    verdicts.show_only(ScoreFilter())
    assert names(verdicts) == [f"{name}.png" for name in ["Far", "far-too", "usual", "odd", "broken"]]


def test_a_selected_row_that_is_filtered_out_is_not_selected_any_more(verdicts: ScoresModel) -> None:
    usual, far = (QPersistentModelIndex(verdicts.index(place, NAME)) for place in (0, 2))
    verdicts.show_only(ScoreFilter(verdict="not typical"))
    assert not usual.isValid()
    assert far.data() == "Far.png"


def test_images_without_room_in_memory_are_asked_for_when_seen(monkeypatch: pytest.MonkeyPatch, qtbot: Bot) -> None:
    monkeypatch.setattr(score_rows, "MAX_PIXEL_BYTES", 64)
    monkeypatch.setattr(score_rows, "MAX_THUMBNAIL_BYTES", 64)
    model = ScoresModel()
    batch = ImageBatch((1, 8, 8, 1), bytes(range(64)))
    model.add([row(f"/{number}", 1.0, pixels=batch) for number in range(3)])
    assert [model.file(place).pixels is None for place in range(3)] == [False, False, True]
    with qtbot.waitSignal(model.images_wanted) as asked:
        assert model.index(2, 0).data(IMAGE_ROLE) is None
    assert asked.args == [("/2",)]
    model.keep_image("/2", batch)
    assert model.index(2, 0).data(IMAGE_ROLE) is not None
    assert model.is_thumbnail(2)


def test_clearing_empties_everything(model: ScoresModel) -> None:
    model.clear()
    assert model.rowCount() == 0
    assert len(model.scores) == 0
    model.add([row("/x/b.png", 4.0)])
    assert model.file(0) == row("/x/b.png", 4.0)


def test_csv_comes_back_as_it_was_and_holds_no_formula() -> None:
    rows = [
        ScoreRow(
            path='/a "b",c.png',
            label_name="=in",
            bits_per_dim=1.23456789,
            percentile=50.0,
            p_value=0.004,
            verdict="unusual",
            reasons=("a", "-b"),
            notes=("one", "two"),
        ),
        ScoreRow(path="=HYPERLINK(1)", error="-1 is not an image"),
        ScoreRow(path="/bad\udcff.png", bits_per_dim=2.0),
    ]
    lines = list(csv.reader(io.StringIO(csv_text(COLUMNS, (row.cells() for row in rows)))))
    columns = "path label bits_per_dim percentile p_value verdict reasons notes error"
    assert lines[0] == columns.split()
    assert lines[1] == ['/a "b",c.png', "'=in", "1.234568", "50.00", "0.004", "unusual", "a; -b", "one; two", ""]
    assert lines[2] == ["'=HYPERLINK(1)", "", "", "", "", "", "", "", "'-1 is not an image"]
    assert lines[3][:3] == ["/bad\\udcff.png", "", "2.000000"]


def test_numbers_of_failed_rows_are_not_scores(model: ScoresModel) -> None:
    assert model.file(1).bits_per_dim is None
    assert not any(math.isnan(value) for value in model.scores)
