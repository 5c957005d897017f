"""What Explore shows: a recipe, its picture, the edits that led to it and the strip of samples to pick from."""

import random
from contextlib import suppress
from functools import partial
from pathlib import Path

from msgspec.structs import replace
from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QUndoStack

from nvp_studio.recipe import Recipe, Seed, fits
from nvp_studio.state.engine import Engine
from nvp_studio.state.recipe_edit import RecipeEdit
from nvp_studio.worker.channel import WorkerLost
from nvp_studio.worker.messages import (
    Answer,
    Failed,
    ModelInfo,
    Picture,
    PictureRead,
    PictureSaved,
    PictureScored,
    ReadPicture,
    Render,
    RenderSheet,
    SavePicture,
    Sheet,
)

SHEET_IMAGES = 24
MAX_SEED = 2**31 - 1
LEAST_MOVE = 0.005
"""Standard deviations along a direction below which a slider shows no move."""
SAMPLE_TEMPERATURE = 0.8
"""Of a new sample. A little below 1 shows typical images, as the sheets of a run do."""


class ExploreState(QObject):
    """The picture on Explore. Every change makes another `Recipe`; it is rendered and, as one gesture, undoable.

    Between `begin_gesture` and `end_gesture` (a mouse button held on a slider) changes show at once and count as one.
    """

    recipe_changed = Signal(object)
    """The present `Recipe`; its picture follows."""
    picture_changed = Signal(object)
    """The `Picture` of `picture_recipe`. Its score follows."""
    scored = Signal(object)
    """Bits/dim of the picture shown, or None when they cannot be had."""
    notes_changed = Signal()
    """`notes` or `busy` has changed."""
    sheet_changed = Signal(object)
    """`Sheet` of samples to pick from."""
    picture_outdated = Signal()
    """Another model is open: the picture that is shown, and its score, are of the one before."""
    sheet_outdated = Signal()
    """Another sheet is wanted; the one that is shown is of another model, other seeds or temperatures."""
    drawn_changed = Signal()
    """`drawn` has changed."""
    failed = Signal(str)
    saved = Signal(str)
    """Path of the picture file that was written."""
    gesture_ended = Signal()

    def __init__(self, engine: Engine, remembered: str = "", parent: QObject | None = None) -> None:
        """`remembered` is the recipe of last time as JSON, shown once its model is open; ignored when damaged."""
        super().__init__(parent)
        self.engine = engine
        self.undo = QUndoStack(self)
        self.undo.setUndoLimit(500)
        self.recipe = Recipe(checkpoint="", base=Seed(0))
        with suppress(ValueError):
            self.recipe = Recipe.from_json(remembered)
        self.picture: Picture | None = None
        self.picture_recipe: Recipe | None = None
        self.bits_per_dim: float | None = None
        """Of the picture shown; None until it is scored."""
        self.notes: tuple[str, ...] = ()
        """What was done to the opened image, in short texts."""
        self.sheet: Sheet | None = None
        self.origin: tuple[float, ...] = ()
        """Where the base latent lies along each direction, in standard deviations; empty until it was rendered."""
        self.drawn: dict[int, float] = {}
        """Where random directions led to last, by direction, in standard deviations; empty before the first time."""
        self._gesture: Recipe | None = None
        self._file_waiting: Path | None = None
        self._sheet_seed = 1
        self._sheet_temperatures: tuple[float, ...] = ()
        self._random = random.Random()
        engine.model_opened.connect(self._on_model_opened)
        self._pictures = engine.explorer.channel("picture", self)
        self._sheets = engine.explorer.channel("samples", self)
        self._reading = engine.explorer.channel("open image", self)
        self._saving = engine.explorer.channel("save picture", self)
        if engine.model is not None:
            self._on_model_opened(engine.model)

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
    def own_temperature(self) -> float:
        """The temperature a reset goes back to: 1 shows an opened image as it is."""
        return SAMPLE_TEMPERATURE if isinstance(self.recipe.base, Seed) else 1.0

    @property
    def busy(self) -> bool:
        """Whether an image file is being read."""
        return self._reading.asking

    @property
    def coordinates(self) -> tuple[float, ...]:
        """Where the wanted picture lies along each direction: the origin and the offsets."""
        offsets = dict(self.recipe.offsets)
        return tuple(value + offsets.get(index, 0.0) for index, value in enumerate(self.origin))

    @property
    def original(self) -> Recipe:
        """The recipe without offsets, at its own temperature: what a reset of all sliders brings back."""
        return replace(self.recipe, offsets=()).with_temperatures([self.own_temperature] * self.scales)

    @property
    def moved(self) -> dict[int, float]:
        """How far the wanted picture lies from its base along each direction that it moved along."""
        return {direction: offset for direction, offset in self.recipe.offsets if abs(offset) >= LEAST_MOVE}

    def percentile(self) -> float | None:
        """Percentage of the reference images that score lower than the picture."""
        score = self.bits_per_dim
        if score is None or self.model is None or not self.model.reference:
            return None
        below = sum(value < score for value in self.model.reference)
        return 100.0 * below / len(self.model.reference)

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
            self.undo.push(RecipeEdit(self.apply, text, before, self.recipe, ""))
        self._refresh_sheet_temperatures()
        self.gesture_ended.emit()

    def new_sample(self, seed: int | None = None) -> None:
        """Another sample, of a random or given seed; a sample's temperatures stay, offsets go."""
        seed = self._random.randrange(10**6) if seed is None else max(0, min(seed, MAX_SEED))
        temperatures = self.recipe.temperatures
        if not isinstance(self.recipe.base, Seed):
            temperatures = (SAMPLE_TEMPERATURE,) * self.scales
        self._edit(replace(self.recipe, base=Seed(seed), offsets=(), temperatures=temperatures), self.tr("new sample"))

    def pick_sample(self, index: int) -> None:
        """Show a sample of the sheet as it is shown there, with the temperatures of the sheet."""
        if self.sheet is not None:
            self.show(self.sheet.recipes[index], self.tr("new sample"))

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
        """Set the temperature of one scale, or (None) of all."""
        values = [value] * self.scales if scale is None else list(self.temperatures)
        if scale is not None:
            values[scale] = value
        self._edit(self.recipe.with_temperatures(values), self.tr("temperature"), f"temperature-{scale}")

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

    def show(self, recipe: Recipe, text: str, notes: tuple[str, ...] = (), merge_key: str = "") -> None:
        """Show any recipe, as one undoable edit; quick ones of one `merge_key` are merged."""
        if self.model is not None:
            recipe = replace(recipe, checkpoint=self.model.digest)
        self._edit(recipe, text, merge_key)
        self._set_notes(notes)

    # Files

    def open_image(self, path: Path) -> None:
        """Read an image file in the engine: its recipe if it holds one, else its exact latent."""
        if self.model is None or self.engine.explorer.state != "ready":
            self._file_waiting = path
            return
        self._reading.ask(ReadPicture(str(path)), self._on_image_read)
        self.notes_changed.emit()

    def save_picture(self, path: Path, pixel_size: int) -> None:
        """Write the picture as a PNG with its recipe inside, each pixel a square of `pixel_size` pixels."""
        self._saving.ask(SavePicture(self.recipe, str(path), max(1, pixel_size)), self._on_saved)

    def python_code(self) -> str:
        """A short program that makes the picture again with the public functions."""
        if self.model is None:
            return ""
        return (
            "from nvp_studio import Recipe\n"
            "from nvp_studio.explore import open_model, render\n\n"
            f"model = open_model({self.model.path!r})\n"
            f"recipe = Recipe.from_json({self.recipe.to_json()!r})\n"
            "rendering = render(model, [recipe])\n"
            "print(rendering.images[0].shape, rendering.bits_per_dim[0])\n"
        )

    # The strip of samples

    def more_samples(self) -> None:
        """Fill the strip with the next seeds."""
        self._sheet_seed = self._random.randrange(10**6)
        self._ask_sheet()

    def _ask_sheet(self) -> None:
        if self.model is None or self.engine.explorer.state != "ready":
            return
        digest, temperatures = self.model.digest, self.recipe.temperatures
        recipes = tuple(
            Recipe(checkpoint=digest, base=Seed(seed), temperatures=temperatures)
            for seed in range(self._sheet_seed, self._sheet_seed + SHEET_IMAGES)
        )
        self._sheet_temperatures = temperatures
        self.sheet_outdated.emit()
        self._sheets.ask(RenderSheet(recipes), self._on_sheet)

    def _refresh_sheet_temperatures(self) -> None:
        if self.recipe.temperatures != self._sheet_temperatures:
            self._ask_sheet()

    def _edit(self, recipe: Recipe, text: str, merge_key: str = "") -> None:
        if recipe == self.recipe:
            return
        if self._gesture is not None:
            self.apply(recipe)
            return
        self.undo.push(RecipeEdit(self.apply, text, self.recipe, recipe, merge_key))
        self._refresh_sheet_temperatures()

    def apply(self, recipe: Recipe) -> None:
        """Make `recipe` the present one, without an undo entry; for undo commands."""
        if recipe == self.recipe:
            return
        if self.recipe.base != recipe.base:
            self._set_notes(())
        if not _same_origin(recipe, self.recipe):
            self.origin = ()
        self.recipe = recipe
        self.recipe_changed.emit(recipe)
        self._ask_picture()

    def _ask_picture(self) -> None:
        recipe = self.recipe
        if self.model is not None and self.engine.explorer.state == "ready":
            self._pictures.ask(Render(recipe), partial(self._on_picture, recipe))

    def _on_picture(self, recipe: Recipe, answer: Answer | WorkerLost) -> None:
        match answer:
            case Picture():
                self.picture, self.picture_recipe, self.bits_per_dim = answer, recipe, None
                if _same_origin(recipe, self.recipe):
                    self.origin = answer.base_coordinates
                self.picture_changed.emit(answer)
            case PictureScored(bits_per_dim=score):
                self._set_score(score)
            case Failed(reason=reason):
                self._on_render_failed(recipe)
                self.failed.emit(reason)

    def _on_sheet(self, answer: Answer | WorkerLost) -> None:
        match answer:
            case Sheet():
                self.sheet = answer
                self.sheet_changed.emit(answer)
            case Failed(reason=reason):
                self.failed.emit(reason)

    def _on_image_read(self, answer: Answer | WorkerLost) -> None:
        self.notes_changed.emit()
        match answer:
            case PictureRead():
                name = Path(answer.path).name
                self.show(answer.recipe, self.tr("opening {0}").format(name), (name, *answer.notes))
            case Failed(reason=reason):
                self.failed.emit(reason)

    def _on_saved(self, answer: Answer | WorkerLost) -> None:
        match answer:
            case PictureSaved(path=path):
                self.saved.emit(path)
            case Failed(reason=reason):
                self.failed.emit(reason)

    def _on_render_failed(self, recipe: Recipe) -> None:
        """The picture before stays; if the failed request replaced that of its score, ask for the score again."""
        if recipe == self.picture_recipe:
            self._set_score(None)
        elif self.picture_recipe is not None and self.bits_per_dim is None:
            before = self.picture_recipe
            self._pictures.ask(Render(before), partial(self._on_picture, before))

    def _set_score(self, score: float | None) -> None:
        self.bits_per_dim = score
        self.scored.emit(score)

    def _on_model_opened(self, model: ModelInfo) -> None:
        if self.recipe.checkpoint != model.digest:
            self.undo.clear()
            self.drawn = {}
            self.drawn_changed.emit()
            self._gesture = None
            self.origin = ()
            self.sheet = None
            self.picture_outdated.emit()
            self.sheet_outdated.emit()
            if not fits(self.recipe.base, model.image_shape):
                self.recipe = replace(self.recipe, base=Seed(0))
                self._set_notes(())
            recipe = Recipe(checkpoint=model.digest, base=self.recipe.base)
            self.recipe = recipe.with_temperatures([self.own_temperature] * self.scales)
            self.recipe_changed.emit(self.recipe)
        self._ask_picture()
        self._ask_sheet()
        path, self._file_waiting = self._file_waiting, None
        if path is not None:
            self.open_image(path)

    def _set_notes(self, notes: tuple[str, ...]) -> None:
        if notes != self.notes:
            self.notes = notes
            self.notes_changed.emit()


def _same_origin(one: Recipe, other: Recipe) -> bool:
    return one.base == other.base and one.temperatures == other.temperatures and one.checkpoint == other.checkpoint
