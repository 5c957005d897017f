"""Animate: keyframes side by side, a bar to play them and to go to a frame, and how they are animated and written."""

from collections.abc import Sequence

from PySide6.QtCore import QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QAction, QHideEvent, QIcon, QPixmap, QResizeEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QListWidgetItem,
    QMenu,
    QProgressBar,
    QSizePolicy,
    QSlider,
    QWidget,
)

from nvp_studio.explore.animation import MOST_PER_SECOND, MOST_SECONDS, Animation
from nvp_studio.image_batch import ImageBatch
from nvp_studio.state.qimages import qimage
from nvp_studio.training.bounds import Bounds
from nvp_studio.views.theme import SPACE, set_icon
from nvp_studio.views.widgets.action_button import ActionButton, flat_button
from nvp_studio.views.widgets.inputs import ComboBox, show_input
from nvp_studio.views.widgets.labels import ElidedLabel, plain_tip
from nvp_studio.views.widgets.layout import hbox, text_label, vbox
from nvp_studio.views.widgets.number_field import NumberField
from nvp_studio.views.widgets.tray_panel import PictureList
from nvp_studio.views.widgets.wrapping_row import WrappingRow, group

_SIDE = 5 * SPACE
_HEIGHT = 8 * SPACE
MOST_SCALE = 64
"""Screen pixels for each image pixel in a film."""
_ROOM_FOR_TEXT = 64 * SPACE


class AnimationPanel(QWidget):
    """Shows an animation, and emits what a person wants changed. Keyframes and frames are counted from 0."""

    chosen = Signal(int)
    """Show this keyframe."""
    deleted = Signal(int)
    moved = Signal(int, int)
    """(number of a keyframe, number that it is to have)."""
    frame_wanted = Signal(int)
    set = Signal(str, object)
    """(field of the animation, value)."""
    closed = Signal()

    def __init__(self, play: QAction, add: Sequence[QAction], save: QAction, menu: Sequence[QAction]) -> None:
        """`add` are the actions that add keyframes, `menu` those behind the last button."""
        super().__init__()
        self.list = PictureList(self.tr("Keyframes"), _SIDE, _HEIGHT)
        self.list.setDragEnabled(False)
        self.list.setToolTip(self.tr("Return or a click shows a keyframe, Del removes it, Alt with an arrow moves it."))
        self.list.chosen.connect(self.chosen)
        self.list.deleted.connect(self.deleted)
        self.list.moved.connect(self.moved)
        self.list.itemClicked.connect(lambda item: self.chosen.emit(self.list.row(item)))
        self._play, self._playing = play, False
        self.status = ElidedLabel(role="dim", lines=2)
        column = vbox(self, spacing=SPACE // 2)
        column.addLayout(self._make_keyframes(add))
        column.addLayout(self._make_bar(play))
        column.addWidget(self._make_settings(save, menu))
        self.progress = QProgressBar(textVisible=False)
        self.progress.setFixedHeight(SPACE // 2)
        self.progress.setAccessibleName(self.tr("Steps of writing the film"))
        column.addWidget(self.status)
        column.addWidget(self.progress)
        self.show_progress(0, 0)
        self.show_status("")
        self.show_animation(Animation(), (), ())

    def _make_keyframes(self, add: Sequence[QAction]) -> QHBoxLayout:
        line = hbox()
        held = vbox()
        held.addWidget(self.list)
        self.empty = text_label(wrap=True)
        held.addWidget(self.empty)
        line.addLayout(held, 1)
        buttons = hbox(spacing=0)
        for action in add:
            buttons.addWidget(ActionButton(action, flat=True))
        line.addLayout(buttons)
        return line

    def _make_bar(self, play: QAction) -> QHBoxLayout:
        line = hbox()
        line.addWidget(ActionButton(play, flat=True))
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName(self.tr("Frame"))
        self.slider.setToolTip(self.tr("Goes to a frame: drag, or arrow keys, Page Up and Page Down"))
        self.slider.valueChanged.connect(self.frame_wanted)
        line.addWidget(self.slider, 1)
        self.time = text_label()
        line.addWidget(self.time)
        return line

    def _make_settings(self, save: QAction, menu: Sequence[QAction]) -> QWidget:
        paths = [(self.tr("Blends"), "sphere"), (self.tr("Curve"), "spline")]
        self.path = ComboBox(paths, self.tr("Path"), 13 * SPACE)
        self.path.setToolTip(
            self.tr(
                "Blends: from each keyframe to the next as a blend goes, on a sphere, with a bend at each.\n"
                "Curve: a smooth curve (a spline) through all of them."
            )
        )
        self.path.currentIndexChanged.connect(lambda _: self.set.emit("path", self.path.currentData()))
        self.seconds = _number(Bounds(0, MOST_SECONDS, beyond=True), self.tr("Length"), self.tr("s"), step=0.5)
        self.seconds.setFixedWidth(12 * SPACE)
        self.seconds.set_tip(self.tr("Length of the whole animation in seconds"))
        self.rate = _number(Bounds(1, MOST_PER_SECOND), self.tr("Frames a second"), self.tr("fps"), step=1)
        self.rate.set_tip(self.tr("Frames a second"))
        for field, name in ((self.seconds, "seconds"), (self.rate, "frames_per_second")):
            field.committed.connect(lambda field=field, name=name: self._commit(field, name))
        self.loop = QCheckBox(self.tr("Loop"))
        self.loop.setToolTip(
            self.tr("The path goes on from the last keyframe to the first, and is played again and again.")
        )
        self.loop.clicked.connect(lambda: self.set.emit("loop", self.loop.isChecked()))
        self.scale = _number(Bounds(1, MOST_SCALE), self.tr("Scale of a film"), "×", whole=True)
        self.scale.set_tip(self.tr("Screen pixels for each image pixel in a film that is written"))
        self.more = flat_button("ellipsis", self.tr("More for animations"))
        self.more.setPopupMode(self.more.ToolButtonPopupMode.InstantPopup)
        self.more.setMenu(QMenu(self.more))
        self.more.menu().addActions(list(menu))
        self._save = ActionButton(save, self.tr("Save film"))
        return WrappingRow(
            group(self.path),
            group(self.seconds, self.rate, self.loop, spacing=SPACE // 2),
            group(self.scale, self._save, self.more, spacing=SPACE // 2),
        )

    def _commit(self, field: NumberField, name: str) -> None:
        if not field.problem and field.value() is not None:
            self.set.emit(name, float(field.value()))

    def show_animation(self, animation: Animation, names: Sequence[str], pictures: Sequence[ImageBatch | None]) -> None:
        """Show keyframes, by their names and pictures, and the settings; None for a picture that cannot be decoded.

        The last keyframes have no picture before it is decoded.
        """
        current = max(0, self.list.currentRow())
        self.list.blockSignals(True)
        self.list.clear()
        for number, name in enumerate(names):
            picture = pictures[number] if number < len(pictures) else None
            item = QListWidgetItem("" if picture is not None else "?" if number < len(pictures) else "…")
            if picture is not None:
                item.setIcon(QIcon(_thumbnail(picture)))
            item.setSizeHint(QSize(_SIDE + SPACE, _SIDE + SPACE))
            item.setToolTip(plain_tip(f"{number + 1}: {name}"))
            item.setData(Qt.ItemDataRole.AccessibleTextRole, self.tr("Keyframe {0}: {1}").format(number + 1, name))
            self.list.addItem(item)
        self.list.setCurrentRow(min(current, len(names) - 1))
        self.list.blockSignals(False)
        self.list.setVisible(bool(names))
        self.empty.setVisible(not names)
        for field in (self.path, self.loop, self.slider):
            field.blockSignals(True)
        recorded = self.path.findData("corners")
        if animation.path == "corners" and recorded < 0:
            self.path.addItem(self.tr("Recorded"), "corners")
        elif animation.path != "corners" and recorded >= 0:
            self.path.removeItem(recorded)
        show_input(self.path, animation.path)
        self.loop.setChecked(animation.loop)
        self.slider.setRange(0, animation.frames - 1)
        self.slider.setPageStep(max(1, animation.frames // 10))
        for field in (self.path, self.loop, self.slider):
            field.blockSignals(False)
        seconds = round(animation.seconds, 2) or animation.seconds  # that of a recorded path may have many digits
        for number_field, value in ((self.seconds, seconds), (self.rate, animation.frames_per_second)):
            if number_field.problem or number_field.value() != value:
                number_field.setValue(value)
        longest = self.tr("{0} / {1} s").format(f"{animation.seconds:.1f}", f"{animation.seconds:.1f}")
        self.time.setMinimumWidth(self.time.fontMetrics().horizontalAdvance(longest))

    def show_status(self, text: str) -> None:
        """Show a line below the settings; none where the text is empty."""
        self.status.setText(text)
        self.status.setVisible(bool(text))

    def show_frame(self, frame: int, seconds: float, length: float, *, playing: bool) -> None:
        """Show which frame is on screen, and whether it moves on."""
        with QSignalBlocker(self.slider):
            self.slider.setValue(frame)
        self.time.setText(self.tr("{0} / {1} s").format(f"{seconds:.1f}", f"{length:.1f}"))
        if playing != self._playing:
            self._playing = playing
            set_icon(self._play, "pause" if playing else "play")

    def show_progress(self, done: int, total: int) -> None:
        """Show how much of a film is written; 0 of 0 while none is."""
        self.progress.setVisible(total > 0)
        self.progress.setRange(0, max(1, total))
        self.progress.setValue(done)

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._save.show_text(self.width() >= _ROOM_FOR_TEXT)

    def hideEvent(self, event: QHideEvent) -> None:
        self.closed.emit()


def _number(bounds: Bounds, name: str, unit: str, *, whole: bool = False, step: float = 0.0) -> NumberField:
    field = NumberField(bounds, whole=whole, step=step, unit=unit)
    field.setFixedWidth(9 * SPACE)
    field.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
    field.setAccessibleName(name)
    return field


def _thumbnail(picture: ImageBatch) -> QPixmap:
    return QPixmap.fromImage(qimage(picture)).scaled(
        QSize(_SIDE, _SIDE), Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.FastTransformation
    )
