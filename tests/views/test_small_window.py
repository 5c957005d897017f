"""What a window of 800 x 600 shows of Explore: no text that a person needs is cut, whatever tool is open."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication, QDialog

from nvp_studio.state.engine import Engine
from nvp_studio.views.dialogs import FRAME
from nvp_studio.views.pages.explore.actions import TOOLS
from nvp_studio.views.pages.explore.page import ExplorePage
from nvp_studio.views.theme import LIGHT, colors
from nvp_studio.views.widgets.labels import ElidedLabel
from tests.qt import Bot, delete_now, open_window, start_engine, stop_engine
from tests.views.cut_texts import cut_texts
from tests.views.explore_page import settled, shown_page


@pytest.fixture
def page(qtbot: Bot, tmp_path: Path) -> Iterator[ExplorePage]:
    engine = start_engine(qtbot, Path("peeps"))
    page = shown_page(engine, qtbot, Path("peeps"), tmp_path)
    yield page
    if colors() is not LIGHT:
        page.window().set_theme("light")
    page.window().close()
    stop_engine(qtbot, engine)


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_text_of_explore_and_its_tools_is_cut_at_800_by_600(page: ExplorePage, qtbot: Bot, theme: str) -> None:
    window, registry = page.window(), page.window().registry
    window.set_theme(theme)
    window.resize(800, 600)

    def seen(*actions: str) -> list[str]:
        """The cut texts once these actions are done."""
        for key in actions:
            registry[f"explore.{key}"].trigger()
            qtbot.waitUntil(lambda: settled(page))
        QApplication.processEvents()
        return cut_texts(page)

    cut = {"welcome": seen()}
    page._close_welcome()
    cut["sliders"] = seen("randomize")
    cut["compare"] = seen("compare", "new-sample")
    cut["history"] = seen("compare", "history")
    cut["larger"] = seen("history", "larger")
    seen("larger")
    for tool in TOOLS:
        cut[tool] = seen(tool)
    cut["corners of samples"] = seen("corners-samples")
    page.directions._choose("local")
    cut["local"] = seen()
    qtbot.waitUntil(lambda: not page.directions.state.running and settled(page))
    cut["local, found"] = seen()
    cut["own"] = seen("new-direction")
    assert not {state: texts for state, texts in cut.items() if texts}


def test_a_label_takes_as_many_lines_as_its_text_needs_and_no_more_than_it_may(qtbot: Bot) -> None:
    label = ElidedLabel(lines=2)
    qtbot.addWidget(label)
    heights = []
    for words in (3, 8, 60, 3):
        label.setText(" ".join(["word"] * words))
        label.setFixedHeight(label.heightForWidth(200))
        label.setFixedWidth(200)
        label.show()
        heights.append(label.height())
        assert (label.shown_text != label.text()) == (words == 60), words
    assert heights[0] == heights[3] < heights[1] == heights[2]


@pytest.mark.slow
def test_every_dialog_fits_on_a_screen_of_800_by_600(shared_engine: Engine, qtbot: Bot, tmp_path: Path) -> None:
    window = open_window(qtbot, shared_engine, tmp_path)
    keys = ["help.page", "help.shortcuts", "help.figures", "help.about", "help.palette", "view.messages"]
    keys += ["explore.map", "score.options", "score.compare", "inspect.health"]
    seen = set()
    for key in keys:
        window.registry[key].trigger()
        QApplication.processEvents()
        dialogs = [one for one in window.findChildren(QDialog) if one.isVisible()]
        assert dialogs, key
        for dialog in dialogs:
            seen.add(key)
            least = dialog.minimumSizeHint().expandedTo(dialog.minimumSize())
            assert least.width() <= 800 - FRAME.width(), (key, least)
            assert least.height() <= 600 - FRAME.height(), (key, least)
            dialog.close()
        delete_now()
    assert seen == set(keys)


def test_no_pixel_of_two_lines_is_cut(qtbot: Bot) -> None:
    label = ElidedLabel("gypsy " * 8, lines=2)
    qtbot.addWidget(label)
    label.setFixedWidth(200)
    label.show()

    def rows_with_ink() -> int:
        image = label.grab().toImage()
        rows = [{image.pixel(x, y) for x in range(image.width())} for y in range(image.height())]
        return sum(len(row) > 1 for row in rows)

    needed = label.heightForWidth(200)
    label.setFixedHeight(needed)
    shown = rows_with_ink()
    label.setFixedHeight(needed + 20)
    assert rows_with_ink() == shown > 12
