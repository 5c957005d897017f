"""The picture that a reset of all sliders brings back, to be seen beside the one on screen."""

from functools import partial

from PySide6.QtCore import QObject, Signal

from nvp_studio.image_batch import ImageBatch
from nvp_studio.recipe import Image, Recipe
from nvp_studio.state.explore import ExploreState
from nvp_studio.worker.channel import WorkerLost
from nvp_studio.worker.messages import Answer, Picture, Render


class OriginalState(QObject):
    """Keeps `image` up to date while it is wanted."""

    changed = Signal()

    def __init__(self, explore: ExploreState) -> None:
        super().__init__(explore)
        self.image: ImageBatch | None = None
        """The original of the picture on screen; the one before until another arrives."""
        self.wanted = False
        self._explore = explore
        self._recipe: Recipe | None = None
        self._pictures = explore.engine.explorer.channel("original", self)
        explore.recipe_changed.connect(self._refresh)
        explore.engine.model_opened.connect(self._refresh)
        explore.engine.model_compiled.connect(self._draw_again)

    @property
    def outdated(self) -> bool:
        """Whether `image` is that of another picture, and the right one on its way."""
        return self._recipe != self._explore.original

    def want(self, wanted: bool) -> None:
        """Keep the image up to date from now on, or no longer."""
        self.wanted = wanted
        self._refresh()

    def _refresh(self) -> None:
        recipe = self._explore.original
        if not self.wanted or self._explore.model is None or recipe == self._recipe:
            return
        if isinstance(recipe.base, Image):
            self._pictures.cancel()
            self._show(recipe, ImageBatch((1, *recipe.base.shape), recipe.base.pixels))
        elif self._explore.engine.explorer.state == "ready":
            self._pictures.ask(Render(recipe), partial(self._on_picture, recipe))
            self.changed.emit()

    def _draw_again(self) -> None:
        """The image shown stays until the same one, now decoded by the compiled model, is there."""
        recipe = self._recipe
        if self.wanted and recipe is not None and not isinstance(recipe.base, Image) and not self.outdated:
            self._pictures.ask(Render(recipe), partial(self._on_picture, recipe))
        elif self.wanted:
            self._recipe = None
            self._refresh()
        else:
            self._recipe = None

    def _on_picture(self, recipe: Recipe, answer: Answer | WorkerLost) -> None:
        if isinstance(answer, Picture):
            self._show(recipe, answer.image)

    def _show(self, recipe: Recipe, image: ImageBatch) -> None:
        self._recipe, self.image = recipe, image
        self.changed.emit()
