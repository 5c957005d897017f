"""Every key that is documented, as a real key event: it reaches its action, and on Explore it changes something."""

import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import pytestqt.exceptions
from PySide6.QtCore import QKeyCombination
from PySide6.QtGui import QAction, QGuiApplication, QKeySequence
from PySide6.QtWidgets import QWidget

from nvp_studio.recipe import Recipe, Seed
from nvp_studio.state.engine import Engine
from nvp_studio.views import notify
from nvp_studio.views.main_window import MainWindow
from nvp_studio.views.page import Page
from nvp_studio.views.pages.explore.page import ExplorePage
from tests.qt import Bot, open_window
from tests.views.explore_page import settled, shown_page

DOCUMENTS = {"window.md": "", "explore.md": "explore", "inspect.md": "", "lab.md": "lab", "lessons.md": "lab"}
"""And the page whose keys each tells of; empty: those of all pages."""
OF_WIDGETS = {"Del", "Enter", "Shift", "PgUp", "PgDown", "Esc", "Tab", "+", "-", "0", ",", "."}
"""Keys that widgets in focus answer themselves, without an action: tests of the widgets press them."""
_KEY = r"(?:[A-Z0-9+,.-]|F\d+|Esc|Del|Enter|Return|Tab|PgUp|PgDown|Shift)"
_WRITTEN = re.compile(rf"`((?:(?:Ctrl|Shift|Alt)\+)*{_KEY})`")


def documented() -> list[tuple[str, str]]:
    """(document, keys) as they are written in backticks."""
    folder = Path(__file__).parents[2] / "docs"
    return [(name, keys) for name in DOCUMENTS for keys in _WRITTEN.findall((folder / name).read_text("utf-8"))]


def page_of(window: MainWindow, action: QAction) -> Page | None:
    """The page that an action's keys are limited to."""
    return next((page for page in window.findChildren(Page) if action in page.actions()), None)


def press(qtbot: Bot, widget: QWidget, keys: QKeySequence) -> None:
    """Press and let go a key as a keyboard does."""
    assert keys.count() == 1
    combination: QKeyCombination = keys[0]
    qtbot.keyClick(widget, combination.key(), combination.keyboardModifiers())


@pytest.fixture
def window(shared_engine: Engine, qtbot: Bot, tmp_path: Path) -> MainWindow:
    """With all pages."""
    window = open_window(qtbot, shared_engine, tmp_path)
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    return window


def test_every_key_in_the_documents_is_that_of_an_action(window: MainWindow) -> None:
    known: dict[str, set[QKeySequence]] = {page: set() for page in DOCUMENTS.values()}
    for entry in window.registry.entries():
        owner = page_of(window, entry.action)
        for page, keys in known.items():
            if page == "" or owner is None or owner.key == page:
                keys.update(entry.action.shortcuts())
    found = documented()
    assert len(found) > 90
    unknown = [
        one for one in found if one[1] not in OF_WIDGETS and QKeySequence(one[1]) not in known[DOCUMENTS[one[0]]]
    ]
    assert not unknown


@pytest.mark.slow
def test_every_shortcut_reaches_its_action(window: MainWindow, qtbot: Bot) -> None:
    """What the actions do is left out here: some end the program or ask for a file."""
    hits: list[str] = []
    entries = [entry for entry in window.registry.entries() if entry.action.shortcuts()]
    assert len(entries) > 100
    for entry in entries:
        entry.action.triggered.disconnect()
        entry.action.triggered.connect(lambda _checked=False, key=entry.key: hits.append(key))
    missed = []
    for entry in entries:
        page = page_of(window, entry.action)
        window.show_page(page.key if page is not None else "explore")
        focused = page or window.current_page
        focused.setFocus()
        for keys in entry.action.shortcuts():
            hits.clear()
            entry.action.setEnabled(True)
            entry.action.setVisible(True)
            press(qtbot, focused, keys)
            if hits != [entry.key]:
                missed.append((entry.key, keys.toString(), list(hits)))
    assert not missed


# What keys do on Explore


@pytest.fixture
def page(
    shared_engine: Engine, qtbot: Bot, small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ExplorePage:
    page = shown_page(shared_engine, qtbot, small_model, tmp_path)
    page.asked = []  # type: ignore[attr-defined]
    for ask, answer in (("ask_files", []), ("ask_folder", None), ("ask_save", None)):
        monkeypatch.setattr(
            page.context, ask, lambda *words, _ask=ask, _answer=answer, **options: page.asked.append(_ask) or _answer
        )
    return page


def state_of(page: ExplorePage) -> tuple[Any, ...]:
    """All that a key may change on the page."""
    window: MainWindow = page.window()  # type: ignore[assignment]
    clipboard, view = QGuiApplication.clipboard(), page.pictures.view
    sheet, player, compare = page.state.samples.sheet, page.animation.state.player, page.compare
    return (
        page.state.recipe,
        page.undo.index(),
        page.undo.count(),
        window.current_page.key,
        page.tools.shown,
        {entry.key for entry in window.registry.entries("explore") if entry.action.isChecked()},
        clipboard.text(),
        clipboard.mimeData().hasImage(),
        tuple(page.asked),  # type: ignore[attr-defined]
        tuple(notice.text for notice in window.notifications.shown),
        () if sheet is None else tuple(recipe.base for recipe in sheet.recipes),
        (page.blend.ends, page.corners.ends, page.tray.pictures, page.state.locked),
        (page.paint.state.region.tobytes(), page.paint.state.running),
        (page.neighbours.state.running, page.neighbours.state.found, page.neighbours.state.problem),
        (page.directions.state.running, page.directions.own.state.groups, page.panel.latents.panel.kind),
        (page.animation.state.animation, page.animation.state.recording, player.playing, player.shown is None),
        (compare.held, compare.state.chosen, compare.state.a.title, compare.state.b_title),
        (view.viewport.zoom, page.map.dialog is not None and page.map.dialog.isVisible()),
    )


def start_anew(page: ExplorePage) -> None:
    """No tool is open, nothing is played or compared, and the picture is another sample of the trained size."""
    registry = page.context.registry
    for key in ("original", "history", "compare", "before", "previews", "record", "new-direction"):
        if registry[f"explore.{key}"].isChecked():
            registry[f"explore.{key}"].trigger()
    if page.map.dialog is not None:
        page.map.dialog.reject()
        page.window().activateWindow()
    if page.tools.shown:
        page.tools.show_tool(page.tools.shown, False)
    page.animation.state.player.close()
    page.compare.state.clear()
    notify.withdraw("explore")
    page.context.window.show_page("explore")  # type: ignore[attr-defined]
    page.panel.latents.panel.show_kind("model")
    page.pictures.zoom(0)
    page.state.show(Recipe(checkpoint="", base=Seed(page.undo.count() + 100)), "another sample")
    QGuiApplication.clipboard().setText("nothing")
    page.setFocus()


def paint(page: ExplorePage) -> None:
    page.paint.state.stroke((2.0, 2.0), (5.0, 5.0), 2.0, erase=False)


def add_keyframe(page: ExplorePage) -> None:
    page.animation.state.add_picture()


def fill_groups(page: ExplorePage) -> None:
    for group in (0, 1):
        page.directions.own.state.add(group, [Recipe(checkpoint="", base=Seed(group))])


Preparation = Callable[[ExplorePage], object]
PREPARED: dict[str, Preparation] = {
    "repeat-randomize": lambda page: (page.state.randomize(), page.undo.undo()),
    "reset": lambda page: page.state.set_temperature(0.4),
    "corners-grid": lambda page: page.corners.take_samples(),
    "redraw-rest": lambda page: page.scales.keep(0.5),
    "zoom-out": lambda page: page.pictures.zoom(1),
    "zoom-fit": lambda page: page.pictures.zoom(1),
    "make-direction": fill_groups,
    "export-directions": lambda page: (fill_groups(page), page.directions.own.state.make("one")),
    "sort-names": lambda page: page.context.registry["explore.sort-variance"].trigger(),
    "paint-redraw": paint,
    "paint-clear": paint,
    "paint-cancel": paint,
    "animate-tray": lambda page: page.tray.keep(),
    "neighbours-find": lambda page: page.tools.show_tool("neighbours", True),
    "neighbours-stop": lambda page: page.tools.show_tool("neighbours", True),
    **dict.fromkeys(("animate-play", "animate-save", "animate-frame", "animate-stop", "animate-python"), add_keyframe),
}
"""What is done before a key, and waited for."""
AT_ONCE: dict[str, Preparation] = {
    "paint-cancel": lambda page: page.paint.state.start(),
    "cancel-directions": lambda page: page.directions.state.find(),
    "neighbours-stop": lambda page: page.neighbours.state.find(),
    "compare-clear": lambda page: page.compare.state.choose_shown("b"),
    "lock-direction": lambda page: page.panel.latents.panel.shown.rows[0].slider.setFocus(),
}
"""What is done right before it."""
IN_A_FRAME = ("animate-frame", "animate-stop")
ELSEWHERE = {"explore.follow"} | {f"explore.redraw-{scale}" for scale in (3, 4, 5, 6)}
"""A run is followed in test_follow.py; the model of these tests has two scales."""


@pytest.mark.slow
def test_every_key_of_explore_does_something(page: ExplorePage, qtbot: Bot) -> None:
    registry = page.context.registry
    for number in range(2):
        page.state.show(Recipe(checkpoint="", base=Seed(number)), "a keyframe")
        qtbot.waitUntil(lambda: settled(page))
        add_keyframe(page)
    idle = []
    keys = {entry.key for entry in registry.entries() if entry.key.startswith("explore.") and entry.action.shortcuts()}
    assert keys > ELSEWHERE
    assert {f"explore.{name}" for name in PREPARED | AT_ONCE} < keys
    for key in sorted(keys - ELSEWHERE):
        name = key.removeprefix("explore.")
        for shortcut in registry[key].shortcuts():
            start_anew(page)
            qtbot.waitUntil(lambda: settled(page) and page.window().isActiveWindow())
            PREPARED.get(name, lambda page: None)(page)
            qtbot.waitUntil(lambda: settled(page))
            if name in IN_A_FRAME:
                page.animation.state.player.go_to(3)
                qtbot.waitUntil(lambda: page.animation.state.player.shown is not None)
            AT_ONCE.get(name, lambda page: None)(page)
            assert registry[key].isEnabled(), key
            before = state_of(page)
            press(qtbot, page.window().focusWidget() or page, shortcut)
            with suppress(pytestqt.exceptions.TimeoutError):
                qtbot.waitUntil(lambda before=before: state_of(page) != before, timeout=5000)
            if state_of(page) == before:
                idle.append((key, shortcut.toString()))
    assert not idle
