"""What the figures of the window mean, in a dialog of the Help menu."""

from collections.abc import Sequence
from typing import NamedTuple

from PySide6.QtCore import QCoreApplication
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QDialogButtonBox, QTextBrowser, QWidget

from nvp_studio.views.dialogs import Dialog
from nvp_studio.views.measured_scores import measured_html
from nvp_studio.views.theme import SPACE


class Figure(NamedTuple):
    """A term, what it means, and the key by which a page's help names it."""

    key: str
    term: str
    meaning: str
    table: str = ""
    """HTML that follows."""


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
                "image): the code length of the image under the flow. Lower is likelier, because a likelier image gets "
                "a shorter code. It is an upper bound: 8-bit values are made continuous by one random sample of noise "
                "(dequantization), so scores of the same image differ a little. Of a flow of mixtures over grey levels "
                "it is the code length itself, whatever the noise. Compare it only between models of the same data at "
                "the same size."
            ),
        ),
        Figure(
            "misleads",
            tr("When bits/dim mislead"),
            tr(
                "Bits/dim measure neither quality nor, alone, normality. Plain images are likely under every model of "
                "images: under the included Fashion-MNIST model a black image needs 0.08 bits/dim, less than any "
                "garment. Flows look at texture: that a shoe is upside down costs few bits. And images that are "
                "typical are not the most likely ones, so an image may be too likely. The table below shows what was "
                "measured."
            ),
        ),
        Figure(
            "measured",
            tr("What each score tells apart, measured"),
            tr(
                "AUROC: the probability that an image of a set is more unusual by that score than a test image. 1 "
                "tells them apart always, 0.5 says nothing, and below 0.5 (in red) the score calls the test images "
                "more unusual. Inverted, shuffled, upside down and turned are the test images themselves, changed; the "
                "other sets have nothing in common with them. Nothing was fitted to these sets."
            ),
            measured_html(),
        ),
        Figure(
            "verdict",
            tr("Verdict and p-value"),
            tr(
                "The verdict combines five statistics of an image: bits/dim beside file size and latents, bits/dim "
                "less those of lossless WebP, the coarsest latents, the coarse shape, and whether a turned copy fits "
                "better. The p-value is the rank of their sum among reference images that nothing was fitted to: at "
                "a false-alarm rate of 1 %, one in a hundred images like these is called unusual. Far outside is "
                "what a fitted tail gives less than a hundredth of that. It says that an image differs, not that it "
                "is bad; typical does not say that it is good."
            ),
        ),
        Figure(
            "map",
            tr("Where the bits are"),
            tr(
                "The score is a sum of terms, each of which sits at a place of some layer; the map follows them to the "
                "pixels and sums up to the score. Layers move information between pixels, so a pixel's share is the "
                "share of the terms that sit there, not of what the pixel caused. Colours are fixed by the reference, "
                "never stretched for an image; outlined are places with more bits than 99 % of its images have there."
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
                "lower. Both ends are worth a look: a low percentile is often a plain image, a high one a detailed or "
                "noisy image, whatever they show. Whether an image is unusual is what the verdict says."
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
    return "".join(
        f'<h3><a name="{figure.key}">{figure.term}</a></h3><p>{figure.meaning}</p>{figure.table}' for figure in figures
    )


class FiguresDialog(Dialog):
    """All explanations below each other; the one of the figure `first` is in view."""

    def __init__(self, parent: QWidget, first: str = "") -> None:
        super().__init__(parent)
        self._first = first
        self.setWindowTitle(self.tr("What the figures mean"))
        self.resize(100 * SPACE, 74 * SPACE)
        self.text = QTextBrowser()
        self.text.document().setDocumentMargin(SPACE)
        self.text.setAccessibleName(self.windowTitle())
        self.text.setHtml(figures_html(explanations()))
        self.column.addWidget(self.text)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        self.column.addWidget(buttons)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self._first:
            self.text.scrollToAnchor(self._first)
