"""Scales on Explore: each redrawn, taken from another picture or locked, and what a part of the latent alone shows."""

import random
from functools import partial
from pathlib import Path

from msgspec.structs import replace
from PySide6.QtCore import QObject, Signal

from nvp_studio.recipe import KEPT_SHARES, Base, Image, Kept, Recipe, Seed
from nvp_studio.state.explore import ExploreState
from nvp_studio.state.mixture import base_title
from nvp_studio.worker.channel import WorkerLost
from nvp_studio.worker.messages import Answer, Failed, PictureRead, ReadPicture, RenderSheet, Sheet

_MAX_SEED = 10**6


class ScalesState(QObject):
    """Edits single scales of `ExploreState`'s recipe; `strip` shows it with ever smaller parts of the latent kept."""

    changed = Signal()
    strip_changed = Signal()

    def __init__(self, explore: ExploreState) -> None:
        super().__init__(explore)
        self.explore = explore
        self.strip: Sheet | None = None
        """The picture with each of `KEPT_SHARES` kept, the rest drawn anew."""
        self.wanted = False
        """Whether the strip is kept up to date."""
        self._rest = Kept(1.0, 0)
        """Seed and temperature of what is drawn anew."""
        self._asked: Recipe | None = None
        self._random = random.Random()
        self._strip_channel = explore.engine.explorer.channel("kept strip", self)
        self._reading = explore.engine.explorer.channel("scale file", self)
        explore.recipe_changed.connect(self._on_recipe_changed)
        explore.locked_changed.connect(self.changed)
        explore.gesture_ended.connect(self._refresh_strip)
        explore.engine.model_opened.connect(self._on_model_opened)
        explore.engine.model_compiled.connect(self._draw_strip_again)

    @property
    def rest_temperature(self) -> float:
        """Of what is drawn anew where a part alone is kept."""
        return self._rest.temperature

    @property
    def share(self) -> float:
        """Fraction of the latent that is kept."""
        kept = self.explore.recipe.kept
        return 1.0 if kept is None else kept.share

    def title_of(self, scale: int) -> str:
        """What the latent is at a scale, in a few words."""
        return base_title(self.explore.recipe.base_of(scale))

    # Edits

    def redraw(self, scale: int) -> None:
        """Draw new noise at one scale; a locked one stays."""
        if scale in self.explore.locked:
            text = self.tr("Scale {0} is locked: unlock it on Scales (S) first.")
            self.explore.told.emit(text.format(scale + 1))
        elif scale < self.explore.scales:
            self.take(scale, Seed(self._random.randrange(_MAX_SEED)), self.tr("redrawn scale"))

    def take(self, scale: int, base: Base | None, text: str = "") -> None:
        """Take one scale from another base; None: from the picture's own."""
        recipe = replace(self.explore.recipe.with_scale(scale, base), kept=None)
        self.explore.show(recipe, text or self.tr("scale of another picture"), self.explore.notes)

    def open_file(self, scale: int, path: Path) -> None:
        """Take one scale from an image file, by its pixels."""
        if self.explore.model is not None and self.explore.engine.explorer.state == "ready":
            self._reading.ask(ReadPicture(str(path), plain=True), partial(self._on_read, scale))

    def keep(self, share: float) -> None:
        """Keep a part of the latent, from the coarsest values on, and draw the rest anew; 1 keeps all."""
        self._show_kept(replace(self._rest, share=share))

    def redraw_rest(self) -> None:
        """Draw what is not kept from another seed."""
        if self.share >= 1 and not self.wanted:
            text = self.tr("All of the latent is kept: choose a smaller part on Scales (S) first.")
            self.explore.told.emit(text)
            return
        self._rest = replace(self._rest, seed=self._random.randrange(_MAX_SEED))
        self._show_kept(replace(self._rest, share=self.share))

    def set_rest_temperature(self, value: float) -> None:
        """Draw what is not kept with another temperature."""
        self._rest = replace(self._rest, temperature=max(0.0, value))
        self._show_kept(replace(self._rest, share=self.share))

    def _show_kept(self, kept: Kept) -> None:
        recipe = replace(self.explore.recipe, kept=None if kept.share >= 1 else kept)
        self.explore.show(recipe, self.tr("part that is kept"), self.explore.notes, merge_key="kept")
        self.changed.emit()
        self._refresh_strip()

    # The strip

    def want(self, wanted: bool) -> None:
        """Keep the strip up to date from now on, or no longer."""
        self.wanted = wanted
        self._refresh_strip()

    def _on_recipe_changed(self, recipe: Recipe) -> None:
        if recipe.kept is not None:
            self._rest = recipe.kept
        self.changed.emit()
        self._refresh_strip()

    def _on_model_opened(self) -> None:
        self._on_recipe_changed(self.explore.recipe)

    def _draw_strip_again(self) -> None:
        self._asked = None
        self._refresh_strip()

    def _refresh_strip(self) -> None:
        explore = self.explore
        if not self.wanted or explore.in_gesture or explore.model is None or explore.engine.explorer.state != "ready":
            return
        recipes = tuple(
            replace(explore.recipe, checkpoint=explore.model.digest, kept=replace(self._rest, share=share))
            for share in KEPT_SHARES
        )
        if recipes[0] != self._asked:
            self._asked = recipes[0]
            self._strip_channel.ask(RenderSheet(recipes, scores=False), self._on_strip)

    def _on_strip(self, answer: Answer | WorkerLost) -> None:
        match answer:
            case Sheet():
                self.strip = answer
            case Failed(reason=reason):
                self.strip = None
                self.explore.failed.emit(reason)
            case WorkerLost():
                self._asked = None  # so that it is asked for again once the model is open again
        self.strip_changed.emit()

    def _on_read(self, scale: int, answer: Answer | WorkerLost) -> None:
        match answer:
            case PictureRead(recipe=Recipe(base=Image() as image)):
                if scale < self.explore.scales:
                    self.take(scale, image)
            case Failed(reason=reason):
                self.explore.failed.emit(reason)
