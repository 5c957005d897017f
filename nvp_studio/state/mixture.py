"""Pictures that are made of several others: which those are, the place between them, and pictures at other places."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from msgspec.structs import replace
from PySide6.QtCore import QCoreApplication, QObject, Signal

from nvp_studio.recipe import Base, Blend, Corners, Image, Recipe, Seed, Source, fits
from nvp_studio.state.explore import ExploreState
from nvp_studio.worker.channel import WorkerLost
from nvp_studio.worker.messages import Answer, Failed, ModelInfo, PictureRead, ReadPicture, RenderSheet, Sheet

Place = tuple[float, ...]


class MixtureState(QObject):
    """Ends, chosen one after the other. Once all are there the picture is made of them (`base_at`).

    The picture's recipe goes through `ExploreState`, so that undo, saving and rendering are those of every picture; the
    ends are those of the recipe when it is such a picture, and else what was chosen last.
    """

    changed = Signal()
    """`ends`, `place` or `active` may have changed."""
    strip_changed = Signal()

    key: str
    """Names the channels and the merged edits."""
    letters: str
    """One for each end."""
    middle: Place
    strip_places: Sequence[Place]
    """Where the pictures of `strip` lie."""

    def __init__(self, explore: ExploreState) -> None:
        super().__init__(explore)
        self.explore = explore
        self.ends: tuple[Source | None, ...] = (None,) * len(self.letters)
        self.place = self.middle
        self.strip: Sheet | None = None
        """Pictures of the same ends, one for each of `strip_places`."""
        self._asked: Recipe | None = None
        self.ends_follow = False
        """Whether others take the place of these ends once the model that is being opened is there."""
        self._digest = explore.model.digest if explore.model is not None else ""
        self._chosen_with = self._digest
        """Digest of the model that the ends were chosen with last."""
        explore.recipe_changed.connect(self._on_recipe_changed)
        explore.gesture_ended.connect(self._refresh_strip)
        explore.engine.model_opened.connect(self._on_model_opened)
        explore.engine.model_compiled.connect(self._draw_strip_again)
        channel = explore.engine.explorer.channel
        self._strip_channel = channel(f"{self.key} strip", self)
        self._end_channels = tuple(channel(f"{self.key} {letter.lower()}", self) for letter in self.letters)
        self._on_recipe_changed(explore.recipe)

    # What kind of picture it is

    def base_at(self, ends: Sequence[Source], place: Place) -> Base:
        """The base latent of the picture at a place."""
        raise NotImplementedError

    def taken_apart(self, base: Base) -> tuple[tuple[Source, ...], Place] | None:
        """The ends and the place of a base latent of this kind, None for another kind."""
        raise NotImplementedError

    @property
    def title(self) -> str:
        """Of an edit that moves the place."""
        raise NotImplementedError

    def end_title(self, end: int) -> str:
        """Of an edit that chooses an end, and of what a drop would do."""
        raise NotImplementedError

    # The present state and its changes

    @property
    def active(self) -> bool:
        """Whether the wanted picture is of this kind."""
        return self.taken_apart(self.explore.recipe.base) is not None

    def take_picture(self, end: int) -> None:
        """Make the picture on screen an end, by its pixels."""
        image, model = picture_as_image(self.explore), self.explore.model
        if image is None or model is None:
            self.explore.failed.emit(self.tr("There is no picture yet."))
        elif not fits(image, model.image_shape):
            self.explore.failed.emit(larger_text())
        else:
            self._set_end(end, image)

    def open_end(self, end: int, path: Path) -> None:
        """Make an image file an end, by its pixels and not by a recipe in it."""
        if self.explore.model is not None and self.explore.engine.explorer.state == "ready":
            self._end_channels[end].ask(ReadPicture(str(path), plain=True), partial(self._on_end_read, end))

    def set_place(self, place: Place) -> None:
        """Show the picture at another place."""
        recipe = self._recipe(place)
        if recipe is not None:
            self.explore.show(recipe, self.title, merge_key=self.key)

    def restore_ends(self, ends: tuple[Source | None, ...]) -> None:
        """Take the ends of another session, where the picture has none of its own."""
        model = self.explore.model
        if model is not None:
            self._chosen_with = model.digest
        if not self.active and model is not None:
            self.ends = tuple(end if end is not None and fits(end, model.image_shape) else None for end in ends)
            self.changed.emit()
            self._refresh_strip()

    def _set_end(self, end: int, base: Source) -> None:
        self._set_ends((*self.ends[:end], base, *self.ends[end + 1 :]), self.end_title(end))

    def _set_ends(self, ends: tuple[Source | None, ...], text: str) -> None:
        """Choose the ends, and show what is made of them where all are there."""
        place = self.place if self.active else self.middle
        before = self.explore.recipe
        self.ends, self._chosen_with = ends, self._digest
        self.changed.emit()
        recipe = self._recipe(place, before)
        if recipe is not None:
            self.explore.show(recipe, text)
        self._refresh_strip()

    def _recipe(self, place: Place, now: Recipe | None = None) -> Recipe | None:
        """The picture at a place: one that is made of these ends already keeps its sliders, else they are reset."""
        now = now or self.explore.recipe
        model, ends = self.explore.model, [end for end in self.ends if end is not None]
        if model is None or len(ends) < len(self.letters):
            return None
        base = self.base_at(ends, place)
        if not fits(base, model.image_shape):
            return None
        apart = self.taken_apart(now.base)
        if apart is not None and apart[0] == self.ends:
            return replace(now, base=base)
        return Recipe(checkpoint=now.checkpoint, base=base)

    def _on_recipe_changed(self, recipe: Recipe) -> None:
        apart = self.taken_apart(recipe.base)
        if apart is not None:
            if self.ends != apart[0]:
                self._chosen_with = self._digest
            self.ends, self.place = apart
        self.changed.emit()
        self._refresh_strip()

    def _on_model_opened(self, model: ModelInfo) -> None:
        before, self._digest = self._digest, model.digest
        follow, self.ends_follow = self.ends_follow, False
        seeds = [self.end_title(place) for place, end in enumerate(self.ends) if isinstance(end, Seed)]
        same = model.digest in (before, self._chosen_with) or not before
        if not before or self.explore.went_on:
            self._chosen_with = model.digest
        if seeds and not same and not follow and not self.explore.went_on:
            text = self.tr("With this model these samples are other pictures than before: {0}.")
            self.explore.told.emit(text.format(", ".join(seeds)))
        self.ends = tuple(end if end is not None and fits(end, model.image_shape) else None for end in self.ends)
        self.changed.emit()
        self._refresh_strip()

    # The strip

    def _draw_strip_again(self) -> None:
        self._asked = None
        self._refresh_strip()

    def _refresh_strip(self) -> None:
        """Ask for the pictures at other places where they are no longer those shown, once no slider is held."""
        engine = self.explore.engine.explorer
        if self.explore.in_gesture or self.explore.model is None or engine.state != "ready":
            return
        wanted = self._recipe(self.strip_places[0])
        if wanted == self._asked:
            return
        self._asked = wanted
        ends = [end for end in self.ends if end is not None]
        if wanted is None:
            self._show_strip(None)
            return
        recipes = tuple(replace(wanted, base=self.base_at(ends, place)) for place in self.strip_places)
        self._strip_channel.ask(RenderSheet(recipes, scores=False), self._on_strip)

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


def larger_text() -> str:
    """Why a picture that is larger than trained is not taken."""
    return QCoreApplication.translate(
        "BlendState",
        "The picture on screen is larger than the model's images: Alt+G brings it back to their size, then take it.",
    )


def picture_as_image(explore: ExploreState) -> Image | None:
    """The picture on screen, by its pixels; None before the first one."""
    picture, recipe = explore.picture, explore.picture_recipe
    if picture is None or recipe is None:
        return None
    _, height, width, channels = picture.image.shape
    return Image((height, width, channels), picture.image.pixels, base_title(recipe.base))


def base_title(base: Base) -> str:
    """What a picture with this base is called as a part of another."""
    match base:
        case Seed(seed=seed):
            return QCoreApplication.translate("BlendState", "sample {0}").format(seed)
        case Image(name=name):
            return name or QCoreApplication.translate("BlendState", "image")
        case Blend():
            return QCoreApplication.translate("BlendState", "a blend")
        case Corners():
            return QCoreApplication.translate("BlendState", "a place between four corners")
