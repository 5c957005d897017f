"""The exact bits/dim of the picture and its percentile among the reference images."""

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QFrame

from nvp_studio.views.theme import SPACE, scaled_font, set_role
from nvp_studio.views.widgets.labels import ElidedLabel, TextLabel
from nvp_studio.views.widgets.layout import hbox, text_label, vbox
from nvp_studio.views.widgets.reference_band import ReferenceBand

_CALM_MILLISECONDS = 120
"""Scores closer than this are those of a picture in motion: the figure stays dimmed instead of flickering."""


class ScoreCard(QFrame):
    """A large number, the reference band below it and one line of text."""

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("card", True)
        self.setAccessibleName(self.tr("Score of the picture"))
        column = vbox(self, spacing=SPACE // 2, margins=(2 * SPACE, SPACE, 2 * SPACE, SPACE + 2))
        row = hbox()
        self.figure = TextLabel("–")
        self.figure.setFont(scaled_font(28, bold=True))
        self.figure.setAccessibleName(self.tr("Bits per dimension"))
        unit = text_label(self.tr("bits/dim"))
        row.addWidget(self.figure, 0, Qt.AlignmentFlag.AlignBaseline)
        row.addWidget(unit, 0, Qt.AlignmentFlag.AlignBaseline)
        row.addStretch(1)
        self.verdict = TextLabel()
        row.addWidget(self.verdict, 0, Qt.AlignmentFlag.AlignBaseline)
        column.addLayout(row)
        self.band = ReferenceBand()
        column.addWidget(self.band)
        self.rank = ElidedLabel(role="dim", lines=2)
        column.addWidget(self.rank)
        self.show_exact(False)
        self._images = 0
        self._calm = QTimer(self)
        self._calm.setSingleShot(True)
        self._calm.setInterval(_CALM_MILLISECONDS)
        self._calm.timeout.connect(lambda: self._dim(False))

    def show_reference(self, reference: tuple[float, ...]) -> None:
        """Take the reference scores of another model."""
        self._images = len(reference)
        self.band.show_reference(reference)

    def show_exact(self, exact: bool) -> None:
        """Say whether the model's scores are exact code lengths, or bounds of them."""
        tip = self.tr(
            "Bits the flow needs for each pixel value of this 8-bit image: lower is likelier under the flow.\n"
            "An upper bound, with one dequantization sample. The band holds 90 % of the reference images."
        )
        if exact:
            tip = self.tr(
                "Bits the flow needs for each pixel value of this 8-bit image: lower is likelier under the flow.\n"
                "The exact code length, whatever the noise. The band holds 90 % of the reference images."
            )
        self.setToolTip(tip)

    @property
    def pending(self) -> bool:
        """Whether the figure is dimmed: it may be that of the picture before."""
        return bool(self.figure.property("role") == "dim")

    def show_pending(self) -> None:
        """Another picture is shown: dim the number until its own score arrives."""
        self._calm.stop()
        self._dim(True)

    def show_score(self, bits_per_dim: float | None, percentile: float | None) -> None:
        """Show a score and the percentage of reference scores below it, None for a picture of another size."""
        if self.pending:
            self._calm.start()
        self.figure.setText("–" if bits_per_dim is None else f"{bits_per_dim:.3f}")
        self.band.show_mark(bits_per_dim if percentile is not None else None)  # else there is nothing to compare with
        if percentile is None:
            larger = bits_per_dim is not None and self._images > 0
            self.rank.setText(self.tr("Larger than the reference images") if larger else "")
            self.verdict.setText("")
            return
        self.rank.setText(
            self.tr("{0} % of {1} reference images score lower").format(_percent(percentile), f"{self._images:,}")
        )
        self.verdict.setText(self._verdict(percentile))

    def _dim(self, dim: bool) -> None:
        if dim == self.pending:
            return
        for label in (self.figure, self.verdict):
            set_role(label, "dim" if dim else "")

    def _verdict(self, percentile: float) -> str:
        if percentile >= 99.9:
            return self.tr("unlike the data")
        if percentile > 95:
            return self.tr("high score")
        if percentile < 5:
            return self.tr("low score")
        return self.tr("usual score")


def _percent(value: float) -> str:
    """Whole percents, with a decimal below 1 and above 99."""
    return f"{value:.1f}" if 99 < value < 99.95 or 0 < value < 1 else f"{value:.0f}"
