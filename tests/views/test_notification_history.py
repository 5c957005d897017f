"""The list of messages: what has left the screen can be read, copied and still be acted on; no error goes unseen."""

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractButton, QApplication, QWidget

from nvp_studio.state.stored_messages import MAX_STORED, MAX_TEXT
from nvp_studio.views import notify
from nvp_studio.views.actions import ActionRegistry
from nvp_studio.views.history_dialog import HistoryDialog
from nvp_studio.views.notification_history import MAX_MESSAGES, NotificationHistory
from nvp_studio.views.widgets.message_button import MessageButton
from nvp_studio.views.widgets.notification_stack import NotificationStack
from tests.qt import Bot


def buttons(widget: QWidget) -> list[str]:
    return [button.text() for button in widget.findChildren(QAbstractButton) if not button.isHidden()]


def press(qtbot: Bot, widget: QWidget, text: str) -> None:
    shown = [button for button in widget.findChildren(QAbstractButton) if button.isVisibleTo(widget)]
    found = [button for button in shown if text in (button.text(), button.accessibleName())]
    qtbot.mouseClick(found[0], Qt.MouseButton.LeftButton)


def test_no_error_leaves_the_screen_unseen(qtbot: Bot) -> None:
    root = QWidget()
    qtbot.addWidget(root)
    history, stack = NotificationHistory(root), NotificationStack(root)
    button = MessageButton(ActionRegistry(root).add("view.messages", "&Messages", lambda: None), history)
    button.setParent(root)
    notify.error("first")
    notify.info("second")
    notify.warning("third")
    notify.error("fourth")
    assert [one.text for one in stack.shown] == ["first", "third", "fourth"], "the lightest goes first"
    notify.error("fifth")
    notify.error("sixth")
    assert [one.text for one in stack.shown] == ["fourth", "fifth", "sixth"]
    assert [one.text for one in history.unread] == ["first", "third", "fourth", "fifth", "sixth"]
    assert button.text() == " 5"
    notify.info("seventh")
    notify.info("eighth")
    assert [one.text for one in stack.shown] == ["fourth", "fifth", "sixth", "eighth"]
    press(qtbot, stack, "Close this notification")
    assert [one.text for one in history.unread] == ["first", "third", "fifth", "sixth"]
    assert button.accessibleName() == "Messages: 4 unread"
    dialog = HistoryDialog(history, root)
    qtbot.waitUntil(lambda: not history.unread)
    assert button.text() == ""
    assert button.accessibleName() == "Messages"
    assert dialog.list.item(0, 2).text() == "eighth"
    dialog.reject()


def test_a_message_offers_its_action_as_long_as_it_makes_sense(qtbot: Bot) -> None:
    root = QWidget()
    qtbot.addWidget(root)
    history, stack = NotificationHistory(root), NotificationStack(root)
    done: list[str] = []
    notify.info("moved", topic="trash", actions=[("Restore", lambda: done.append("restored"))])
    notify.error(
        "<b>broken</b>\x1b", topic="run", report="line 1", actions=[("Resume", lambda: done.append("resumed"))]
    )
    press(qtbot, stack, "Close this notification")
    dialog = HistoryDialog(history, root)
    assert dialog.list.item(0, 2).text() == "<b>broken</b>\x1b", "which the delegate shows as it is"
    assert "Resume" in buttons(dialog)
    dialog.copy.click()
    copied = QApplication.clipboard().text()
    assert "error  <b>broken</b>" in copied
    assert copied.endswith("line 1")
    notify.error("other", topic="run")
    assert "Resume" not in buttons(dialog), "a newer message of the topic replaced it"
    dialog.list.setCurrentCell(2, 0)
    assert "Restore" in buttons(dialog)
    press(qtbot, dialog, "Restore")
    assert done == ["restored"]
    assert not dialog.isVisible()
    assert [one.text for one in stack.shown] == ["other"]

    dialog = HistoryDialog(history, root)
    dialog.list.setCurrentCell(2, 0)
    assert dialog.chosen is not None
    assert dialog.chosen.text == "moved"
    assert "Restore" not in buttons(dialog), "it was used"
    dialog.copy_all.click()
    assert QApplication.clipboard().text().count("\n") == 3
    dialog.clear.click()
    assert history.messages == []
    assert not dialog.empty.isHidden()
    dialog.reject()


def test_a_button_that_can_lose_something_is_not_the_recommended_one(qtbot: Bot) -> None:
    root = QWidget()
    qtbot.addWidget(root)
    history, stack = NotificationHistory(root), NotificationStack(root)
    done: list[str] = []
    notify.info("harmless", actions=[("Show", lambda: done.append("shown"))])
    notify.warning("slow", actions=[("Force stop", lambda: done.append("stopped"))], harmful=True)
    dialog = HistoryDialog(history, root)
    assert dialog.chosen is not None
    assert dialog.chosen.text == "slow"
    marked = {
        (button.text(), button.property("primary"))
        for widget in (stack, dialog)
        for button in widget.findChildren(QAbstractButton)
        if button.text() in ("Show", "Force stop")
    }
    assert marked == {("Show", True), ("Force stop", False)}, "on the screen and in the list"
    dialog.list.itemActivated.emit(dialog.list.item(0, 0))
    assert done == [], "Enter does not force a stop"
    dialog.list.setCurrentCell(1, 0)
    dialog.list.itemActivated.emit(dialog.list.item(1, 0))
    assert done == ["shown"]


def test_what_repeats_is_counted_and_the_oldest_are_forgotten(qtbot: Bot) -> None:
    root = QWidget()
    qtbot.addWidget(root)
    history = NotificationHistory(root)
    for _ in range(3):
        notify.error("too far out", topic="explore")
    notify.info("1 of 9", topic="copy")
    notify.reword("copy", "2 of 9")
    assert [(one.text, one.times) for one in history.messages] == [("too far out", 3), ("2 of 9", 1)]
    notify.withdraw("explore")
    assert history.messages[0].settled
    assert not history.unread
    for number in range(MAX_MESSAGES):
        notify.info(str(number))
    assert len(history.messages) == MAX_MESSAGES
    assert history.messages[0].text == "0"


def test_the_last_messages_are_kept_for_the_next_start(qtbot: Bot, tmp_path: Path) -> None:
    root, path = QWidget(), tmp_path / "new" / "window.messages"
    qtbot.addWidget(root)
    history = NotificationHistory(root, path)
    for number in range(MAX_STORED + 5):
        notify.info(f"message {number}")
    notify.error("x" * (MAX_TEXT + 10), actions=[("Again", lambda: None)])
    qtbot.waitUntil(path.exists)
    history.save()
    later = NotificationHistory(root, path)
    assert len(later.messages) == MAX_STORED
    assert later.messages[0].text == "message 6"
    assert later.messages[-1].text == "x" * MAX_TEXT
    assert (later.messages[-1].sent.level, later.messages[-1].when) == ("error", history.messages[-1].when)
    assert not later.unread, "what was there before is not counted as new"
    dialog = HistoryDialog(later, root)
    assert "Again" not in buttons(dialog), "what it offered makes no sense any more"
    assert dialog.list.rowCount() == MAX_STORED
    dialog.reject()
    later.clear()
    later.save()
    assert NotificationHistory(root, path).messages == []


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[" * 100_000, b"\xff\x00", b'[{"level":"loud","text":"a","when":"2026-01-01T00:00:00"}]']
)
def test_damaged_messages_cost_nothing_but_themselves(qtbot: Bot, tmp_path: Path, content: bytes) -> None:
    root, path = QWidget(), tmp_path / "window.messages"
    qtbot.addWidget(root)
    path.write_bytes(content)
    history = NotificationHistory(root, path)
    assert history.messages == []
    notify.info("fresh")
    history.save()
    assert [one.text for one in NotificationHistory(root, path).messages] == ["fresh"]


def test_messages_are_shown_where_they_cannot_be_kept(qtbot: Bot, tmp_path: Path) -> None:
    root = QWidget()
    qtbot.addWidget(root)
    (tmp_path / "file").write_bytes(b"")
    history = NotificationHistory(root, tmp_path / "file" / "window.messages")
    notify.info("fresh")
    history.save()
    assert [one.text for one in history.messages] == ["fresh"]
