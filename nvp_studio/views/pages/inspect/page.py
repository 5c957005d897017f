"""Inspect: a picture on its way through the flow, layer by layer, and what each layer adds to its score."""

from functools import partial
from pathlib import Path

from PySide6.QtCore import QModelIndex, QSignalBlocker, Qt, QTimer
from PySide6.QtGui import QAction, QResizeEvent
from PySide6.QtWidgets import QSlider, QStackedLayout, QWidget

from nvp_studio.recipe import Recipe
from nvp_studio.state.health import HealthState
from nvp_studio.state.inspect import InspectState
from nvp_studio.state.ledger_model import DIGITS
from nvp_studio.state.paths import image_filter, is_image_file
from nvp_studio.state.receptive import ReceptiveState
from nvp_studio.text import figure
from nvp_studio.views import notify
from nvp_studio.views.context import WindowContext
from nvp_studio.views.page import Page
from nvp_studio.views.pages.inspect.diagram import DiagramDialog
from nvp_studio.views.pages.inspect.health import HealthDialog
from nvp_studio.views.pages.inspect.receptive import ReceptiveDialog
from nvp_studio.views.pages.inspect.stage_area import StageArea
from nvp_studio.views.theme import SPACE, colors, pixmap, theme
from nvp_studio.views.widgets.action_button import ActionButton
from nvp_studio.views.widgets.inputs import ComboBox
from nvp_studio.views.widgets.labels import SEPARATOR, ElidedLabel, TextLabel
from nvp_studio.views.widgets.layout import PAGE_MARGINS, hbox, splitter, text_label, vbox
from nvp_studio.views.widgets.ledger_table import LedgerTable

_TOPIC = "inspect"
_WIDE = 110 * SPACE
"""A page that is narrower has buttons without text, so that the picture's name is seen."""


class InspectPage(Page):
    """The ledger at the left, the chosen stage at the right; before there is a picture, how to choose one."""

    key = "inspect"

    def __init__(self, context: WindowContext) -> None:
        super().__init__(context)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.state = InspectState(context.engine, self)
        self.health = HealthState(context.engine, self)
        self.fields = ReceptiveState(self.state, self)
        self._sample = 0
        self._usual_hidden = False
        """Whether a person took the reference images out of the table."""
        self._direction = 0
        """+1 while it plays to noise, -1 while it plays to pixels."""
        self._clock = QTimer(self)
        self._clock.timeout.connect(self._step)
        self._add_actions()
        self._lay_out()
        self.state.changed.connect(self._show)
        self.state.moved.connect(self._show_stage)
        self.state.failed.connect(lambda reason: notify.refuse(reason, topic=_TOPIC))
        for picture in (self.state.first, self.state.second):
            picture.came.connect(lambda: notify.settle(_TOPIC))
        context.inspect_requested.connect(self._open)
        self._show()

    def drop_text(self, paths: list[Path]) -> str:
        if not all(map(is_image_file, paths)) or not 1 <= len(paths) <= 2:
            return ""
        if len(paths) == 2:
            return self.tr("Compare these two images")
        beside = self.state.comparing and self.state.inspection is not None
        return self.tr("Compare this image with the first") if beside else self.tr("Inspect this image")

    def open_paths(self, paths: list[Path]) -> None:
        if len(paths) == 1:
            self.state.open_image(paths[0])
        else:
            self.state.compare(True)
            self.state.first.open_image(paths[0])
            self.state.second.open_image(paths[1])

    # Construction

    def _add_actions(self) -> None:
        add = partial(self.context.registry.add, page=self)
        add("inspect.open-image", self.tr("&Open image…"), self._ask_image, icon="image-plus")
        add("inspect.sample", self.tr("Inspect a &sample"), self._show_sample, "Shift+N", "dices")
        text, tip = self.tr("&Compare two pictures"), self.tr("What is opened next is shown beside this picture")
        add("inspect.compare", text, self._compare, "C", "columns-2", checkable=True, tip=tip)
        text = self.tr("Compare with re&ference images")
        tip = self.tr(
            "What each layer adds to the scores of the images that the model was validated on, and its spread"
        )
        add("inspect.usual", text, self._toggle_usual, "Shift+C", "table", checkable=True, tip=tip)
        play = partial(self._play, 1)
        add("inspect.play", self.tr("&Play to noise"), play, "P", "play", checkable=True, separator=True)
        back = partial(self._play, -1)
        add("inspect.play-back", self.tr("Play &back to pixels"), back, "Shift+P", "play-back", checkable=True)
        add("inspect.previous", self.tr("P&revious layer"), partial(self._go, -1), ",", "chevron-left")
        add("inspect.next", self.tr("&Next layer"), partial(self._go, 1), ".", "chevron-right")
        add("inspect.diagram", self.tr("&Architecture…"), self._show_diagram, icon="blend", separator=True)
        add("inspect.health", self.tr("&Health of the layers…"), self._show_health, icon="gauge")
        add("inspect.fields", self.tr("Receptive fiel&ds…"), self._show_fields, icon="scan-search")
        self._action("fields").setIconText(self.tr("Fields"))
        self._action("health").setIconText(self.tr("Health"))
        self._action("diagram").setIconText(self.tr("Architecture"))
        self._action("usual").setIconText(self.tr("Reference"))
        self._action("compare").setIconText(self.tr("Compare"))
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
        self._shortened = [ActionButton(self._action(key)) for key in ("health", "diagram", "fields")]
        for button in self._shortened:
            row.addWidget(button)
        for key in ("compare", "open-image", "sample"):
            row.addWidget(ActionButton(self._action(key)))
        column.addLayout(row)
        self.table = LedgerTable(self.state.rows)
        self.table.row_chosen.connect(self._on_row)
        parts = splitter(Qt.Orientation.Horizontal, (self.table, self._make_stage()), (0, 1), handle=2 * SPACE)
        self.restore_sizes("inspect", parts, [60 * SPACE, 10_000])
        column.addWidget(parts, 1)
        below = hbox()
        self.total = ElidedLabel()
        below.addWidget(self.total, 1)
        below.addWidget(ActionButton(self._action("usual")))
        column.addLayout(below)
        self._stack.addWidget(full)

    def resizeEvent(self, event: QResizeEvent) -> None:
        for button in self._shortened:
            button.show_text(event.size().width() > _WIDE)
        super().resizeEvent(event)

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
        self.stage = StageArea(self.state, controls)
        self.aspect = self.stage.aspect
        return self.stage

    # Changes of the state

    def _show(self) -> None:
        state, inspection = self.state, self.state.inspection
        self._stack.setCurrentIndex(0 if inspection is None else 1)
        self.empty_label.setText(self._describe_empty())
        for key in ("sample", "health"):
            self._action(key).setEnabled(self.context.engine.model is not None)
        for key in ("play", "play-back", "next", "previous", "diagram", "compare", "usual", "fields"):
            self._action(key).setEnabled(inspection is not None)
        if inspection is None:
            self._play(0)
            return
        with QSignalBlocker(self.slider):
            self.slider.setRange(0, state.last)
        self._action("compare").setChecked(state.comparing)
        self.table.show_columns(("second", "difference"), shown=state.comparing)
        usual = state.baseline.baseline is not None and not self._usual_hidden
        self._action("usual").setChecked(usual or state.baseline.busy)
        self.table.show_columns(("usual", "spread", "deviation"), shown=usual)
        one = SEPARATOR.join((state.first.name, *state.first.notes))
        self.title.setText(self.tr("Two pictures") if state.comparing else one)
        score = f"{inspection.ledger.bits_per_dim:.{DIGITS}f}"
        text = self.tr("Score: {0} bits/dim, the sum of the rows").format(score)
        if state.second.inspection is not None:
            other = round(state.second.inspection.ledger.bits_per_dim, DIGITS)
            change = other - round(inspection.ledger.bits_per_dim, DIGITS)
            compared = self.tr("second picture: {0} ({1})").format(
                f"{other:.{DIGITS}f}", figure(change, f"+.{DIGITS}f")
            )
            text += SEPARATOR + compared
        if state.baseline.busy:
            done, all_ = (f"{number:,}" for number in (state.baseline.done, state.baseline.total))
            text += SEPARATOR + self.tr("measuring reference images: {0} of {1}").format(done, all_)
        elif inspection.reference_mean is not None:
            mean = f"{inspection.reference_mean:.{DIGITS}f}"
            text += SEPARATOR + self.tr("mean of the reference images: {0}").format(mean)
        self.total.setText(text)
        self._show_stage()

    def _show_stage(self) -> None:
        state = self.state
        if state.stage is None:
            return
        with QSignalBlocker(self.slider):
            self.slider.setValue(state.position)
        with QSignalBlocker(self.table):
            self.table.choose(state.position)
        self.stage.show_stage()

    def _describe_empty(self) -> str:
        if self.state.first.problem:
            return self.state.first.problem
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

    def _compare(self) -> None:
        self.state.compare(self._action("compare").isChecked())

    def _toggle_usual(self) -> None:
        """Show what is usual in each row, which is measured first where it is not known; or hide it, or end that."""
        self._usual_hidden = not self._action("usual").isChecked()
        if not self._usual_hidden:
            self.state.baseline.measure()
        elif self.state.baseline.busy:
            self.state.baseline.cancel()
        self._show()

    def _show_diagram(self) -> None:
        DiagramDialog(self.context, self.state, self).show()

    def _show_health(self) -> None:
        HealthDialog(self.health, self.state, self).show()

    def _show_fields(self) -> None:
        ReceptiveDialog(self.fields, self.state, self).show()

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
