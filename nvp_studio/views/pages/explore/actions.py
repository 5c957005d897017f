"""The actions of Explore: samples, resets, and pictures from and to files and the clipboard."""

from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QGuiApplication, QKeySequence

from nvp_studio.recipe import Blend, Image, Recipe, Seed
from nvp_studio.state.blend import BlendState
from nvp_studio.state.explore import ExploreState
from nvp_studio.state.paths import image_filter
from nvp_studio.state.qimages import qimage
from nvp_studio.views import notify
from nvp_studio.views.context import WindowContext
from nvp_studio.views.page import Page

_SAVED_SIDE = 448
"""About how many pixels wide a saved picture is made, by a whole factor."""

_ZOOMS = {1: "in", -1: "out", 0: "fit"}


class ExploreActions(QObject):
    """Registers the page's actions and performs them."""

    blend_shown = Signal(bool)
    """Show or hide the panel that blends two images."""
    original_shown = Signal(bool)
    """Show or hide the original beside the picture."""
    zoom_requested = Signal(int)
    """Show the picture larger (1) or smaller (-1), or (0) all of it."""

    def __init__(self, context: WindowContext, page: Page, state: ExploreState, blend: BlendState) -> None:
        super().__init__(page)
        self._context = context
        self._state = state
        self._blend = blend
        self._add_actions(page)

    def _add_actions(self, page: Page) -> None:
        state, registry = self._state, self._context.registry
        add = partial(registry.add, page=page)
        add("explore.new-sample", self.tr("&New sample"), state.new_sample, "N", "dices")
        add("explore.more-samples", self.tr("&More samples to pick from"), state.more_samples, "M", "refresh-cw")
        add("explore.randomize", self.tr("Random &directions"), state.randomize, "D", "shuffle", separator=True)
        text = self.tr("Repeat the random dire&ctions")
        add("explore.repeat-randomize", text, state.repeat_randomize, "Shift+D", "repeat")
        add("explore.reset", self.tr("&Reset all sliders"), state.reset, "R", "rotate-ccw")
        text = self.tr("B&lend two images")
        add("explore.blend", text, self._toggle_blend, "L", "blend", separator=True, checkable=True)
        for end, letter in enumerate("AB"):
            name = letter.lower()
            text = self.tr("Picture on screen as {0}").format(f"&{letter}")
            add(f"explore.blend-picture-{name}", text, partial(self._take_end, end), letter, "image")
            text = self.tr("Image file as {0}…").format(letter)
            add(f"explore.blend-file-{name}", text, partial(self._ask_end, end), f"Shift+{letter}", "image-plus")
        text = self.tr("&Original beside the picture")
        tip = self.tr("Show beside it what a reset of all sliders brings back")
        show = self._toggle_original
        add("explore.original", text, show, "O", "columns-2", tip=tip, separator=True, checkable=True)
        for step, text, keys, icon in (
            (1, self.tr("Zoom &in"), ("+", "=", "Ctrl++", "Ctrl+="), "zoom-in"),
            (-1, self.tr("Zoom o&ut"), ("-", "Ctrl+-"), "zoom-out"),
            (0, self.tr("&Fit the picture"), ("0", "Ctrl+0"), "maximize"),
        ):
            action = add(f"explore.zoom-{_ZOOMS[step]}", text, partial(self.zoom_requested.emit, step), keys[0], icon)
            action.setShortcuts([QKeySequence(key) for key in keys])
        text = self.tr("&Open image…")
        registry.add("explore.open-image", text, self._ask_image, "Ctrl+O", "image-plus", menu="file", place=10)
        text = self.tr("&Save picture…")
        add("explore.save", text, partial(self._save, _SAVED_SIDE), "Ctrl+S", "download", menu="file", separator=True)
        text = self.tr("Save picture at the model's si&ze…")
        add("explore.save-small", text, partial(self._save, 1), "Ctrl+Shift+S", "image-down", menu="file")
        text = self.tr("&Copy picture")
        add("explore.copy-image", text, self._copy_image, "Ctrl+C", "copy", menu="edit", separator=True)
        add("explore.copy-python", self.tr("Copy as &Python"), self._copy_python, "Ctrl+Shift+C", "code", menu="edit")

    def _ask_image(self) -> None:
        for path in self._context.ask_files("images", self.tr("Open an image"), image_filter(self.tr("Images"))):
            self._context.open_requested.emit([path])

    def _toggle_blend(self) -> None:
        self.blend_shown.emit(self._context.registry["explore.blend"].isChecked())

    def _toggle_original(self) -> None:
        self.original_shown.emit(self._context.registry["explore.original"].isChecked())

    def _take_end(self, end: int) -> None:
        self.blend_shown.emit(True)
        self._blend.take_picture(end)

    def _ask_end(self, end: int) -> None:
        self.blend_shown.emit(True)
        title = self.tr("Image {0} of the blend").format("AB"[end])
        for path in self._context.ask_files("images", title, image_filter(self.tr("Images"))):
            self._blend.open_end(end, path)

    def _save(self, side: int) -> None:
        """Save the picture about `side` pixels wide, or at the model's size if that is larger."""
        model = self._state.model
        if model is None:
            return
        stem = _file_stem(self._state.recipe)
        path = self._context.ask_save("pictures", self.tr("Save the picture"), f"{stem}.png", "PNG (*.png)")
        if path is not None:
            self._state.save_picture(path, round(side / max(model.image_shape[1:])))

    def _copy_image(self) -> None:
        if self._state.picture is None:
            notify.info(self.tr("There is no picture yet."), topic="explore")
            return
        image = qimage(self._state.picture.image)
        factor = max(1, round(_SAVED_SIDE / max(image.width(), image.height())))
        QGuiApplication.clipboard().setImage(image.scaled(image.size() * factor))
        notify.info(self.tr("Picture copied."), topic="explore")

    def _copy_python(self) -> None:
        QGuiApplication.clipboard().setText(self._state.python_code())
        notify.info(self.tr("Python code that makes this picture copied."), topic="explore")


def _file_stem(recipe: Recipe) -> str:
    """The name proposed for a picture's file."""
    match recipe.base:
        case Seed(seed=seed):
            return f"sample-{seed}"
        case Blend(share=share):
            return f"blend-{100 * share:.0f}"
        case Image(name=name):
            return Path(name).stem or "picture"
