"""The Score page, on a real engine."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QApplication

from nvp_studio.scores.auroc_table import measured_models
from nvp_studio.state import pace
from nvp_studio.state.engine import Engine
from nvp_studio.state.score_texts import pace_text
from nvp_studio.state.scores import ScoresModel
from nvp_studio.views.figures_dialog import FiguresDialog
from nvp_studio.views.main_window import MainWindow
from nvp_studio.views.pages.score.compare_dialog import CompareDialog
from nvp_studio.views.pages.score.page import ScorePage
from nvp_studio.views.widgets.action_button import ActionButton
from nvp_studio.views.widgets.histogram import Histogram
from tests.data.test_sources import write_zip
from tests.qt import Bot, open_window
from tests.score_page import open_score, score_page, write_images


@pytest.fixture
def window(shared_engine: Engine, qtbot: Bot, tmp_path: Path) -> MainWindow:
    return open_score(qtbot, shared_engine, tmp_path)


@pytest.fixture
def page(window: MainWindow) -> ScorePage:
    return score_page(window)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = write_images(tmp_path / "files", 8)
    Image.new("RGB", (40, 30), (200, 10, 10)).save(folder / "photo.jpg")
    (folder / "broken.png").write_bytes(b"no image")
    return folder


def score(window: MainWindow, page: ScorePage, paths: list[Path], qtbot: Bot) -> None:
    assert window.open_paths(paths)
    qtbot.waitUntil(lambda: page.state.rows.rowCount() > 0 and not page.state.busy)


def test_an_empty_folder_is_reported(window: MainWindow, page: ScorePage, tmp_path: Path, qtbot: Bot) -> None:
    empty = tmp_path / "holiday"
    empty.mkdir()
    assert window.open_paths([empty])
    qtbot.waitUntil(lambda: bool(window.notifications.shown))
    assert window.notifications.shown[0].text == "There are no images in holiday."


def test_no_button_and_no_figure_is_cut_off_in_the_smallest_window(
    window: MainWindow, page: ScorePage, files: Path, qtbot: Bot
) -> None:
    window.resize(window.minimumSize())
    assert window.open_paths([files])
    assert page.progress.isVisible()
    page.progress_label.setText("Scoring 1,234 of 5,678")
    qtbot.waitUntil(lambda: window.width() == window.minimumWidth())
    shown = [button for button in page.findChildren(ActionButton) if button.isVisible()]
    assert len(shown) == 9
    qtbot.waitUntil(lambda: all(button.width() >= button.sizeHint().width() for button in shown), timeout=5000)
    percentile = ScoresModel.COLUMNS.index("percentile")
    end = page.table.columnViewportPosition(percentile) + page.table.columnWidth(percentile)
    assert end <= page.table.viewport().width()


def test_the_text_of_the_progress_has_its_last_width_from_the_start(
    page: ScorePage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("busy", True), ("counted", True), ("total", 106), ("done", 9)):
        monkeypatch.setattr(page.state, name, value)
    page.state.progressed.emit()
    assert page.progress_label.text() == "Scoring 9 of 106"
    metrics = page.progress_label.fontMetrics()
    assert page.progress_label.minimumWidth() >= metrics.horizontalAdvance("Scoring 106 of 106")
    monkeypatch.setattr(page.state, "busy", False)
    page.state.progressed.emit()
    assert page.progress_label.minimumWidth() == 0


def test_the_page_says_how_fast_it_scores_and_how_long_the_rest_takes(
    window: MainWindow, page: ScorePage, files: Path, qtbot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "_LEAST_SECONDS", 0.0)
    said: list[str] = []
    page.state.progressed.connect(lambda: said.append(page.pace_label.text()))
    score(window, page, [files], qtbot)
    assert any(re.fullmatch(r"[\d.,]+ images/s(, .* left)?", text) for text in said)
    assert page.pace_label.text() == "", "nothing is scored any more"
    state = page.state
    for name, value in (("busy", True), ("counted", True), ("total", 1000), ("done", 200)):
        monkeypatch.setattr(state, name, value)
    state.pace.begin(0.0)
    state.pace.add(10.0, 200)
    assert pace_text(state) == "20 images/s, 40 s left"
    monkeypatch.setattr(state, "counted", False)
    assert pace_text(state) == "20 images/s"
    monkeypatch.setattr(state, "busy", False)


def row_of(page: ScorePage, name: str) -> int:
    return next(row for row, file in enumerate(page.state.rows.files()) if Path(file.path).name == name)


def test_the_page_explains_itself_before_files_are_added(page: ScorePage, files: Path) -> None:
    assert not page.table.isVisible()
    assert page.empty_label.isVisible()
    assert "8x8" in page.empty_label.text()
    assert page.drop_text([files]) == "Score the images in this folder"
    assert page.drop_text([files / "1.png", files / "2.png"]) == "Score 2 images"
    assert page.drop_text([files / "nothing.txt"]) == ""
    archive = write_zip(files.parent / "photos.zip", {"a.png": b""})
    assert page.drop_text([archive]) == "Score the images in this archive"
    assert page.drop_text([archive, files / "1.png"]) == "Score these files and folders"
    assert not page.window().registry["score.export"].isEnabled()


def test_dropped_files_are_scored_and_shown_large(window: MainWindow, page: ScorePage, files: Path, qtbot: Bot) -> None:
    score(window, page, [files], qtbot)
    assert page.table.isVisible()
    assert page.progress_label.text() == "9 scored, 1 not readable"
    page.table.selectRow(row_of(page, "photo.jpg"))
    assert "resized from" in page.side.notes.text().lower()
    assert page.preview.image is not None
    assert (page.preview.image.width(), page.preview.image.height()) == (8, 8)
    file = page.state.rows.file(row_of(page, "photo.jpg"))
    assert f"{file.bits_per_dim:.3f} bits/dim" in page.side.score.text()
    page.table.selectRow(row_of(page, "broken.png"))
    assert page.preview.image is None
    assert "not an image" in page.side.notes.text().lower()
    assert not window.registry["score.explore"].isEnabled()


def test_everything_that_was_measured_of_a_file_is_one_choice_away(
    window: MainWindow, page: ScorePage, files: Path, qtbot: Bot
) -> None:
    score(window, page, [files], qtbot)
    side = page.side
    side.layer.setCurrentIndex(side.layer.findData("numbers"))
    page.table.selectRow(row_of(page, "3.png"))
    assert side.numbers.isVisible()
    assert not side.preview.isVisible()
    row = page.state.rows.file(row_of(page, "3.png"))
    numbers = row.numbers
    assert numbers is not None
    text = side.numbers.toPlainText()
    for value in (
        f"{numbers.nats:,.1f} nats",
        f"{numbers.ideal_bytes:,.0f} bytes",
        f"{numbers.png_bytes:,} bytes",
        f"{numbers.webp_bytes:,} bytes",
        *(f"{value:.2f}" for value in numbers.kurtosis),
        *(f"{value:.3f}" for value in numbers.squares),
    ):
        assert value in text
    page.table.selectRow(row_of(page, "broken.png"))
    assert side.numbers.toPlainText() == "This file has no score."
    side.layer.setCurrentIndex(side.layer.findData(""))
    assert side.preview.isVisible()
    assert not side.numbers.isVisible()


def test_files_of_sub_folders_are_told_apart(window: MainWindow, page: ScorePage, files: Path, qtbot: Bot) -> None:
    for number, name in enumerate(("cat", "dog")):
        (files / name).mkdir()
        (files / f"{number}.png").rename(files / name / "000.png")
    score(window, page, [files], qtbot)
    table = page.state.rows
    shown = {table.index(row, 1).data(): row for row in range(table.rowCount())}
    dog = str(Path("dog", "000.png"))
    assert {str(Path("cat", "000.png")), dog, "photo.jpg"} < set(shown)
    page.table.selectRow(shown[dog])
    assert page.side.name.text() == dog
    qtbot.waitUntil(lambda: str(files / dog) in page.side.name.toolTip())
    assert table.file(shown[dog]).cells()[0] == str(files / dog)


def test_a_click_on_the_heading_sorts(window: MainWindow, page: ScorePage, files: Path, qtbot: Bot) -> None:
    score(window, page, [files], qtbot)
    header = page.table.horizontalHeader()
    place = QPoint(header.sectionPosition(ScoresModel.COLUMNS.index("score")) + 20, header.height() // 2)
    qtbot.mouseClick(header.viewport(), Qt.MouseButton.LeftButton, pos=place)
    values = [file.bits_per_dim for file in page.state.rows.files()]
    assert values[-1] is None
    found = [value for value in values if value is not None]
    assert found in (sorted(found), sorted(found, reverse=True))
    qtbot.mouseClick(header.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert [file.bits_per_dim for file in page.state.rows.files()][:-1] == found[::-1]


def test_the_table_is_written_as_csv_in_the_order_shown(
    window: MainWindow, page: ScorePage, files: Path, tmp_path: Path, qtbot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    score(window, page, [files], qtbot)
    page.state.rows.sort(ScoresModel.COLUMNS.index("score"))
    target = tmp_path / "scores.csv"
    for path, words in ((target, "Wrote scores.csv."), (tmp_path / "missing" / "scores.csv", "No such file")):
        monkeypatch.setattr(page.context, "ask_save", lambda *_, path=path: path)
        window.registry["score.export"].trigger()
        qtbot.waitUntil(lambda words=words: any(words in shown.text for shown in window.notifications.shown))
    lines = target.read_text("utf-8").splitlines()
    assert len(lines) == 1 + page.state.rows.rowCount()
    values = [float(cell) for line in lines[1:] if (cell := line.split(",")[2])]
    assert values == sorted(values)
    model = page.state.model
    assert model is not None
    assert lines[0].endswith(",model,model_sha256")
    assert all(line.endswith(f",{model.name},{model.digest}") for line in lines[1:])


def test_a_double_click_opens_the_file_in_explore(window: MainWindow, page: ScorePage, files: Path, qtbot: Bot) -> None:
    score(window, page, [files / "3.png"], qtbot)
    place = page.table.visualRect(page.table.model().index(0, 1)).center()
    qtbot.mouseClick(page.table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    qtbot.mouseDClick(page.table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert window.current_page.key == "explore"
    explore = window.page("explore").state
    qtbot.waitUntil(lambda: explore.notes[:1] == ("3.png",))
    wanted = page.state.rows.file(0).bits_per_dim
    qtbot.waitUntil(lambda: explore.bits_per_dim is not None and abs(explore.bits_per_dim - wanted) < 1e-4)


def test_another_model_offers_to_score_again(
    window: MainWindow, page: ScorePage, files: Path, small_model: Path, other_model: Path, qtbot: Bot
) -> None:
    score(window, page, [files / "3.png"], qtbot)
    assert not page.stale.isVisible()
    before = page.state.rows.file(0).bits_per_dim
    window.engine.open_model(str(other_model))
    qtbot.waitUntil(page.stale.isVisible)
    window.registry["score.again"].trigger()
    qtbot.waitUntil(lambda: page.state.rows.rowCount() == 1 and not page.state.busy)
    assert not page.stale.isVisible()
    assert page.state.rows.file(0).bits_per_dim != before
    window.engine.open_model(str(small_model))
    qtbot.waitUntil(page.stale.isVisible)


@pytest.mark.usefixtures("qapp")
def test_a_file_far_away_leaves_the_histogram_of_the_others_wide() -> None:
    histogram = Histogram()
    histogram.show_reference(np.linspace(1, 2, 100).tolist())
    histogram.show_scores(np.array([1.2, 1.5, 1.6, 1.7, 16.0]))
    assert histogram.is_cut
    assert 2 < histogram.range[1] < 5
    histogram.show_scores(np.array([12.0, 13.0, 14.0, 16.0]))
    assert histogram.range[1] > 13, "half of the files are within the range"
    histogram.show_scores(np.array([1.2, 1.9, 2.5]))
    assert not histogram.is_cut
    histogram.show_scores(np.empty(0))
    assert histogram.range[1] < 2.2


def test_the_files_are_counted_in_the_histogram_and_the_table_cleared_and_put_back(
    window: MainWindow, page: ScorePage, files: Path, qtbot: Bot
) -> None:
    score(window, page, [files], qtbot)
    qtbot.waitUntil(lambda: page.histogram._scores.size == 9)
    page.histogram.grab()  # paints
    assert page.histogram._scores.size == 9
    assert len(page.histogram.reference) == 100
    window.registry["score.clear"].trigger()
    assert not page.table.isVisible()
    assert page.empty_label.isVisible()
    undo = next(notice for notice in window.notifications.shown if notice.topic == "score-cleared").actions[0]
    assert undo[0] == "Undo"
    undo[1]()
    assert page.table.isVisible()
    assert (page.state.rows.rowCount(), len(page.state.rows.scores)) == (10, 9)
    assert not [notice for notice in window.notifications.shown if notice.topic == "score-cleared"]
    undo[1]()
    assert page.state.rows.rowCount() == 10, "a second time does nothing"
    window.registry["score.clear"].trigger()
    assert page.state.rows.rowCount() == 0
    window.registry["edit.undo"].trigger()
    assert page.state.rows.rowCount() == 10
    assert not window.registry["edit.undo"].isEnabled()


def test_columns_and_splitter_are_remembered(window: MainWindow, page: ScorePage, files: Path, qtbot: Bot) -> None:
    score(window, page, [files / "1.png"], qtbot)
    page.table.setColumnWidth(1, 222)
    page.save_state()
    assert window.settings.values.score_columns[1] == 222


@pytest.mark.slow
def test_the_table_is_there_at_the_next_start(shared_engine: Engine, files: Path, qtbot: Bot, tmp_path: Path) -> None:
    first = open_window(qtbot, shared_engine, tmp_path, tmp_path / "runs", "score")
    page = first.page("score")
    assert isinstance(page, ScorePage)
    score(first, page, [files], qtbot)
    texts = [(row.path, row.bits_per_dim, row.error) for row in page.state.rows.files()]
    first.close()
    second = open_window(qtbot, shared_engine, tmp_path, tmp_path / "runs", "score")
    again = second.page("score")
    assert isinstance(again, ScorePage)
    assert [(row.path, row.bits_per_dim, row.error) for row in again.state.rows.files()] == texts
    assert again.state.model == page.state.model
    assert not again.state.stale
    again.state.clear()
    second.close()
    third = open_window(qtbot, shared_engine, tmp_path, tmp_path / "runs", "score")
    assert third.page("score").state.rows.rowCount() == 0


@pytest.mark.slow
def test_names_are_shortened_before_figures_are_hidden(
    window: MainWindow, page: ScorePage, files: Path, qtbot: Bot
) -> None:
    score(window, page, [files], qtbot)
    window.resize(800, 600)
    QApplication.processEvents()
    column = page.state.rows.COLUMNS.index("score")
    right = page.table.columnViewportPosition(column) + page.table.columnWidth(column)
    assert right <= page.table.viewport().width()
    window.resize(1920, 1080)
    QApplication.processEvents()
    assert page.table.columnWidth(1) == 30 * 8


def test_two_groups_are_compared_by_every_score(
    window: MainWindow, page: ScorePage, files: Path, qtbot: Bot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flat = tmp_path / "flat"
    flat.mkdir()
    for level in range(6):
        Image.new("L", (8, 8), 40 * level).save(flat / f"{level}.png")
    window.registry["score.compare"].trigger()
    dialog = window.findChild(CompareDialog)
    assert dialog is not None
    assert not dialog.button.isEnabled()
    dialog.choose(0, files)
    dialog.choose(1, flat)
    dialog.button.click()
    qtbot.waitUntil(lambda: bool(dialog.comparison.found))
    assert set(dialog.comparison.found) == {"bits_per_dim", "complexity"}  # without a reference there is no more
    a, b = dialog.comparison.values("bits_per_dim")
    assert (len(a), len(b), dialog.comparison.failures) == (9, 6, [1, 0])
    wanted = sum((x < y) + (x == y) / 2 for x in a for y in b) / (len(a) * len(b))
    assert dialog.comparison.found["bits_per_dim"].value == pytest.approx(wanted)
    dialog.score.setCurrentIndex(dialog.score.findData("bits_per_dim"))
    dialog.slider.setValue(0)
    assert dialog.plot.rates() == (9, 6)
    assert "0 of B are missed" in dialog.counts.text()
    target = tmp_path / "comparison.csv"
    monkeypatch.setattr(dialog._context, "ask_save", lambda *_: target)
    dialog.exports[1].click()
    qtbot.waitUntil(target.exists)
    assert target.read_text().splitlines()[0] == "score,auroc,low,high"
    dialog.close()


def test_a_table_that_takes_the_keyboard_before_a_file_is_chosen_has_one_all_the_same(
    window: MainWindow, page: ScorePage, files: Path, qtbot: Bot
) -> None:
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    chosen: list[bool] = []

    def take_keyboard() -> None:
        """Qt makes the first row the current one then, without selecting it."""
        if page.state.busy and page.state.rows.rowCount() and not chosen:
            page.table.setFocus()
            chosen.append(bool(page.actions_of_files.selected_rows()))

    page.state.rows.rowsInserted.connect(take_keyboard)
    page.state.rows.modelReset.connect(take_keyboard)
    score(window, page, [files], qtbot)
    assert chosen == [False], "the table took the keyboard before its first file was chosen"
    assert page.table.currentIndex().row() >= 0
    assert page.actions_of_files.selected_rows() == [page.table.currentIndex().row()]
    assert window.registry["score.inspect"].isEnabled() == (
        not page.state.rows.file(page.table.currentIndex().row()).error
    )


def test_selected_files_are_copied_and_exported_alone(
    window: MainWindow, page: ScorePage, files: Path, tmp_path: Path, qtbot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    score(window, page, [files], qtbot)
    page.filters.text.setText("png")
    qtbot.waitUntil(lambda: page.state.rows.rowCount() == 9)
    assert "9 of 10 shown" in page.shown_label.text()
    page.table.selectRow(0)
    qtbot.keyClick(page.table, Qt.Key.Key_Down, Qt.KeyboardModifier.ShiftModifier)
    paths = [page.state.rows.file(row).path for row in (0, 1)]
    window.registry["score.copy-paths"].trigger()
    assert QApplication.clipboard().text().splitlines() == paths
    target = tmp_path / "some.csv"
    monkeypatch.setattr(page.context, "ask_save", lambda *_: target)
    window.registry["score.export"].trigger()
    qtbot.waitUntil(target.exists)
    assert [line.split(",")[0] for line in target.read_text("utf-8").splitlines()[1:]] == paths


def test_the_gallery_chooses_what_the_table_does(window: MainWindow, page: ScorePage, files: Path, qtbot: Bot) -> None:
    score(window, page, [files], qtbot)
    window.registry["score.gallery"].trigger()
    assert page.gallery.isVisible()
    qtbot.mouseClick(page.gallery.viewport(), Qt.MouseButton.LeftButton, pos=page.gallery.rect_of(1).center())
    assert page.table.currentIndex().row() == 1
    qtbot.keyClick(page.gallery, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    assert page.actions_of_files.selected_rows() == [1, 2]
    assert page.side.path == page.state.rows.file(2).path
    window.registry["score.gallery"].trigger()
    assert page.table.isVisible()


def test_a_report_is_one_file_that_needs_no_other(
    window: MainWindow, page: ScorePage, files: Path, tmp_path: Path, qtbot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    (files / "<b>odd.png").write_bytes(b"no image either")
    score(window, page, [files], qtbot)
    target = tmp_path / "report.html"
    monkeypatch.setattr(page.context, "ask_save", lambda *_: target)
    window.registry["score.report"].trigger()
    qtbot.waitUntil(target.exists)
    text = target.read_text("utf-8")
    assert "9 images scored, 2 could not be read" in text
    assert page.state.model is not None
    assert page.state.model.digest in text
    assert "&lt;b&gt;odd.png" in text
    assert "<b>" not in text
    assert not [link for link in re.findall(r'(?:src|href)="([^"]*)"', text) if not link.startswith("data:")]


def test_what_was_measured_of_every_score_is_one_click_away(page: ScorePage) -> None:
    page.context.registry["score.figures"].trigger()
    dialog = page.window().findChild(FiguresDialog)
    text = dialog.text.toPlainText()
    for model in measured_models():
        assert model.title in text
        for values in (*model.auroc.values(), model.low):
            assert all(f"{value:.3f}" in text for value in values)
    assert dialog.text.verticalScrollBar().value() > 0, "when bits/dim mislead is in view"
    dialog.reject()


def test_a_search_that_finds_nothing_says_so_and_the_chosen_file_comes_back(
    window: MainWindow, page: ScorePage, files: Path, qtbot: Bot
) -> None:
    score(window, page, [files], qtbot)
    page.table.selectRow(3)
    chosen = page.side.path
    page.filters.text.setText("nothing like this")
    qtbot.waitUntil(lambda: page.state.rows.rowCount() == 0)
    assert page.table.placeholder.startswith("No file is like that.")
    assert page.side.path == ""
    page.filters.text.clear()
    qtbot.waitUntil(lambda: page.state.rows.rowCount() == page.state.rows.total)
    assert page.table.currentIndex().row() == 3
    assert page.side.path == chosen
