"""One run on screen: its name and state, its curves, its samples and reconstructions."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QSplitter, QWidget

from nvp_studio.training.events import RunImages
from nvp_studio.views.theme import SPACE, scaled_font, set_role
from nvp_studio.views.widgets.labels import ElidedLabel
from nvp_studio.views.widgets.layout import card, hbox, text_label, vbox
from nvp_studio.views.widgets.run_curves import RunCurves
from nvp_studio.views.widgets.sheets import Sheet

_LEAST_NAME = 12 * SPACE


class RunView(QSplitter):
    """Curves above, images below, with a handle between them."""

    def __init__(self) -> None:
        super().__init__(Qt.Orientation.Vertical)
        self.setObjectName("run_view")
        self.setChildrenCollapsible(False)
        self.setHandleWidth(SPACE)
        self.addWidget(self._make_top())
        self.addWidget(self._make_images())
        self.setStretchFactor(0, 5)
        self.setStretchFactor(1, 4)

    def add_tool(self, button: QWidget) -> None:
        """Put a button at the right of the header."""
        self._tools.addWidget(button)

    def show_header(self, name: str, state: str = "", level: str = "", facts: str = "") -> None:
        """Show the texts above the curves; `level` is the role of the state in the style sheet."""
        self.name.setText(name)
        self.state.setText(state)
        set_role(self.state, level or "dim")
        self.facts.setText(facts)

    def show_images(self, kind: str, images: RunImages | None) -> None:
        """Show the newest sheet of samples or reconstructions."""
        sheet = self.samples if kind == "samples" else self.reconstructions
        note = self.tr("step {0}").format(f"{images.step:,}") if images is not None else ""
        sheet.show_batch(images.images if images is not None else None, note)

    def set_over(self, over: bool) -> None:
        """Say beside sheets that there are none whether they may still come: not in a run that is `over`."""
        texts = (
            (self.tr("This run has no samples."), self.tr("This run has no reconstructions."))
            if over
            else (
                self.tr("Samples appear with the first validation."),
                self.tr("Reconstructions appear with the first validation."),
            )
        )
        for sheet, text in zip((self.samples, self.reconstructions), texts, strict=True):
            sheet.grid.set_placeholder(text)

    def _make_top(self) -> QWidget:
        frame = card()
        column = vbox(frame, spacing=SPACE // 2, margins=(2 * SPACE, SPACE, SPACE, SPACE))
        row = hbox()
        self.name = ElidedLabel(grows=False, middle=True, least=_LEAST_NAME)
        self.name.setFont(scaled_font(15, bold=True))
        self.state = text_label()
        self.facts = ElidedLabel(role="dim")
        row.addWidget(self.name)
        row.addWidget(self.state)
        row.addWidget(self.facts, 1)
        self._tools = hbox(spacing=0)
        row.addLayout(self._tools)
        column.addLayout(row)
        self.curves = RunCurves()
        column.addWidget(self.curves, 1)
        frame.setMinimumHeight(18 * SPACE)
        return frame

    def _make_images(self) -> QWidget:
        frame = card()
        row = hbox(frame, spacing=3 * SPACE, margins=(2 * SPACE, SPACE, 2 * SPACE, SPACE))
        self.samples = Sheet(self.tr("Samples"), "", detail=self.tr("from fixed noise"))
        self.reconstructions = Sheet(
            self.tr("Real images"), "", detail=self.tr("their reconstructions below"), pairs=True
        )
        self.set_over(False)
        row.addWidget(self.samples, 1)
        row.addWidget(self.reconstructions, 1)
        return frame
