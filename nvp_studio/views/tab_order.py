"""The order in which Tab goes through a window: as its parts are laid out, from left to right and from top to bottom.

Qt goes through widgets in the order in which they were made, which is another one wherever parts are made late.
"""

from collections.abc import Iterator, Sequence

from PySide6.QtCore import QRect, Qt
from PySide6.QtWidgets import QLayout, QMainWindow, QScrollArea, QSplitter, QWidget

_BACKWARDS = Qt.FocusReason.BacktabFocusReason
_FORWARDS = Qt.FocusReason.TabFocusReason


def move_focus(window: QWidget, forwards: bool) -> bool:
    """Give the keyboard focus to the next place of `window` that takes it, or to the one before; False without any."""
    places = list(stops(window))
    if not places:
        return False
    focus = window.focusWidget()
    if focus in places:
        target = places[(places.index(focus) + (1 if forwards else -1)) % len(places)]
    else:
        inside = [place for place in places if focus is not None and focus.isAncestorOf(place)]
        target = (inside or places)[0 if forwards else -1]
    target.setFocus(_FORWARDS if forwards else _BACKWARDS)
    _scroll_to(target)
    return True


def stops(root: QWidget) -> Iterator[QWidget]:
    """The widgets in and below `root` that Tab reaches, in its order."""
    for child in _children(root):
        if child.isWindow() or not child.isVisibleTo(root.window()) or not child.isEnabled():
            continue
        if child.focusPolicy() & Qt.FocusPolicy.TabFocus == Qt.FocusPolicy.TabFocus and child.focusProxy() is None:
            yield child
        yield from stops(child)


def _children(parent: QWidget) -> list[QWidget]:
    """The widgets directly in `parent`, as they are laid out; those in no layout come last."""
    placed: list[QWidget | None] = []
    match parent:
        case QScrollArea():
            content: QWidget | None = parent.widget()
            return [] if content is None else [content]  # beside it are bars to scroll with
        case QSplitter():
            placed = [parent.widget(index) for index in range(parent.count())]
        case QMainWindow():
            placed = [parent.menuWidget(), parent.centralWidget()]
        case _:
            layout = parent.layout()
            placed = list(_laid_out(layout)) if layout is not None else []
    others = [child for child in parent.children() if isinstance(child, QWidget) and child not in placed]
    return [child for child in placed if child is not None] + others


def _laid_out(layout: QLayout) -> Iterator[QWidget]:
    items = [item for index in range(layout.count()) if (item := layout.itemAt(index)) is not None]
    for index in _by_rows([item.geometry() for item in items]):
        widget, inner = items[index].widget(), items[index].layout()
        if widget is not None:
            yield widget
        elif inner is not None:
            yield from _laid_out(inner)


def _by_rows(areas: Sequence[QRect]) -> list[int]:
    """Places of the areas in reading order; two are in one row when the middle of one is within the other's height."""
    rows: list[list[int]] = []
    for index in sorted(range(len(areas)), key=lambda index: areas[index].center().y()):
        middle = areas[index].center().y()
        if rows and areas[rows[-1][0]].top() <= middle <= areas[rows[-1][0]].bottom():
            rows[-1].append(index)
        else:
            rows.append([index])
    return [index for row in rows for index in sorted(row, key=lambda index: areas[index].left())]


def _scroll_to(widget: QWidget) -> None:
    """Bring a widget into view in each scroll area that it is in."""
    parent = widget.parentWidget()
    while parent is not None:
        if isinstance(parent, QScrollArea):
            parent.ensureWidgetVisible(widget)
        parent = parent.parentWidget()
