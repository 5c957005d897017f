"""A recipe that a person edits: its values, the changes of it, and the undo history of these."""

import random
from collections.abc import Sequence

from msgspec.structs import replace
from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QUndoStack

from nvp_studio.recipe import Image, Recipe, Seed, can_be_enlarged, sources
from nvp_studio.state.engine import Engine
from nvp_studio.state.value_edit import ValueEdit
from nvp_studio.worker.messages import ModelInfo

MAX_SEED = 2**31 - 1
LEAST_MOVE = 0.005
"""Standard deviations along a direction below which a slider shows no move."""
REACH = 4.0
"""Standard deviations from the middle of a direction's slider to its ends."""


class EditedRecipe(QObject):
    """A recipe for the open model, and its edits. Every change makes another `Recipe` and is, as one gesture, undoable.

    Between `begin_gesture` and `end_gesture` (a mouse button held on a slider) changes show at once and count as one.
    """

    recipe_changed = Signal(object)
    """The present `Recipe`."""
    edited = Signal()
    """An edit is complete; none is while a slider is held."""
    drawn_changed = Signal()
    """`drawn` has changed."""
    gesture_ended = Signal()
    locked_changed = Signal()

    def __init__(self, engine: Engine, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.engine = engine
        self.undo = QUndoStack(self)
        self.undo.setUndoLimit(500)
        self.recipe = Recipe(checkpoint="", base=Seed(0))
        self.origin: tuple[float, ...] = ()
        """Where the base latent lies along each direction, in standard deviations; empty until it was rendered."""
        self.drawn: dict[int, float] = {}
        """Where random directions led to last, by direction, in standard deviations; empty before the first time."""
        self.locked: frozenset[int] = frozenset()
        """Scales that new samples leave as they are."""
        self._gesture: Recipe | None = None
        self._restoring = False
        self._random = random.Random()

    # The present state

    @property
    def model(self) -> ModelInfo | None:
        """The open model."""
        return self.engine.model

    @property
    def scales(self) -> int:
        """Number of scales of the open model."""
        return len(self.model.latent_shapes) if self.model else 0

    @property
    def temperatures(self) -> tuple[float, ...]:
        """Temperature of each scale, finest first."""
        return self.recipe.temperatures or (1.0,) * self.scales

    @property
    def sample_temperatures(self) -> tuple[float, ...]:
        """Temperature of each scale of a new sample of the open model, finest first."""
        return self.model.sample_temperatures or (1.0,) * self.scales if self.model else ()

    @property
    def next_temperatures(self) -> tuple[float, ...]:
        """Temperature of each scale of a sample that replaces the picture, finest first.

        Those of the picture, but where it is an image or made of images, a scale that is at 1, which shows it as it is,
        gets the temperature of the model's samples.
        """
        base, present = self.recipe.base, self.temperatures
        own = base.temperatures if isinstance(base, Image) else ()
        if all(isinstance(source, Seed) for source in sources(base)) or any(value != 1.0 for value in own):
            return present
        pairs = zip(present, self.sample_temperatures, strict=False)
        return tuple(usual if value == 1.0 else value for value, usual in pairs)

    @property
    def own_temperatures(self) -> tuple[float, ...]:
        """The temperatures a reset goes back to: those at which an image is shown as it is."""
        base = self.recipe.base
        own = base.temperatures if isinstance(base, Image) else ()
        return self.sample_temperatures if isinstance(base, Seed) else own or (1.0,) * self.scales

    @property
    def coordinates(self) -> tuple[float, ...]:
        """Where the wanted picture lies along each direction: the origin and the offsets."""
        offsets = dict(self.recipe.offsets)
        return tuple(value + offsets.get(index, 0.0) for index, value in enumerate(self.origin))

    @property
    def original(self) -> Recipe:
        """The recipe without offsets, at its own temperature: what a reset of all sliders brings back."""
        return self.recipe.without_moves().with_temperatures(self.own_temperatures)

    @property
    def moved(self) -> dict[int, float]:
        """How far the wanted picture lies from its base along each direction that it moved along."""
        return {direction: offset for direction, offset in self.recipe.offsets if abs(offset) >= LEAST_MOVE}

    @property
    def at_ends(self) -> tuple[str, ...]:
        """The directions that were moved as far as their sliders go, or farther, by their names."""
        places, least = self.coordinates, REACH - LEAST_MOVE
        own = [self.direction_title(one) for one in self.moved if 0 <= one < len(places) and abs(places[one]) >= least]
        return (*own, *(move.name for move in self.recipe.moves if abs(move.offset) >= least))

    # Edits

    @property
    def in_gesture(self) -> bool:
        """Whether a slider is held."""
        return self._gesture is not None

    def begin_gesture(self) -> None:
        """What follows until `end_gesture` is one undo entry."""
        self._gesture = self.recipe

    def end_gesture(self, text: str) -> None:
        """Close the gesture; `text` names it in the undo menu."""
        before, self._gesture = self._gesture, None
        if before is not None and before != self.recipe:
            self.undo.push(ValueEdit(self.apply, text, before, self.recipe, ""))
        self.edited.emit()
        self.gesture_ended.emit()

    def new_sample(self, seed: int | None = None) -> None:
        """Another sample, of a random or given seed, at the `next_temperatures`; offsets go."""
        seed = self._random.randrange(10**6) if seed is None else max(0, min(seed, MAX_SEED))
        recipe = replace(self.recipe.without_moves(), base=Seed(seed), scales=(), kept=None)
        recipe = recipe.with_temperatures(self.next_temperatures)
        self._edit(self._with_locked(recipe), self.tr("new sample"))

    def set_locked(self, scale: int, locked: bool) -> None:
        """Let new samples leave a scale as it is, or no longer."""
        self.locked = self.locked | {scale} if locked else self.locked - {scale}
        self.locked_changed.emit()

    def set_keep_length(self, keep: bool) -> None:
        """Let moves along directions keep the latent's length at every scale, or no longer."""
        self._edit(replace(self.recipe, keep_length=keep), self.tr("length of the latent"))

    def direction_title(self, direction: int) -> str:
        """The name of a direction as it is written inside a sentence."""
        names = self.model.direction_names if self.model is not None else ()
        number = self.tr("direction {0}").format(direction + 1)
        return (names[direction] if direction < len(names) else "") or number

    def set_coordinate(self, direction: int, value: float) -> None:
        """Move along `direction` to `value` standard deviations from the training set's mean."""
        if direction < len(self.origin):
            recipe = self.recipe.with_offset(direction, value - self.origin[direction])
            self._edit(recipe, self.direction_title(direction), f"direction-{direction}")

    def reset_direction(self, direction: int) -> None:
        """Back to where the base latent has it."""
        text = self.tr("reset of {0}").format(self.direction_title(direction))
        self._edit(self.recipe.with_offset(direction, 0.0), text)

    def set_temperature(self, value: float, scale: int | None = None) -> None:
        """Set the temperature of one scale, or (None) the mean of all, from which they differ as the image's own do."""
        values = with_mean(self.own_temperatures, value) if scale is None else list(self.temperatures)
        if scale is not None:
            values[scale] = value
        self._edit(self.recipe.with_temperatures(values), self.tr("temperature"), f"temperature-{scale}")

    def reset_temperature(self, scale: int | None = None) -> None:
        """The temperature of one scale, or (None) of all, back to the image's own."""
        own = self.own_temperatures
        if scale is not None:
            own = (*self.temperatures[:scale], own[scale], *self.temperatures[scale + 1 :])
        self._edit(self.recipe.with_temperatures(own), self.tr("temperature"))

    def reset(self) -> None:
        """All directions and temperatures back to the image's own."""
        self._edit(self.original, self.tr("reset"))

    def randomize(self) -> None:
        """Draw a place along every principal direction from a standard normal distribution, and move there."""
        if self.model is not None:
            names = enumerate(self.model.direction_names)
            drawn = {direction: round(self._random.gauss(0.0, 1.0), 2) for direction, name in names if not name}
            self._go_to(drawn)

    def repeat_randomize(self) -> None:
        """Move to the places that were drawn last, from whatever picture is shown now."""
        self._go_to(self.drawn)

    def _go_to(self, places: dict[int, float]) -> None:
        if not self.origin:
            return
        recipe = self.recipe
        for direction, place in places.items():
            recipe = recipe.with_offset(direction, place - self.origin[direction])
        self._edit(recipe, self.tr("random directions"))
        if places != self.drawn:
            self.drawn = places
            self.drawn_changed.emit()

    def _with_locked(self, recipe: Recipe) -> Recipe:
        """Another sample, with the locked scales of the present picture."""
        for scale in self.locked:
            recipe = recipe.with_scale(scale, self.recipe.base_of(scale))
        return recipe

    def _edit(self, recipe: Recipe, text: str, merge_key: str = "") -> None:
        """One edit; a picture larger than trained gets its trained size where the recipe cannot have it any more."""
        if recipe.enlarged > 1 and (recipe.offsets or recipe.moves or not can_be_enlarged(recipe)):
            recipe = replace(recipe, enlarged=1)
        if recipe == self.recipe:
            return
        if self._gesture is not None:
            self.apply(recipe)
            return
        self.undo.push(ValueEdit(self.apply, text, self.recipe, recipe, merge_key))
        self.edited.emit()

    def apply(self, recipe: Recipe) -> None:
        """Make `recipe` the present one, without an undo entry; for undo commands."""
        if recipe == self.recipe:
            return
        if not same_origin(recipe, self.recipe):
            self.origin = ()
        self.recipe = recipe
        self._ask_picture()
        self.recipe_changed.emit(recipe)

    def _ask_picture(self) -> None:
        """Ask for what must come first, before others are told of the new recipe."""

    def restore(self, recipes: Sequence[Recipe], titles: Sequence[str], current: int, title: str) -> None:
        """Put a history behind the present one, and show the picture `current` of it.

        `recipes` are for the open model, each with the title of the edit that led to it, the first one's left out.
        `title` is that of the edit from the present picture to the first one; none is needed where they are the same.
        """
        start = self.recipe if title else recipes[0]
        pairs = list(zip(titles[1:], recipes, recipes[1:], strict=False))
        if start != recipes[0]:
            pairs.insert(0, (title, start, recipes[0]))
        self._restoring = True
        try:
            for text, before, after in pairs:
                self.undo.push(ValueEdit(self._apply_unless_restoring, text, before, after, ""))
            self.undo.setIndex(self.undo.count() - (len(recipes) - 1 - current))
        finally:
            self._restoring = False
        self.apply(recipes[current])
        self.edited.emit()

    def restore_choices(self, locked: Sequence[int], drawn: dict[int, float]) -> None:
        """Take the locked scales of another session, and where its random directions led to last."""
        self.locked = frozenset(scale for scale in locked if scale < self.scales)
        self.locked_changed.emit()
        directions = len(self.model.direction_names) if self.model is not None else 0
        self.drawn = {direction: place for direction, place in drawn.items() if direction < directions}
        self.drawn_changed.emit()

    def _apply_unless_restoring(self, recipe: Recipe) -> None:
        if not self._restoring:
            self.apply(recipe)

    def _begin_again(self, recipe: Recipe) -> None:
        """Go on with a recipe for another model; what was edited before cannot be undone."""
        self.undo.clear()
        self.locked = frozenset()
        self.locked_changed.emit()
        self.drawn = {}
        self.drawn_changed.emit()
        self._gesture = None
        self.origin = ()
        self.recipe = recipe


def same_origin(one: Recipe, other: Recipe) -> bool:
    """Whether two recipes have one base latent."""
    return _without_moves(one) == _without_moves(other)


def _without_moves(recipe: Recipe) -> Recipe:
    return replace(recipe, offsets=(), moves=(), locked=(), keep_length=False)


def with_mean(own: Sequence[float], mean: float) -> list[float]:
    """Temperatures with this mean that all fall to 0 as `own` do, and all rise to 1; above 1, all are the mean."""
    middle = sum(own) / max(1, len(own))
    if mean >= 1 or middle >= 1:
        return [mean * (value / middle if mean < middle else 1) for value in own]
    if mean < middle:
        return [value * mean / middle for value in own]
    share = (mean - middle) / (1 - middle)
    return [value + (1 - value) * share for value in own]
