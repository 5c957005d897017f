"""What each page is for and how it is used: the texts that F1 shows."""

from dataclasses import dataclass
from functools import partial

from PySide6.QtCore import QCoreApplication


@dataclass(frozen=True)
class PageHelp:
    """The help of one page."""

    title: str
    purpose: str
    """What the page is for, in a few sentences."""
    uses: tuple[tuple[str, str], ...]
    """(what one wants, how it is done)."""
    actions: tuple[str, ...]
    """How the keys of its actions begin (`ActionRegistry`); their shortcuts are listed."""
    keys: tuple[tuple[str, str], ...]
    """(what it does, keys or mouse) beside the shortcuts."""
    figures: tuple[str, ...]
    """The names of the figures on the page, as `figures_dialog.explanations` knows them."""


def page_help(page: str) -> PageHelp:
    """The help of the page with this key; raises `KeyError` for one without."""
    pages = {
        "train": _train,
        "explore": _explore,
        "score": _score,
        "runs": _runs,
        "inspect": _inspect,
        "lab": _lab,
    }
    return pages[page]()


def _train() -> PageHelp:
    tr = partial(QCoreApplication.translate, "PageHelp")
    return PageHelp(
        title=tr("Train"),
        purpose=tr(
            "Trains a flow on images. Choose the data and for how long; everything else has a value that is known to "
            "work. What will be trained on is shown below the data before the run starts."
        ),
        uses=(
            (
                tr("See what will be trained on"),
                tr("Look closer, below the data: sizes, classes, values, what was left out, and up to 48 images."),
            ),
            (tr("Try it out"), tr("Train in one minute, in the menu Training.")),
            (
                tr("Change a run that is under way"),
                tr("Change, Pause, Sample, Save and Stop in the strip at the bottom, which is on every page."),
            ),
            (
                tr("Go on with a run"),
                tr("Resume this run, above the curves; a finished one is trained longer, for what is asked."),
            ),
            (
                tr("See the values of a curve"),
                tr("Point at it. The wheel zooms, dragging moves; a double click lets the axes follow again."),
            ),
            (
                tr("Type a number"),
                tr("As you write it: 1e-3, .5, 2,5. What cannot be taken is red, with the reason; Esc brings it back."),
            ),
        ),
        actions=("run.", "file.follow-run"),
        keys=((tr("Next field, or the one before"), tr("Tab / Shift+Tab")),),
        figures=("bits", "above8", "scale"),
    )


def _explore() -> PageHelp:
    tr = partial(QCoreApplication.translate, "PageHelp")
    return PageHelp(
        title=tr("Explore"),
        purpose=tr(
            "Shows what a trained flow learnt: one picture large, how likely the flow finds it, and sliders that move "
            "it. Drop a model or an image file on the window to open it."
        ),
        uses=(
            (
                tr("Move the picture along a direction"),
                tr(
                    "Drag its slider, or type a value on it. The mark is where the picture began; a double click or "
                    "Del goes back to it. Directions that were moved are coloured and named below the picture."
                ),
            ),
            (
                tr("Move along many directions at once"),
                tr("Random directions; what it did is named, can be undone, and repeated on another picture."),
            ),
            (
                tr("Compare with where it began"),
                tr("Original beside the picture: what a reset of all sliders brings back, zoomed and moved with it."),
            ),
            (
                tr("See single pixels"),
                tr(
                    "Zoom with the wheel or + and -, drag to move, 0 or a double click shows all of it. Position and "
                    "8-bit values of the pixel under the pointer are below the picture; by keys: arrows, with Shift "
                    "when zoomed."
                ),
            ),
            (
                tr("Blend two images"),
                tr("Blend: A and B take the picture on screen, Shift+A and Shift+B a file."),
            ),
            (
                tr("See what lies between four pictures"),
                tr("Corners: choose four, or take four samples, and drag on the pad. Save grid writes them as a PNG."),
            ),
            (
                tr("Animate the way between pictures"),
                tr(
                    "Animate: add pictures, or all of the tray, as keyframes; play, and save a film. Record path on "
                    "Corners animates a drag over the pad."
                ),
            ),
            (
                tr("Change one scale alone"),
                tr("Scales: redraw it, take it from another picture, or lock it against new samples."),
            ),
            (
                tr("See whether the latent is typical"),
                tr("Typical: how long it is at every scale, beside the lengths of 95 % of samples."),
            ),
            (
                tr("See whether it copies"),
                tr("Neighbours: the nearest training images, their distances compared with those of test images."),
            ),
            (
                tr("See many training images at once"),
                tr("Map of training images: by PCA or UMAP; a click shows one, Shift and a drag select some."),
            ),
            (
                tr("Keep a picture"),
                tr("Save it: the PNG holds its recipe, and dropping the file brings picture and sliders back."),
            ),
        ),
        actions=("explore.", "edit."),
        keys=(
            (tr("Move a slider; type its value"), tr("Arrow keys; Enter or a digit")),
            (tr("Reset a slider"), tr("Del or double click")),
            (tr("Show, rename, delete, move a kept picture"), tr("Return; F2; Del; Alt with an arrow key")),
            (tr("Zoom the picture"), tr("Wheel, pinch, + and -")),
            (tr("Move the zoomed picture"), tr("Drag, arrow keys")),
            (tr("Pixel by pixel"), tr("Arrow keys, with Shift when zoomed")),
        ),
        figures=("bits", "above8", "percentile", "temperature", "scale", "unusual", "directions"),
    )


def _score() -> PageHelp:
    tr = partial(QCoreApplication.translate, "PageHelp")
    return PageHelp(
        title=tr("Score"),
        purpose=tr(
            "Tells for image files how likely the open flow finds each of them, and whether it is unusual beside "
            "reference images, at a false-alarm rate of your choice. A low score alone proves nothing."
        ),
        uses=(
            (tr("Score images"), tr("Drop files or folders here, or add them with the buttons.")),
            (tr("Score files as they arrive"), tr("Watch a folder; it goes on until you stop it.")),
            (tr("Go on with an earlier table"), tr("Continue from a table, in the menu Score; then add its folder.")),
            (
                tr("Get standard errors, or compare two models"),
                tr("Options above the table; then Score again. Labels from a CSV file are chosen there too."),
            ),
            (tr("Find the most unusual ones"), tr("Click on the heading of p-value or Verdict to sort.")),
            (tr("See only some"), tr("Search names; choose verdict, label and a range of percentiles.")),
            (tr("See every column in a small window"), tr("All columns, in the menu Score or of the headings.")),
            (tr("Call more or fewer unusual"), tr("Change False alarms: verdicts follow at once.")),
            (
                tr("Compare with your own good images"),
                tr("Make a reference of a folder, in the menu Score; then choose it above the table."),
            ),
            (
                tr("See where the bits are"),
                tr("Choose it in the list above the picture; beside it is how much log p changes with each pixel."),
            ),
            (tr("Tell two folders apart"), tr("Compare two groups, in the menu Score.")),
            (tr("See what was scored"), tr("Choose a row: its pixels, at the model's size, are at the right.")),
            (tr("Move it along directions"), tr("Open in Explore, or Enter on its row.")),
            (tr("Use another model"), tr("The button with the model's name; then Score again.")),
            (
                tr("Keep the table"),
                tr("It is there at the next start; Export writes CSV or Parquet, Report an HTML file."),
            ),
        ),
        actions=("score.",),
        keys=(
            (tr("Open the row in Explore"), tr("Enter or double click")),
            (tr("Zoom the picture"), tr("Wheel, pinch, + and -")),
            (tr("Pixel by pixel"), tr("Arrow keys, with Shift when zoomed")),
        ),
        figures=("bits", "misleads", "measured", "verdict", "map", "above8", "percentile", "unusual"),
    )


def _runs() -> PageHelp:
    tr = partial(QCoreApplication.translate, "PageHelp")
    return PageHelp(
        title=tr("Runs"),
        purpose=tr("Lists all runs, and compares them: their curves in one plot, their samples through time."),
        uses=(
            (tr("Find a run"), tr("Search by name, data, tags and notes; a click on a heading sorts.")),
            (tr("Compare runs"), tr("Select several, with Ctrl or Shift: their curves are drawn together.")),
            (
                tr("See how samples became better"),
                tr("The images at the right follow the mouse on the curves, the slider below them, and Play."),
            ),
            (
                tr("Look at a part of the curves"),
                tr("The wheel zooms, dragging moves; a double click lets the axes follow again."),
            ),
            (tr("Try a variant"), tr("Duplicate with changes: its settings go into the form of Train.")),
            (tr("Clean up"), tr("Del moves runs to the trash; Open the trash brings them back.")),
        ),
        actions=("runs.",),
        keys=((tr("Open the run in Explore"), tr("Enter or double click")),),
        figures=("bits", "above8", "scale"),
    )


def _inspect() -> PageHelp:
    tr = partial(QCoreApplication.translate, "PageHelp")
    return PageHelp(
        title=tr("Inspect"),
        purpose=tr(
            "Follows one picture through the open flow, layer by layer, from its pixels to noise. The table has a row "
            "for each layer, with what it adds to the score; the rows add up to the score."
        ),
        uses=(
            (
                tr("Choose a picture"),
                tr("Drop an image file here, or press I on Explore, or Open in Inspect in the menu Score."),
            ),
            (tr("Go to a layer"), tr("Choose its row, or drag the slider below the picture.")),
            (
                tr("Read a row"),
                tr(
                    "Nats is the log-determinant of the layer, of a prior the log-density of the latents that leave "
                    "there. Bits/dim is what it adds to the score: negative where the layer makes the image likelier."
                ),
            ),
            (
                tr("See what a coupling did"),
                tr(
                    "The list above the picture: its log-derivatives (s of an affine coupling), its shifts t, its "
                    "mask, and the values that its network saw. White cells of the mask change, black ones stay, grey "
                    "ones are latents already."
                ),
            ),
            (
                tr("See what was done to a value"),
                tr(
                    "Point at a pixel, or choose it by the arrow keys: below the picture are its values before and "
                    "after the layer, and of a coupling the curve that maps one to the other, with slope, s and t, or "
                    "of a mixture over grey levels with the probability of the level."
                ),
            ),
            (
                tr("See single channels"),
                tr("The second list above the picture: the channels of the layer's tensor, in its own size."),
            ),
            (
                tr("Compare two pictures"),
                tr(
                    "Compare (C) makes a place beside the picture: what is opened next comes there, from a file, "
                    "Explore, Score or a sample. The table then tells what each layer adds to both scores, and the "
                    "change. Two images that are dropped together are compared."
                ),
            ),
            (
                tr("See what is usual"),
                tr(
                    "Reference (Shift+C) measures the images that the model was validated on, once, and adds to the "
                    "table the mean of each row, its spread, and by how many spreads the picture is off."
                ),
            ),
            (
                tr("See what a latent touches"),
                tr(
                    "Receptive fields: the pixels that a latent changes, or that reach it, by gradient. A click, or "
                    "Space at the pixel that arrow keys chose, takes the latent at that place. Draw this scale anew "
                    "shows beside the picture one whose latents of the scale are others."
                ),
            ),
            (
                tr("See all layers at once"),
                tr(
                    "Architecture: a column for each scale, with shapes, masks, parameters and FLOPs. A click goes to "
                    "a layer; wheel, + and - zoom, dragging and arrow keys move it, 0 shows all of it. It can be "
                    "exported as SVG or PNG."
                ),
            ),
            (
                tr("Find the layer that misbehaves"),
                tr(
                    "Health: every layer is measured on samples of the model or on the picture, and what was found is "
                    "said in a sentence with what to do. A click goes to the layer."
                ),
            ),
            (
                tr("See how normal the values are"),
                tr("The histogram below: the values after the layer, and the density of N(0, 1) as a line."),
            ),
        ),
        actions=("inspect.",),
        keys=(
            (tr("Zoom the picture"), tr("Wheel, pinch, + and -")),
            (tr("Pixel by pixel"), tr("Arrow keys, with Shift when zoomed")),
        ),
        figures=("bits", "scale"),
    )


def _lab() -> PageHelp:
    tr = partial(QCoreApplication.translate, "PageHelp")
    return PageHelp(
        title=tr("Lab"),
        purpose=tr(
            "Trains small flows of points in seconds, so that one can watch how a density is learnt. The layers are "
            "those of the flows of images."
        ),
        uses=(
            (tr("Change the number of dimensions"), tr("The list at the top.")),
            (
                tr("Train"),
                tr(
                    "Train, slow motion, single step and begin anew are above the settings. A changed setting begins "
                    "the experiment anew; Undo takes it back."
                ),
            ),
            (
                tr("Take points of your own"),
                tr(
                    "Draw them into the first view, or open or drop a CSV file, or a picture, whose dark pixels are "
                    "taken."
                ),
            ),
            (
                tr("See the flow layer by layer"),
                tr(
                    "The slider below the grid goes from data to noise, through each layer continuously. The colour is "
                    "|det J|: blue where areas shrink, red where they grow."
                ),
            ),
            (
                tr("Compare an area with |det J|"),
                tr(
                    "Drag a small square into a view: the others show it too, and below the grid is how much its area "
                    "grows, measured, beside |det J|. A click draws a point."
                ),
            ),
            (tr("Read the density"), tr("Point at its view: p and log p there are below it.")),
        ),
        actions=("lab.",),
        keys=(
            (tr("Move the drawn square"), tr("Arrow keys in a view, with Shift further")),
            (tr("Remove the drawn square"), tr("Delete in a view")),
        ),
        figures=(),
    )
