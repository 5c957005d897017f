"""Labels that show a text as it is, shorten one that does not fit, or are there only with one."""

from PySide6.QtCore import QSize
from PySide6.QtGui import QPainter, QPaintEvent, Qt
from PySide6.QtWidgets import QLabel, QSizePolicy

from nvp_studio.text import escaped_lines
from nvp_studio.views.theme import set_role


def plain_tip(text: str) -> str:
    """A tool tip that shows `text` as it is: one that looks like HTML would be taken for it."""
    text = escaped_lines(text)
    return Qt.convertFromPlainText(text) if Qt.mightBeRichText(text) else text


class TextLabel(QLabel):
    """Plain text: nothing in a name is taken for HTML, and control characters are shown as escapes."""

    def __init__(self, text: str = "", *, role: str = "") -> None:
        """`role` is that of the style sheet in `theme`."""
        super().__init__(escaped_lines(text))
        self.setProperty("role", role)
        self.setTextFormat(Qt.TextFormat.PlainText)

    def setText(self, text: str) -> None:
        super().setText(escaped_lines(text))


class ElidedLabel(TextLabel):
    """One line of plain text, as wide as the layout allows; with `grows=False` no wider than the text.

    Where the text does not fit it ends in an ellipsis, or has one in the `middle`, as suits names that differ at their
    end; the whole of it is the tool tip.
    """

    def __init__(self, text: str = "", *, role: str = "", grows: bool = True, middle: bool = False) -> None:
        super().__init__(text, role=role)
        self._mode = Qt.TextElideMode.ElideMiddle if middle else Qt.TextElideMode.ElideRight
        self.tip = ""
        """What the tool tip says in addition."""
        across = QSizePolicy.Policy.Ignored if grows else QSizePolicy.Policy.Preferred
        self.setSizePolicy(across, QSizePolicy.Policy.Preferred)

    def minimumSizeHint(self) -> QSize:
        return QSize(0, super().minimumSizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        rect = self.contentsRect()
        text = self.fontMetrics().elidedText(self.text(), self._mode, rect.width())
        shortened = self.text() if text != self.text() else ""
        self.setToolTip(plain_tip("\n".join(line for line in (shortened, self.tip) if line)))
        painter.setPen(self.palette().color(self.foregroundRole()))
        painter.drawText(rect, int(self.alignment()), text)


class NoteLabel(TextLabel):
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
