"""Hiding a part of a page without losing the keyboard."""

from PySide6.QtWidgets import QWidget


def show_or_hide(part: QWidget, shown: bool, heir: QWidget) -> None:
    """Show or hide `part`; if the keyboard was in what is hidden, it goes to `heir`.

    Qt would give it to the next widget of the window, where the letters of the page do nothing.
    """
    focus = part.window().focusWidget()
    if not shown and focus is not None and (focus is part or part.isAncestorOf(focus)):
        heir.setFocus()
    part.setVisible(shown)
