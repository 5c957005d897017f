"""What Explore shows: a recipe, its picture, the edits that led to it and the strip of samples to pick from."""

from contextlib import suppress
from functools import partial
from pathlib import Path

from msgspec.structs import replace
from PySide6.QtCore import QObject, Signal

from nvp_studio.recipe import Image, Recipe, Seed, Space, fits
from nvp_studio.state.edited_recipe import EditedRecipe, same_origin
from nvp_studio.state.engine import Engine
from nvp_studio.state.sample_strip import SampleStrip
from nvp_studio.worker.channel import WorkerLost
from nvp_studio.worker.messages import (
    Answer,
    Failed,
    ModelInfo,
    Nudge,
    Picture,
    PictureRead,
    PictureSaved,
    PictureScored,
    ReadPicture,
    Render,
    SavePicture,
)


class ExploreState(EditedRecipe):
    """The picture on Explore: whatever the present recipe is, it is rendered. `samples` is the strip to pick from."""

    picture_changed = Signal(object)
    """The `Picture` of `picture_recipe`. Its score follows."""
    scored = Signal(object)
    """Bits/dim of the picture shown, or None when they cannot be had."""
    notes_changed = Signal()
    """`notes` or `busy` has changed."""
    picture_outdated = Signal()
    """Another model is open: the picture that is shown, and its score, are of the one before."""
    failed = Signal(str)
    lost = Signal(str)
    """Why something that was to be kept could not be written, or read again."""
    told = Signal(str)
    """What a person should know of what was just done."""
    saved = Signal(str)
    """Path of the picture file that was written."""

    def __init__(self, engine: Engine, remembered: str = "", parent: QObject | None = None) -> None:
        """`remembered` is the recipe of last time as JSON, shown once its model is open; ignored when damaged."""
        super().__init__(engine, parent)
        with suppress(ValueError):
            self.recipe = Recipe.from_json(remembered)
        self.picture: Picture | None = None
        self.picture_recipe: Recipe | None = None
        self.bits_per_dim: float | None = None
        """Of the picture shown; None until it is scored."""
        self.undrawable: Recipe | None = None
        """The last recipe that could not be drawn."""
        self.notes: tuple[str, ...] = ()
        """What was done to the opened image, in short texts."""
        self.went_on = False
        """Whether the model was opened with newer weights: the recipe and its history stayed."""
        self._kind: object = None
        """Shape of the latent and names of the directions of the open model."""
        self._file_waiting: Path | None = None
        self.samples = SampleStrip(engine, self)
        self.samples.failed.connect(self.failed)
        self.edited.connect(lambda: self.samples.follow(self.next_temperatures))
        engine.model_opened.connect(self._on_model_opened)
        engine.model_compiled.connect(self._on_model_compiled)
        self.gesture_ended.connect(self._draw_compiled)
        self._before_compiled = False
        """Whether the picture shown may be one that was decoded before the model was compiled."""
        self._again: Picture | None = None
        """The picture shown, decoded again, until its score is there."""
        self._pictures = engine.explorer.channel("picture", self)
        self._reading = engine.explorer.channel("open image", self)
        self._nudging = engine.explorer.channel("nudge", self)
        self._saving = engine.explorer.channel("save picture", self)
        if engine.model is not None:
            self._on_model_opened(engine.model)

    # What is shown

    @property
    def busy(self) -> bool:
        """Whether an image file is being read."""
        return self._reading.asking

    def percentile(self) -> float | None:
        """Percentage of the reference images that score lower than the picture; None for one of another size."""
        score = self.bits_per_dim
        recipe = self.picture_recipe
        if score is None or self.model is None or not self.model.reference or (recipe and recipe.enlarged > 1):
            return None
        below = sum(value < score for value in self.model.reference)
        return 100.0 * below / len(self.model.reference)

    def apply(self, recipe: Recipe) -> None:
        before = self.recipe
        super().apply(recipe)
        if before.base != recipe.base:
            self._set_notes(())
        if not self.in_gesture:  # undo and redo too
            self.samples.follow(self.next_temperatures)

    def pick_sample(self, index: int) -> None:
        """Show a sample of the sheet as it is shown there, with the temperatures of the sheet."""
        if self.samples.sheet is not None:
            self.show(self._with_locked(self.samples.sheet.recipes[index]), self.tr("new sample"))

    def more_samples(self) -> None:
        """Fill the strip with samples of other seeds."""
        self.samples.show_others(self.next_temperatures)

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

    def nudge(self, space: Space, up: bool) -> None:
        """Take one step up or down the gradient of the log-density, in latents or pixels."""
        if self.model is not None and self.engine.explorer.state == "ready":
            self._nudging.ask(Nudge(self.recipe, space, up), self._on_nudged)

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
            "model.flow.compile()  # as in the window: without it some values differ by one grey level\n"
            f"recipe = Recipe.from_json({self.recipe.to_json()!r})\n"
            "rendering = render(model, [recipe])\n"
            "print(rendering.images[0].shape, rendering.bits_per_dim[0])\n"
        )

    def _ask_picture(self) -> None:
        """Ask for the picture, before strips of others are asked for, of which it would wait for a part."""
        recipe = self.recipe
        if self.model is not None and self.engine.explorer.state == "ready":
            self._pictures.ask(Render(recipe), partial(self._on_picture, recipe))

    def _on_picture(self, recipe: Recipe, answer: Answer | WorkerLost) -> None:
        match answer:
            case Picture():
                self.picture, self.picture_recipe, self.bits_per_dim = answer, recipe, None
                if same_origin(recipe, self.recipe):
                    self.origin = answer.base_coordinates
                self.picture_changed.emit(answer)
            case PictureScored(bits_per_dim=score):
                self._set_score(score)
            case Failed(reason=reason):
                self._on_render_failed(recipe)
                self.undrawable = recipe
                self.failed.emit(reason)

    def _on_model_compiled(self) -> None:
        self._before_compiled = True
        self._draw_compiled()
        self.samples.draw_again()

    def _draw_compiled(self) -> None:
        """Decode the picture again once no slider is held, and show it with its score, unless it is the same."""
        ready = self.model is not None and self.engine.explorer.state == "ready"
        if not self._before_compiled or self.in_gesture or not ready:
            return
        self._before_compiled = False
        recipe = self.recipe
        if recipe == self.picture_recipe and not self._pictures.asking:
            self._pictures.ask(Render(recipe), partial(self._on_decoded_again, recipe))
        else:
            self._ask_picture()

    def _on_decoded_again(self, recipe: Recipe, answer: Answer | WorkerLost) -> None:
        match answer:
            case Picture():
                self._again = answer
            case PictureScored() if self._again is not None and recipe == self.picture_recipe:
                again, self._again = self._again, None
                if self.picture is None or again.image != self.picture.image:
                    self._on_picture(recipe, again)
                self._on_picture(recipe, answer)

    def _on_image_read(self, answer: Answer | WorkerLost) -> None:
        self.notes_changed.emit()
        match answer:
            case PictureRead():
                name = Path(answer.path).name
                self.show(answer.recipe, self.tr("opening {0}").format(name), (name, *answer.notes))
            case Failed(reason=reason):
                self.failed.emit(reason)

    def _on_nudged(self, answer: Answer | WorkerLost) -> None:
        match answer:
            case PictureRead(recipe=recipe):
                self.show(recipe, self.tr("step of the density"))
            case Failed(reason=reason):
                self.failed.emit(reason)

    def _on_saved(self, answer: Answer | WorkerLost) -> None:
        match answer:
            case PictureSaved(path=path):
                self.saved.emit(path)
            case Failed(reason=reason):
                self.lost.emit(reason)

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
        kind = (model.latent_shapes, model.direction_names)
        self.went_on = self.engine.goes_on and kind == self._kind
        self._kind = kind
        self._before_compiled = False
        if self.went_on:
            self.recipe = replace(self.recipe, checkpoint=model.digest)
            self.recipe_changed.emit(self.recipe)
        elif self.recipe.checkpoint != model.digest:
            base = self.recipe.base
            if not fits(base, model.image_shape):
                self.recipe = replace(self.recipe, base=Seed(0))
                self._set_notes(())
            elif isinstance(base, Image) and len(base.temperatures) != len(model.latent_shapes):
                self.recipe = replace(self.recipe, base=replace(base, temperatures=()))
            recipe = Recipe(checkpoint=model.digest, base=self.recipe.base)
            self._begin_again(recipe.with_temperatures(self.own_temperatures))
            self.picture_outdated.emit()
            self.samples.forget()
            self.recipe_changed.emit(self.recipe)
        self._ask_picture()
        self.samples.draw(self.next_temperatures)
        path, self._file_waiting = self._file_waiting, None
        if path is not None:
            self.open_image(path)

    def _set_notes(self, notes: tuple[str, ...]) -> None:
        if notes != self.notes:
            self.notes = notes
            self.notes_changed.emit()
