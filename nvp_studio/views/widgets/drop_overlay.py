"""A half-transparent overlay that shows what dropping the dragged files would do."""

from pathlib import Path

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QColor, QDropEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from nvp_studio.views.theme import SPACE, colors, scaled_font


def local_paths(event: QDropEvent) -> list[Path]:
    """The files and folders of this machine that are dragged."""
    return [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]


class DropOverlay(QWidget):
    """Covers `host` while something that can be dropped is above it."""

    def __init__(self, host: QWidget) -> None:
        super().__init__(host)
        self.text = ""
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        host.installEventFilter(self)
        self.hide()

    def show_text(self, text: str) -> None:
        """Cover the host and show `text`."""
        self.text = text
        parent = self.parentWidget()
        assert parent is not None
        self.setGeometry(parent.rect())
        self.raise_()
        self.show()
        self.update()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Resize and isinstance(watched, QWidget):
            self.setGeometry(watched.rect())
        return False

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
