"""What the figures of the window mean, in a dialog of the Help menu."""

from collections.abc import Sequence
from typing import NamedTuple

from PySide6.QtCore import QCoreApplication
from PySide6.QtWidgets import QDialogButtonBox, QTextBrowser, QWidget

from nvp_studio.views.dialogs import Dialog
from nvp_studio.views.theme import SPACE


class Figure(NamedTuple):
    """A term, what it means, and the key by which a page's help names it."""

    key: str
    term: str
    meaning: str


def explanations() -> list[Figure]:
    """The figures, in the order of the dialog."""

    def tr(text: str) -> str:
        return QCoreApplication.translate("Figures", text)

    return [
        Figure(
            "bits",
            tr("Bits/dim"),
            tr(
                "How many bits the flow needs for one value (one pixel of a grey image, one of three of a colour "
                "image). Lower is likelier under the flow; plain pictures score low too. It is an upper bound: 8-bit "
                "values are made continuous by one random sample of noise (dequantization), so scores of the same "
                "image differ a little. Compare it only between models of the same data at the same size."
            ),
        ),
        Figure(
            "above8",
            tr("Figures above 8"),
            tr(
                "8 bits are what an 8-bit value takes without any model. A score above 8 means that the image is "
                "less likely under the flow than under chance: it is unlike the training data (noise, a negative, "
                "other objects), or the flow is not trained yet. It is no error, and there is no upper limit."
            ),
        ),
        Figure(
            "percentile",
            tr("Percentile"),
            tr(
                "The percentage of the reference images (validation images, kept in the model's file) that score "
                "lower. 50 is an ordinary image, above 95 is called unusual, below 5 unusually simple: smooth "
                "images score low whatever they show."
            ),
        ),
        Figure(
            "temperature",
            tr("Temperature"),
            tr(
                "A factor on the latents of a sample. 1 is what the flow learnt, below 1 is plainer and more alike, "
                "0 is the picture of the mean, above 1 is wilder. For an image file, 1 shows exactly its pixels."
            ),
        ),
        Figure(
            "scale",
            tr("Scale"),
            tr(
                "The flow takes a part of the latents out at each of its scales. Fine: texture and edges, taken out "
                "first. Coarse: shape and composition, which go through the whole flow. Each scale has a "
                "temperature of its own, and in Runs each has its share of the bits/dim."
            ),
        ),
        Figure(
            "unusual",
            tr("Why samples may score as unusual"),
            tr(
                "A score is not a grade for beauty. A flow spreads its probability over more pictures than the "
                "training data are, so that its own samples often have edges and noise that real images have not, "
                "and need more bits. A lower temperature brings samples closer to the data, or below: plain "
                "pictures score low. And the 8-bit picture on screen is scored, which is rounded."
            ),
        ),
        Figure(
            "directions",
            tr("Directions"),
            tr(
                "Directions among the latents of the training images, in standard deviations from their mean. Named "
                "ones lead to images that have something in common, numbered ones are those along which the images "
                "differ most. The mark on a slider is where the picture began; how many were moved, and on which scale "
                "that changed the latents most, is beside the heading."
            ),
        ),
    ]


def figures_html(figures: Sequence[Figure]) -> str:
    """The explanations below each other."""
    return "".join(f"<h3>{figure.term}</h3><p>{figure.meaning}</p>" for figure in figures)


class FiguresDialog(Dialog):
    """All explanations below each other."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("What the figures mean"))
        self.resize(72 * SPACE, 70 * SPACE)
        self.text = QTextBrowser()
        self.text.document().setDocumentMargin(SPACE)
        self.text.setAccessibleName(self.windowTitle())
        self.text.setHtml(figures_html(explanations()))
        self.column.addWidget(self.text)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        self.column.addWidget(buttons)
