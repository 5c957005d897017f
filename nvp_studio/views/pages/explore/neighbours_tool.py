"""Explore's tool that shows the training images nearest to the picture: its actions, its panel, and what it says."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from nvp_studio.state.explore import ExploreState
from nvp_studio.state.neighbours import NeighboursState
from nvp_studio.state.qimages import qimages
from nvp_studio.text import grouped_number, sentence
from nvp_studio.views.context import WindowContext
from nvp_studio.views.page import Page
from nvp_studio.views.pages.explore.known_choice import ask_known_file, ask_known_folder, progress_text
from nvp_studio.views.widgets.labels import SEPARATOR
from nvp_studio.views.widgets.neighbour_panel import NeighbourPanel
from nvp_studio.worker.neighbour_messages import NeighboursFound


class NeighboursTool(QObject):
    """Connects the state of the neighbours with their panel."""

    tool_shown = Signal(str, bool)
    """Open or close the panel "neighbours"."""

    def __init__(self, context: WindowContext, page: Page, explore: ExploreState) -> None:
        super().__init__(page)
        self._context = context
        self.state = NeighboursState(explore)
        add = partial(context.registry.add, page=page)
        text, tip = self.tr("Nearest training images"), self.tr("The training images nearest to the picture")
        self._tool = add(
            "explore.neighbours", text, self._toggle, "W", "images", tip=tip, separator=True, checkable=True
        )
        text = self.tr("Find the nearest training images again")
        self._find = add("explore.neighbours-find", text, self._on_find, "Shift+W", "refresh-cw")
        text = self.tr("Stop looking for training images")
        self._stop = add("explore.neighbours-stop", text, self.state.stop, "Alt+W", "square")
        self.panel = NeighbourPanel(self._find, self._stop)
        self.panel.shown.connect(self.state.want)
        self.panel.chosen.connect(self.state.load)
        self.panel.space_picked.connect(lambda space: self.state.choose(self.state.data, space))
        self.panel.data.picked.connect(self._choose)
        self.panel.data.folder_wanted.connect(partial(self._ask, ask_known_folder))
        self.panel.data.file_wanted.connect(partial(self._ask, ask_known_file))
        self._shown: NeighboursFound | None = None
        self.state.changed.connect(self.show_state)
        self.show_state()

    def show_state(self) -> None:
        """Show the neighbours, how far the search is, and what the distances mean."""
        state, progress = self.state, self.state.progress
        self._find.setEnabled(not state.running and state.explore.engine.model is not None)
        self._stop.setEnabled(state.running)
        self.panel.data.show_data(state.data)
        self.panel.space.setCurrentIndex(self.panel.space.findData(state.space))
        done, total = (progress.done, progress.total) if progress is not None else (0, 1)
        self.panel.show_progress(done, total, running=state.running)
        self.panel.list.setEnabled(not state.outdated)
        if state.found is not self._shown:
            self._shown = state.found
            self._show_images(state.found)
        self.panel.show_status(*self._status())

    def _show_images(self, found: NeighboursFound | None) -> None:
        if found is None:
            self.panel.show_neighbours((), (), ())
            return
        texts = [_distance(found, distance) for distance in found.distances]
        tips = [
            self.tr("Image {0} of {1}: {2}").format(number + 1, found.title, self._with_unit(found, distance))
            for number, distance in zip(found.numbers, found.distances, strict=True)
        ]
        self.panel.show_neighbours(qimages(found.images), texts, tips)

    def _status(self) -> tuple[str, str]:
        state = self.state
        if state.progress is not None and (state.progress.work != "searching" or state.found is None):
            return progress_text(state.progress), ""
        if state.problem:
            return sentence(state.problem), ""
        if state.stopped:
            return self.tr("Stopped. Find goes on; what was computed is kept."), ""
        if state.found is None:
            return self.tr("The training images nearest to the picture appear here."), ""
        return self._meaning(state.found)

    def _meaning(self, found: NeighboursFound) -> tuple[str, str]:
        """What the distance of the nearest image means, and in the tool tip what it is compared with."""
        nearest = self._with_unit(found, found.distances[0])
        kind = self.tr("test images") if found.tested else self.tr("validation images")
        share = self.tr("{0} % of {1} {2} are as near").format(_percent(found.percent), found.held, kind)
        if found.known:
            verdict, why = self.tr("A training image"), self.tr("Every pixel is that of a training image.")
        elif found.near:
            verdict, why = self.tr("May be a copy"), self.tr("It is nearer than images that were not trained on.")
        else:
            verdict, why = (
                self.tr("No sign of a copy"),
                self.tr("It is no nearer than images that were not trained on."),
            )
        unit = (
            self.tr("Distances are the root mean square difference of a pixel value, in grey levels from 0 to 255.")
            if found.space == "x"
            else self.tr(
                "Distances are the root mean square difference of a latent value, in standard deviations of the\n"
                "prior: two independent samples are 1.41 apart."
            )
        )
        held = self.tr(
            "{0} {1} of {2}, which were not trained on, are {3} from their nearest training image in the middle."
        ).format(found.held, kind, found.title, self._with_unit(found, found.typical))
        searched = self.tr("Compared with {0} of {1} training images.").format(
            grouped_number(found.searched), grouped_number(found.total)
        )
        smooth = self.tr("A smooth or empty picture is near to many images and need not be a copy: look at both.")
        tip = "\n".join((f"{verdict}. {why}", f"{share}.", held, searched, unit, smooth))
        return SEPARATOR.join((verdict, nearest, share)), tip

    def _with_unit(self, found: NeighboursFound, distance: float) -> str:
        text = _distance(found, distance)
        return (self.tr("{0} grey levels") if found.space == "x" else self.tr("{0} in latents")).format(text)

    def _toggle(self) -> None:
        self.tool_shown.emit("neighbours", self._tool.isChecked())

    def _on_find(self) -> None:
        self.tool_shown.emit("neighbours", True)
        self.state.find()

    def _choose(self, data: str) -> None:
        self.state.choose(data, self.state.space)

    def _ask(self, ask: Callable[[WindowContext], Path | None]) -> None:
        path = ask(self._context)
        if path is not None:
            self._choose(str(path))


def _distance(found: NeighboursFound, distance: float) -> str:
    return f"{distance:.1f}" if found.space == "x" else f"{distance:.2f}"


def _percent(percent: float) -> str:
    return f"{percent:.1f}" if percent < 10 else f"{percent:.0f}"
