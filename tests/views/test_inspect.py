"""Inspect: a picture at every layer, with rows that add up to its score."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QWheelEvent
from PySide6.QtWidgets import QApplication, QWidget

from nvp_studio.explore.diagram import drawing_size
from nvp_studio.explore.health import examine
from nvp_studio.explore.inspected import CHANGES, STAYS
from nvp_studio.explore.model import open_model
from nvp_studio.state.engine import Engine
from nvp_studio.state.ledger_model import LedgerModel
from nvp_studio.views.main_window import MainWindow
from nvp_studio.views.pages.inspect.diagram import DiagramDialog
from nvp_studio.views.pages.inspect.health import HealthDialog
from nvp_studio.views.pages.inspect.page import InspectPage
from nvp_studio.views.pages.inspect.receptive import ReceptiveDialog
from nvp_studio.views.theme import colors
from tests.qt import Bot, delete_now, drop, is_asking, open_window
from tests.small_model import random_images, write_sick_model, write_small_model, write_taught_model

EARLIER = Path(__file__).parents[1] / "earlier" / "models"


@pytest.fixture
def window(qtbot: Bot, shared_engine: Engine, tmp_path: Path) -> MainWindow:
    def finish(window: MainWindow) -> None:
        qtbot.waitUntil(lambda: not is_asking(shared_engine.explorer))

    return open_window(qtbot, shared_engine, tmp_path, tmp_path / "runs", "inspect", before_close=finish)


@pytest.fixture
def page(window: MainWindow) -> InspectPage:
    page = window.page("inspect")
    assert isinstance(page, InspectPage)
    return page


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    Image.fromarray(random_images(1, seed=3)[0, :, :, 0]).save(path)
    return path


def wait(page: InspectPage, qtbot: Bot) -> None:
    qtbot.waitUntil(lambda: page.state.inspection is not None and not page.state.busy)


def pixel_place(page: InspectPage, x: int, y: int) -> QPoint:
    """The middle of a pixel of the picture, on its view."""
    return page.stage.picture.pixel_rect(QPoint(x, y)).center().toPoint()


def turn_wheel(widget: QWidget, place: QPoint, angle: int) -> None:
    """Turn the mouse wheel over a place of a widget by so many eighths of a degree."""
    none = Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase
    event = QWheelEvent(QPointF(place), QPointF(widget.mapToGlobal(place)), QPoint(), QPoint(0, angle), *none, False)
    QApplication.sendEvent(widget, event)


def column(page: InspectPage, name: str) -> list[str]:
    number = LedgerModel.COLUMNS.index(name)
    rows = page.state.rows
    return [str(rows.index(row, number).data()).replace("\u2212", "-") for row in range(rows.rowCount())]


def test_the_page_explains_itself_before_there_is_a_picture(page: InspectPage) -> None:
    assert page._stack.currentIndex() == 0
    assert "small" in page.empty_label.text()
    assert not page._action("play").isEnabled()
    assert page._action("sample").isEnabled()


def test_the_rows_of_a_dropped_file_add_up_to_its_score(
    window: MainWindow, page: InspectPage, picture: Path, small_model: Path, qtbot: Bot
) -> None:
    assert drop(page, [picture])
    wait(page, qtbot)
    score = float(open_model(small_model).flow.bits_per_dim(random_images(1, seed=3))[0])
    assert page.total.text().startswith(f"Score: {score:.4f} bits/dim")
    assert "reference images" in page.total.text()
    shown = [round(10_000 * float(text)) for text in column(page, "bits") if text]
    assert sum(shown) == round(10_000 * score)
    assert column(page, "sum")[-1] == f"{score:.4f}"
    assert page.title.text() == "picture.png"
    assert column(page, "layer")[:3] == ["pixels", "dequantization", "logit"]


def test_a_click_on_a_row_the_slider_and_keys_go_to_a_layer(page: InspectPage, picture: Path, qtbot: Bot) -> None:
    page.open_paths([picture])
    wait(page, qtbot)
    pixels = page.stage.picture.image
    assert pixels is not None
    assert pixels.pixelColor(3, 5).red() == random_images(1, seed=3)[0, 5, 3, 0]
    row = column(page, "layer").index("coupling 1 of scale 1")
    place = page.table.visualRect(page.state.rows.index(row, 0)).center()
    qtbot.mouseClick(page.table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert page.state.position == page.slider.value() == row
    assert page.stage.stage_name.text().startswith("Coupling 1 of scale 1")
    assert page.stage.histogram.stage == page.state.stage
    page.slider.setFocus()
    qtbot.keyClick(page.slider, Qt.Key.Key_Right)
    assert page.state.position == page.table.currentIndex().row() == row + 1
    qtbot.keyClick(page, Qt.Key.Key_Comma)
    assert page.state.position == row
    qtbot.keyClick(page.slider, Qt.Key.Key_End)
    assert page.state.position == page.state.last
    assert page.stage.stage_name.text().startswith("Prior of scale 2")
    qtbot.keyClick(page, Qt.Key.Key_Period)
    assert page.state.position == page.state.last, "there is none behind the last"
    qtbot.mouseDrag(page.slider, QPoint(page.slider.width() - 4, 8), QPoint(4, 8))
    assert page.state.position == 0


def test_the_keys_of_the_page_go_on_where_the_field_of_a_coupling_is_left(
    page: InspectPage, picture: Path, qtbot: Bot
) -> None:
    page.open_paths([picture])
    wait(page, qtbot)
    row = column(page, "layer").index("coupling 1 of scale 1")
    page.state.move_to(row)
    page.stage.aspect.setFocus()
    for number in range(2):
        widget = QApplication.focusWidget()
        assert widget is not None
        assert page.isAncestorOf(widget)
        qtbot.keyClick(widget, Qt.Key.Key_Period)
        assert page.state.position == row + number + 1
    assert page.stage.picture.hasFocus()


def test_a_coupling_shows_its_mask_its_parameters_and_what_its_network_saw(
    page: InspectPage, picture: Path, qtbot: Bot
) -> None:
    page.open_paths([picture])
    wait(page, qtbot)
    assert not page.stage.aspect.isEnabled()
    page.state.move_to(column(page, "layer").index("coupling 1 of scale 1"))
    assert page.stage.aspect.isEnabled()
    images = {}
    for number in range(page.stage.aspect.count()):
        page.stage.aspect.setCurrentIndex(number)
        assert page.stage.picture.image is not None
        copy = page.stage.picture.image.copy()
        images[page.stage.aspect.currentData()] = np.array(
            [[copy.pixelColor(x, y).red() for x in range(8)] for y in range(8)]
        )
        assert page.stage.range_label.text()
    board = np.add.outer(np.arange(8), np.arange(8)) % 2
    assert (images["mask"] == np.where(board == 0, STAYS, CHANGES)).all()
    assert (images["inputs"][board == 1] == 128).all()
    assert (images["inputs"][board == 0] == images["values"][board == 0]).all()
    for name in ("log-derivatives", "shifts"):
        assert (images[name][board == 0] == 128).all()
        assert len(np.unique(images[name][board == 1])) > 1


def test_the_map_of_the_pixel_under_the_mouse_is_drawn(page: InspectPage, picture: Path, qtbot: Bot) -> None:
    page.open_paths([picture])
    wait(page, qtbot)
    assert page.stage.curve.isHidden()
    row = column(page, "layer").index("coupling 1 of scale 1")
    page.state.move_to(row)
    assert not page.stage.curve.isHidden()
    qtbot.mouseMove(page.stage.picture, pixel_place(page, 2, 3))
    qtbot.waitUntil(lambda: page.stage.cell_label.text().startswith("x 2, y 3:"))
    (cell,) = page.stage.curve.cells
    assert cell.state == "changes"
    assert np.interp(cell.before, cell.x, cell.y) == pytest.approx(cell.after, abs=0.02)
    for value in (cell.before, cell.after, cell.slope):
        assert f"{value:.3g}" in page.stage.cell_label.text()
    page.state.move_to(row - 1)
    qtbot.waitUntil(lambda: page.stage.cell_label.text() == f"x 2, y 3: {cell.before:.3g}")
    page.state.move_to(row)
    page.stage.picture.setFocus()
    qtbot.keyClick(page.stage.picture, Qt.Key.Key_Right)
    qtbot.waitUntil(lambda: page.stage.cell_label.text().startswith("x 3, y 3:"))
    assert page.stage.curve.cells[0].state == "stays"
    assert "the network sees it" in page.stage.cell_label.text()


def test_single_channels_are_shown(page: InspectPage, picture: Path, qtbot: Bot) -> None:
    page.open_paths([picture])
    wait(page, qtbot)
    names = column(page, "layer")
    page.state.move_to(names.index("squeeze 1 of scale 1") - 1)
    whole = page.stage.picture.image
    assert whole is not None
    page.state.move_to(names.index("squeeze 1 of scale 1"))
    assert [page.stage.channel.itemText(number) for number in (0, 1, 4)] == [
        "On the pixels",
        "Channel 1 of 4",
        "Channel 4 of 4",
    ]
    page.stage.channel.setCurrentIndex(2)
    qtbot.waitUntil(lambda: page.stage.picture.image is not None and page.stage.picture.image.width() == 4)
    single = page.stage.picture.image
    assert single is not None
    assert all(single.pixel(x, y) == whole.pixel(2 * x + 1, 2 * y) for x in range(4) for y in range(4))
    page.state.move_to(names.index("coupling 1 of scale 1"))
    assert page.stage.channel.currentText() == "Channel 1 of 1", "the last of those that there are"
    page.stage.channel.setCurrentIndex(0)
    assert page.stage.picture.image == page.state.image("values")


def test_two_pictures_are_compared_layer_by_layer(
    window: MainWindow, page: InspectPage, picture: Path, tmp_path: Path, qtbot: Bot
) -> None:
    other = tmp_path / "other.png"
    Image.fromarray(random_images(1, seed=4)[0, :, :, 0]).save(other)
    page.open_paths([picture])
    wait(page, qtbot)
    qtbot.keyClick(page, Qt.Key.Key_C)
    assert page._action("compare").isChecked()
    assert page.stage.second.isVisible()
    assert page.stage.second.image is None
    assert drop(page, [other])
    qtbot.waitUntil(lambda: page.state.second.inspection is not None and not page.state.busy)
    first, second = page.state.first.inspection, page.state.second.inspection
    assert first is not None
    assert second is not None
    assert [label.text() for label in page.stage.captions] == ["picture.png", "other.png"]
    total = [round(10_000 * sum(float(text) for text in column(page, name) if text)) for name in ("bits", "second")]
    assert total == [round(10_000 * one.ledger.bits_per_dim) for one in (first, second)]
    for mine, its, change in zip(*(column(page, name)[1:] for name in ("bits", "second", "difference")), strict=True):
        assert float(change) == pytest.approx(float(its) - float(mine), abs=1e-9)
    assert f"second picture: {second.ledger.bits_per_dim:.4f}" in page.total.text()
    row = column(page, "layer").index("coupling 2 of scale 1")
    page.state.move_to(row)
    assert page.stage.second.image == page.state.second.image(row, "values")
    assert page.stage.picture.image == page.state.first.image(row, "values")
    assert page.stage.histogram.second == second.stages[row]
    qtbot.mouseMove(page.stage.picture, pixel_place(page, 3, 3))
    qtbot.waitUntil(lambda: bool(page.stage.curve.cells and page.stage.curve.second))
    window.show_page("explore")
    explore = window.page("explore")
    qtbot.waitUntil(lambda: explore.state.bits_per_dim is not None)
    window.registry["explore.inspect"].trigger()
    qtbot.waitUntil(lambda: page.stage.captions[1].text() == "Picture of Explore" and not page.state.busy)
    assert page.stage.captions[0].text() == "picture.png"
    page._action("compare").trigger()
    assert page.state.second.inspection is None
    assert not page.stage.second.isVisible()
    assert page.title.text() == "picture.png"
    assert drop(page, [other, picture])
    qtbot.waitUntil(lambda: page.state.second.inspection is not None and not page.state.busy)
    assert [label.text() for label in page.stage.captions] == ["other.png", "picture.png"]


def test_the_reference_images_stand_beside_each_row(
    window: MainWindow, page: InspectPage, picture: Path, small_model: Path, tmp_path: Path, qtbot: Bot
) -> None:
    engine = window.engine
    write_taught_model(tmp_path / "taught.safetensors", tmp_path / "images")
    engine.open_model(str(tmp_path / "taught.safetensors"))
    qtbot.waitUntil(lambda: not engine.opening and engine.model is not None and "taught" in engine.model.path)
    page.open_paths([picture])
    wait(page, qtbot)
    qtbot.waitUntil(lambda: not is_asking(engine.explorer))
    assert not page._action("usual").isChecked()
    assert page.table.isColumnHidden(LedgerModel.COLUMNS.index("deviation"))
    page._action("usual").trigger()
    qtbot.waitUntil(lambda: page.state.baseline.baseline is not None)
    baseline = page.state.baseline.baseline
    assert baseline is not None
    assert baseline.images == page.state.baseline.done == page.state.baseline.total > 10
    assert page._action("usual").isChecked()
    assert not page.table.isColumnHidden(LedgerModel.COLUMNS.index("deviation"))
    row = column(page, "layer").index("coupling 1 of scale 1")
    usual = next(one for one in baseline.rows if one.layer == "coupling 1 of scale 1")
    assert column(page, "usual")[row] == f"{usual.bits_per_dim:.4f}"
    assert column(page, "spread")[row] == f"{usual.spread:.4f}"
    off = (float(column(page, "bits")[row]) - usual.bits_per_dim) / usual.spread
    assert float(column(page, "deviation")[row]) == pytest.approx(off, abs=0.2)
    assert column(page, "deviation")[1] == "", "dequantization adds the same to all images"
    page._action("usual").trigger()
    assert page.table.isColumnHidden(LedgerModel.COLUMNS.index("deviation"))
    engine.open_model(str(small_model))
    qtbot.waitUntil(lambda: not engine.opening and not page.state.busy and page.state.baseline.baseline is None)
    page._action("usual").trigger()
    qtbot.waitUntil(lambda: any("trained on cannot be read" in one.text for one in window.notifications.shown))
    assert not page._action("usual").isChecked()


def test_it_plays_to_noise_and_back(page: InspectPage, picture: Path, qtbot: Bot) -> None:
    page.open_paths([picture])
    wait(page, qtbot)
    page.speed.setCurrentIndex(page.speed.count() - 1)
    qtbot.keyClick(page, Qt.Key.Key_P)
    assert page._action("play").isChecked()
    qtbot.waitUntil(lambda: page.state.position == page.state.last)
    qtbot.waitUntil(lambda: not page._action("play").isChecked())
    qtbot.keyClick(page, Qt.Key.Key_P, Qt.KeyboardModifier.ShiftModifier)
    qtbot.waitUntil(lambda: page.state.position == 0)
    qtbot.waitUntil(lambda: not page._action("play-back").isChecked())


def test_the_picture_of_explore_is_inspected(window: MainWindow, page: InspectPage, qtbot: Bot) -> None:
    window.show_page("explore")
    explore = window.page("explore")
    qtbot.waitUntil(lambda: explore.state.bits_per_dim is not None)
    window.registry["explore.inspect"].trigger()
    assert window.current_page is page
    wait(page, qtbot)
    assert page.state.inspection is not None
    assert page.state.inspection.ledger.bits_per_dim == pytest.approx(explore.state.bits_per_dim, abs=1e-5)
    window.show_page("score")
    assert not window.registry["score.inspect"].isEnabled()


def test_a_file_that_another_page_asks_for_is_inspected(
    window: MainWindow, page: InspectPage, picture: Path, qtbot: Bot
) -> None:
    window.show_page("score")
    window.context.inspect(picture)
    assert window.current_page is page
    wait(page, qtbot)
    assert page.title.text() == "picture.png"


def test_a_file_that_is_no_image_is_told_and_the_picture_before_stays(
    window: MainWindow, page: InspectPage, picture: Path, tmp_path: Path, qtbot: Bot
) -> None:
    page.open_paths([picture])
    wait(page, qtbot)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    page.open_paths([broken])
    qtbot.waitUntil(lambda: any(notice.topic == "inspect" for notice in window.notifications.shown))
    assert page._stack.currentIndex() == 1
    assert page.title.text() == "picture.png"


def test_an_image_of_another_size_or_colour_is_fitted_and_says_so(
    page: InspectPage, tmp_path: Path, qtbot: Bot
) -> None:
    path = tmp_path / "large.png"
    Image.fromarray(random_images(1, (3, 24, 16), seed=3)[0]).save(path)
    page.open_paths([path])
    wait(page, qtbot)
    assert page.title.text().startswith("large.png  ·  ")
    told = page.state.first.notes
    assert "resized from 16x24" in told
    assert "colour to grey" in told
    page._action("compare").trigger()
    page.open_paths([path])
    qtbot.waitUntil(lambda: page.state.second.inspection is not None and not page.state.busy)
    assert page.stage.captions[1].text().startswith("large.png  ·  ") or "…" in page.stage.captions[1].text()
    assert set(column(page, "difference")[1:-1]) == {"+0.0000"}


def test_a_model_of_another_version_is_refused_in_plain_words_and_the_picture_stays(
    window: MainWindow, page: InspectPage, picture: Path, qtbot: Bot
) -> None:
    page.open_paths([picture])
    wait(page, qtbot)
    rows = column(page, "bits")
    window.engine.open_model(str(EARLIER / "refused-mixture.safetensors"))
    qtbot.waitUntil(lambda: any("mixture couplings" in notice.text for notice in window.notifications.shown))
    assert column(page, "bits") == rows
    assert page.title.text() == "picture.png"


def test_another_model_shows_its_own_layers_or_says_why_not(
    window: MainWindow,
    page: InspectPage,
    picture: Path,
    small_model: Path,
    other_model: Path,
    tmp_path: Path,
    qtbot: Bot,
) -> None:
    engine = window.engine
    page.open_paths([picture])
    wait(page, qtbot)
    before = page.total.text()
    engine.open_model(str(other_model))
    qtbot.waitUntil(lambda: not page.state.busy and page.total.text() != before)
    write_small_model(tmp_path / "colour.safetensors", (3, 8, 8))
    engine.open_model(str(tmp_path / "colour.safetensors"))
    qtbot.waitUntil(lambda: page._stack.currentIndex() == 0)
    assert "picture.png has another size" in page.empty_label.text()
    page._action("sample").trigger()
    wait(page, qtbot)
    assert page.title.text() == "Sample 0"
    engine.open_model(str(small_model))
    qtbot.waitUntil(lambda: not engine.opening and not page.state.busy)


def test_everything_fits_the_smallest_window(window: MainWindow, page: InspectPage, picture: Path, qtbot: Bot) -> None:
    page.open_paths([picture])
    wait(page, qtbot)
    window.resize(800, 600)
    QApplication.processEvents()
    assert window.size().width() == 800
    assert page.stage.histogram.geometry().bottom() <= page.stage.histogram.parentWidget().height()
    assert page.stage.picture.height() >= 96


def test_the_architecture_is_drawn_followed_and_exported(
    page: InspectPage, picture: Path, tmp_path: Path, qtbot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    page.open_paths([picture])
    wait(page, qtbot)
    assert page.state.inspection is not None
    page._action("diagram").trigger()
    dialog = page.findChild(DiagramDialog)
    row = column(page, "layer").index("coupling 2 of scale 2")
    page.state.move_to(row)
    place = dialog.diagram.place()
    assert dialog.diagram.grab().toImage().pixelColor(place) == QColor(colors().accent)
    page.state.move_to(0)
    place = dialog.diagram.place(row)
    assert dialog.diagram.grab().toImage().pixelColor(place) != QColor(colors().accent)
    qtbot.mouseClick(dialog.diagram, Qt.MouseButton.LeftButton, pos=place)
    assert page.state.position == row
    dialog.diagram.zoom(1)
    qtbot.mouseClick(dialog.diagram, Qt.MouseButton.LeftButton, pos=dialog.diagram.place())
    assert page.state.position == row
    before, scale = dialog.diagram.place(), dialog.diagram.scale
    middle = QPoint(dialog.diagram.width() // 2, dialog.diagram.height() // 2)
    qtbot.mouseDrag(dialog.diagram, before, before + QPoint(30, 8), before + QPoint(40, 20))
    assert dialog.diagram.place() == before + QPoint(40, 20)
    assert page.state.position == row, "dragging is no click"
    for key in (Qt.Key.Key_Plus, Qt.Key.Key_Right, Qt.Key.Key_Minus):
        qtbot.keyClick(dialog.diagram, key)
    assert dialog.diagram.scale == pytest.approx(scale)
    assert dialog.diagram.place().x() < before.x() + 40
    turn_wheel(dialog.diagram, middle, 240)
    assert dialog.diagram.scale > scale
    qtbot.keyClick(dialog.diagram, Qt.Key.Key_0)
    width, height = (dialog.diagram.scale * side for side in drawing_size(page.state.inspection.stages))
    assert width <= dialog.diagram.width()
    assert height <= dialog.diagram.height()
    qtbot.keyClick(dialog.diagram, Qt.Key.Key_Period)
    assert page.state.position == row + 1
    target = tmp_path / "architecture.svg"
    monkeypatch.setattr(page.context, "ask_save", lambda *_: target)
    dialog.export.click()
    qtbot.waitUntil(target.exists)
    text = target.read_text("utf-8")
    words = [node.text or "" for node in ElementTree.fromstring(text).iter() if node.tag.endswith("text")]
    stages = page.state.inspection.stages
    assert sum(word.startswith("coupling ") for word in words) == sum(stage.coupling >= 0 for stage in stages)
    assert "coupling 1, checkerboard" in words
    assert "coupling 3, channels" in words
    assert "Scale 2" in words
    assert sum(" FLOPs · " in word for word in words) == sum(stage.flops > 0 for stage in stages) > 0
    picture_file = tmp_path / "architecture.png"
    monkeypatch.setattr(page.context, "ask_save", lambda *_: picture_file)
    dialog.export.click()
    qtbot.waitUntil(picture_file.exists)
    width, height = drawing_size(stages)
    with Image.open(picture_file) as drawn:
        assert drawn.size == (2 * width, 2 * height)
        assert len(drawn.getcolors(10**6) or ()) > 2
    dialog.reject()
    delete_now()


def test_the_health_of_the_layers_is_told_and_a_click_goes_to_the_layer(
    page: InspectPage, small_model: Path, qtbot: Bot
) -> None:
    expected = examine(open_model(small_model))
    qtbot.waitUntil(page._action("health").isEnabled)
    page._action("health").trigger()
    dialog = page.findChild(HealthDialog)
    qtbot.waitUntil(lambda: page.health.health is not None)
    assert page.health.done == page.health.total > 0
    names = [dialog.layers.item(row, 0).text() for row in range(dialog.layers.rowCount())]
    assert names == [one.layer for one in expected.layers]
    found = page.health.health
    assert found is not None
    texts = [dialog.findings.item(row, 0).text() for row in range(dialog.findings.rowCount())]
    assert texts == [one.text for one in found.findings]
    assert [one.layer for one in found.findings] == [one.layer for one in expected.findings]
    assert f"{len(names)} layers, measured on {found.images} samples" in dialog.summary.text()
    row = names.index("coupling 1 of scale 2")
    dialog.layers.scrollToItem(dialog.layers.item(row, 0))
    place = dialog.layers.visualItemRect(dialog.layers.item(row, 0)).center()
    qtbot.mouseClick(dialog.layers.viewport(), Qt.MouseButton.LeftButton, pos=place)
    wait(page, qtbot)
    assert page.title.text() == "Sample 0", "there was no picture before"
    assert page.state.stage is not None
    assert page.state.stage.layer == "coupling 1 of scale 2"
    dialog.reject()
    delete_now()


def test_the_picture_that_is_shown_is_examined(page: InspectPage, picture: Path, small_model: Path, qtbot: Bot) -> None:
    expected = examine(open_model(small_model), random_images(1, seed=3))
    page.open_paths([picture])
    wait(page, qtbot)
    page._action("health").trigger()
    dialog = page.findChild(HealthDialog)
    qtbot.waitUntil(lambda: page.health.health is not None)
    dialog.source.setCurrentIndex(1)
    qtbot.waitUntil(lambda: page.health.health is not None and not page.health.health.samples)
    assert "measured on the present picture" in dialog.summary.text()
    found = page.health.health
    assert found is not None
    assert [one.mean for one in found.layers] == pytest.approx([one.mean for one in expected.layers], abs=0.05)
    page._show_sample()
    qtbot.waitUntil(lambda: not page.state.busy and page.health.health not in (None, found))
    assert page.health.health is not None
    assert not page.health.health.samples
    dialog.reject()
    delete_now()


def test_the_pixels_that_a_latent_touches_are_shown_and_its_scale_drawn_anew(
    page: InspectPage, picture: Path, qtbot: Bot
) -> None:
    page.open_paths([picture])
    wait(page, qtbot)
    page._action("fields").trigger()
    dialog = page.findChild(ReceptiveDialog)
    qtbot.waitUntil(lambda: page.fields.field is not None and not page.fields.busy)
    assert [dialog.scale.itemText(number) for number in range(2)] == ["Scale 1 (4x4)", "Scale 2 (4x4)"]
    place = dialog.view.pixel_rect(QPoint(6, 1)).center().toPoint()
    qtbot.mouseMove(dialog.view, place)
    qtbot.mouseClick(dialog.view, Qt.MouseButton.LeftButton, pos=place)
    qtbot.waitUntil(lambda: "at x 3, y 0 of its scale" in dialog.words.text() and not page.fields.busy)
    assert dialog.view.map is not None
    brightest = np.unravel_index(dialog.view.map.values.argmax(), (8, 8))
    assert brightest[0] < 4
    assert brightest[1] >= 4
    assert dialog.view.map.beyond is not None
    assert np.argwhere(dialog.view.map.beyond).tolist() == [[0, 6], [0, 7], [1, 6], [1, 7]]
    dialog.view.viewport.point_at(QPoint(6, 1), by_keys=True)
    qtbot.keyClick(dialog.view, Qt.Key.Key_Left)
    qtbot.keyClick(dialog.view, Qt.Key.Key_Left)
    qtbot.keyClick(dialog.view, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: "at x 2, y 0 of its scale" in dialog.words.text())
    dialog.direction.setCurrentIndex(1)
    qtbot.waitUntil(lambda: "for one grey level" in dialog.words.text())
    dialog.scale.setCurrentIndex(1)
    qtbot.waitUntil(lambda: "Latent of scale 2" in dialog.words.text())
    dialog.redraw.click()
    qtbot.waitUntil(lambda: page.state.second.inspection is not None and not page.state.busy)
    assert page.stage.captions[1].text() == "Scale 2 drawn anew"
    first, second = page.state.first.recipe, page.state.second.recipe
    assert first is not None
    assert second is not None
    assert (second.base, [scale for scale, _ in second.scales]) == (first.base, [1])
    assert page.stage.picture.image != page.stage.second.image
    dialog.reject()
    delete_now()


def test_the_faults_of_a_sick_model_are_told_and_lead_to_their_layers(
    window: MainWindow, page: InspectPage, small_model: Path, tmp_path: Path, qtbot: Bot
) -> None:
    engine = window.engine
    write_sick_model(tmp_path / "sick.safetensors")
    engine.open_model(str(tmp_path / "sick.safetensors"))
    qtbot.waitUntil(lambda: not engine.opening and engine.model is not None and "sick" in engine.model.path)
    page._action("health").trigger()
    dialog = page.findChild(HealthDialog)
    qtbot.waitUntil(lambda: page.health.health is not None)
    findings = dialog.findings
    texts = [findings.item(row, 0).text() for row in range(findings.rowCount())]
    for text in (
        "Mixing 1 of scale 1 is nearly singular",
        "Coupling 2 of scale 1 has 100% of its scales s at their bound",
        "The network of coupling 2 of scale 2 has 100% dead feature maps",
    ):
        assert any(one.startswith(text) for one in texts), text
    assert texts[0].startswith("Mixing 1 of scale 1"), "problems come first"
    assert dialog.summary.text().endswith("Click one to go to its layer.")
    for row, layer in ((0, "mixing 1 of scale 1"), (len(texts) - 1, None)):
        findings.scrollToItem(findings.item(row, 0))
        place = findings.visualItemRect(findings.item(row, 0)).center()
        qtbot.mouseClick(findings.viewport(), Qt.MouseButton.LeftButton, pos=place)
        wait(page, qtbot)
        assert page.state.stage is not None
        assert page.state.stage.layer.lower() in texts[row].lower()
        assert layer in (None, page.state.stage.layer)
    dialog.reject()
    delete_now()
    engine.open_model(str(small_model))
    qtbot.waitUntil(lambda: not engine.opening and not page.state.busy)
