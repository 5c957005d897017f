"""Messages reach the window from any module and thread, and pages are made without a window."""

import threading
from pathlib import Path

import pytest
from PySide6.QtWidgets import QWidget

from nvp_studio.state.engine import Engine
from nvp_studio.state.settings import SettingsStore
from nvp_studio.views import notify
from nvp_studio.views.context import WindowContext
from nvp_studio.views.main_window import page_entries
from nvp_studio.views.widgets import notification_stack
from nvp_studio.views.widgets.notification_stack import NotificationStack
from tests.qt import Bot


@pytest.fixture
def stack(qtbot: Bot) -> NotificationStack:
    stack = NotificationStack()
    qtbot.addWidget(stack)
    return stack


def test_a_thread_may_send_a_message(stack: NotificationStack, qtbot: Bot) -> None:
    thread = threading.Thread(target=lambda: notify.success("written", topic="export"))
    thread.start()
    thread.join()
    qtbot.waitUntil(lambda: [one.text for one in stack.shown] == ["written"])
    assert stack.shown[0].level == "success"


def test_a_message_is_reworded_while_it_is_shown_and_gone_once_withdrawn(stack: NotificationStack) -> None:
    notify.info("1 of 9", topic="copy")
    notify.reword("copy", "2 of 9")
    notify.reword("other", "nothing")
    assert [one.text for one in stack.shown] == ["2 of 9"]
    notify.withdraw("copy")
    notify.reword("copy", "3 of 9")
    assert stack.shown == []


def test_a_refusal_goes_when_its_place_succeeds_and_a_failure_stays(stack: NotificationStack) -> None:
    notify.refuse("not now", topic="explore")
    notify.refuse("not here", topic="map")
    notify.settle("explore")
    assert [one.text for one in stack.shown] == ["not here"]
    notify.error("not written", topic="explore")
    notify.settle("explore")
    assert [one.text for one in stack.shown] == ["not here", "not written"]
    notify.success("written", topic="explore")
    assert [one.text for one in stack.shown] == ["not here", "written"]


def test_a_refusal_goes_by_itself_and_a_failure_does_not(
    stack: NotificationStack, qtbot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_REFUSAL_MILLISECONDS", "_MILLISECONDS_A_CHARACTER"):
        monkeypatch.setattr(notification_stack, name, 1)
    notify.error("not written")
    notify.refuse("not now", topic="explore")
    qtbot.waitUntil(lambda: [one.text for one in stack.shown] == ["not written"])


def test_a_message_without_a_window_is_no_error(qtbot: Bot) -> None:
    notify.error("nobody sees this")


@pytest.mark.parametrize("entry", page_entries(), ids=lambda entry: entry.key)
def test_every_page_is_made_from_the_context_alone(entry, shared_engine: Engine, qtbot: Bot, tmp_path: Path) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    context = WindowContext(shared_engine, SettingsStore(tmp_path / "window.ini"), window)
    context.settings.values.runs_folder = str(tmp_path / "runs")
    context.registry.menus = dict.fromkeys(("file", "edit", "view", "help"), "")
    for key in ("file.open-model", "file.open-run", "edit.undo", "edit.redo", "help.lessons"):
        context.registry.add(key, key, lambda: None)
    page = entry.load()(context)
    assert page.key == entry.key
    page.activated()
    page.save_state()
