"""Two pictures of Explore that are compared: A, at first that of the beginning, and B, at first that on screen."""

from collections.abc import Sequence

from PySide6.QtCore import QObject, Signal

from nvp_studio.image_batch import ImageBatch
from nvp_studio.recipe import Recipe
from nvp_studio.state.explore import ExploreState
from nvp_studio.state.history import HistoryState
from nvp_studio.state.mixture import base_title
from nvp_studio.worker.channel import WorkerLost
from nvp_studio.worker.messages import Answer, Failed, ModelInfo, Picture, PictureScored, Render


class Side(QObject):
    """A picture that does not follow the one on screen."""

    changed = Signal()

    def __init__(self, explore: ExploreState, name: str) -> None:
        super().__init__(explore)
        self.recipe: Recipe | None = None
        self.title = ""
        self.image: ImageBatch | None = None
        """None until it is decoded."""
        self.bits_per_dim: float | None = None
        """None until it is scored."""
        self._explore = explore
        self._channel = explore.engine.explorer.channel(f"compare {name}", self)
        explore.picture_changed.connect(self._take_shown)
        explore.scored.connect(self._take_shown)
        explore.engine.model_compiled.connect(self._draw_again)

    def show(self, recipe: Recipe | None, title: str) -> None:
        """Be this picture, or None."""
        if recipe != self.recipe:
            self.forget()
        if (recipe, title) != (self.recipe, self.title):
            self.recipe, self.title = recipe, title
            self._take_shown()
            self.changed.emit()

    def forget(self) -> None:
        """Take note that the picture must be decoded again."""
        self._channel.cancel()
        self.image = self.bits_per_dim = None

    def fetch(self) -> None:
        """Have the picture decoded, and scored, unless it was."""
        engine = self._explore.engine
        missing = self.image is None or self.bits_per_dim is None
        ready = engine.model is not None and engine.explorer.state == "ready"
        if self.recipe is not None and missing and ready and not self._channel.asking:
            self._channel.ask(Render(self.recipe), self._on_answer)

    def _draw_again(self) -> None:
        """The picture stays until the same one, decoded by the compiled model, is there."""
        if self.recipe is not None and (self.image is not None or self._channel.asking):
            self._channel.ask(Render(self.recipe), self._on_answer)

    def _take_shown(self) -> None:
        """The picture on screen may be this one."""
        explore = self._explore
        if self.recipe is None or explore.picture is None or explore.picture_recipe != self.recipe:
            return
        if self.image is None or self.bits_per_dim is None:
            self.image, self.bits_per_dim = explore.picture.image, explore.bits_per_dim
            self.changed.emit()

    def _on_answer(self, answer: Answer | WorkerLost) -> None:
        match answer:
            case Picture(image=image):
                self.image = image
                self.changed.emit()
            case PictureScored(bits_per_dim=score):
                self.bits_per_dim = score
                self.changed.emit()
            case Failed(reason=reason):
                self._explore.failed.emit(reason)


class CompareState(QObject):
    """`a` and `b`, each either chosen or followed: A is the picture at the beginning then, B the one on screen."""

    changed = Signal()

    def __init__(self, explore: ExploreState, history: HistoryState) -> None:
        super().__init__(explore)
        self.explore, self._history = explore, history
        self.a, self.b = Side(explore, "a"), Side(explore, "b")
        self.wanted = False
        """Whether both are shown."""
        self.chosen: set[str] = set()
        """Those of "a" and "b" that were chosen."""
        self._digest = explore.model.digest if explore.model is not None else ""
        self.a.changed.connect(self.changed)
        self.b.changed.connect(self.changed)
        history.changed.connect(self._follow)
        explore.picture_changed.connect(self.changed)
        explore.scored.connect(self.changed)
        explore.engine.model_opened.connect(self._on_model_opened)
        self._follow()

    @property
    def b_image(self) -> ImageBatch | None:
        """What is shown as B."""
        if "b" in self.chosen:
            return self.b.image
        return self.explore.picture.image if self.explore.picture is not None else None

    @property
    def b_title(self) -> str:
        """What B is called."""
        if "b" in self.chosen or self.explore.picture_recipe is None:
            return self.b.title
        return self.tr("on screen: {0}").format(base_title(self.explore.picture_recipe.base))

    @property
    def b_bits_per_dim(self) -> float | None:
        """The score of B."""
        return self.b.bits_per_dim if "b" in self.chosen else self.explore.bits_per_dim

    def choose(self, side: str, recipe: Recipe, title: str) -> None:
        """Compare with a picture, as "a" or "b"."""
        self.chosen.add(side)
        (self.a if side == "a" else self.b).show(recipe, title)
        self._fetch()
        self.changed.emit()

    def choose_shown(self, side: str) -> None:
        """Compare with the picture that is on screen now."""
        recipe = self.explore.picture_recipe
        if recipe is not None:
            self.choose(side, recipe, base_title(recipe.base))

    def follow(self, side: str) -> None:
        """Compare with the picture at the beginning ("a"), or with the one on screen ("b"), again."""
        self.chosen.discard(side)
        if side == "b":
            self.b.show(None, "")
        self._follow()
        self.changed.emit()

    def clear(self) -> None:
        """Compare the picture at the beginning with the one on screen."""
        for side in ("a", "b"):
            self.follow(side)

    @property
    def pictures(self) -> tuple[tuple[Recipe, str] | None, tuple[Recipe, str] | None]:
        """(recipe, title) of A and of B, None for one that follows."""
        a, b = (
            (one.recipe, one.title) if name in self.chosen and one.recipe is not None else None
            for name, one in (("a", self.a), ("b", self.b))
        )
        return a, b

    def restore(self, pictures: Sequence[tuple[Recipe, str] | None]) -> None:
        """Compare the pictures of another session, (recipe, title) of A and of B; None: one that follows."""
        for side, picture in zip("ab", pictures, strict=True):
            if picture is None:
                self.follow(side)
            else:
                self.choose(side, *picture)

    def want(self, wanted: bool) -> None:
        """Keep both pictures ready to be shown from now on, or no longer."""
        self.wanted = wanted
        self._fetch()

    def _follow(self) -> None:
        if "a" not in self.chosen:
            start = self._history.start
            self.a.show(start, self.tr("the beginning: {0}").format(base_title(start.base)))
        self._fetch()

    def _fetch(self) -> None:
        if self.wanted:
            self.a.fetch()
            self.b.fetch()

    def _on_model_opened(self, model: ModelInfo) -> None:
        if model.digest != self._digest:
            self._digest = model.digest
            self.a.forget()
            self.b.forget()
            if not self.explore.went_on:
                self.clear()
        self._fetch()
