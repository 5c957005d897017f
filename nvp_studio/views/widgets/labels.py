"""Labels that shorten a text which does not fit, and labels that are there only with a text."""

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QLabel, QSizePolicy

from nvp_studio.views.theme import set_role


class ElidedLabel(QLabel):
    """One line of plain text, as wide as the layout allows; with `grows=False` no wider than the text.

    Where the text does not fit it ends in an ellipsis, and the whole of it is the tool tip.
    """

    def __init__(self, text: str = "", *, role: str = "", grows: bool = True) -> None:
        """`role` is that of the style sheet in `theme`."""
        super().__init__(text)
        self.setProperty("role", role)
        self.setTextFormat(Qt.TextFormat.PlainText)
        across = QSizePolicy.Policy.Ignored if grows else QSizePolicy.Policy.Preferred
        self.setSizePolicy(across, QSizePolicy.Policy.Preferred)

    def minimumSizeHint(self) -> QSize:
        return QSize(0, super().minimumSizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        rect = self.contentsRect()
        text = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, rect.width())
        self.setToolTip(self.text() if text != self.text() else "")
        painter.setPen(self.palette().color(self.foregroundRole()))
        painter.drawText(rect, int(self.alignment()), text)


class NoteLabel(QLabel):
    """Shows a note in the look of a role."""

    def __init__(self) -> None:
        super().__init__()
        self.setWordWrap(True)
        self.show_text("")

    def show_text(self, text: str, role: str = "dim") -> None:
        """Show `text` in the look of `role`; an empty text hides the label."""
        self.setText(text)
        self.setVisible(bool(text))
        set_role(self, role)
