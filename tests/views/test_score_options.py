"""Options of scoring in the window, on a real engine."""

import shutil
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication

from nvp_studio.explore.image_scores import Scoring
from nvp_studio.explore.model import open_model
from nvp_studio.explore.score import score_files
from nvp_studio.state.engine import Engine
from nvp_studio.state.score_columns import COLUMNS
from nvp_studio.state.score_options import ScoreOptions
from nvp_studio.views.main_window import MainWindow
from nvp_studio.views.pages.score.compare_dialog import CompareDialog
from nvp_studio.views.pages.score.options_dialog import ScoreOptionsDialog
from nvp_studio.views.pages.score.page import ScorePage
from nvp_studio.views.theme import SPACE
from tests.qt import Bot
from tests.score_page import open_score, score_page, write_images
from tests.small_model import write_small_model


@pytest.fixture
def window(shared_engine: Engine, qtbot: Bot, tmp_path: Path) -> MainWindow:
    return open_score(qtbot, shared_engine, tmp_path)


@pytest.fixture
def page(window: MainWindow) -> ScorePage:
    return score_page(window)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    return write_images(tmp_path / "files", 4)


def options_dialog(window: MainWindow, qtbot: Bot) -> ScoreOptionsDialog:
    window.registry["score.options"].trigger()
    dialog = next(one for one in QApplication.topLevelWidgets() if isinstance(one, ScoreOptionsDialog))
    qtbot.waitUntil(dialog.isVisible)
    return dialog


def score(window: MainWindow, page: ScorePage, files: Path, qtbot: Bot) -> None:
    assert window.open_paths([files])
    qtbot.waitUntil(lambda: page.state.rows.total == 4 and not page.state.busy)


def test_noise_samples_and_a_second_model_give_columns_of_their_own(
    window: MainWindow, page: ScorePage, files: Path, small_model: Path, other_model: Path, qtbot: Bot
) -> None:
    window.resize(1600, 800)
    score(window, page, files, qtbot)
    error, ratio = COLUMNS.index("error"), COLUMNS.index("ratio")
    assert page.table.isColumnHidden(error)
    assert page.table.isColumnHidden(ratio)
    dialog = options_dialog(window, qtbot)
    assert not dialog.bound.isEnabled(), "one sample has no two bounds"
    dialog.samples.setValue(3)
    dialog.bound.setCurrentIndex(dialog.bound.findData(False))
    dialog.against.addItem("other", str(other_model))
    dialog.against.setCurrentIndex(dialog.against.findData(str(other_model)))
    dialog.accept()
    qtbot.waitUntil(page.stale.isVisible)
    window.registry["score.again"].trigger()
    qtbot.waitUntil(lambda: page.state.rows.total == 4 and not page.state.busy)
    assert not page.stale.isVisible()
    assert not page.table.isColumnHidden(error)
    assert not page.table.isColumnHidden(ratio)
    window.resize(window.minimumSize())
    qtbot.waitUntil(lambda: page.table.width() < 50 * SPACE)
    for column in (error, ratio, COLUMNS.index("verdict")):
        index = page.state.rows.index(0, column)
        page.table.scrollTo(index)
        assert page.table.viewport().rect().contains(page.table.visualRect(index)), "where it has no room it scrolls"
    assert page.table.isColumnHidden(COLUMNS.index("p_value"))
    window.registry["score.all-columns"].trigger()
    assert not any(map(page.table.isColumnHidden, range(len(COLUMNS))))
    window.registry["score.all-columns"].trigger()
    window.resize(1600, 800)
    opened, second = open_model(small_model), open_model(other_model)
    wanted = score_files(opened, [files], scoring=Scoring(3, weighted=False, against=second))
    shown = {row.path: row for row in page.state.rows.files()}
    for row in wanted:
        assert row.numbers is not None
        assert shown[row.path].bits_per_dim == pytest.approx(row.bits_per_dim, abs=1e-3)
        assert shown[row.path].numbers.standard_error == pytest.approx(row.numbers.standard_error, rel=0.01)
        assert shown[row.path].numbers.likelihood_ratio == pytest.approx(row.numbers.likelihood_ratio, abs=1e-3)
    page.table.sortByColumn(ratio, page.table.horizontalHeader().sortIndicatorOrder())
    ratios = [row.numbers.likelihood_ratio for row in page.state.rows.files()]
    assert ratios in (sorted(ratios), sorted(ratios, reverse=True))
    page.save_state()
    assert window.context.settings.values.score_options == ScoreOptions(
        samples=3, weighted=False, against=str(other_model)
    )


def test_groups_are_compared_by_the_likelihood_ratio_too(
    window: MainWindow, page: ScorePage, files: Path, other_model: Path, tmp_path: Path, qtbot: Bot
) -> None:
    page.state.use(ScoreOptions(against=str(other_model)))
    window.registry["score.compare"].trigger()
    dialog = window.findChild(CompareDialog)
    assert dialog.plot.isHidden(), "nothing is compared yet"
    dialog.choose(0, files)
    dialog.choose(1, write_images(tmp_path / "more", 3))
    dialog.button.click()
    qtbot.waitUntil(lambda: bool(dialog.comparison.found))
    assert "likelihood_ratio" in dialog.comparison.found
    assert dialog.plot.isVisible()
    dialog.close()


def test_a_second_model_of_other_images_is_refused(
    window: MainWindow, page: ScorePage, files: Path, tmp_path: Path, qtbot: Bot
) -> None:
    write_small_model(tmp_path / "wide.safetensors", image_shape=(1, 16, 16))
    page.state.use(ScoreOptions(against=str(tmp_path / "wide.safetensors")))
    assert window.open_paths([files])
    qtbot.waitUntil(lambda: bool(window.notifications.shown))
    assert "16x16" in window.notifications.shown[0].text
    assert not page.state.busy
    page.state.use(ScoreOptions(against=str(tmp_path / "missing.safetensors")))
    page.state.score_again()
    qtbot.waitUntil(lambda: any("missing" in one.text for one in window.notifications.shown))


def test_labels_of_a_table_are_given_at_once_and_to_files_that_follow(
    window: MainWindow, page: ScorePage, files: Path, tmp_path: Path, qtbot: Bot
) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("path,label\nfiles/0.png,shoe\n1.png,bag\n")
    (tmp_path / "none.csv").write_text("name\nx\n")
    assert window.open_paths([files / "0.png"])
    qtbot.waitUntil(lambda: page.state.rows.total == 1 and not page.state.busy)
    assert page.state.rows.labels() == ["files"]
    dialog = options_dialog(window, qtbot)
    dialog.labels.addItem("none", str(tmp_path / "none.csv"))
    dialog.labels.setCurrentIndex(dialog.labels.findData(str(tmp_path / "none.csv")))
    dialog.accept()
    assert "no columns path and label" in dialog.note.text()
    dialog.labels.addItem("labels", str(table))
    dialog.labels.setCurrentIndex(dialog.labels.findData(str(table)))
    dialog.accept()
    assert page.state.rows.labels() == ["shoe"]
    assert not page.stale.isVisible(), "labels change no score"
    score(window, page, files, qtbot)
    labels = {Path(row.path).name: row.label_name for row in page.state.rows.files()}
    assert labels == {"0.png": "shoe", "1.png": "bag", "2.png": "", "3.png": ""}
    assert page.state.rows.file(page.state.rows.row_of(str(files / "1.png"))).cells()[1] == "bag"
    dialog = options_dialog(window, qtbot)
    dialog.labels.setCurrentIndex(0)
    dialog.accept()
    assert page.state.rows.labels() == ["files"]


def test_the_gradient_is_beside_the_map_of_the_bits(
    window: MainWindow, page: ScorePage, files: Path, small_model: Path, tmp_path: Path, qtbot: Bot
) -> None:
    page.state.references.make([write_images(tmp_path / "good", 90)], "good parts")
    qtbot.waitUntil(lambda: page.state.references.settled)
    score(window, page, files, qtbot)
    side = page.side
    assert not side.slope.isVisible()
    side.layer.setCurrentIndex(side.layer.findData("total"))
    qtbot.waitUntil(lambda: side.preview.map is not None)
    assert side.slope.isVisible()
    assert side.slope.map is not None
    assert side.slope.map.gradient
    assert not side.preview.map.gradient
    side.layer.setCurrentIndex(side.layer.findData("gradient"))
    assert side.preview.map.gradient
    assert not side.slope.isVisible()
    shutil.rmtree(small_model.with_suffix(".references"))
