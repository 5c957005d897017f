"""Explore's tool that animates the way between pictures: its actions, its panel, and the frames on the picture."""

from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QGuiApplication

from nvp_studio.explore.animation import find_ffmpeg, may_be_animation
from nvp_studio.image_batch import ImageBatch
from nvp_studio.state.animation import AnimationState
from nvp_studio.state.explore import ExploreState
from nvp_studio.state.kept_animation import KeptAnimation
from nvp_studio.state.qimages import qimage
from nvp_studio.state.stored_tray import kept_path
from nvp_studio.state.tray import TrayState
from nvp_studio.views import notify
from nvp_studio.views.actions import plain_text
from nvp_studio.views.context import WindowContext
from nvp_studio.views.page import Page
from nvp_studio.views.widgets.animation_panel import AnimationPanel
from nvp_studio.views.widgets.image_view import ImageView
from nvp_studio.views.widgets.labels import SEPARATOR

_FILM_SIDE = 256
"""About how many pixels wide a film is at first, by a whole factor."""


class AnimationTool(QObject):
    """Connects the state of the animation with the panel and the view of the picture."""

    tool_shown = Signal(str, bool)
    """Open or close the panel "animate"."""
    frame_shown = Signal(bool)
    """Whether the view shows a frame of the animation instead of Explore's picture."""

    def __init__(self, context: WindowContext, page: Page, explore: ExploreState, tray: TrayState) -> None:
        super().__init__(page)
        self._context, self._explore = context, explore
        self.state = AnimationState(explore, tray)
        self._kept = KeptAnimation(self.state, kept_path(context.settings.path, "animation"))
        player = self.state.player
        add = partial(context.registry.add, page=page)
        text, tip = self.tr("Animate"), self.tr("Animate the way between pictures, and save it as a film")
        self._tool = add("explore.animate", text, self._toggle, "Y", "film", tip=tip, separator=True, checkable=True)
        text = self.tr("Play the animation")
        self._play = add("explore.animate-play", text, self._play_or_pause, "Shift+Y", "play")
        text = self.tr("Animate all pictures of the tray")
        self._take = add("explore.animate-tray", text, self._take_tray, "Ctrl+Alt+Y", "images")
        text = self.tr("Add the picture on screen as a keyframe")
        self._add = add("explore.animate-add", text, self._add_picture, "Alt+Y", "image-plus")
        text = self.tr("Save the animation…")
        self._save = add("explore.animate-save", text, self._ask_save, "Ctrl+Alt+F", "download", tip=_save_tip(self))
        text = self.tr("Open an animation…")
        self._open = add("explore.animate-open", text, self._ask_open, "Ctrl+Shift+Alt+F", "folder-open")
        text = self.tr("Explore the frame on screen")
        self._frame = add("explore.animate-frame", text, self.state.take_frame, "Ctrl+Shift+Y", "compass")
        text = self.tr("Show the picture again, or stop writing the film")
        self._stop = add("explore.animate-stop", text, self._stop_all, "Shift+Esc", "square")
        text = self.tr("Copy the animation as Python")
        self._python = add("explore.animate-python", text, self._copy_python, "Ctrl+Alt+C", "code")
        text, tip = self.tr("Record a path"), self.tr("Record how the place moves over the pad, to animate it")
        self.record = add("explore.record", text, self._toggle_record, "Ctrl+G", "circle-play", tip=tip, checkable=True)
        menu = (self._frame, self._stop, self._open, self._python)
        self.panel = AnimationPanel(self._play, (self._take, self._add), self._save, menu)
        self.panel.chosen.connect(player.go_to_keyframe)
        self.panel.deleted.connect(self.state.delete)
        self.panel.moved.connect(self.state.move)
        self.panel.frame_wanted.connect(player.go_to)
        self.panel.set.connect(lambda name, value: self.state.set(**{name: value}))
        self.panel.closed.connect(player.close)
        self.state.changed.connect(self._on_changed)
        self.state.told.connect(lambda text: notify.info(text, topic="explore"))
        self.state.opened.connect(lambda: self.tool_shown.emit("animate", True))
        self.state.saved.connect(self._on_saved)
        self._kept.failed.connect(lambda reason: notify.error(reason, topic="animation"))
        if self._kept.problem:
            notify.warning(self.tr("The animation cannot be read: {0}").format(self._kept.problem), topic="animation")
        player.moved.connect(self.show_state)
        explore.engine.model_opened.connect(self._propose_scale)
        self._propose_scale()

    def show_on(self, view: ImageView) -> None:
        """Show frames on `view`, which else shows the picture."""
        self._view = view
        self.state.player.frame_shown.connect(self._on_frame)
        self.state.player.closed.connect(self._on_closed)
        self._on_changed()

    def open_path(self, path: Path) -> None:
        """Open a file that was dropped: a .json file, or an image that may be a film with its keyframes."""
        json = path.suffix.lower() == ".json"
        if may_be_animation(path):
            self.state.open(path, None if json else self._explore.open_image)
        else:
            self._explore.open_image(path)

    def show_state(self) -> None:
        """Enable what is possible now, and say where the animation is."""
        state, player = self.state, self.state.player
        animation, possible = state.animation, state.possible
        self._play.setEnabled(possible)
        self._play.setText(self.tr("Pause the animation") if player.playing else self.tr("Play the animation"))
        self._save.setEnabled(possible and not state.writing)
        self._python.setEnabled(possible)
        self._frame.setEnabled(player.shown is not None)
        self._stop.setEnabled(player.shown is not None or state.writing)
        self.record.setChecked(state.recording)
        seconds = player.frame / animation.frames_per_second
        self.panel.show_frame(player.frame, seconds, animation.seconds, playing=player.playing)
        self.panel.slider.setEnabled(possible)
        self.panel.show_progress(*state.progress)
        self.panel.show_status(self._status())

    def caption(self) -> str:
        """What the line below the picture says while a frame is shown; empty while none is."""
        player = self.state.player
        if player.shown is None:
            return ""
        frame = self.tr("Frame {0} of {1}").format(f"{player.frame + 1:,}", f"{self.state.animation.frames:,}")
        return SEPARATOR.join((frame, self.tr("no score: {0} goes back").format("Shift+Esc")))

    def _status(self) -> str:
        state = self.state
        if state.writing:
            done, total = state.progress
            return self.tr("Writing: {0} %").format(f"{100 * done // total}")
        if state.problem:
            return state.problem if state.animation.keyframes else ""
        return state.others

    def _on_changed(self) -> None:
        state = self.state
        self.panel.show_animation(state.animation, state.names(), state.pictures)
        self.panel.empty.setText(state.problem)
        self.show_state()

    # Actions of a person

    def _toggle(self) -> None:
        self.tool_shown.emit("animate", self._tool.isChecked())

    def _play_or_pause(self) -> None:
        self.tool_shown.emit("animate", True)
        self.state.player.toggle()

    def _take_tray(self) -> None:
        self.tool_shown.emit("animate", True)
        self.state.take_tray()

    def _add_picture(self) -> None:
        self.tool_shown.emit("animate", True)
        self.state.add_picture()

    def _toggle_record(self) -> None:
        if self.record.isChecked():
            self.tool_shown.emit("corners", True)
        self.state.record(self.record.isChecked())

    def _stop_all(self) -> None:
        if self.state.writing:
            self.state.cancel()
        else:
            self.state.player.close()

    def _ask_save(self) -> None:
        names = [self.tr("GIF") + " (*.gif)", self.tr("WebP") + " (*.webp)", self.tr("Animated PNG") + " (*.png)"]
        names += [self.tr("MP4") + " (*.mp4)"] if find_ffmpeg() else []
        names.append(self.tr("Animation, to open again") + " (*.json)")
        path = self._context.ask_save("films", plain_text(self._save), "animation.gif", ";;".join(names))
        scale = self.panel.scale.last_value()
        if path is not None:
            self.state.save(path, int(scale))

    def _ask_open(self) -> None:
        filters = self.tr("Animations") + " (*.json *.gif *.webp *.png *.apng)"
        for path in self._context.ask_files("films", self.tr("Open an animation"), filters):
            self.state.open(path)

    def _copy_python(self) -> None:
        QGuiApplication.clipboard().setText(self.state.python_code())
        notify.info(self.tr("Python code that makes this animation copied."), topic="explore")

    def _propose_scale(self) -> None:
        model = self._explore.model
        if model is not None:
            self.panel.scale.setValue(max(1, round(_FILM_SIDE / max(model.image_shape[1:]))))

    # Frames

    def _on_frame(self, frame: ImageBatch) -> None:
        self._view.show_image(qimage(frame))
        self._view.set_dimmed(False)
        self.frame_shown.emit(True)

    def _on_closed(self) -> None:
        if self._explore.picture is not None:
            self._view.show_image(qimage(self._explore.picture.image))
        self.frame_shown.emit(False)

    def _on_saved(self, path: str) -> None:
        name = Path(path).name
        text = self.tr("Saved {0}.") if name.endswith((".json", ".mp4")) else self.tr("Saved {0} with its keyframes.")
        notify.success(text.format(name), topic="explore")


def _save_tip(tool: QObject) -> str:
    formats = tool.tr("Save it as GIF, WebP, animated PNG or MP4, or as a file to open again")
    return formats if find_ffmpeg() else formats + tool.tr(" (MP4 needs the program ffmpeg, which was not found)")
