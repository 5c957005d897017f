"""Blending on Explore: two ends, the pictures between them, and how far from one to the other the picture lies."""

from functools import partial
from pathlib import Path

from msgspec.structs import replace
from PySide6.QtCore import QCoreApplication, QObject, Signal

from nvp_studio.recipe import Blend, Image, Recipe, Seed, fits
from nvp_studio.state.explore import ExploreState
from nvp_studio.worker.channel import WorkerLost
from nvp_studio.worker.messages import Answer, Failed, ModelInfo, PictureRead, ReadPicture, RenderSheet, Sheet

STRIP_POSITIONS = tuple(step / 10 for step in range(11))
MIDDLE = 0.5

End = Seed | Image


class BlendState(QObject):
    """The ends A (0) and B (1), chosen one after the other. Once both are there the picture is a `Blend` of them.

    The picture's recipe goes through `ExploreState`, so that undo, saving and rendering are those of every picture; the
    ends are those of the recipe when it is a blend, and else what was chosen last.
    """

    changed = Signal()
    """`ends`, `position` or `active` may have changed."""
    strip_changed = Signal()

    def __init__(self, explore: ExploreState) -> None:
        super().__init__(explore)
        self.explore = explore
        self.ends: tuple[End | None, End | None] = (None, None)
        self.position = MIDDLE
        self.strip: Sheet | None = None
        """The pictures between the ends, one for each of `STRIP_POSITIONS`."""
        self._asked: Recipe | None = None
        explore.recipe_changed.connect(self._on_recipe_changed)
        explore.gesture_ended.connect(self._refresh_strip)
        explore.engine.model_opened.connect(self._on_model_opened)
        self._strip_channel = explore.engine.explorer.channel("blend strip", self)
        self._end_channels = tuple(explore.engine.explorer.channel(f"blend {name}", self) for name in "ab")
        self._on_recipe_changed(explore.recipe)

    @property
    def active(self) -> bool:
        """Whether the wanted picture is a blend."""
        return isinstance(self.explore.recipe.base, Blend)

    def take_picture(self, end: int) -> None:
        """Make the picture on screen an end, by its pixels."""
        picture, recipe = self.explore.picture, self.explore.picture_recipe
        if picture is not None and recipe is not None:
            _, height, width, channels = picture.image.shape
            self._set_end(end, Image((height, width, channels), picture.image.pixels, base_title(recipe.base)))

    def open_end(self, end: int, path: Path) -> None:
        """Make an image file an end, by its pixels and not by a recipe in it."""
        if self.explore.model is not None and self.explore.engine.explorer.state == "ready":
            self._end_channels[end].ask(ReadPicture(str(path), plain=True), partial(self._on_end_read, end))

    def set_position(self, position: float) -> None:
        """Show the picture at `position` between A (0) and B (1)."""
        recipe = self._recipe(max(0.0, min(position, 1.0)))
        if recipe is not None:
            self.explore.show(recipe, self.tr("blend"), merge_key="blend")

    def _set_end(self, end: int, base: End) -> None:
        self.ends = (base, self.ends[1]) if end == 0 else (self.ends[0], base)
        self.changed.emit()
        recipe = self._recipe(self.position if self.active else MIDDLE)
        if recipe is not None:
            text = self.tr("image {0} of the blend").format("AB"[end])
            self.explore.show(recipe, text)
        self._refresh_strip()

    def _recipe(self, position: float) -> Recipe | None:
        """The blend at `position`: a picture that is a blend of these ends keeps its sliders, else they are reset."""
        now, model, (a, b) = self.explore.recipe, self.explore.model, self.ends
        if model is None or a is None or b is None:
            return None
        blend = Blend(a, b, position)
        if not fits(blend, model.image_shape):
            return None
        if isinstance(now.base, Blend) and (now.base.a, now.base.b) == self.ends:
            return replace(now, base=blend)
        return Recipe(checkpoint=now.checkpoint, base=blend)

    def _on_recipe_changed(self, recipe: Recipe) -> None:
        if isinstance(recipe.base, Blend):
            self.ends, self.position = (recipe.base.a, recipe.base.b), recipe.base.share
        self.changed.emit()
        self._refresh_strip()

    def _on_model_opened(self, model: ModelInfo) -> None:
        a, b = (end if end is not None and fits(end, model.image_shape) else None for end in self.ends)
        self.ends = (a, b)
        self.changed.emit()
        self._refresh_strip()

    def _refresh_strip(self) -> None:
        """Ask for the pictures between the ends where they are no longer those shown, once no slider is held."""
        engine = self.explore.engine.explorer
        if self.explore.in_gesture or self.explore.model is None or engine.state != "ready":
            return
        wanted = self._recipe(0.0)
        if wanted == self._asked:
            return
        self._asked = wanted
        if wanted is None:
            self._show_strip(None)
            return
        ends = wanted.base
        assert isinstance(ends, Blend)
        recipes = tuple(replace(wanted, base=replace(ends, share=position)) for position in STRIP_POSITIONS)
        self._strip_channel.ask(RenderSheet(recipes), self._on_strip)

    def _show_strip(self, strip: Sheet | None) -> None:
        self.strip = strip
        self.strip_changed.emit()

    def _on_strip(self, answer: Answer | WorkerLost) -> None:
        match answer:
            case Sheet():
                self._show_strip(answer)
            case Failed(reason=reason):
                self._show_strip(None)
                self.explore.failed.emit(reason)
            case WorkerLost():
                self._asked = None  # so that it is asked for again once the model is open again

    def _on_end_read(self, end: int, answer: Answer | WorkerLost) -> None:
        match answer:
            case PictureRead(recipe=Recipe(base=Image() as image)):
                self._set_end(end, image)
            case Failed(reason=reason):
                self.explore.failed.emit(reason)


def base_title(base: Seed | Image | Blend) -> str:
    """What a picture with this base is called as an end of a blend."""
    match base:
        case Seed(seed=seed):
            return QCoreApplication.translate("BlendState", "seed {0}").format(seed)
        case Image(name=name):
            return name or QCoreApplication.translate("BlendState", "image")
        case Blend():
            return QCoreApplication.translate("BlendState", "a blend")
