"""What leaves Lab: figures, animations, Python, and experiments as files that come back."""

from collections.abc import Iterator
from functools import partial

import numpy as np
from PySide6.QtCore import QBuffer, QObject, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QGuiApplication, QImage, QPainter
from PySide6.QtSvg import QSvgGenerator

from nvp_studio.lab.code import FILE_NAME, python_code
from nvp_studio.lab.film import Frame, film_suffixes, write_film
from nvp_studio.lab.settings import file_content
from nvp_studio.state.lab import LabState, Shot
from nvp_studio.text import figure
from nvp_studio.views import notify
from nvp_studio.views.file_writing import write_file, write_in_thread
from nvp_studio.views.page import Page
from nvp_studio.views.pages.lab.views import LabViews
from nvp_studio.views.theme import colors, scaled_font
from nvp_studio.views.widgets.plane_view import Scene, draw_scene, heat_image
from nvp_studio.worker.lab_messages import DATA_HALF, NOISE_HALF

_SIDE = 400
"""Pixels of a view in a frame and in a figure."""
_MARGIN = 8
_CAPTION = 24
_FRAMES_PER_LAYER = 15
_LAYERS_PER_SECOND, _SHOTS_PER_SECOND = 15, 10
"""Frames a second of the two animations."""
KEYS = ("copy-python", "save-figure", "save-layers", "save-training", "save-experiment", "open-experiment")
"""Of the actions, in their order."""


class LabExports(QObject):
    """The actions of export."""

    def __init__(self, page: Page, state: LabState, views: LabViews) -> None:
        super().__init__(views)
        self._page, self._state, self._views = page, state, views
        add = partial(page.context.registry.add, page=page)
        add("lab.copy-python", self.tr("Cop&y as Python"), self.copy_python, icon="code", separator=True)
        add("lab.save-figure", self.tr("Save the &figure…"), self._save_figure, icon="image-down")
        add("lab.save-layers", self.tr("Animat&e the layers…"), self._save_layers, icon="film")
        add("lab.save-training", self.tr("An&imate the training…"), self._save_training, icon="film")
        add("lab.save-experiment", self.tr("S&ave the experiment…"), self._save_experiment, icon="save")
        add("lab.open-experiment", self.tr("Open an experiment…"), self._open_experiment, icon="folder-open")
        state.changed.connect(self._enable)
        state.viewed.connect(self._enable)
        self._enable()

    def _enable(self) -> None:
        for key in ("copy-python", "save-figure", "save-layers"):
            self._page.context.registry[f"lab.{key}"].setEnabled(self._state.built is not None)
        self._page.context.registry["lab.save-training"].setEnabled(len(self._state.shots) > 1)

    # Python and files of settings

    def copy_python(self) -> None:
        """Copy a program that makes the experiment again."""
        steps = 0 if self._state.view is None else self._state.view.steps
        QGuiApplication.clipboard().setText(python_code(self._state.file(), steps))
        notify.success(self.tr("Copied a Python program that trains the same flow."), topic="lab")

    def _save_experiment(self) -> None:
        title, kind = self.tr("Save the experiment"), self.tr("Experiments of Lab (*.json)")
        path = self._page.context.ask_save("lab experiment", title, FILE_NAME, kind)
        if path is not None:
            file = self._state.file()
            write_file(path, lambda: file_content(file))

    def _open_experiment(self) -> None:
        self._page.context.page_requested.emit(self._page.key)
        title, kind = self.tr("Open an experiment"), self.tr("Experiments of Lab (*.json)")
        for path in self._page.context.ask_files("lab experiment", title, kind):
            self._state.read_file(path)

    # Figures and animations

    def svg(self) -> bytes:
        """All views as the content of an SVG file."""
        views = self._views
        width, height = 3 * _SIDE + 4 * _MARGIN, 2 * _CAPTION + _SIDE + _SIDE // 2 + 3 * _MARGIN
        buffer = QBuffer()
        generator = QSvgGenerator()
        generator.setOutputDevice(buffer)
        generator.setSize(QSize(width, height))
        generator.setViewBox(QRectF(0, 0, width, height))
        generator.setTitle("NVP Studio, Lab")
        painter = QPainter(generator)
        painter.fillRect(QRectF(0, 0, width, height), QColor(colors().window))
        for index, (title, view) in enumerate(
            (
                (views.data_title, views.data_view),
                (views.density_title, views.density_view),
                (views.layers_title, views.layers_view),
            )
        ):
            left = _MARGIN + index * (_SIDE + _MARGIN)
            _caption(painter, left, 0, title.text())
            draw_scene(painter, QRectF(left, _CAPTION, _SIDE, _SIDE), view.half, view.scene)
        top = _CAPTION + _SIDE + _MARGIN
        _caption(painter, _MARGIN, top, views.loss_title.text())
        views.loss_view.draw(painter, QRectF(_MARGIN, top + _CAPTION, width - 2 * _MARGIN, _SIDE // 2))
        painter.end()
        return bytes(buffer.data().data())

    def _save_figure(self) -> None:
        kind = self.tr("SVG drawings (*.svg)")
        path = self._page.context.ask_save("lab figure", self.tr("Save the figure"), "lab.svg", kind)
        if path is not None:
            content = self.svg()
            write_file(path, lambda: content)

    def _save_layers(self) -> None:
        self._save_film(self.tr("Animate the layers"), "layers.gif", self.layer_frames(), _LAYERS_PER_SECOND)

    def _save_training(self) -> None:
        self._save_film(self.tr("Animate the training"), "training.gif", self.training_frames(), _SHOTS_PER_SECOND)

    def _save_film(self, title: str, proposal: str, frames: Iterator[Frame], per_second: int) -> None:
        suffixes = " ".join(f"*{suffix}" for suffix in film_suffixes())
        kind = self.tr("Animations ({0})").format(suffixes)
        path = self._page.context.ask_save("lab animation", title, proposal, kind)
        if path is None:
            return
        text = self.tr("Wrote {0}: {1} frames.")
        notify.info(self.tr("{0} is being written…").format(path.name), topic="export")
        write_in_thread(lambda: text.format(path.name, write_film(path, frames, per_second)))

    def layer_frames(self) -> Iterator[Frame]:
        """The grid from where it is square through all layers, as frames that may be drawn in any thread."""
        state, view = self._state, self._state.view
        if view is None or view.grid is None or view.cloud is None:
            return iter(())
        grid, cloud, led, dots = view.grid, view.cloud, state.led, colors().text
        count = grid.layers * _FRAMES_PER_LAYER
        order = [step / _FRAMES_PER_LAYER for step in range(count + 1)]
        order = order[::-1] if state.from_noise else order
        captions = [self._views.layer_text(position) for position in order]

        def draw(position: float, caption: str) -> Frame:
            outline = None if led is None else led.stages.at(position)[0]
            scene = Scene(mesh=grid.at(position), dots=[(cloud.at(position)[0], dots)], outline=outline)
            return _frame(caption, [(NOISE_HALF, scene)])

        return (draw(*one) for one in zip(order, captions, strict=True))

    def training_frames(self) -> Iterator[Frame]:
        """The samples and the density as training went on, as frames that may be drawn in any thread."""
        state, c = self._state, colors()
        if state.built is None:
            return iter(())
        data, shots, caption = state.built.data.array(), list(state.shots), self.tr("Step {0}, loss {1} nats")

        def draw(shot: Shot) -> Frame:
            density = np.frombuffer(shot.density, np.float32).reshape(shot.density_side, shot.density_side)
            scenes = [
                (DATA_HALF, Scene(dots=[(data, c.dim), (shot.samples.array(), c.accent)])),
                (DATA_HALF, Scene(heat=heat_image(density)[0])),
            ]
            return _frame(caption.format(f"{shot.steps:,}", figure(shot.loss, ".3f")), scenes)

        return map(draw, shots)


def _caption(painter: QPainter, left: float, top: float, text: str) -> None:
    painter.setPen(QColor(colors().text))
    painter.setFont(scaled_font(13))
    flags = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    painter.drawText(QRectF(left, top, _SIDE, _CAPTION), flags, text)


def _frame(caption: str, scenes: list[tuple[float, Scene]]) -> Frame:
    """Scenes side by side with half of their sides, below a caption: (H, W, 3)."""
    width = len(scenes) * (_SIDE + _MARGIN) + _MARGIN
    image = QImage(width, _CAPTION + _SIDE + _MARGIN, QImage.Format.Format_RGB888)
    image.fill(QColor(colors().window))
    painter = QPainter(image)
    _caption(painter, _MARGIN, 0, caption)
    for index, (half, scene) in enumerate(scenes):
        square = QRectF(_MARGIN + index * (_SIDE + _MARGIN), _CAPTION, _SIDE, _SIDE)
        draw_scene(painter, square, half, scene)
    painter.end()
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : 3 * width].reshape(image.height(), width, 3).copy()
