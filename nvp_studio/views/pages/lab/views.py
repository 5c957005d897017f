"""The views of an experiment of Lab: data, density, the grid at a layer, and the loss."""

import numpy as np
from PySide6.QtCore import QSignalBlocker, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QGridLayout, QSlider, QWidget

from nvp_studio.state.lab import Floats, LabState
from nvp_studio.text import figure
from nvp_studio.views.actions import ActionRegistry
from nvp_studio.views.theme import SPACE, colors, theme
from nvp_studio.views.widgets.action_button import ActionButton
from nvp_studio.views.widgets.labels import SEPARATOR, ElidedLabel
from nvp_studio.views.widgets.layout import hbox, vbox
from nvp_studio.views.widgets.plane_view import LossView, PlaneView, Scene, heat_image
from nvp_studio.worker.lab_messages import DATA_HALF, NOISE_HALF

STEPS_PER_LAYER = 100
"""Of the slider."""
_WIDE = 86 * SPACE
"""From this width on, three views are side by side."""

_BESIDE = 10 * SPACE
"""Height of what is above and below a square."""
_MOST_OF_HEIGHT = 0.75


class LabViews(QWidget):
    """Shows the state, and draws points and squares into it."""

    def __init__(self, state: LabState, registry: ActionRegistry) -> None:
        super().__init__()
        self.state = state
        self.position = 0.0
        """Of the grid, from data (0) to noise (the number of layers)."""
        self.stroke: list[Floats] = []
        """Points that are being drawn."""
        self._columns = 0
        self._pointed = False
        self._lay_out(registry)
        state.viewed.connect(self._show_view)
        state.pushed.connect(self._show_probe)
        state.pointed.connect(self._show_pointed)
        theme().changed.connect(self._show_view)
        self._show_view()

    def show_state(self, empty: str) -> None:
        """Follow a change of settings or experiment; `empty` is said where there is nothing to show."""
        state = self.state
        for view in (self.data_view, self.density_view, self.layers_view):
            view.empty_text = empty
            view.update()
        self.loss_view.empty_text = empty or self.tr("Train to see the loss.")
        built = state.built is not None
        with QSignalBlocker(self.slider):
            self.slider.setRange(0, max(1, state.layers) * STEPS_PER_LAYER)
        self.slider.setEnabled(built)
        if built:
            self.position = min(self.position, float(state.layers))
        self.show_data()

    def move_to(self, position: float) -> None:
        """Show the grid at another place between data (0) and noise."""
        position = min(max(position, 0.0), float(self.state.layers))
        if position != self.position:
            self.position = position
            self._show_layers()

    def _lay_out(self, registry: ActionRegistry) -> None:
        self.data_view = PlaneView(DATA_HALF, self.tr("Data and samples"))
        self.density_view = PlaneView(DATA_HALF, self.tr("Density"))
        self.layers_view = PlaneView(NOISE_HALF, self.tr("Grid at the layer of the slider"))
        self.loss_view = LossView(self.tr("Loss of each step"))
        self.data_title, self.density_title, self.layers_title, self.loss_title = (ElidedLabel() for _ in range(4))
        self.data_line, self.density_line, self.layers_line = (ElidedLabel(role="dim") for _ in range(3))
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName(self.tr("Place of the grid, from data to noise"))
        self.slider.setSingleStep(STEPS_PER_LAYER // 20)
        self.slider.setPageStep(STEPS_PER_LAYER)
        self.slider.valueChanged.connect(lambda value: self.move_to(value / STEPS_PER_LAYER))
        controls = hbox(spacing=SPACE // 2)
        controls.addWidget(ActionButton(registry["lab.layers"], flat=True))
        controls.addWidget(self.slider, 1)
        controls.addWidget(ActionButton(registry["lab.noise"], flat=True))
        self._parts = []
        for title, view, below in (
            (self.data_title, self.data_view, self.data_line),
            (self.density_title, self.density_view, self.density_line),
            (self.layers_title, self.layers_view, self.layers_line),
            (self.loss_title, self.loss_view, None),
        ):
            part = QWidget()
            column = vbox(part, spacing=SPACE // 2)
            column.addWidget(title)
            column.addWidget(view, 1)
            if view is self.layers_view:
                column.addLayout(controls)
            if below is not None:
                column.addWidget(below)
                column.addStretch()
            self._parts.append(part)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(SPACE)
        self._arrange(2)
        self.data_view.drawn.connect(lambda x, y, half: self.state.draw_probe((x, y), half, 0))
        self.density_view.drawn.connect(lambda x, y, half: self.state.draw_probe((x, y), half, 0))
        self.layers_view.drawn.connect(self._on_layers_drawn)
        self.density_view.pointed.connect(self._on_pointed)
        for view in (self.data_view, self.density_view, self.layers_view):
            view.moved.connect(self.state.move_probe)
            view.cleared.connect(self.state.clear_probe)

    def _arrange(self, columns: int) -> None:
        """Put the views into two columns, or three of them into a row with the loss below."""
        if columns == self._columns:
            return
        self._columns = columns
        for part in self._parts:
            self._grid.removeWidget(part)
        for index, part in enumerate(self._parts):
            last = columns == 3 and index == 3
            self._grid.addWidget(part, index // columns, 0 if last else index % columns, 1, 3 if last else 1)
        for column in range(3):
            self._grid.setColumnStretch(column, int(column < columns))
        self._grid.setRowStretch(0, 0 if columns == 3 else 1)
        self._grid.setRowStretch(1, 1)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._arrange(3 if self.width() >= _WIDE else 2)
        # Three squares in a row are as high as they are wide, where that leaves room for the loss.
        wanted = min(self.width() // 3 + _BESIDE, round(_MOST_OF_HEIGHT * self.height()))
        self._grid.setRowMinimumHeight(0, wanted if self._columns == 3 else 0)

    @property
    def _ratio_tip(self) -> str:
        return self.tr(
            "How much the drawn square grows from data to the layer shown, measured, and |det J| at its middle. They "
            "agree where the square is small. The colours of the grid are |det J| from where the grid is square."
        )

    def _show_view(self) -> None:
        state, view = self.state, self.state.view
        self.loss_view.show_losses(state.losses)
        parts = [self.tr("Loss")]
        if state.losses:
            recent = state.losses[-100:]
            finite = [loss for loss in recent if np.isfinite(loss)]
            parts = [self.tr("Loss: {0} nats").format(figure(sum(finite) / max(1, len(finite)), ".3f"))]
            if len(finite) < len(recent):
                text = self.tr("{0} of the last {1} steps had no finite loss and changed nothing")
                parts = [text.format(len(recent) - len(finite), len(recent))]
            parts.append(self.tr("step {0}").format(f"{0 if view is None else view.steps:,}"))
        self.loss_title.setText(SEPARATOR.join(parts))
        self.show_data()
        self._show_density()
        self._show_layers()

    def show_data(self) -> None:
        state, c = self.state, colors()
        dots = []
        if state.built is not None:
            dots.append((state.built.data.array(), c.dim))
        if state.view is not None and state.losses:
            dots.append((state.view.samples.array(), c.accent))
        if self.stroke:
            dots.append((np.concatenate(self.stroke), c.warning))
        title = self.tr("Data (grey) and samples (blue)") if state.losses else self.tr("Data")
        self.data_title.setText(title)
        if self.data_view.strokes:
            self.data_line.setText(self.tr("Hold the button to draw points"))
        else:
            self.data_line.setText(self.tr("Click or drag: a point or a square"))
        self.data_view.show_scene(Scene(dots=dots, outline=state.probe_at(0)))

    def _show_density(self) -> None:
        view = self.state.view
        heat, title = None, self.tr("Density")
        if view is not None and view.density_side:
            log_density = np.frombuffer(view.density, np.float32).reshape(view.density_side, view.density_side)
            heat, top = heat_image(log_density)
            title = self.tr("Density, up to {0}").format(f"{top:.3g}")
        self.density_title.setText(title)
        self.density_view.show_scene(Scene(heat=heat, outline=self.state.probe_at(0)))
        if heat is None or not self.density_line.text():
            self._ask_to_point()

    def _ask_to_point(self) -> None:
        self.density_line.setText(self.tr("Point at it to read the density"))

    def _show_layers(self) -> None:
        state, view = self.state, self.state.view
        with QSignalBlocker(self.slider):
            self.slider.setValue(round(self.position * STEPS_PER_LAYER))
        self.layers_title.setText(self.layer_text(self.position))
        scene = Scene(outline=state.probe_at(self.position))
        if view is not None and view.grid is not None:
            scene.mesh = view.grid.at(self.position)
        if view is not None and view.cloud is not None:
            scene.dots = [(view.cloud.at(self.position)[0], colors().text)]
        self.layers_view.show_scene(scene)
        self.layers_line.setText(self._ratio_text())
        self.layers_line.setToolTip(self._ratio_tip)

    def layer_text(self, position: float) -> str:
        """What is shown at a position between data and noise."""
        built = self.state.built
        if built is None:
            return self.tr("Layers")
        if position == 0:
            return self.tr("Data space")
        after = int(position)
        name = built.layers[min(after, len(built.layers) - 1)]
        if after == position:
            name = built.layers[after - 1]
            if after == len(built.layers):
                return self.tr("Noise, after {0}").format(name)
            return self.tr("After {0}").format(name)
        return SEPARATOR.join((name[:1].upper() + name[1:], f"{100 * (position - after):.0f} %"))

    def _ratio_text(self) -> str:
        ratios = self.state.ratios(self.position)
        if ratios is None:
            return self.tr("|det J|: blue 1/20, red 20")
        area, det = ratios
        text = f"|det J| {det:.4g}"
        return text if area is None else SEPARATOR.join((self.tr("Area x {0}").format(f"{area:.4g}"), text))

    def _show_probe(self) -> None:
        self.show_data()
        self._show_density()
        self._show_layers()
        self._show_probe_density()

    def _show_probe_density(self) -> None:
        if self.state.led is not None:
            log_p = self.state.led.log_density[0]
            x, y = self.state.led.stages.at(0)[0][0]
            self._write_density(float(x), float(y), log_p)

    def _write_density(self, x: float, y: float, log_p: float) -> None:
        parts = (
            f"p {figure(np.exp(log_p), '.4g')}",
            f"log p {figure(log_p, '.3f')}",
            f"({figure(x, '.2f')}, {figure(y, '.2f')})",
        )
        self.density_line.setText(SEPARATOR.join(parts))

    def _on_pointed(self, place: tuple[float, float] | None) -> None:
        self._pointed = place is not None
        if place is not None:
            self.state.point_at(*place)
        else:
            self._ask_to_point()
            self._show_probe_density()

    def _show_pointed(self, found: tuple[float, float, float]) -> None:
        if self._pointed:  # not an answer that comes after the pointer has left
            self._write_density(*found)

    def _on_layers_drawn(self, x: float, y: float, half: float) -> None:
        """A square is drawn at a whole layer: the grid moves to the nearest one."""
        stage = round(self.position)
        self.move_to(stage)
        self.state.draw_probe((x, y), half, stage)
