"""What the two displays of learning curves share: the plot once its library is loaded, and text while it is empty."""

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QStackedLayout, QWidget

from nvp_studio.views.importer import Importer
from nvp_studio.views.widgets.action_button import flat_button
from nvp_studio.views.widgets.curve_drawing import Drawing
from nvp_studio.views.widgets.layout import text_label

if TYPE_CHECKING:
    from nvp_studio.views.widgets.curve_plot import CurvePlot


class CurvePanel(QWidget):
    """A plot that is made after the first paint, with the button `fit`. Subclasses lay out `stack` and `fit`."""

    def __init__(self, name: str, axis_width: int, **limits: float) -> None:
        """`name` is the accessible name of the plot; for the others see `CurvePlot`."""
        super().__init__()
        self.setAccessibleName(name)
        self.plot: CurvePlot | None = None
        self.drawing = Drawing()
        self.pointed: float | None = None
        """Place on the bottom axis under the mouse."""
        self.empty_text = ""
        """What is shown while there is nothing to draw."""
        self._axis_width, self._limits = axis_width, limits
        tip = self.tr("Show all of the curves and follow them (double click)")
        self.fit = flat_button("scan-search", self.tr("Fit the curves"), tip, "dim")
        self.fit.setEnabled(False)
        self.fit.clicked.connect(self.follow)
        self.stack = QStackedLayout()
        self.placeholder = text_label()
        self.placeholder.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.placeholder.setWordWrap(True)
        self.stack.addWidget(self.placeholder)
        self._importer = Importer()
        self._importer.imported.connect(self._on_imported)
        self._importer.start("plot", _import_plot)

    def refresh(self) -> None:
        """Draw again: a history grew, or there are others to show."""
        raise NotImplementedError

    def show_values(self) -> None:
        """Show the numbers at `pointed`, or at the end when that is None."""
        raise NotImplementedError

    def set_placeholder(self, text: str) -> None:
        """Set the text that is shown while there is nothing to draw."""
        if text != self.empty_text:
            self.empty_text = text
            self.refresh()

    def show_drawing(self, drawing: Drawing, text: str) -> None:
        """Show the drawing, or the placeholder text unless it is empty."""
        self.drawing = drawing
        self.placeholder.setText(text)
        if self.plot is not None:
            self.plot.show_drawing(drawing)
        self.stack.setCurrentIndex(0 if text or self.plot is None else 1)
        self.show_values()

    def follow(self) -> None:
        """Have the axes follow the curves again, after a person zoomed or when others are shown."""
        if self.plot is not None:
            self.plot.follow()

    def _on_imported(self, _name: str) -> None:
        from nvp_studio.views.widgets.curve_plot import CurvePlot

        self.plot = CurvePlot(self, self._axis_width, **self._limits)
        self.plot.setAccessibleName(self.accessibleName())
        self.stack.addWidget(self.plot)
        self.plot.following_changed.connect(lambda following: self.fit.setEnabled(not following))
        self.plot.pointed.connect(self._on_pointed)
        self.refresh()

    def _on_pointed(self, place: float | None) -> None:
        self.pointed = place
        self.show_values()


def _import_plot() -> None:
    """Import pyqtgraph, which takes too long before the first paint."""
    import nvp_studio.views.widgets.curve_plot  # noqa: F401 - importing it again takes no time
