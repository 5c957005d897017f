"""A value that a person edits by gestures and keys, with undo."""

from typing import Generic, TypeVar

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QUndoStack

from nvp_studio.state.value_edit import ValueEdit

T = TypeVar("T")


class EditedValue(QObject, Generic[T]):
    """An immutable value; a gesture (a mouse button held) is one undo entry, quick keys for the same thing another."""

    changed = Signal()
    """The value, or `problem`."""
    undone = Signal()
    """The value was brought back, or made again, by the undo history."""

    def __init__(self, value: T, undo: QUndoStack, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.value = value
        self.problem = ""
        """Why the last change was not possible, or only in part."""
        self._undo = undo
        self._gesture: T | None = None
        self._pushing = False

    @property
    def held(self) -> bool:
        """Whether a gesture is under way."""
        return self._gesture is not None

    def begin_gesture(self) -> None:
        """What follows until `end_gesture` is one undo entry."""
        self._gesture = self.value

    def end_gesture(self, text: str) -> None:
        """Close the gesture; `text` names it in the undo menu."""
        before, self._gesture = self._gesture, None
        if before is not None and before != self.value:
            self._push(ValueEdit(self._restore, text, before, self.value, ""))

    def edit(self, value: T, text: str, merge_key: str = "", problem: str = "") -> None:
        """Take another value, with what is to be said about it."""
        self.problem = problem
        if value == self.value:
            self.changed.emit()
        elif self._gesture is not None:
            self._apply(value)
        else:
            self._push(ValueEdit(self._restore, text, self.value, value, merge_key))

    def refuse(self, problem: str) -> None:
        """Say why something is not possible."""
        self.problem = problem
        self.changed.emit()

    def _push(self, edit: ValueEdit) -> None:
        self._pushing = True
        self._undo.push(edit)  # which makes the edit
        self._pushing = False

    def _restore(self, value: T) -> None:
        if not self._pushing:
            self.undone.emit()
        self._apply(value)

    def _apply(self, value: T) -> None:
        self.value = value
        self.changed.emit()
