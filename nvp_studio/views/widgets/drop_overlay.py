"""A half-transparent overlay that shows what dropping the dragged files would do."""

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QColor, QDropEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from nvp_studio.state.paths import is_image_file
from nvp_studio.views.theme import SPACE, colors, scaled_font


def local_paths(event: QDropEvent) -> list[Path]:
    """The files and folders of this machine that are dragged."""
    return [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]


def image_of(event: QDropEvent) -> Path | None:
    """The image file that is dragged, None for anything else and for several."""
    paths = local_paths(event)
    return paths[0] if len(paths) == 1 and is_image_file(paths[0]) else None


class DropOverlay(QWidget):
    """Makes `target` accept drops, and covers `cover` while something that can be dropped is above the target."""

    def __init__(
        self,
        cover: QWidget,
        target: QWidget,
        describe: Callable[[QDropEvent], str],
        drop: Callable[[QDropEvent], object],
    ) -> None:
        """`describe` says what dropping would do, in a few words; empty when it would do nothing."""
        super().__init__(cover)
        self.text = ""
        self._cover, self._describe, self._drop = cover, describe, drop
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        target.setAcceptDrops(True)
        cover.installEventFilter(self)
        target.installEventFilter(self)
        self.hide()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Resize:
            self.setGeometry(self._cover.rect())
        elif event.type() == QEvent.Type.DragLeave:
            self.hide()
        elif isinstance(event, QDropEvent):
            self._on_drag(event)
            return True
        return False

    def _on_drag(self, event: QDropEvent) -> None:
        dropped = event.type() == QEvent.Type.Drop
        self.text = self._describe(event)
        event.setAccepted(bool(self.text))
        self.setGeometry(self._cover.rect())
        self.raise_()
        self.setVisible(bool(self.text) and not dropped)
        self.update()
        if self.text:
            event.acceptProposedAction()
            if dropped:
                self._drop(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        c = colors()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        veil = QColor(c.window)
        veil.setAlpha(220)
        painter.fillRect(self.rect(), veil)
        pen = QPen(QColor(c.accent), 2, Qt.PenStyle.DashLine)
        painter.setPen(pen)
        painter.drawRoundedRect(self.rect().adjusted(2 * SPACE, 2 * SPACE, -2 * SPACE, -2 * SPACE), 12, 12)
        painter.setPen(QColor(c.text))
        painter.setFont(scaled_font(20, bold=True))
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, self.text)
