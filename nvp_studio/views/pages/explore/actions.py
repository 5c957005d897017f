"""The actions of Explore: samples, resets, and pictures from and to files and the clipboard."""

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QAction, QGuiApplication, QKeySequence

from nvp_studio.recipe import Space
from nvp_studio.state.blend import BlendState
from nvp_studio.state.corners import CornersState
from nvp_studio.state.explore import ExploreState
from nvp_studio.state.mixture import MixtureState
from nvp_studio.state.paths import image_filter
from nvp_studio.state.picture_files import file_stem
from nvp_studio.state.qimages import qimage
from nvp_studio.state.scales import ScalesState
from nvp_studio.state.tray import TrayState
from nvp_studio.text import sentence
from nvp_studio.views import notify
from nvp_studio.views.actions import plain_text
from nvp_studio.views.context import WindowContext
from nvp_studio.views.page import Page
from nvp_studio.views.theme import set_icon

_SAVED_SIDE = 448
"""About how many pixels wide a saved picture is made, by a whole factor."""

_GRID_SIDE = 1024
"""About how many pixels wide a saved grid is made, by a whole factor."""
MOST_SCALES = 6
"""Scales that have an action of their own."""
TOOLS = ("blend", "corners", "scales", "length", "paint", "neighbours", "tray", "animate")
"""The tools below the picture, in their order."""
_ZOOMS = {1: "in", -1: "out", 0: "fit"}


class ExploreActions(QObject):
    """Registers the page's actions and performs them."""

    tool_shown = Signal(str, bool)
    """Open or close the panel of one of `TOOLS`."""
    grid_requested = Signal()
    """Save a grid of the pictures between the corners."""
    original_shown = Signal(bool)
    """Show or hide the original beside the picture."""
    zoom_requested = Signal(int)
    """Show the picture larger (1) or smaller (-1), or (0) all of it."""

    def __init__(
        self,
        context: WindowContext,
        page: Page,
        state: ExploreState,
        blend: BlendState,
        corners: CornersState,
        scales: ScalesState,
        tray: TrayState,
    ) -> None:
        super().__init__(page)
        self._context = context
        self._state = state
        self._blend, self._corners, self._scales, self._tray = blend, corners, scales, tray
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
        toggle = partial(self._toggle_tool, "blend")
        add("explore.blend", text, toggle, "L", "blend", separator=True, checkable=True)
        self._add_ends(add, self._blend, self.tr("Picture on screen as {0}"), self.tr("Image file as {0}…"), "Shift")
        text = self.tr("&Four corners")
        toggle = partial(self._toggle_tool, "corners")
        add("explore.corners", text, toggle, "F", "grid-2x2", separator=True, checkable=True)
        text = self.tr("Four &samples as corners")
        add("explore.corners-samples", text, self._take_samples, "Shift+F", "dices")
        picture, file = self.tr("Picture on screen as corner {0}"), self.tr("Image file as corner {0}…")
        self._add_ends(add, self._corners, picture, file, "Alt")
        add("explore.corners-grid", "", self._save_or_stop_grid, "G")
        self._show_grid()
        self._corners.progress_changed.connect(self._show_grid)
        self._add_scales(add)
        self._add_nudges(add)
        text, toggle = self.tr("Tra&y of kept pictures"), partial(self._toggle_tool, "tray")
        add("explore.tray", text, toggle, "Shift+K", "images", separator=True, checkable=True)
        add("explore.keep", self.tr("Keep the picture in the tray"), self._keep, "K", "image-plus")
        text = self.tr("&Original beside the picture")
        tip = self.tr("Show beside it what a reset of all sliders brings back")
        show = self._toggle_original
        add("explore.original", text, show, "O", "columns-2", tip=tip, separator=True, checkable=True)
        text, tip = self.tr("&Inspect this picture"), self.tr("Follow it through the layers of the model, on Inspect")
        add("explore.inspect", text, lambda: self._context.inspect(state.recipe), "I", "scan-search", tip=tip)
        for step, text, keys, icon in (
            (1, self.tr("&Zoom in"), ("+", "=", "Ctrl++", "Ctrl+="), "zoom-in"),
            (-1, self.tr("Zoom o&ut"), ("-", "Ctrl+-"), "zoom-out"),
            (0, self.tr("Fit the &picture"), ("0", "Ctrl+0"), "maximize"),
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

    def _add_scales(self, add: Callable[..., QAction]) -> None:
        text, toggle = self.tr("Scal&es"), partial(self._toggle_tool, "scales")
        add("explore.scales", text, toggle, "S", "layers", separator=True, checkable=True)
        text = self.tr("Redraw what is not &kept")
        add("explore.redraw-rest", text, self._scales.redraw_rest, "Shift+S", "dices")
        for scale in range(MOST_SCALES):
            text = self.tr("Redraw scale {0}").format(scale + 1) + (self.tr(", the finest") if scale == 0 else "")
            redraw = partial(self._scales.redraw, scale)
            add(f"explore.redraw-{scale + 1}", text, redraw, f"Ctrl+Alt+{scale + 1}", "dices")
        text, toggle = self.tr("&Typical set"), partial(self._toggle_tool, "length")
        add("explore.length", text, toggle, "T", "gauge", separator=True, checkable=True)
        text, icon = self.tr("Let directions keep |z|"), "lock"
        add("explore.keep-length", text, self._toggle_keep_length, "Ctrl+T", icon, checkable=True)

    def _add_nudges(self, add: Callable[..., QAction]) -> None:
        steps: tuple[tuple[str, str, Space, bool, str, str], ...] = (
            ("z-up", self.tr("Step to a &higher density"), "z", True, "U", "chevron-up"),
            ("z-down", self.tr("Step to a lo&wer density"), "z", False, "Shift+U", "chevron-down"),
            ("x-up", self.tr("Step to a higher density, in pixels"), "x", True, "Ctrl+U", "chevron-up"),
            ("x-down", self.tr("Step to a lower density, in pixels"), "x", False, "Ctrl+Shift+U", "chevron-down"),
        )
        explained = self.tr("{0}: along the gradient, halved until the 8-bit picture scores so")
        for key, text, space, up, shortcut, icon in steps:
            tip = explained.format(text.replace("&", ""))
            add(f"explore.nudge-{key}", text, partial(self._state.nudge, space, up), shortcut, icon, tip=tip)

    def show_scales(self, scales: int) -> None:
        """Let so many scales be redrawn."""
        for scale in range(MOST_SCALES):
            self._context.registry[f"explore.redraw-{scale + 1}"].setEnabled(scale < scales)

    def ask_scale(self, scale: int) -> None:
        """Ask for an image file, and take a scale from it."""
        title = self.tr("Take a scale from an image")
        for path in self._context.ask_files("images", title, image_filter(self.tr("Images"))):
            self._scales.open_file(scale, path)

    def show_gradients(self, has_gradients: bool) -> None:
        """Let steps along the gradient in pixels be taken where the model has one."""
        for way in ("up", "down"):
            self._context.registry[f"explore.nudge-x-{way}"].setEnabled(has_gradients)

    def _add_ends(
        self, add: Callable[..., QAction], mixture: MixtureState, picture: str, file: str, modifier: str
    ) -> None:
        for end, letter in enumerate(mixture.letters):
            name = letter.lower()
            take = partial(self._take_end, mixture, end)
            add(f"explore.{mixture.key}-picture-{name}", picture.format(f"&{letter}"), take, letter, "image")
            ask, keys = partial(self._ask_end, mixture, end), f"{modifier}+{letter}"
            add(f"explore.{mixture.key}-file-{name}", file.format(letter), ask, keys, "image-plus")

    def _ask_image(self) -> None:
        for path in self._context.ask_files("images", self.tr("Open an image"), image_filter(self.tr("Images"))):
            self._context.open_requested.emit([path])

    def _toggle_tool(self, tool: str) -> None:
        self.tool_shown.emit(tool, self._context.registry[f"explore.{tool}"].isChecked())

    def _toggle_keep_length(self) -> None:
        self._state.set_keep_length(self._context.registry["explore.keep-length"].isChecked())

    def _keep(self) -> None:
        self.tool_shown.emit("tray", True)
        self._tray.keep()

    def _toggle_original(self) -> None:
        self.original_shown.emit(self._context.registry["explore.original"].isChecked())

    def _take_end(self, mixture: MixtureState, end: int) -> None:
        self.tool_shown.emit(mixture.key, True)
        mixture.take_picture(end)

    def _ask_end(self, mixture: MixtureState, end: int) -> None:
        self.tool_shown.emit(mixture.key, True)
        for path in self._context.ask_files(
            "images", sentence(mixture.end_title(end)), image_filter(self.tr("Images"))
        ):
            mixture.open_end(end, path)

    def _take_samples(self) -> None:
        self.tool_shown.emit("corners", True)
        self._corners.take_samples()

    def _save_or_stop_grid(self) -> None:
        if self._corners.progress[1]:
            self._corners.cancel_grid()
        else:
            self.grid_requested.emit()

    def _show_grid(self) -> None:
        """Let the action save a grid, or stop that while it is done."""
        done, total = self._corners.progress
        action = self._context.registry["explore.corners-grid"]
        action.setText(self.tr("Stop saving the &grid") if total else self.tr("Save a &grid of the corners…"))
        text = plain_text(action)
        action.setToolTip(f"{text}  (G)")
        percent = f"{100 * done // max(1, total)}"
        action.setIconText(self.tr("Stop ({0} %)").format(percent) if total else self.tr("Save grid"))
        set_icon(action, "square" if total else "table")

    def save_grid(self, side: int) -> None:
        """Ask for a file, and save a grid of so many pictures a side."""
        model = self._state.model
        if model is None:
            return
        if None in self._corners.ends:
            notify.info(self.tr("Choose four corners first."), topic="explore")
            return
        title, name = self.tr("Save the grid"), f"corners-{side}x{side}.png"
        path = self._context.ask_save("pictures", title, name, "PNG (*.png)")
        if path is not None:
            pixels = max(model.image_shape[1:])
            self._corners.save_grid(path, side, max(1, min(round(_GRID_SIDE / (side * pixels)), 8)))

    def _save(self, side: int) -> None:
        """Save the picture about `side` pixels wide, or at the model's size if that is larger."""
        model = self._state.model
        if model is None:
            return
        stem = file_stem(self._state.recipe)
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
