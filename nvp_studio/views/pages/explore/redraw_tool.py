"""Explore's tool that redraws a painted region: its actions, its panel, and the region on the picture."""

from functools import partial

from PySide6.QtCore import QObject, Signal

from nvp_studio.image_batch import ImageBatch
from nvp_studio.state.explore import ExploreState
from nvp_studio.state.qimages import qimage
from nvp_studio.state.redraw import RedrawState
from nvp_studio.text import figure, grouped_number
from nvp_studio.views.context import WindowContext
from nvp_studio.views.page import Page
from nvp_studio.views.widgets.image_view import ImageView
from nvp_studio.views.widgets.labels import SEPARATOR
from nvp_studio.views.widgets.redraw_panel import RedrawPanel
from nvp_studio.views.widgets.region_overlay import RegionOverlay


class RedrawTool(QObject):
    """Connects the state of redrawing with the panel and the view of the picture."""

    tool_shown = Signal(str, bool)
    """Open or close the panel "paint"."""

    def __init__(self, context: WindowContext, page: Page, explore: ExploreState) -> None:
        super().__init__(page)
        self._registry, self._explore = context.registry, explore
        self.state = RedrawState(explore)
        add = partial(context.registry.add, page=page)
        text = self.tr("Paint and redraw")
        toggle = self._toggle
        self._tool = add("explore.paint", text, toggle, "Q", "pencil", separator=True, checkable=True)
        text, tip = self.tr("Redraw the painted region"), self.tr("Draw it anew, given the pixels around it")
        self._start = add("explore.paint-redraw", text, self.state.start, "Shift+Q", "dices", tip=tip)
        self._cancel = add("explore.paint-cancel", self.tr("Stop redrawing"), self.state.cancel, "Esc", "square")
        text = self.tr("Paint nothing")
        self._clear = add("explore.paint-clear", text, self.state.clear, "Alt+Q", "x")
        text = self.tr("Paint what is not painted, and the reverse")
        add("explore.paint-invert", text, self._invert, "Ctrl+Alt+Q", "shuffle")
        self.panel = RedrawPanel(self._start, self._cancel, self._clear, context.registry["explore.paint-invert"])

    def show_on(self, view: ImageView) -> None:
        """Let the region be painted on `view`, which shows the picture."""
        self._view = view
        self.overlay = RegionOverlay(view)
        self.overlay.painted.connect(self._on_painted)
        self.overlay.stroke_begun.connect(self.state.begin_stroke)
        self.overlay.stroke_ended.connect(self.state.end_stroke)
        self.state.region_restored.connect(lambda: self.tool_shown.emit("paint", True))
        self.panel.shown.connect(self.overlay.setVisible)
        self.panel.before_held.connect(self._on_before_held)
        self.state.region_changed.connect(self._show_region)
        self.state.changed.connect(self.show_state)
        self.state.stepped.connect(self._on_stepped)
        self.state.stopped.connect(self._show_picture)
        self._show_region()
        self.show_state()

    def show_state(self) -> None:
        """Enable what is possible now, and say how far redrawing is or what it changed."""
        state = self.state
        self._start.setEnabled(state.possible and not state.running)
        self._cancel.setEnabled(state.running)
        self._clear.setEnabled(bool(state.region.any()))
        self.panel.before.setEnabled(state.result is not None and state.before is not None)
        self.panel.show_progress(*state.progress)
        self.overlay.set_filled(not state.running and state.result is None)
        self.panel.show_status(*self._status())

    def _status(self) -> tuple[str, str]:
        state, result = self.state, self.state.result
        if state.running:
            return self.tr("Step {0} of {1}").format(*state.progress), ""
        if result is not None:
            scores = self.tr("{0} bits/dim before, {1} now ({2})").format(
                f"{result.before:.3f}", f"{result.after:.3f}", figure(result.after - result.before, "+.3f")
            )
            accepted = self.tr("{0}\u00a0% of the last steps accepted").format(f"{100 * result.accepted:.0f}")
            tip = self.tr(
                "A search finds a probable region; Langevin steps that pass Metropolis' test follow, which keep the\n"
                "exact density of the region given the pixels around it. About half of them should be accepted."
            )
            if self._explore.model is not None and not self._explore.model.flow.has_gradients:
                accepted = self.tr("{0}\u00a0% of the steps accepted").format(f"{100 * result.accepted:.0f}")
                tip = self.tr(
                    "Each step draws a block of pixels anew, given coarser ones. Those that pass Metropolis' test\n"
                    "keep the exact distribution of the region given the pixels around it."
                )
            return SEPARATOR.join((scores, accepted)), f"{scores}\n{accepted}\n{tip}"
        pixels = int(state.region.sum())
        if not pixels:
            return self.tr("Paint on the picture what is to be redrawn."), ""
        return self.tr("{0} of {1} pixels to redraw").format(
            grouped_number(pixels), grouped_number(state.region.size)
        ), ""

    def _toggle(self) -> None:
        self.tool_shown.emit("paint", self._tool.isChecked())
        if self._tool.isChecked():
            self._view.setFocus()  # arrow keys and Space paint there

    def _invert(self) -> None:
        self.tool_shown.emit("paint", True)
        self.state.invert()

    def _on_painted(self, start: tuple[float, float], end: tuple[float, float], erase: bool) -> None:
        if not self.state.running:
            width = self.panel.brush.last_value()
            self.state.stroke(start, end, width, erase=erase or self.panel.erase.isChecked())

    def _show_region(self) -> None:
        self.overlay.show_region(self.state.region)

    def _on_stepped(self, image: ImageBatch) -> None:
        self._view.show_image(qimage(image))
        self._view.set_dimmed(False)

    def _on_before_held(self, held: bool) -> None:
        if held and self.state.before is not None:
            self._view.show_image(qimage(self.state.before))
        else:
            self._show_picture()

    def _show_picture(self) -> None:
        if self._explore.picture is not None:
            self._view.show_image(qimage(self._explore.picture.image))
