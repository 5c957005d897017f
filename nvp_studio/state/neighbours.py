"""The training images that are nearest to Explore's picture."""

from PySide6.QtCore import QObject, Signal

from nvp_studio.recipe import Image, Recipe, Space
from nvp_studio.state.explore import ExploreState
from nvp_studio.worker.channel import WorkerLost
from nvp_studio.worker.messages import Answer, Failed
from nvp_studio.worker.neighbour_messages import Comparing, FindNeighbours, NeighboursFound

COUNT = 10
"""Neighbours that are shown."""


class NeighboursState(QObject):
    """Finds the neighbours of the picture on screen while they are wanted, anew for each picture at rest."""

    changed = Signal()
    """Anything below may have changed."""

    def __init__(self, explore: ExploreState) -> None:
        super().__init__(explore)
        self.explore = explore
        self.data = ""
        """The name of a data set or a path; empty: the model's own data."""
        self.space: Space = "x"
        self.found: NeighboursFound | None = None
        self.outdated = False
        """Whether `found` are those of another picture."""
        self.progress: Comparing | None = None
        """How far the search is; None while there is none."""
        self.problem = ""
        """Why there are no neighbours."""
        self.stopped = False
        """Whether a person has stopped the search; it goes on when it is asked for."""
        self._wanted = False
        self._asked: FindNeighbours | None = None
        self._channel = explore.engine.explorer.channel("neighbours", self)
        explore.picture_changed.connect(self._refresh)
        explore.recipe_changed.connect(self._on_recipe_changed)
        explore.gesture_ended.connect(self._refresh)
        explore.engine.model_opened.connect(self._on_model_opened)
        explore.engine.model_compiled.connect(self._forget_asked)

    @property
    def running(self) -> bool:
        """Whether neighbours are looked for."""
        return self.progress is not None

    def want(self, wanted: bool) -> None:
        """Keep the neighbours up to date from now on, or no longer."""
        self._wanted = wanted
        if wanted:
            self._refresh()
        else:
            self._end()

    def choose(self, data: str, space: Space) -> None:
        """Look among these data, in pixels ("x") or latents ("z")."""
        if (data, space) != (self.data, self.space):
            self.data, self.space, self.found = data, space, None
            self.find()

    def find(self) -> None:
        """Look for the neighbours of the picture, also after `stop` or a problem."""
        self.stopped, self._asked = False, None
        self._refresh()

    def stop(self) -> None:
        """End the search; latents that were computed are kept."""
        self.stopped = self.running
        self._end()

    def load(self, index: int) -> None:
        """Show one of the neighbours as Explore's picture."""
        found = self.found
        if found is None or not 0 <= index < len(found.numbers):
            return
        _, height, width, channels = found.images.shape
        size = height * width * channels
        name = self.tr("Image {0} of {1}").format(found.numbers[index] + 1, found.title)
        base = Image((height, width, channels), found.images.pixels[index * size : (index + 1) * size], name)
        self.explore.show(Recipe(checkpoint="", base=base), self.tr("training image"))

    def _end(self) -> None:
        if self.running:
            self._channel.cancel()
            self._asked = None
        self.progress = None
        self.changed.emit()

    def _refresh(self) -> None:
        explore = self.explore
        recipe = explore.picture_recipe
        if not self._wanted or self.stopped or explore.in_gesture or recipe is None or recipe != explore.recipe:
            return
        request = FindNeighbours(recipe, self.data, self.space, COUNT)
        if request != self._asked and explore.engine.explorer.state == "ready":
            if self.running:
                self._channel.cancel()
            if self._channel.ask(request, self._on_answer):
                self._asked, self.problem = request, ""
                self.progress = Comparing("searching", 0, 0)
                self.outdated = True
                self.changed.emit()

    def _on_answer(self, answer: Answer | WorkerLost) -> None:
        match answer:
            case Comparing():
                self.progress = answer
            case NeighboursFound():
                self.found, self.outdated, self.progress = answer, False, None
            case Failed(reason=reason):
                self.found, self.progress, self.problem = None, None, reason
            case _:
                self.progress, self._asked = None, None
        self.changed.emit()

    def _on_recipe_changed(self) -> None:
        if self.found is not None and not self.outdated:
            self.outdated = True
            self.changed.emit()

    def _forget_asked(self) -> None:
        """Should the picture become another one by a grey level, its neighbours are looked for again."""
        if not self.running:
            self._asked = None

    def _on_model_opened(self) -> None:
        self._end()
        self._asked, self.found, self.problem, self.stopped = None, None, "", False
        self.changed.emit()
