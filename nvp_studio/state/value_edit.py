"""An entry of an undo history: one value replaced by another."""

import time
from collections.abc import Callable
from typing import Any

from PySide6.QtGui import QUndoCommand

MERGE_SECONDS = 1.0
"""Seconds within which edits of the same thing by keys or wheel become one undo entry."""


class ValueEdit(QUndoCommand):
    """A change from one immutable value to another; quick changes of the same thing become one entry."""

    def __init__(self, apply: Callable[[Any], None], text: str, before: Any, after: Any, merge_key: str) -> None:
        """`apply` shows a value; edits of one `merge_key` are merged where they follow each other quickly."""
        super().__init__(text)
        self._apply, self.before, self.after = apply, before, after
        self._merge_key, self._when = merge_key, time.monotonic()

    def id(self) -> int:
        return 1 if self._merge_key else -1

    def mergeWith(self, other: QUndoCommand) -> bool:
        if not isinstance(other, ValueEdit) or other._merge_key != self._merge_key:
            return False
        if other._when - self._when > MERGE_SECONDS:
            return False
        self.after, self._when = other.after, other._when
        return True

    def undo(self) -> None:
        self._apply(self.before)

    def redo(self) -> None:
        self._apply(self.after)
