"""The animation on Explore: its keyframes and settings, their undo, and its files."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from PySide6.QtCore import QObject, Signal

from nvp_studio.explore.animation import MOST_KEYFRAMES, Animation, recorded
from nvp_studio.image_batch import ImageBatch
from nvp_studio.recipe import Corners, Recipe
from nvp_studio.state.animation_player import AnimationPlayer
from nvp_studio.state.explore import ExploreState
from nvp_studio.state.mixture import base_title, larger_text
from nvp_studio.state.other_model import fits_model, other_pictures
from nvp_studio.state.tray import TrayState
from nvp_studio.state.value_edit import ValueEdit
from nvp_studio.text import sentence
from nvp_studio.worker.animation_messages import (
    AnimationProgress,
    AnimationRead,
    AnimationSaved,
    ReadAnimation,
    SaveAnimation,
)
from nvp_studio.worker.channel import WorkerLost
from nvp_studio.worker.messages import Answer, Failed, ModelInfo, RenderSheet, Sheet

_STILL_SECONDS = 0.1
"""A place of a recorded path that does not move for longer stands still so long."""

_LEG_SECONDS = 0.5
"""From each keyframe to the next, at least, where the length is chosen for many keyframes."""
_PART = 16
"""How many small pictures are asked for together: the first ones are shown before the last are there."""

Otherwise = Callable[[Path], None] | None


class AnimationState(QObject):
    """Keyframes and how they are animated. Each change is an entry of Explore's undo history."""

    changed = Signal()
    """`animation`, `pictures`, `problem`, `recording` or `progress` may have changed."""
    saved = Signal(str)
    """Path of the file that was written."""
    opened = Signal()
    """An animation was opened or recorded."""
    told = Signal(str)
    """What a person should know about the keyframes that were taken."""

    def __init__(self, explore: ExploreState, tray: TrayState) -> None:
        super().__init__(explore)
        self.explore, self._tray = explore, tray
        self.animation = Animation()
        self.pictures: list[ImageBatch | None] = []
        """Of the keyframes, the first ones until all are decoded; None for one of a model of another size."""
        self.progress = (0, 0)
        """How many of how many steps of writing a file are done; (0, 0) while none is written."""
        self.recording = False
        """Whether the moves of the place between four corners are recorded."""
        self._refused = ""
        self._pictures_wanted = False
        """Whether small pictures are missing since a model was opened."""
        self._waiting: tuple[Path, Otherwise] | None = None
        """What `open` was given while no model was open."""
        self._moves: list[tuple[float, float, float]] = []
        channel = explore.engine.explorer.channel
        self._pictures = channel("keyframes", self)
        self._saving = channel("save animation", self)
        self._reading = channel("open animation", self)
        self.player = AnimationPlayer(explore, lambda: self.possible, self)
        explore.recipe_changed.connect(self._on_recipe_changed)
        explore.gesture_ended.connect(self._on_gesture_ended)
        explore.picture_changed.connect(self._on_picture_changed)
        explore.engine.model_opened.connect(self._on_model_opened)
        explore.engine.model_compiled.connect(self._draw_again)

    @property
    def problem(self) -> str:
        """Why the animation cannot be played; empty where it can."""
        model, animation = self.explore.model, self.animation
        if not animation.keyframes:
            return self.tr("Add keyframes: all pictures of the tray, or the picture on screen.")
        if not animation.complete:
            return self.tr("Add another keyframe.")
        for number, recipe in enumerate(animation.keyframes, 1):
            if model is not None and not _possible(recipe, model):
                return self.tr("Keyframe {0} belongs to a model of another size.").format(number)
        return self._refused

    @property
    def possible(self) -> bool:
        """Whether the animation can be decoded now."""
        return not self.problem and self.explore.model is not None and self.explore.engine.explorer.state == "ready"

    @property
    def writing(self) -> bool:
        """Whether a file is being written."""
        return self.progress[1] > 0

    @property
    def others(self) -> str:
        """What to say of keyframes that were made with another model; empty where none was."""
        model = self.explore.model
        count = other_pictures(self.animation.keyframes, model) if model is not None else 0
        text = self.tr("{0} of {1} keyframes were made with other weights: with this model they are other pictures.")
        return text.format(count, len(self.animation.keyframes)) if count else ""

    def names(self) -> list[str]:
        """What the keyframes are called."""
        return [base_title(recipe.base) for recipe in self.animation.keyframes]

    # Keyframes and settings

    def add_picture(self) -> None:
        """Add the picture on screen as the last keyframe."""
        recipe = self.explore.picture_recipe
        if recipe is None:
            self.explore.failed.emit(self.tr("There is no picture yet."))
            return
        if recipe.enlarged > 1:
            self.explore.failed.emit(larger_text())
            return
        before = () if self.animation.path == "corners" else self.animation.keyframes
        self._set_keyframes((*before, recipe), self.tr("keyframe"))

    def take_tray(self) -> None:
        """Make all pictures of the tray that the open model can show the keyframes."""
        model = self.explore.model
        if model is None:
            return
        recipes = [picture.recipe for picture in self._tray.pictures]
        kept = [recipe for recipe in recipes if _possible(recipe, model)]
        if not recipes:
            self.explore.failed.emit(self.tr("The tray is empty: keep pictures in it first."))
        elif not kept:
            self.explore.failed.emit(self.tr("The pictures of the tray belong to models of another size."))
        else:
            taken = tuple(kept[:MOST_KEYFRAMES])
            legs = len(taken) if self.animation.loop else len(taken) - 1
            self._set_keyframes(taken, self.tr("keyframes from the tray"), _LEG_SECONDS * legs)
            self._tell_of_tray(len(recipes) - len(kept), len(kept) - MOST_KEYFRAMES)

    def _tell_of_tray(self, of_other_size: int, too_many: int) -> None:
        parts = []
        if of_other_size:
            one = self.tr("Left out: 1 picture of the tray that is not of this model's size.")
            more = self.tr("Left out: {0} pictures of the tray that are not of this model's size.")
            parts.append(one if of_other_size == 1 else more.format(of_other_size))
        if too_many > 0:
            parts.append(self.tr("The first {0} pictures of the tray are taken.").format(MOST_KEYFRAMES))
        parts += [self.others] if self.others else []
        if parts:
            self.told.emit(" ".join(parts))

    def delete(self, index: int) -> None:
        """Remove a keyframe."""
        keyframes = self.animation.keyframes
        self._set_keyframes(keyframes[:index] + keyframes[index + 1 :], self.tr("deletion of a keyframe"))

    def move(self, index: int, to: int) -> None:
        """Put a keyframe at another place; nothing happens beyond the ends."""
        keyframes = list(self.animation.keyframes)
        if 0 <= to < len(keyframes) and to != index:
            keyframes.insert(to, keyframes.pop(index))
            self._set_keyframes(tuple(keyframes), self.tr("order of the keyframes"))

    def set(self, **values: Any) -> None:
        """Change settings of the animation, by the names of its fields; those that are refused are told."""
        self._edit(values, self.tr("animation"), "animation-" + "-".join(values))

    def _set_keyframes(self, keyframes: tuple[Recipe, ...], text: str, least_seconds: float = 0.0) -> None:
        """The length stays, except that of a recorded path and one that is shorter than `least_seconds`."""
        if len(keyframes) > MOST_KEYFRAMES:
            self.explore.failed.emit(self.tr("An animation has at most {0} keyframes.").format(MOST_KEYFRAMES))
            return
        path, seconds = self.animation.path, self.animation.seconds
        if path == "corners":
            path, seconds = "sphere", Animation().seconds
        if seconds < least_seconds:
            seconds = max(Animation().seconds, least_seconds)
        self._edit({"keyframes": keyframes, "path": path, "places": (), "seconds": seconds}, text)

    def _edit(self, values: dict[str, Any], text: str, merge_key: str = "") -> None:
        try:
            after = replace(self.animation, **values)
        except ValueError as error:
            self.explore.failed.emit(str(error))
            self.changed.emit()
            return
        if after != self.animation:
            self.explore.undo.push(ValueEdit(self.apply, text, self.animation, after, merge_key))

    def restore(self, animation: Animation, title: str) -> None:
        """Take the animation of another session; `title` is that of the undo step, empty: there is none."""
        if animation == self.animation:
            return
        if title:
            self.explore.undo.push(ValueEdit(self.apply, title, self.animation, animation, ""))
        else:
            self.apply(animation)

    def apply(self, animation: Animation) -> None:
        """Make this the animation, without an undo entry; for undo commands."""
        others = animation.keyframes != self.animation.keyframes
        self.animation = animation
        if others:
            self.pictures = []
        self._refused = ""
        self.player.set_animation(self.animation)
        if others:
            self._ask_pictures()
        self.changed.emit()

    # Small pictures of the keyframes

    def _ask_pictures(self) -> None:
        """Ask for all of them, one part after the other."""
        self._pictures.cancel()
        self._ask_part(0)

    def _ask_part(self, start: int) -> None:
        model, explore = self.explore.model, self.explore
        keyframes = self.animation.keyframes
        if model is None or explore.engine.explorer.state != "ready" or start >= len(keyframes):
            return
        part = keyframes[start : start + _PART]
        fitting = tuple(recipe for recipe in part if _possible(recipe, model))
        self._pictures.ask(RenderSheet(fitting, scores=False), lambda answer: self._on_part(start, part, answer))

    def _on_part(self, start: int, part: tuple[Recipe, ...], answer: Answer | WorkerLost) -> None:
        match answer:
            case Sheet(recipes=recipes, images=images):
                batches = dict(zip(recipes, images.singles(), strict=True))
                self.pictures[start : start + len(part)] = [batches.get(recipe) for recipe in part]
                self._ask_part(start + len(part))
            case Failed(reason=reason):
                self._refused = sentence(reason)
        self.changed.emit()

    # A path between corners

    def record(self, wanted: bool) -> None:
        """Record how the place between the corners moves, from its next move to the end of the drag or until told."""
        if wanted == self.recording:
            return
        self.recording = wanted
        if wanted:
            self._moves = []
        elif len(self._moves) > 1:
            self._take_recorded()
        self.changed.emit()

    def _on_recipe_changed(self, recipe: Recipe) -> None:
        base = recipe.base
        if not self.recording or not isinstance(base, Corners):
            return
        now = time.monotonic()
        if self._moves and now - self._moves[-1][0] > _STILL_SECONDS:
            self._moves.append((now - _STILL_SECONDS / 2, *self._moves[-1][1:]))
        self._moves.append((now, base.phi, base.phi_prime))

    def _on_gesture_ended(self) -> None:
        if self.recording and len(self._moves) > 1:
            self.record(False)

    def _take_recorded(self) -> None:
        recipe, moves = self.explore.recipe, tuple(self._moves)
        try:
            after = recorded(recipe, moves, self.animation.frames_per_second)
        except ValueError as error:
            self.explore.failed.emit(str(error))
            return
        self.explore.undo.push(ValueEdit(self.apply, self.tr("recorded path"), self.animation, after, ""))
        self.opened.emit()

    # Files

    def save(self, path: Path, pixel_size: int) -> None:
        """Write the animation as a film, or as itself where the path ends in .json."""
        if self.possible and self._saving.ask(SaveAnimation(self.animation, str(path), pixel_size), self._on_saved):
            self._set_progress((0, 1))

    def take_frame(self) -> None:
        """Make the frame on screen Explore's picture."""
        recipe = self.player.recipe(self.tr("frame {0}").format(self.player.frame + 1))
        if recipe is not None:
            self.explore.show(recipe, self.tr("frame of the animation"))

    def cancel(self) -> None:
        """Stop writing a file; nothing of it is left."""
        if self.writing:
            self._saving.cancel()
            self._set_progress((0, 0))

    def open(self, path: Path, otherwise: Otherwise = None) -> None:
        """Read an animation from its file, or from a film that holds it; `otherwise` is called where there is none.

        Without `otherwise` it is told what is wrong with the file.
        """
        if self.explore.model is not None and self.explore.engine.explorer.state == "ready":
            self._reading.ask(ReadAnimation(str(path)), lambda answer: self._on_read(path, otherwise, answer))
        else:
            self._waiting = path, otherwise

    def python_code(self) -> str:
        """A short program that makes the frames again with the public functions."""
        if self.explore.model is None:
            return ""
        return (
            "from nvp_studio.explore import Animation, animate, open_model, write_animation\n\n"
            f"model = open_model({self.explore.model.path!r})\n"
            f"animation = Animation.from_json({self.animation.to_json()!r})\n"
            "frames = animate(model, animation)\n"
            "print(frames.shape)\n"
            '# write_animation("animation.gif", model, animation, 4)\n'
        )

    def _set_progress(self, progress: tuple[int, int]) -> None:
        self.progress = progress
        self.changed.emit()

    def _on_saved(self, answer: Answer | WorkerLost) -> None:
        match answer:
            case AnimationProgress(done=done, total=total):
                self._set_progress((done, total))
                return
            case AnimationSaved(path=path):
                self.saved.emit(path)
            case Failed(reason=reason):
                self.explore.lost.emit(reason)
        self._set_progress((0, 0))

    def _on_read(self, path: Path, otherwise: Otherwise, answer: Answer | WorkerLost) -> None:
        match answer:
            case AnimationRead(animation=animation):
                self.restore(animation, self.tr("opening {0}").format(path.name))
                self._tell_makers(animation)
                self.opened.emit()
            case Failed() if otherwise is not None:
                otherwise(path)
            case Failed(reason=reason):
                text = self.tr("{0} cannot be opened: {1}")
                self.explore.failed.emit(text.format(path.name, reason))

    def _tell_makers(self, animation: Animation) -> None:
        """Say where keyframes were made with other weights than those that draw them now."""
        model = self.explore.model
        if model is not None and other_pictures(animation.keyframes, model) and not self.problem:
            self.told.emit(self.tr("Its keyframes were made with another model: {0} draws them.").format(model.name))

    def _draw_again(self) -> None:
        self.player.set_animation(self.animation)
        self._ask_pictures()

    def _on_model_opened(self) -> None:
        self.cancel()
        self.record(False)
        self._pictures.cancel()
        self.pictures, self._refused = [], ""
        self.player.set_animation(self.animation)
        self._pictures_wanted = True
        self.changed.emit()
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self.open(*waiting)

    def _on_picture_changed(self) -> None:
        """Small pictures come after Explore's own, so that the first one of a model waits for none of them."""
        if self._pictures_wanted:
            self._pictures_wanted = False
            self._ask_pictures()


def _possible(recipe: Recipe, model: ModelInfo) -> bool:
    return fits_model(recipe, model) and recipe.enlarged == 1
