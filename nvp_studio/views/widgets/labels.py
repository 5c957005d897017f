"""Labels that show a text as it is, shorten one that does not fit, or are there only with one."""

import re

from PySide6.QtCore import QRect, QSize
from PySide6.QtGui import QFontMetrics, QPainter, QPaintEvent, Qt
from PySide6.QtWidgets import QLabel, QSizePolicy

from nvp_studio.text import escaped_lines
from nvp_studio.views.theme import set_role

SEPARATOR = "  ·  "
"""Between the parts of a line, of which the first one is the most important."""

_WORDS = re.compile(r" (?![^(]*\))")
_BROKEN = int(Qt.TextFlag.TextWordWrap)
_TOO_MANY = 99


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


def lines_needed(text: str, metrics: QFontMetrics, width: int) -> int:
    """How many lines a text takes that is broken between words; more than there is room for with a word too wide."""
    if metrics.horizontalAdvance(text) <= width:
        return 1
    area = metrics.boundingRect(QRect(0, 0, width, 100 * metrics.lineSpacing()), _BROKEN, text)
    return max(2, round(area.height() / metrics.lineSpacing())) if area.width() <= width else _TOO_MANY


def shortened(text: str, metrics: QFontMetrics, width: int, lines: int = 1) -> str:
    """What fits into `lines` of `width` pixels of a text whose parts, joined by `SEPARATOR`, begin with the most
    important one.

    Parts are left out whole, from the last one on. Where not even the first one fits, so are its words, and where that
    is a single word, the middle of it; what stands in brackets is one word. An ellipsis stands for what is left out.
    """

    def fits(shown: str) -> bool:
        return lines_needed(shown, metrics, width) <= lines

    if fits(text):
        return text
    parts = text.split(SEPARATOR)
    for pieces, separator in ((parts, SEPARATOR), (_WORDS.split(parts[0]), " ")):
        for count in range(len(pieces) - 1, 0, -1):
            shown = separator.join(pieces[:count]).rstrip(",;:") + " …"
            if fits(shown):
                return shown
    return metrics.elidedText(text.split(" ")[0] + " …" * (" " in text), Qt.TextElideMode.ElideMiddle, width)


class ElidedLabel(TextLabel):
    """Plain text in up to `lines`, as wide as the layout allows; with `grows=False` no wider than the text.

    A text that does not fit is `shortened`, or has an ellipsis in the `middle`, as suits names that differ at their
    end; the whole of it is the tool tip. The layout leaves it `least` pixels where the text is that long.
    """

    def __init__(
        self,
        text: str = "",
        *,
        role: str = "",
        grows: bool = True,
        middle: bool = False,
        least: int = 0,
        lines: int = 1,
    ) -> None:
        super().__init__(text, role=role)
        self._middle = middle
        self._least = least
        self._lines = lines
        self.tip = ""
        """What the tool tip says in addition."""
        across = QSizePolicy.Policy.Ignored if grows else QSizePolicy.Policy.Preferred
        policy = QSizePolicy(across, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(lines > 1)
        self.setSizePolicy(policy)

    def minimumSizeHint(self) -> QSize:
        needed = self.fontMetrics().horizontalAdvance(self.text()) if self._least else 0
        return QSize(min(self._least, needed), super().minimumSizeHint().height())

    def hasHeightForWidth(self) -> bool:
        return self._lines > 1

    def heightForWidth(self, width: int) -> int:
        """That of as many lines as the text needs in `width` pixels, of those that it may have."""
        if self._lines == 1:
            return -1
        lines = min(self._lines, lines_needed(self.text(), self.fontMetrics(), width))
        margins, metrics = self.contentsMargins(), self.fontMetrics()
        text = metrics.height() if lines == 1 else metrics.size(0, "\n" * (lines - 1)).height()
        return margins.top() + margins.bottom() + text

    @property
    def shown_text(self) -> str:
        """What is shown of the text at the present width."""
        metrics, width = self.fontMetrics(), self.contentsRect().width()
        if self._middle:
            return metrics.elidedText(self.text(), Qt.TextElideMode.ElideMiddle, width)
        return shortened(self.text(), metrics, width, self._lines)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        rect = self.contentsRect()
        text = self.shown_text
        shortened = self.text() if text != self.text() else ""
        self.setToolTip(plain_tip("\n".join(line for line in (shortened, self.tip) if line)))
        painter.setPen(self.palette().color(self.foregroundRole()))
        painter.drawText(rect, int(self.alignment()) | (_BROKEN if self._lines > 1 else 0), text)


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
