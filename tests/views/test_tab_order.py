"""Where Tab goes: every place of a page, in the order in which they are seen, each with a name."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QApplication, QHBoxLayout, QLineEdit, QPushButton, QScrollArea, QVBoxLayout, QWidget

from nvp_studio.state.engine import Engine
from nvp_studio.views.main_window import MainWindow
from nvp_studio.views.tab_order import move_focus, stops
from tests.qt import Bot, open_window

PAGES = ("train", "explore", "score", "runs", "inspect", "lab")


def named(widget: QWidget) -> str:
    return widget.accessibleName() or getattr(widget, "text", str)()


def column(*widgets: QWidget) -> QVBoxLayout:
    layout = QVBoxLayout()
    for widget in widgets:
        layout.addWidget(widget)
    return layout


def test_columns_are_read_one_after_the_other_whatever_was_made_first(qtbot: Bot) -> None:
    root = QWidget()
    qtbot.addWidget(root)
    right, left = [QLineEdit(name, root) for name in "cd"], [QLineEdit(name, root) for name in "ab"]
    row = QHBoxLayout(root)
    row.addLayout(column(*left))
    row.addLayout(column(*right))
    root.show()
    assert [widget.text() for widget in stops(root)] == ["a", "b", "c", "d"]
    left[1].hide()
    right[0].setEnabled(False)
    assert [widget.text() for widget in stops(root)] == ["a", "d"]


def test_what_tab_reaches_is_scrolled_into_view(qtbot: Bot) -> None:
    root = QWidget()
    qtbot.addWidget(root)
    area = QScrollArea(widgetResizable=True)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    content = QWidget()
    fields = [QPushButton(str(number)) for number in range(20)]
    content.setLayout(column(*fields))
    area.setWidget(content)
    root.setLayout(column(area))
    root.resize(200, 120)
    root.show()
    fields[0].setFocus()
    assert move_focus(root, forwards=False)
    assert root.focusWidget() is fields[-1]
    assert area.viewport().rect().contains(fields[-1].mapTo(area.viewport(), QPoint(2, 2)))


def press_tab_around(window: QWidget, qtbot: Bot, key: Qt.Key) -> Sequence[QWidget]:
    """The places that Tab goes through until it is back at the first."""
    reached: list[QWidget] = []
    while len(reached) < 200:
        focus = window.focusWidget()
        qtbot.keyClick(focus if focus is not None else window, key)
        focus = window.focusWidget()
        assert focus is not None
        if focus in reached:
            break
        reached.append(focus)
    return reached


@pytest.mark.slow
def test_tab_goes_through_each_page_as_it_is_seen(shared_engine: Engine, qtbot: Bot, tmp_path: Path) -> None:
    window: MainWindow = open_window(qtbot, shared_engine, tmp_path)
    window.resize(1280, 800)
    for key in PAGES:
        window.show_page(key)
        QApplication.processEvents()
        page = window.current_page
        reached = [widget for widget in press_tab_around(window, qtbot, Qt.Key.Key_Tab) if page.isAncestorOf(widget)]
        nameless = [type(widget).__name__ for widget in reached if not named(widget)]
        assert not nameless, (key, nameless)
        names = [named(widget) for widget in reached]
        assert names == [named(widget) for widget in stops(page)], key
        expected = {
            "train": ["Data", "Flow", "Train for", "Batch size", "Learning rate", "Name", "Advanced", "Runs"],
            "explore": ["Model", "Open image", "Samples to pick from", "New sample", "Temperature: All", "Direction 1"],
            "score": ["Add files", "Add folder"],
            "runs": ["Search runs", "Runs", "Quantity", "Axis", "Log", "Clip outliers", "Images"],
            "inspect": ["Open image", "Inspect a sample", "Health of the layers"],
            "lab": ["Part of Lab", "Data", "Draw points", "Layers", "Width", "Law", "Mask", "Density"],
        }[key]
        assert [name for name in names if name in expected] == expected, (key, names)
        window.show_page(key)
        back = [w for w in press_tab_around(window, qtbot, Qt.Key.Key_Backtab) if page.isAncestorOf(w)]
        assert [named(widget) for widget in back] == names[::-1], key
