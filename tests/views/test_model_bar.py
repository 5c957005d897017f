"""The row above Explore's picture: what has no room is in a menu."""

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QToolButton

from nvp_studio.state.engine import Engine
from nvp_studio.views.pages.explore.actions import TOOLS
from nvp_studio.views.pages.explore.model_bar import ModelBar
from nvp_studio.views.pages.explore.page import ExplorePage
from tests.qt import Bot
from tests.views.explore_page import shown_page

NARROW = 200


@pytest.fixture
def page(shared_engine: Engine, qtbot: Bot, small_model: Path, tmp_path: Path) -> ExplorePage:
    """The page in a shown window, with its first picture."""
    return shown_page(shared_engine, qtbot, small_model, tmp_path)


def whole(button: QToolButton) -> bool:
    """Whether a button that is shown is all in sight, at its own width."""
    seen = button.visibleRegion().boundingRect() == button.rect()
    return not button.isVisible() or (seen and button.width() >= button.sizeHint().width())


@pytest.mark.parametrize("width", [NARROW, 280, 320, 360, 520, 640, 800, 1400])
def test_every_tool_is_a_button_or_in_the_menu_of_the_last_one(page: ExplorePage, qtbot: Bot, width: int) -> None:
    bar = ModelBar(page.context)
    qtbot.addWidget(bar)
    bar.setMinimumWidth(1)
    bar.resize(width, 80)
    bar.show()
    qtbot.waitUntil(lambda: bar.width() == width and all(whole(tool) for tool in (*bar.tools, bar.more)))
    shown = [tool.defaultAction() for tool in bar.tools if tool.isVisible()]
    listed = bar.more.menu().actions()
    assert shown + listed == [page.context.registry[f"explore.{tool}"] for tool in TOOLS]
    assert bar.more.isVisible() == bool(listed)
    assert not listed or width < 500
    assert listed or width > NARROW


def test_a_tool_of_the_menu_opens_by_keyboard(page: ExplorePage, qtbot: Bot) -> None:
    bar = ModelBar(page.context)
    qtbot.addWidget(bar)
    bar.setMinimumWidth(1)
    bar.resize(NARROW, 80)
    bar.show()
    qtbot.waitUntil(lambda: bool(bar.more.menu().actions()))
    last = bar.more.menu().actions()[-1]
    assert not last.isChecked()
    bar.more.menu().popup(bar.more.mapToGlobal(bar.more.rect().bottomLeft()))
    qtbot.keyClick(bar.more.menu(), Qt.Key.Key_Up)
    qtbot.keyClick(bar.more.menu(), Qt.Key.Key_Return)
    qtbot.waitUntil(last.isChecked)
    assert page.tools.panels[TOOLS[-1]].isVisible()


def test_the_line_about_the_model_leaves_out_words_before_facts(page: ExplorePage, qtbot: Bot) -> None:
    label = page.toolbar.model_label
    label.setText("1.447 bits/dim in validation  ·  32x32  ·  2.2 M parameters")
    label.short = "1.447 bits/dim  ·  32x32  ·  2.2 M parameters"
    whole, short = (label.fontMetrics().horizontalAdvance(text) for text in (label.text(), label.short))
    for width, shown in ((whole, label.text()), (whole - 1, label.short), (short, label.short)):
        label.resize(width, label.height())
        assert label.shown_text == shown
    label.resize(short - 1, label.height())
    assert label.shown_text.endswith("…")


def test_the_panel_of_sliders_is_wider_in_a_wide_window_unless_its_width_was_chosen(page: ExplorePage) -> None:
    page.resize(1200, 700)
    narrow = page.panel.width()
    page.resize(1840, 1000)
    assert page.panel.width() > narrow
    page.resize(1200, 700)
    assert page.panel.width() == narrow
    page.context.settings.values.splitters["explore"] = page._parts.sizes()
    page.resize(1840, 1000)
    assert page.panel.width() == narrow
