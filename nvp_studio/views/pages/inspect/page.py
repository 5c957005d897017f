"""Inspect: a picture on its way through the flow, layer by layer, and what each layer adds to its score."""

from functools import partial
from pathlib import Path

from PySide6.QtCore import QModelIndex, QSignalBlocker, Qt, QTimer
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QSlider, QStackedLayout, QWidget

from nvp_studio.explore.inspected import SCALE_RANGE, SHIFT_RANGE, InspectedStage
from nvp_studio.recipe import Recipe
from nvp_studio.state.health import HealthState
from nvp_studio.state.inspect import DIGITS, Aspect, InspectState
from nvp_studio.state.paths import image_filter, is_image_file
from nvp_studio.views import notify
from nvp_studio.views.context import WindowContext
from nvp_studio.views.page import Page
from nvp_studio.views.pages.inspect.diagram import DiagramDialog
from nvp_studio.views.pages.inspect.health import HealthDialog
from nvp_studio.views.theme import SPACE, colors, pixmap, theme
from nvp_studio.views.widgets.action_button import ActionButton
from nvp_studio.views.widgets.image_status import ImageStatus
from nvp_studio.views.widgets.image_view import ImageView
from nvp_studio.views.widgets.inputs import ComboBox
from nvp_studio.views.widgets.labels import SEPARATOR, ElidedLabel, TextLabel
from nvp_studio.views.widgets.layout import PAGE_MARGINS, hbox, splitter, text_label, vbox
from nvp_studio.views.widgets.ledger_table import LedgerTable
from nvp_studio.views.widgets.stage_histogram import StageHistogram

_TOPIC = "inspect"


class InspectPage(Page):
    """The ledger at the left, the chosen stage at the right; before there is a picture, how to choose one."""

    key = "inspect"

    def __init__(self, context: WindowContext) -> None:
        super().__init__(context)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.state = InspectState(context.engine, self)
        self.health = HealthState(context.engine, self)
        self._sample = 0
        self._direction = 0
        """+1 while it plays to noise, -1 while it plays to pixels."""
        self._clock = QTimer(self)
        self._clock.timeout.connect(self._step)
        self._add_actions()
        self._lay_out()
        self.state.changed.connect(self._show)
        self.state.moved.connect(self._show_stage)
        self.state.failed.connect(lambda reason: notify.error(reason, topic=_TOPIC))
        context.inspect_requested.connect(self._open)
        self._show()

    def drop_text(self, paths: list[Path]) -> str:
        return self.tr("Inspect this image") if len(paths) == 1 and is_image_file(paths[0]) else ""

    def open_paths(self, paths: list[Path]) -> None:
        self.state.open_image(paths[0])

    # Construction

    def _add_actions(self) -> None:
        add = partial(self.context.registry.add, page=self)
        add("inspect.open-image", self.tr("&Open image…"), self._ask_image, icon="image-plus")
        add("inspect.sample", self.tr("Inspect a &sample"), self._show_sample, "Shift+N", "dices")
        play = partial(self._play, 1)
        add("inspect.play", self.tr("&Play to noise"), play, "P", "play", checkable=True, separator=True)
        back = partial(self._play, -1)
        add("inspect.play-back", self.tr("Play &back to pixels"), back, "Shift+P", "play-back", checkable=True)
        add("inspect.previous", self.tr("P&revious layer"), partial(self._go, -1), ",", "chevron-left")
        add("inspect.next", self.tr("&Next layer"), partial(self._go, 1), ".", "chevron-right")
        add("inspect.diagram", self.tr("&Architecture…"), self._show_diagram, icon="blend", separator=True)
        add("inspect.health", self.tr("&Health of the layers…"), self._show_health, icon="gauge")
        self._action("health").setIconText(self.tr("Health"))
        self._action("diagram").setIconText(self.tr("Architecture"))
        self._action("open-image").setIconText(self.tr("Open"))
        self._action("sample").setIconText(self.tr("Sample"))

    def _action(self, key: str) -> QAction:
        return self.context.registry[f"inspect.{key}"]

    def _lay_out(self) -> None:
        self._stack = QStackedLayout(self)
        self._stack.addWidget(self._make_empty())
        full = QWidget()
        column = vbox(full, margins=PAGE_MARGINS)
        row = hbox()
        self.title = ElidedLabel()
        row.addWidget(self.title, 1)
        for key in ("health", "diagram", "open-image", "sample"):
            row.addWidget(ActionButton(self._action(key)))
        column.addLayout(row)
        self.table = LedgerTable(self.state.rows)
        self.table.row_chosen.connect(self._on_row)
        parts = splitter(Qt.Orientation.Horizontal, (self.table, self._make_stage()), (0, 1), handle=2 * SPACE)
        self.restore_sizes("inspect", parts, [60 * SPACE, 10_000])
        column.addWidget(parts, 1)
        self.total = ElidedLabel()
        column.addWidget(self.total)
        self._stack.addWidget(full)

    def _make_empty(self) -> QWidget:
        empty = QWidget()
        column = vbox(empty, spacing=2 * SPACE, margins=(6 * SPACE, 6 * SPACE, 6 * SPACE, 6 * SPACE))
        column.addStretch(2)
        self._empty_icon = TextLabel()
        heading = text_label(self.tr("Drop an image here"), "heading")
        self.empty_label = text_label(wrap=True)
        for label in (self._empty_icon, heading, self.empty_label):
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
            column.addWidget(label)
        row = hbox()
        row.addStretch(1)
        row.addWidget(ActionButton(self._action("open-image"), primary=True))
        row.addWidget(ActionButton(self._action("sample")))
        row.addWidget(ActionButton(self._action("health")))
        row.addStretch(1)
        column.addSpacing(SPACE)
        column.addLayout(row)
        column.addStretch(3)
        self._show_empty_icon()
        theme().changed.connect(self._show_empty_icon)
        return empty

    def _make_stage(self) -> QWidget:
        side = QWidget()
        side.setMinimumWidth(41 * SPACE)
        column = vbox(side)
        row = hbox()
        self.stage_name = ElidedLabel()
        row.addWidget(self.stage_name, 1)
        entries = [
            (self.tr("Values"), "values"),
            (self.tr("Log-derivatives (s)"), "log-derivatives"),
            (self.tr("Shifts (t)"), "shifts"),
            (self.tr("Mask"), "mask"),
            (self.tr("Inputs of its network"), "inputs"),
        ]
        self.aspect = ComboBox(entries, self.tr("What is shown of a coupling"), 23 * SPACE)
        self.aspect.currentIndexChanged.connect(self._show_stage)
        row.addWidget(self.aspect)
        column.addLayout(row)
        self.picture = ImageView()
        self.picture.setAccessibleName(self.tr("The values after the layer, at the pixels that they came from"))
        column.addWidget(self.picture, 1)
        self.range_label = ElidedLabel(role="dim")
        column.addWidget(self.range_label)
        column.addWidget(ImageStatus(self.picture))
        controls = hbox()
        for key in ("play-back", "previous"):
            controls.addWidget(ActionButton(self._action(key), flat=True))
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName(self.tr("Layer, from pixels to noise"))
        self.slider.setPageStep(5)
        self.slider.valueChanged.connect(self.state.move_to)
        controls.addWidget(self.slider, 1)
        for key in ("next", "play"):
            controls.addWidget(ActionButton(self._action(key), flat=True))
        speeds = [(self.tr("{0}/s").format(number), number) for number in (2, 5, 10, 20)]
        self.speed = ComboBox(speeds, self.tr("Layers per second"), 12 * SPACE)
        self.speed.setCurrentIndex(1)
        self.speed.currentIndexChanged.connect(lambda: self._clock.setInterval(1000 // self.speed.currentData()))
        controls.addWidget(self.speed)
        column.addLayout(controls)
        self.histogram = StageHistogram()
        column.addWidget(self.histogram)
        return side

    # Changes of the state

    def _show(self) -> None:
        state, inspection = self.state, self.state.inspection
        self._stack.setCurrentIndex(0 if inspection is None else 1)
        self.empty_label.setText(self._describe_empty())
        for key in ("sample", "health"):
            self._action(key).setEnabled(self.context.engine.model is not None)
        for key in ("play", "play-back", "next", "previous", "diagram"):
            self._action(key).setEnabled(inspection is not None)
        self.picture.set_dimmed(state.busy)
        if inspection is None:
            self._play(0)
            return
        with QSignalBlocker(self.slider):
            self.slider.setRange(0, state.last)
        self.title.setText(SEPARATOR.join((state.name, *state.notes)))
        score = f"{inspection.ledger.bits_per_dim:.{DIGITS}f}"
        text = self.tr("Score: {0} bits/dim, the sum of the rows").format(score)
        if inspection.reference_mean is not None:
            mean = f"{inspection.reference_mean:.{DIGITS}f}"
            text += SEPARATOR + self.tr("mean of the reference images: {0}").format(mean)
        self.total.setText(text)
        self._show_stage()

    def _show_stage(self) -> None:
        state, stage = self.state, self.state.stage
        if stage is None:
            return
        with QSignalBlocker(self.slider):
            self.slider.setValue(state.position)
        with QSignalBlocker(self.table):
            self.table.choose(state.position)
        self.aspect.setEnabled(stage.coupling >= 0)
        aspect: Aspect = self.aspect.currentData() if stage.coupling >= 0 else "values"
        self.picture.show_image(state.image(aspect))
        self.histogram.show_stage(stage)
        name = stage.layer[:1].upper() + stage.layer[1:]
        parts = [name, "x".join(map(str, stage.shape))]
        if stage.parameters:
            parts.append(self.tr("{0} parameters").format(f"{stage.parameters:,}"))
        self.stage_name.setText(SEPARATOR.join(parts))
        self.range_label.setText(self._range_text(stage, aspect))

    def _range_text(self, stage: InspectedStage, aspect: Aspect) -> str:
        mask = self.tr("White: changes. Black: stays, and the network sees it. Grey: left at an earlier scale.")
        black_to_white = self.tr("Black is {0}, white is {1}")
        if aspect == "mask":
            return mask
        if aspect == "log-derivatives":
            return black_to_white.format(f"{-SCALE_RANGE:g}", f"{SCALE_RANGE:g}")
        if aspect == "shifts":
            return black_to_white.format(f"{-SHIFT_RANGE:g}", f"{SHIFT_RANGE:g}")
        text = black_to_white.format(f"{stage.low:g}", f"{stage.high:g}")
        figures = self.tr("mean {0}, deviation {1}, from {2} to {3}")
        values = (f"{value:.3g}" for value in (stage.mean, stage.deviation, stage.least, stage.most))
        parts = [text, figures.format(*values)]
        if self.state.inspection is not None and self.state.inspection.step > 1:
            parts.append(self.tr("every {0}th pixel").format(self.state.inspection.step))
        return SEPARATOR.join(parts)

    def _describe_empty(self) -> str:
        if self.state.problem:
            return self.state.problem
        if self.context.engine.model is None:
            return self.tr("No model is open yet.")
        if self.state.busy:
            return self.tr("The picture is on its way…")
        return self.tr(
            "It is shown at every layer of the model {0}, from pixels to noise, with what each layer adds to its "
            "score. "
            "On Explore, I inspects the picture on screen."
        ).format(self.context.engine.model.name)

    def _on_row(self, index: QModelIndex) -> None:
        if index.isValid():
            self.state.move_to(index.row())

    # Actions of a person

    def _open(self, what: object) -> None:
        if isinstance(what, Recipe):
            self.state.show_recipe(what, self.tr("Picture of Explore"))
        elif isinstance(what, Path):
            self.state.open_image(what)

    def _ask_image(self) -> None:
        self.context.page_requested.emit(self.key)
        for path in self.context.ask_files("images", self.tr("An image to inspect"), image_filter(self.tr("Images"))):
            self.state.open_image(path)

    def _show_sample(self) -> None:
        self.state.show_sample(self._sample)
        self._sample += 1

    def _show_diagram(self) -> None:
        DiagramDialog(self.context, self.state, self).show()

    def _show_health(self) -> None:
        HealthDialog(self.health, self.state, self).show()

    def _go(self, step: int) -> None:
        self._play(0)
        self.state.move_to(self.state.position + step)

    def _play(self, direction: int) -> None:
        """Play to noise (1) or to pixels (-1) or stop (0); what plays already is stopped. From an end it plays anew."""
        if self._direction == direction:
            direction = 0
        self._direction = direction
        for key, own in (("play", 1), ("play-back", -1)):
            self._action(key).setChecked(direction == own)
        if not direction:
            self._clock.stop()
            return
        end, start = (self.state.last, 0) if direction > 0 else (0, self.state.last)
        if self.state.position == end:
            self.state.move_to(start)
        self._clock.start(1000 // self.speed.currentData())

    def _step(self) -> None:
        end = self.state.last if self._direction > 0 else 0
        if self.state.position == end or not self.isVisible():
            self._play(0)
        else:
            self.state.move_to(self.state.position + self._direction)

    def _show_empty_icon(self) -> None:
        self._empty_icon.setPixmap(pixmap("scan-search", colors().disabled, 6 * SPACE, self.devicePixelRatioF()))
