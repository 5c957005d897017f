"""The part of Lab with densities of one dimension: change of variables, and the likelihood of a Gaussian."""

import math
from functools import partial

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QStackedWidget, QWidget

from nvp_studio.lab.likelihood import log_likelihood
from nvp_studio.state.bent_map import Bent, BentMap
from nvp_studio.state.gaussian_fit import SHOWN_NATS, Fitted, GaussianFit
from nvp_studio.text import figure
from nvp_studio.views.page import Page
from nvp_studio.views.theme import SPACE
from nvp_studio.views.widgets.action_button import ActionButton
from nvp_studio.views.widgets.bend_pad import BendPad
from nvp_studio.views.widgets.inputs import ComboBox
from nvp_studio.views.widgets.labels import NoteLabel
from nvp_studio.views.widgets.layout import hbox, paragraph, text_label, vbox
from nvp_studio.views.widgets.likelihood_pad import LikelihoodPad

_SIDE = 30 * SPACE
CHANGE, LIKELIHOOD = "change-of-variables", "likelihood"


class OneDimension(QWidget):
    """Densities of one dimension; its actions belong to `page`."""

    wanted = Signal()
    """Something of it changed by undo: show it."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.page = page
        self.bent = BentMap(Bent(), page.undo, self)
        self.fit = GaussianFit(Fitted(), page.undo, self)
        self._add_actions()
        self.view_choice = ComboBox(
            [(self.tr("Change of variables"), CHANGE), (self.tr("Likelihood of a Gaussian"), LIKELIHOOD)],
            self.tr("What is shown in one dimension"),
            26 * SPACE,
        )
        self.views = QStackedWidget()
        self.views.addWidget(self._make_change())
        self.views.addWidget(self._make_likelihood())
        self.view_choice.currentIndexChanged.connect(self._on_view)
        row = hbox()
        row.addWidget(self.view_choice)
        row.addStretch(1)
        column = vbox(self)
        column.addLayout(row)
        column.addWidget(self.views, 1)
        self.bent.changed.connect(self._show_bent)
        self.fit.changed.connect(self._show_fit)
        for value, key in ((self.bent, CHANGE), (self.fit, LIKELIHOOD)):
            value.undone.connect(self.wanted)
            value.undone.connect(partial(self.show_view, key))
        self._show_bent()
        self._show_fit()

    @property
    def view(self) -> str:
        """`CHANGE` or `LIKELIHOOD`."""
        return str(self.view_choice.currentData())

    def show_view(self, key: str) -> None:
        """Show `CHANGE` or `LIKELIHOOD`."""
        self.view_choice.setCurrentIndex(self.view_choice.findData(key))

    # Construction

    def _add_actions(self) -> None:
        add = partial(self.page.context.registry.add, page=self.page)
        change, fit = partial(self._show_here, CHANGE), partial(self._show_here, LIKELIHOOD)
        add("lab.change-of-variables", self.tr("Change of &variables"), change, separator=True)
        add("lab.straighten", self.tr("Straight &map"), self._straighten, "Shift+L", "rotate-ccw")
        tip = self.tr("Bend the map so that p(x) becomes N(0, 1), as nearly as its points allow")
        add("lab.map-to-normal", self.tr("Map to N(&0, 1)"), self._map_to_normal, "Shift+G", "chart-line", tip=tip)
        add("lab.likelihood", self.tr("Li&kelihood of a Gaussian"), fit)
        add("lab.maximum", self.tr("Go to the ma&ximum of the likelihood"), self._go_to_maximum, "Shift+M", "maximize")
        self.page.context.registry["lab.maximum"].setIconText(self.tr("Maximum"))

    def _make_change(self) -> QWidget:
        view, side = QWidget(), QWidget()
        self.bend_pad = BendPad(self.bent)
        self.density = ComboBox(
            [
                (self.tr("Normal"), "normal"),
                (self.tr("Uniform"), "uniform"),
                (self.tr("Two peaks"), "two-peaks"),
            ],
            self.tr("The density p(x)"),
        )
        self.density.currentIndexChanged.connect(lambda: self.bent.choose_density(self.density.currentData()))
        self.areas, self.slope, self.bend_note = paragraph(""), paragraph("", "dim"), NoteLabel()
        help_text = text_label(
            self.tr(
                "Drag the points of the map, or draw another one; drag the interval or its ends above. The keys “,” "
                "and “.” choose a point, arrows move it. Dashed: N(0, 1)."
            ),
            wrap=True,
        )
        column = vbox(side)
        for part in (self.density, self.areas, self.slope, self.bend_note):
            column.addWidget(part)
        for key in ("straighten", "map-to-normal"):
            button = ActionButton(self.page.context.registry[f"lab.{key}"])
            column.addWidget(button, 0, Qt.AlignmentFlag.AlignLeft)
        column.addStretch(1)
        column.addWidget(help_text)
        self.bend_pad.pointed.connect(self._show_slope)
        return _beside(view, self.bend_pad, side)

    def _make_likelihood(self) -> QWidget:
        view, side = QWidget(), QWidget()
        self.likelihood_pad = LikelihoodPad(self.fit)
        self.values, self.under_pointer, self.fit_note = paragraph(""), paragraph("", "dim"), NoteLabel()
        help_text = text_label(
            self.tr(
                "Drag the points on the line, or the ring on the surface. A double click on the line adds a point, Del "
                "removes it. The keys “,” and “.” choose, arrows move, Ins adds. Colour: log L, from its maximum down "
                "to {0} nats less; the cross is the maximum."
            ).format(f"{SHOWN_NATS:g}"),
            wrap=True,
        )
        column = vbox(side)
        for part in (self.values, self.under_pointer, self.fit_note):
            column.addWidget(part)
        column.addWidget(ActionButton(self.page.context.registry["lab.maximum"]), 0, Qt.AlignmentFlag.AlignLeft)
        column.addStretch(1)
        column.addWidget(help_text)
        self.likelihood_pad.pointed.connect(self._show_pointed)
        return _beside(view, self.likelihood_pad, side)

    # Changes of the state

    def _on_view(self) -> None:
        self.views.setCurrentIndex(self.view_choice.currentIndex())

    def _show_bent(self) -> None:
        bent = self.bent.value
        self.density.setCurrentIndex(self.density.findData(bent.density_name))
        (low, high), image, areas = bent.interval, bent.image, bent.areas
        lines = [
            self.tr("P({0} ≤ x ≤ {1}) = {2}").format(*_texts(low, high), f"{areas[0]:.4f}"),
            self.tr("P({0} ≤ y ≤ {1}) = {2}").format(*_texts(*image), f"{areas[1]:.4f}"),
            self.tr("Width: {0} becomes {1}").format(*_texts(high - low, image[1] - image[0])),
            self.tr("KL(p(y) ‖ N(0, 1)) = {0} nats").format(f"{max(bent.divergence, 0.0):.3f}"),
        ]
        self.areas.setText("\n".join(lines))
        self.bend_note.show_text(self.bent.problem, "warning")
        self._show_slope(None)

    def _show_slope(self, x: float | None) -> None:
        """The formula at the x under the pointer."""
        if x is None:
            self.slope.setText(self.tr("p(x) = p(y) · dy/dx: point at the map for values."))
            return
        bent = self.bent.value
        slope, p = float(bent.bend.derivative(x)), float(bent.density.value(np.array(x)))
        values = (f"{number:.4g}" for number in (p, p / slope, slope))
        at = self.tr("At x = {0}, y = {1}:").format(*_texts(x, float(bent.bend(x))))
        self.slope.setText(at + "\n" + self.tr("p(x) = p(y) · dy/dx\n{0} = {1} · {2}").format(*values))

    def _show_fit(self) -> None:
        fitted, best = self.fit.value, self.fit.value.largest
        lines = [
            self.tr("{0} points").format(len(fitted.points)),
            self.tr("μ = {0}, σ = {1}").format(*_texts(fitted.mu, fitted.sigma)),
            _likelihood_text(fitted.log_likelihood),
        ]
        if best is not None:
            lines += ["", self.tr("Maximum: μ = {0}, σ = {1}").format(*_texts(best.mu, best.sigma))]
            lines += [_likelihood_text(best.log_likelihood)]
        self.values.setText("\n".join(lines))
        note = self.fit.problem or self.fit.why_no_maximum()
        self.fit_note.show_text(note, "warning")
        self.page.context.registry["lab.maximum"].setEnabled(best is not None)
        self._show_pointed(None)

    def _show_pointed(self, place: tuple[float, float] | None) -> None:
        if place is None:
            self.under_pointer.setText(self.tr("Point at the surface for its values."))
            return
        value = float(log_likelihood(self.fit.value.points, *place))
        at = self.tr("At μ = {0}, σ = {1}:").format(*_texts(*place))
        self.under_pointer.setText(at + "\n" + _likelihood_text(value))

    # Actions of a person

    def _straighten(self) -> None:
        self._show_here(CHANGE)
        self.bent.straighten()

    def _map_to_normal(self) -> None:
        self._show_here(CHANGE)
        self.bent.map_to_normal()

    def _go_to_maximum(self) -> None:
        self._show_here(LIKELIHOOD)
        self.fit.go_to_maximum()

    def _show_here(self, view: str) -> None:
        self.page.context.registry["lab.one-dimension"].trigger()
        self.show_view(view)


def _beside(view: QWidget, pad: QWidget, side: QWidget) -> QWidget:
    """The pad, at its right the side, and beside that what room is left."""
    side.setFixedWidth(_SIDE)
    row = hbox(view, spacing=2 * SPACE)
    row.addWidget(pad, 1)
    row.addWidget(side)
    row.addStretch(0)
    return view


def _texts(*values: float) -> list[str]:
    return [figure(value, ".2f") for value in values]


def _likelihood_text(log_value: float) -> str:
    return f"log L = {figure(log_value, '.3f')},  L = {figure(math.exp(max(log_value, -700.0)), '.3g')}"
