"""What the drawings of Lab in one dimension share: handles, ticks, shades."""

from collections.abc import Collection

import numpy as np
import numpy.typing as npt
from pyqtgraph.functions import arrayToQPolygonF
from PySide6.QtCore import QEvent, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QKeyEvent, QPainter, QPen, QPolygonF

from nvp_studio.text import figure
from nvp_studio.views.theme import colors, scaled_font

CURVE_STEPS = 401
"""Points of a curve."""
ARROWS = {
    Qt.Key.Key_Up: (0, 1),
    Qt.Key.Key_Down: (0, -1),
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
}
"""The direction (right, up) of each arrow key."""
_RADIUS = 5.0


def keeps_key(event: QEvent, keys: Collection[int]) -> bool:
    """Whether `event` asks if a key is a shortcut although the widget that has the focus uses it: then it is not."""
    if event.type() != QEvent.Type.ShortcutOverride or not isinstance(event, QKeyEvent) or event.key() not in keys:
        return False
    if event.modifiers() & ~(Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.KeypadModifier):
        return False
    event.accept()
    return True


def with_alpha(color: str, alpha: int) -> QColor:
    """A colour of the theme, as opaque as `alpha` of 255."""
    result = QColor(color)
    result.setAlpha(alpha)
    return result


def polygon(across: npt.ArrayLike, down: npt.ArrayLike) -> QPolygonF:
    """The points at these places, in pixels."""
    x, y = (np.ascontiguousarray(values, np.float64) for values in np.broadcast_arrays(across, down))
    result: QPolygonF = arrayToQPolygonF(x, y)
    return result


def draw_handle(painter: QPainter, place: QPointF, *, chosen: bool) -> None:
    """A point that can be dragged; the `chosen` one is moved by keys."""
    c = colors()
    painter.setPen(QPen(QColor(c.text if chosen else c.accent), 3 if chosen else 2))
    painter.setBrush(QColor(c.surface))
    painter.drawEllipse(place, _RADIUS + chosen, _RADIUS + chosen)


def draw_ticks(
    painter: QPainter, area: QRectF, across: tuple[float, float], up: tuple[float, float], count: int = 5
) -> None:
    """Numbers below and at the left of a panel, evenly spaced over its ranges."""
    painter.setFont(scaled_font(11))
    painter.setPen(QColor(colors().dim))
    for index in range(count):
        share = index / (count - 1)
        x = area.left() + share * area.width()
        y = area.bottom() - share * area.height()
        below = QRectF(x - 20, area.bottom() + 2, 40, 16)
        painter.drawText(below, Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop, _number(across, share))
        left = QRectF(area.left() - 34, y - 8, 30, 16)
        painter.drawText(left, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, _number(up, share))


def _number(ends: tuple[float, float], share: float) -> str:
    return figure(ends[0] + share * (ends[1] - ends[0]), ".4g")
