"""What the plots of growing curves share. Importing this brings pyqtgraph, which is slow."""

from typing import Any

import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPointF, Qt, Signal
from PySide6.QtGui import QColor, QMouseEvent
from PySide6.QtWidgets import QWidget

from nvp_studio.views.theme import colors, scaled_font, theme


class LivePlot(pg.PlotWidget):  # type: ignore[misc] # pyqtgraph has no types
    """Axes in the theme that follow the curves until a person zooms, and a line under the mouse.

    Who derives from it draws in `refresh`, and paints what it adds in `paint_in_theme`.
    """

    following_changed = Signal(bool)
    """Whether the axes follow the curves; False after a person zoomed."""
    pointed = Signal(object)
    """The place on the axis under the mouse, a float, or None."""
    fit_asked = Signal()

    left_axis_width = 46

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.following = True
        self._item: Any = self.getPlotItem()
        self._view: Any = self._item.getViewBox()
        self._item.hideButtons()
        self._item.setMenuEnabled(False)
        self._view.disableAutoRange()
        self._view.setMouseMode(self._view.PanMode)
        self.setFrameShape(self.Shape.NoFrame)
        self._pointer = pg.InfiniteLine(angle=90, movable=False)
        self._pointer.setVisible(False)
        self._item.addItem(self._pointer, ignoreBounds=True)
        self._view.sigRangeChangedManually.connect(lambda *_: self.set_following(False))
        self.scene().sigMouseMoved.connect(self._on_mouse_moved)
        theme().changed.connect(self.paint_in_theme)

    def refresh(self) -> None:
        """Draw anew: the curves grew, or others are to be shown."""
        raise NotImplementedError

    def follow(self) -> None:
        """Show all of it and follow."""
        self.set_following(True)
        self.refresh()

    def set_following(self, following: bool) -> None:
        """Have the axes follow the curves, or stay where they are."""
        if following != self.following:
            self.following = following
            self.following_changed.emit(following)

    def paint_in_theme(self) -> None:
        """Take the colours of the theme in force."""
        c = colors()
        self.setBackground(QColor(c.surface))
        self._pointer.setPen(pg.mkPen(c.dim, width=1, style=Qt.PenStyle.DotLine))
        for name in ("left", "bottom"):
            axis: Any = self._item.getAxis(name)
            axis.setPen(pg.mkPen(c.border))
            axis.setTextPen(pg.mkPen(c.dim))
            axis.setStyle(tickFont=scaled_font(11), tickLength=-4)
            axis.enableAutoSIPrefix(False)
        self._item.getAxis("left").setWidth(self.left_axis_width)
        self._item.showGrid(x=False, y=True, alpha=0.12)

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self._point_at(None)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self.fit_asked.emit()

    def _on_mouse_moved(self, place: QPointF) -> None:
        inside = self._view.sceneBoundingRect().contains(place)
        self._point_at(self._view.mapSceneToView(place).x() if inside else None)

    def _point_at(self, place: float | None) -> None:
        self._pointer.setVisible(place is not None)
        if place is not None:
            self._pointer.setPos(place)
        self.pointed.emit(place)
