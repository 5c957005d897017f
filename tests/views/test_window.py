"""The main window: pages, menus, palette, theme, notifications, drops, settings, closing."""

import os
import re
import signal
import sys
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QAction, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QFileDialog,
    QFrame,
    QLabel,
    QLineEdit,
    QMenu,
    QSlider,
    QWidget,
)

from nvp_studio.state.engine import Engine
from nvp_studio.state.settings import SettingsStore
from nvp_studio.views import action_needs, main_window, notify
from nvp_studio.views.about_dialog import AboutDialog
from nvp_studio.views.actions import keys_text, plain_text, why_not
from nvp_studio.views.command_palette import CommandPalette, ShortcutSheet
from nvp_studio.views.dialogs import Dialog
from nvp_studio.views.figures_dialog import FiguresDialog, explanations
from nvp_studio.views.help_dialog import HelpDialog
from nvp_studio.views.history_dialog import HistoryDialog
from nvp_studio.views.main_window import MainWindow, page_entries
from nvp_studio.views.page_help import page_help
from nvp_studio.views.theme import DARK, LIGHT, colors
from tests.qt import Bot, delete_now, drop, open_window


@pytest.fixture
def shared_window(shared_engine: Engine, qtbot: Bot, tmp_path: Path) -> MainWindow:
    def restore_theme(window: MainWindow) -> None:
        if colors() is not LIGHT:
            window.set_theme("light")

    return open_window(qtbot, shared_engine, tmp_path, before_close=restore_theme)


def test_every_page_of_the_rail_opens_by_click_and_by_shortcut(shared_window: MainWindow, qtbot: Bot) -> None:
    buttons = shared_window.findChild(QWidget, "rail").findChildren(QAbstractButton)
    assert [button.text() for button in buttons][:1] != []
    for number, button in enumerate(buttons, 1):
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
        by_click = shared_window.current_page
        assert by_click.isVisible()
        other = buttons[0] if button is not buttons[0] else buttons[-1]
        qtbot.mouseClick(other, Qt.MouseButton.LeftButton)
        shared_window.registry[f"view.page-{by_click.key}"].trigger()
        assert shared_window.current_page is by_click
        assert button.isChecked()
        assert shared_window.registry[f"view.page-{by_click.key}"].shortcut() == QKeySequence(f"Ctrl+{number}")


def test_pages_that_are_not_shown_wait_for_the_first_model_for_a_while(
    qtbot: Bot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker never greets."""
    monkeypatch.setattr(main_window, "_MODEL_MILLISECONDS", 200)
    engine = Engine([sys.executable, "-c", "import sys; sys.stdin.buffer.read()"])
    engine.start()
    window = MainWindow(engine, SettingsStore(tmp_path / "window.ini"))
    qtbot.addWidget(window)
    window.show()
    qtbot.waitUntil(lambda: window._others.isActive())
    assert not window.all_pages_built()
    assert engine.opening
    qtbot.waitUntil(window.all_pages_built)
    with qtbot.waitSignal(engine.stopped):
        engine.stop()


def test_no_two_actions_share_a_shortcut(shared_window: MainWindow) -> None:
    seen: dict[str, str] = {}
    for entry in shared_window.registry.entries():
        for keys in entry.action.shortcuts():
            text = keys.toString()
            assert text not in seen, f"{entry.key} and {seen[text]} share {text}"
            seen[text] = entry.key


def with_submenus(menu: QMenu) -> list[QMenu]:
    """A menu that was just opened, and the menus in it."""
    menu.aboutToShow.emit()
    return [menu, *(action.menu() for action in menu.actions() if action.menu() is not None)]


def found(palette: CommandPalette) -> list[str]:
    """Keys of the actions the palette lists."""
    items = [palette.list.topLevelItem(row) for row in range(palette.list.topLevelItemCount())]
    return [item.data(0, Qt.ItemDataRole.UserRole) for item in items]


def test_every_action_is_in_palette_and_help_and_says_why_it_is_not_possible(shared_window: MainWindow) -> None:
    registry = shared_window.registry
    in_menus: list[QAction] = []
    for top in shared_window.menuBar().actions():
        for menu in with_submenus(top.menu()):
            in_menus += [action for action in menu.actions() if not action.isSeparator() and action.menu() is None]
    assert set(in_menus) == {entry.action for entry in registry.entries() if entry.menu}
    assert len(in_menus) == len(set(in_menus))
    with_keys = [action for action in shared_window.findChildren(QAction) if action.shortcuts()]
    assert {action.objectName() for action in with_keys} <= {entry.key for entry in registry.entries()}
    assert shared_window.findChildren(QShortcut) == []

    palette = CommandPalette(registry, shared_window)
    assert found(palette) == [entry.key for entry in registry.entries() if entry.action.isVisible()]
    palette.field.setText("e")
    items = [palette.list.topLevelItem(row) for row in range(palette.list.topLevelItemCount())]
    listed = {item.data(0, Qt.ItemDataRole.UserRole): item for item in items}
    for entry in registry.entries():
        if "e" in palette._title(entry).lower():
            item = listed[entry.key]
            assert keys_text(entry.action, most=2) == item.text(1)
            possible = entry.action.isEnabled() and entry.action.isVisible()
            assert item.isDisabled() is not possible
            assert bool(why_not(entry.action)) is not possible, entry.key
            assert why_not(entry.action) in item.text(0)
    assert all(any(entry.key == key for entry in registry.entries()) for key in action_needs._needs())

    sheet = ShortcutSheet(registry, shared_window)
    groups = [sheet.list.topLevelItem(row) for row in range(sheet.list.topLevelItemCount())]
    rows = [
        (group.child(row).text(0), group.child(row).text(1)) for group in groups for row in range(group.childCount())
    ]
    for entry in registry.entries():
        if entry.action.shortcuts():
            assert (plain_text(entry.action), keys_text(entry.action)) in rows


def test_every_page_has_a_help_of_its_own(shared_window: MainWindow) -> None:
    terms = {figure.key: figure.term for figure in explanations()}
    for entry in page_entries():
        shared_window.show_page(entry.key)
        shared_window.registry["help.page"].trigger()
        dialog = shared_window.findChild(HelpDialog)
        text, help_ = dialog.text.toPlainText(), page_help(entry.key)
        dialog.reject()
        delete_now()
        assert help_.title == entry.title
        assert help_.purpose in text
        assert all(terms[key] in text for key in help_.figures)
        own = [one for one in shared_window.registry.entries() if one.key.startswith(help_.actions)]
        for one in own:
            assert not one.action.shortcuts() or keys_text(one.action) in text, one.key
        own_prefix = f"{'run' if entry.key == 'train' else entry.key}."
        assert any(one.key.startswith(own_prefix) for one in own)


@pytest.mark.slow
def test_a_menu_holds_the_same_each_time_it_opens(shared_window: MainWindow) -> None:
    for top in shared_window.menuBar().actions():
        menu = top.menu()
        shown = []
        for _ in range(3):
            actions = [action for one in with_submenus(menu) for action in one.actions()]
            shown.append([(action.text(), action.isSeparator()) for action in actions])
        assert shown[0] == shown[1] == shown[2]
    assert shared_window.registry["edit.undo"].text()
    assert shared_window.registry["view.log"].text()


def test_the_palette_runs_what_was_typed(shared_window: MainWindow, qtbot: Bot) -> None:
    palette = CommandPalette(shared_window.registry, shared_window)
    palette.open()
    qtbot.keyClicks(palette.field, "dark th")
    assert palette.list.topLevelItemCount() >= 1
    qtbot.keyClick(palette.field, Qt.Key.Key_Return)
    assert colors() is DARK
    assert not palette.isVisible()


@pytest.mark.slow
def test_the_palette_follows_what_can_be_done(shared_window: MainWindow) -> None:
    action = shared_window.registry["run.resume"]
    assert not action.isEnabled()
    palette = CommandPalette(shared_window.registry, shared_window)
    palette.field.setText("resume this")
    assert palette.list.topLevelItem(0).isDisabled()
    action.setEnabled(True)
    assert not palette.list.topLevelItem(0).isDisabled()
    assert palette.list.currentItem() is palette.list.topLevelItem(0)
    action.setEnabled(False)


@pytest.mark.slow
def test_the_palette_matches_letters_in_order(shared_window: MainWindow, qtbot: Bot) -> None:
    palette = CommandPalette(shared_window.registry, shared_window)
    palette.field.setText("lgtthm")
    assert found(palette)[0] == "view.theme-light"
    palette.field.setText("zzzzqq")
    assert palette.list.topLevelItemCount() == 0
    qtbot.keyClick(palette.field, Qt.Key.Key_Return)


def test_the_theme_changes_colours_and_icons_and_is_remembered(shared_window: MainWindow, tmp_path: Path) -> None:
    action = shared_window.registry["file.open-model"]
    light = action.icon().pixmap(16, 16).toImage()
    shared_window.registry["view.theme-dark"].trigger()
    assert colors() is DARK
    assert QApplication.palette().window().color().name() == DARK.window
    assert action.icon().pixmap(16, 16).toImage() != light
    assert SettingsStore(tmp_path / "window.ini").values.theme == "dark"
    shared_window.registry["view.theme-light"].trigger()
    assert colors() is LIGHT
    assert action.icon().pixmap(16, 16).toImage() == light


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours as WCAG 2 defines it."""

    def luminance(color: str) -> float:
        parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.name)
def test_every_text_colour_is_readable_where_it_stands(theme) -> None:
    for ground in (theme.window, theme.surface):
        for ink in (theme.text, theme.dim, theme.accent, theme.success, theme.warning, theme.error):
            assert contrast(ink, ground) >= 4.5, (ink, ground)
    assert contrast(theme.on_accent, theme.accent) >= 4.5
    assert contrast(theme.text, theme.selection) >= 4.5
    assert contrast(theme.text, theme.raised) >= 4.5


def test_every_input_has_an_accessible_name(shared_window: MainWindow) -> None:
    nameless = [
        f"{type(widget).__name__} in {type(widget.parent()).__name__}"
        for kind in (QAbstractButton, QAbstractSpinBox, QComboBox, QLineEdit, QSlider)
        for widget in shared_window.findChildren(kind)
        if not (widget.accessibleName() or getattr(widget, "text", str)())
        and not widget.objectName().startswith("qt_")
        and not isinstance(widget.parent(), QAbstractSpinBox | QComboBox)
    ]
    assert not nameless


def test_notices_replace_their_topic_stack_and_close(shared_window: MainWindow, qtbot: Bot) -> None:
    done: list[str] = []
    notify.error("first", topic="a")
    notify.error("second", topic="a")
    notify.warning("third", actions=[("Do it", lambda: done.append("did"))])
    assert [notice.text for notice in shared_window.notifications.shown] == ["second", "third"]
    button = next(b for b in shared_window.notifications.findChildren(QAbstractButton) if b.text() == "Do it")
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert done == ["did"]
    assert [notice.text for notice in shared_window.notifications.shown] == ["second"]
    notify.withdraw("a")
    assert not shared_window.notifications.isVisible()
    notify.warning("fourth")
    bell = next(button for button in shared_window._corner.findChildren(QAbstractButton))
    assert bell.accessibleName() == "Messages: 1 unread"
    qtbot.mouseClick(bell, Qt.MouseButton.LeftButton)
    dialog = shared_window.findChild(HistoryDialog)
    assert dialog.list.item(0, 2).text() == "fourth"
    dialog.reject()


@pytest.mark.slow
def test_notices_shown_at_once_are_each_readable(shared_window: MainWindow, qtbot: Bot) -> None:
    for number in range(3):
        notify.error(f"notice {number} " + "with many words " * 12 * number, report="x")
    bars = [widget for widget in shared_window.notifications.children() if isinstance(widget, QFrame)]
    assert len(bars) == 3
    words = [label for bar in bars for label in bar.findChildren(QLabel) if label.text().startswith("notice")]
    QApplication.processEvents()  # lays the notices out
    qtbot.waitUntil(lambda: all(label.height() >= label.heightForWidth(label.width()) for label in words))
    places = [bar.geometry() for bar in bars]
    assert not any(one.intersects(other) for i, one in enumerate(places) for other in places[:i])


@pytest.mark.slow
def test_a_notice_covers_nothing_of_the_pages(shared_window: MainWindow, qtbot: Bot) -> None:
    notify.error("broken")
    notices = shared_window.notifications
    for key in ("train", "explore", "score"):
        shared_window.show_page(key)
        page = shared_window.current_page
        qtbot.waitUntil(
            lambda page=page: (
                page.mapTo(shared_window, page.rect().bottomLeft()).y()
                < notices.mapTo(shared_window, notices.rect().topLeft()).y()
            )
        )
        assert notices.isVisible()


@pytest.mark.slow
def test_a_notice_follows_the_theme(shared_window: MainWindow) -> None:
    notify.error("broken")
    bar = next(widget for widget in shared_window.notifications.children() if isinstance(widget, QFrame))
    before = bar.grab().toImage().pixelColor(bar.width() // 2, 3)
    shared_window.set_theme("dark")
    assert before.name() == LIGHT.surface
    assert bar.grab().toImage().pixelColor(bar.width() // 2, 3).name() == DARK.surface


@pytest.mark.slow
def test_a_report_can_be_copied(shared_window: MainWindow, qtbot: Bot) -> None:
    notify.error("broken", report="line 1\nline 2")
    button = next(b for b in shared_window.notifications.findChildren(QAbstractButton) if b.text() == "Copy report")
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert QApplication.clipboard().text() == "line 1\nline 2"


def test_a_dropped_model_is_opened_on_explore_from_any_page(
    shared_window: MainWindow, shared_engine: Engine, qtbot: Bot, small_model: Path, other_model: Path
) -> None:
    pages = [entry for entry in shared_window.registry.entries("view") if entry.key.startswith("view.page-")]
    pages[-1].action.trigger()
    assert drop(shared_window, [other_model])
    qtbot.waitUntil(lambda: shared_engine.model.path == str(other_model))
    assert shared_window.current_page.key == "explore"
    assert drop(shared_window, [small_model])
    qtbot.waitUntil(lambda: shared_engine.model.path == str(small_model))


def test_a_drop_that_no_page_can_use_is_refused(shared_window: MainWindow, tmp_path: Path) -> None:
    path = tmp_path / "notes.pdf"  # a text may hold points for Lab
    path.write_text("nothing to see")
    assert not drop(shared_window, [path])


def test_a_model_that_cannot_be_opened_is_reported(
    shared_window: MainWindow, shared_engine: Engine, qtbot: Bot, tmp_path: Path
) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(b"\x10\x00\x00\x00\x00\x00\x00\x00{")
    drop(shared_window, [path])
    qtbot.waitUntil(lambda: bool(shared_window.notifications.shown))
    assert "bad.safetensors" in shared_window.notifications.shown[-1].text


@pytest.mark.slow
def test_a_crash_is_reported_and_its_notification_replaced_after_the_restart(
    window: MainWindow, engine: Engine, qtbot: Bot
) -> None:
    os.kill(engine.explorer.pid, signal.SIGKILL)
    qtbot.waitUntil(lambda: bool(window.notifications.shown))
    assert "killed" in window.notifications.shown[-1].text
    assert "killed" in window.notifications.shown[-1].report
    qtbot.waitUntil(lambda: engine.explorer.state == "ready")
    assert [notice.level for notice in window.notifications.shown] == ["success"]


@pytest.mark.slow
def test_a_model_that_does_not_open_is_named_once_without_its_folder(shared_window: MainWindow) -> None:
    engine = shared_window.engine
    engine.model_failed.emit(
        "/far/away/run", "/far/away/run/checkpoints/best.safetensors is not a usable checkpoint: no"
    )
    assert [notice.text for notice in shared_window.notifications.shown] == [
        "run/checkpoints/best.safetensors is not a usable checkpoint: no"
    ]
    engine.model_failed.emit("/far/away/faces.safetensors", "there is no such file")
    assert shared_window.notifications.shown[-1].text == "Cannot open faces.safetensors: there is no such file"
    engine.model_failed.emit(
        "/far/away/faces.safetensors", "/far/away/faces.safetensors is not a usable checkpoint: no"
    )
    assert shared_window.notifications.shown[-1].text == "faces.safetensors is not a usable checkpoint: no"


@pytest.mark.slow
def test_no_letter_of_a_menu_has_two_items(shared_window: MainWindow) -> None:
    for top in shared_window.menuBar().actions():
        for menu in with_submenus(top.menu()):
            letters = [QKeySequence.mnemonic(action.text()).toString() for action in menu.actions()]
            letters = [letter for letter in letters if letter]
            assert len(letters) == len(set(letters)), f"{menu.title()}: {sorted(letters)}"


@pytest.mark.slow
def test_every_menu_fits_a_small_screen_in_one_column(shared_window: MainWindow) -> None:
    for top in shared_window.menuBar().actions():
        for menu in with_submenus(top.menu()):
            actions = [action for action in menu.actions() if not action.isSeparator()]
            for action in actions:
                action.setVisible(True)  # whatever is hidden now may be shown together
            size = menu.sizeHint()
            assert size.width() <= 800, menu.title()
            assert size.height() <= 600, menu.title()
            assert len({menu.actionGeometry(action).left() for action in actions}) == 1, menu.title()
    explore = shared_window._menus["explore"]
    assert len([action for action in explore.actions() if not action.isSeparator()]) <= 15
    assert "explore.blend-file-a" in [action.objectName() for action in with_submenus(explore)[3].actions()]


def test_page_and_log_are_restored_at_the_next_start(shared_engine: Engine, qtbot: Bot, tmp_path: Path) -> None:
    first = open_window(qtbot, shared_engine, tmp_path)
    last_page = list(first.registry.entries("view"))
    pages = [entry.key.removeprefix("view.page-") for entry in last_page if entry.key.startswith("view.page-")]
    first.show_page(pages[-1])
    first.registry["view.log"].trigger()
    first.resize(1100, 700)
    first.close()

    second = open_window(qtbot, shared_engine, tmp_path)
    assert second.current_page.key == pages[-1]
    assert second.log_dock.isVisible()
    assert second.height() == 700


@pytest.mark.slow
def test_each_page_fits_into_800_by_600(shared_window: MainWindow, qtbot: Bot, tmp_path: Path) -> None:
    shared_window.resize(800, 600)
    assert shared_window.size().toTuple() == (800, 600)
    for key in ("train", "explore", "score", "runs"):
        shared_window.show_page(key)
        QApplication.processEvents()
        page = shared_window.current_page
        assert page.minimumSizeHint().width() <= page.width(), key
        assert page.minimumSizeHint().height() <= page.height(), key
    shared_window.show_page("score")
    menus = [action for action in shared_window.menuBar().actions() if action.isVisible()]
    places = [shared_window.menuBar().actionGeometry(action) for action in menus]
    assert all(place.width() > 20 for place in places)
    assert not any(place.intersects(shared_window._corner.geometry()) for place in places)


def test_the_window_leaves_room_for_its_frame_on_a_small_screen(shared_window: MainWindow) -> None:
    room = shared_window.screen().availableGeometry()
    shared_window.resize(room.width() + 300, room.height() + 300)
    shared_window.fit_screen()
    assert shared_window.width() < room.width()
    assert shared_window.height() < room.height()
    shared_window.setMinimumSize(400, 300)
    shared_window.resize(500, 400)
    shared_window.fit_screen()
    assert shared_window.size().toTuple() == (500, 400)


@pytest.mark.slow
def test_letters_in_an_open_menu_are_the_menus_own(shared_window: MainWindow, qtbot: Bot) -> None:
    shared_window.show_page("explore")
    hits: list[str] = []
    page_shortcut = shared_window.registry["explore.randomize"]
    assert page_shortcut.shortcut() == QKeySequence("D")
    page_shortcut.triggered.connect(lambda: hits.append("page"))
    menu = next(top.menu() for top in shared_window.menuBar().actions() if "View" in top.text().replace("&", ""))
    menu.popup(QPoint(0, 0))
    qtbot.keyClick(menu, Qt.Key.Key_D)
    assert colors() is DARK
    assert not menu.isVisible()
    assert hits == []


def test_the_log_shows_what_a_worker_writes(shared_window: MainWindow, shared_engine: Engine) -> None:
    shared_engine.explorer.log_line.emit("something <odd> happened")
    assert "explorer  something <odd> happened" in shared_window.log_dock.text.toPlainText()


def test_the_figures_are_explained(shared_window: MainWindow) -> None:
    shared_window.registry["help.figures"].trigger()
    dialog = next(child for child in shared_window.children() if isinstance(child, FiguresDialog))
    text = dialog.text.toPlainText().lower()
    for word in ("bits/dim", "percentile", "temperature", "scale", "unusual", "above 8", "directions"):
        assert word in text
    dialog.reject()


def test_a_file_dialog_remembers_its_folder_at_once(
    shared_window: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    proposed: list[str] = []

    def choose(_parent: QWidget, _title: str, start: str, _filters: str) -> tuple[str, str]:
        proposed.append(start)
        return str(folder / "one"), ""

    monkeypatch.setattr(QFileDialog, "getSaveFileName", choose)
    for _ in range(2):
        assert shared_window.context.ask_save("pictures", "Save", "one.png", "PNG (*.png)") == folder / "one.png"
    assert proposed[1] == str(folder / "one.png")
    assert SettingsStore(tmp_path / "window.ini").values.folders["pictures"] == str(folder)


def test_about_names_versions_and_folders_and_copies_them(shared_window: MainWindow, tmp_path: Path) -> None:
    shared_window.registry["help.about"].trigger()
    dialog = shared_window.findChild(AboutDialog)
    dialog.copy.click()
    copied = QApplication.clipboard().text()
    for name in ("NVP Studio", "Python", "PySide6", "PyTorch", "Device", "numpy", "Runs", "Prepared data"):
        assert re.search(rf"^{name}: .*\w", copied, re.MULTILINE), name
    assert str(tmp_path / "window.ini") in copied
    for words in ("Fashion-MNIST", "Peeps", "Lucide"):
        assert words in dialog.text.toPlainText()
    dialog.reject()


def test_no_dialog_is_larger_than_the_screen(qtbot: Bot) -> None:
    dialog = Dialog(None)
    dialog.resize(9000, 9000)
    dialog.show()
    room = dialog.screen().availableSize()
    assert dialog.width() <= room.width()
    assert dialog.height() <= room.height()
    dialog.reject()
