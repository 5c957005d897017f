"""Plays the animation of Explore: which frame is shown, and the frames as the engine decodes them."""

import time
from collections.abc import Callable

from PySide6.QtCore import QObject, Qt, QTimer, Signal

from nvp_studio.explore.animation import MOST_FRAMES, Animation
from nvp_studio.image_batch import ImageBatch
from nvp_studio.recipe import Image, Recipe
from nvp_studio.state.explore import ExploreState
from nvp_studio.worker.animation_messages import DrawFrames, FramesDone, FramesDrawn
from nvp_studio.worker.channel import WorkerLost
from nvp_studio.worker.messages import Answer, Failed

MOST_BYTES = 256 * 2**20
"""Of the frames that are kept; of an animation that needs more, every second, third ... frame is shown."""


class AnimationPlayer(QObject):
    """The frame that is shown in place of Explore's picture, if any, and whether it moves on by itself."""

    moved = Signal()
    """`frame`, `playing`, `loaded` or `shown` may have changed."""
    frame_shown = Signal(object)
    """The picture of the frame to show, an `ImageBatch`."""
    closed = Signal()
    """No frame is shown any more: show Explore's own picture."""

    def __init__(self, explore: ExploreState, possible: Callable[[], bool], parent: QObject) -> None:
        """`possible` says whether the animation can be decoded now."""
        super().__init__(parent)
        self._explore, self._possible = explore, possible
        self.animation = Animation()
        self.frame = 0
        self.playing = False
        self.shown: ImageBatch | None = None
        """The frame on screen; None while Explore's own picture is shown."""
        self._wanted = False
        """Whether a frame is to be shown once it is there."""
        self._frames: dict[int, ImageBatch] = {}
        self._asked: tuple[int, ...] = ()
        self._began = (0.0, 0)
        """When playing began, and at which frame."""
        self._channel = explore.engine.explorer.channel("frames", self)
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._advance)
        explore.recipe_changed.connect(self._on_recipe_changed)

    @property
    def loaded(self) -> float:
        """The share of the frames to show that are decoded."""
        return len(self._frames) / max(1, len(range(0, self.animation.frames, self._stride)))

    @property
    def _stride(self) -> int:
        """Every how many frames one is shown."""
        model = self._explore.model
        if model is None:
            return 1
        channels, height, width = model.image_shape
        most = max(1, min(MOST_BYTES // (channels * height * width), MOST_FRAMES))
        return -(-self.animation.frames // most)

    def toggle(self) -> None:
        """Play, or pause."""
        if self.playing:
            self.pause()
        else:
            self.play()

    def play(self) -> None:
        """Go on from the present frame, at the end from the first; it stops at the end, unless it is a loop."""
        if not self._possible():
            return
        if self._at_end:
            self.frame = 0
        self.playing, self._wanted = True, True
        self._set_clock()
        self._timer.start(max(1, round(1000 / self.animation.frames_per_second)))
        self._ask(jump=True)
        self._show()

    def pause(self) -> None:
        """Stop at the present frame."""
        if self.playing:
            self.playing = False
            self._timer.stop()
            self.moved.emit()

    def go_to(self, frame: int) -> None:
        """Show a frame, and stop there; of those beyond the ends the last ones."""
        if not self._possible():
            return
        self.pause()
        self.frame = max(0, min(frame, self.animation.frames - 1))
        self._wanted = True
        self._ask(jump=True)
        self._show()

    def go_to_keyframe(self, keyframe: int) -> None:
        """Show the frame at a keyframe, or the one after it."""
        animation = self.animation
        steps = animation.frames if animation.loop else animation.frames - 1
        self.go_to(-(-keyframe * steps // max(1, animation.legs)))

    def close(self) -> None:
        """Show no frame any more, nor decode others: a drag would wait for each."""
        self.pause()
        self._channel.cancel()
        self._asked = ()
        self._wanted = False
        if self.shown is not None:
            self.shown = None
            self.closed.emit()
        self.moved.emit()

    def set_animation(self, animation: Animation) -> None:
        """Play this one, or the same by another model: frames are decoded anew. What is shown stays at its frame."""
        self._channel.cancel()
        self.animation = animation
        self._frames, self._asked = {}, ()
        self.frame = min(self.frame, animation.frames - 1)
        if not self._possible():
            self.close()
        elif self.playing:
            self.play()
        elif self._wanted:
            self.go_to(self.frame)
        self.moved.emit()

    def recipe(self, name: str) -> Recipe | None:
        """The recipe that shows the frame on screen as a picture: its own, or its pixels with `name`; or None."""
        if self.shown is None:
            return None
        _, height, width, channels = self.shown.shape
        image = Image((height, width, channels), self.shown.pixels, name)
        return self.animation.recipe_of(self._slot) or Recipe(checkpoint="", base=image)

    # Frames

    @property
    def _slot(self) -> int:
        """The frame that is shown for the present one."""
        return self.frame - self.frame % self._stride

    def _ask(self, *, jump: bool = False) -> None:
        """Ask for the frames that are missing, from the present one on; with `jump` also where others are coming."""
        if self._asked and (self._slot in self._frames or not jump):
            return
        slots = range(0, self.animation.frames, self._stride)
        place = self._slot // self._stride
        missing = tuple(slot for slot in (*slots[place:], *slots[:place]) if slot not in self._frames)
        if not missing:
            return
        self._channel.cancel()
        self._asked = missing
        if not self._channel.ask(DrawFrames(self.animation, missing), lambda answer: self._on_frames(missing, answer)):
            self._asked = ()

    def _on_frames(self, asked: tuple[int, ...], answer: Answer | WorkerLost) -> None:
        if asked is not self._asked:
            return
        match answer:
            case FramesDrawn(start=start, images=images):
                for place, image in enumerate(images.singles(), start):
                    self._frames[asked[place]] = image
                self._show()
                return
            case Failed(reason=reason):
                self.close()
                self._explore.failed.emit(reason)
            case FramesDone():
                pass
            case _:
                self.pause()
        self._asked = ()
        self.moved.emit()

    def _show(self) -> None:
        """Show the present frame where it is wanted and decoded."""
        image = self._frames.get(self._slot)
        if self._wanted and image is not None and image is not self.shown:
            self.shown = image
            self.frame_shown.emit(image)
        self.moved.emit()

    @property
    def _at_end(self) -> bool:
        """Whether there is no frame to go on to."""
        return not self.animation.loop and self.frame >= self.animation.frames - 1

    def _set_clock(self) -> None:
        self._began = (time.monotonic(), self.frame)

    def _advance(self) -> None:
        """Move on to the frame whose time has come; wait for one that is not decoded yet."""
        if self._at_end:
            self.pause()
            return
        began, first = self._began
        elapsed = time.monotonic() - began
        frame, frames = first + int(elapsed * self.animation.frames_per_second), self.animation.frames
        frame = frame % frames if self.animation.loop else min(frame, frames - 1)
        if frame == self.frame:
            return
        if self._slot not in self._frames or frame - frame % self._stride not in self._frames:
            self._set_clock()
            self._ask()
            return
        self.frame = frame
        self._show()

    def _on_recipe_changed(self) -> None:
        if self._wanted or self.shown is not None:
            self.close()
