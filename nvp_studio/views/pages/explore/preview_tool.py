"""Previews below Explore's sliders, and the order of the model's directions."""

from functools import partial

from PySide6.QtCore import QObject, QTimer
from PySide6.QtGui import QActionGroup

from nvp_studio.state.explore import ExploreState
from nvp_studio.state.previews import PreviewsState
from nvp_studio.state.qimages import qimages
from nvp_studio.views.context import WindowContext
from nvp_studio.views.menus import MnemonicMenu
from nvp_studio.views.page import Page
from nvp_studio.views.pages.explore.directions_tool import DirectionsTool
from nvp_studio.views.pages.explore.rested_slider import RestedSlider
from nvp_studio.views.theme import set_icon
from nvp_studio.views.widgets.action_button import menu_button
from nvp_studio.views.widgets.directions_panel import DirectionsPanel

_ORDERS = ("names", "variance", "effect")


class PreviewTool(QObject):
    """Shows the previews of the sliders in view, and sorts directions."""

    def __init__(self, context: WindowContext, page: Page, explore: ExploreState, directions: DirectionsTool) -> None:
        super().__init__(page)
        self._page = page
        self._explore, self._directions = explore, directions
        self.state = PreviewsState(explore)
        add = partial(context.registry.add, page=page)
        text = self.tr("Previews below the sliders")
        tip = self.tr("Show the picture with each slider at −2, 0 and +2")
        previews = partial(add, tip=tip, checkable=True, separator=True)
        self._shown = previews("explore.previews", text, self._on_toggled, "Ctrl+Shift+J", "images")
        texts = (
            (self.tr("Named directions first"), "Ctrl+Shift+N"),
            (self.tr("Directions by their variance"), "Ctrl+Shift+R"),
            (self.tr("Directions by their effect on this picture"), "Ctrl+Shift+B"),
        )
        self._orders = QActionGroup(self)
        for order, (text, keys) in zip(_ORDERS, texts, strict=True):
            action = add(f"explore.sort-{order}", text, partial(self.sort, order), keys, checkable=True)
            self._orders.addAction(action)
        self._orders.actions()[0].setChecked(True)
        self._measure_later = False
        """Whether effects are to be measured once it is known where the picture lies."""
        self._timer = QTimer(self, singleShot=True, interval=0)
        self._timer.timeout.connect(self._want)

    def show_on(self, panel: DirectionsPanel) -> None:
        """Work with this panel of sliders."""
        self._panel = panel
        self.rested = RestedSlider(self._page, self._explore, panel, lambda: not self._shown.isChecked())
        self.rested.changed.connect(self._want)
        button = menu_button()
        set_icon(button, "sliders-horizontal")
        button.setAccessibleName(self.tr("Order and previews of directions"))
        button.setToolTip(self.tr("Order of the directions, and previews below the sliders"))
        menu = MnemonicMenu(button)
        menu.addAction(self._shown)
        menu.addSeparator()
        menu.addActions(self._orders.actions())
        button.setMenu(menu)
        panel.add_option(button)
        panel.kind_shown.connect(self._timer.start)
        for sliders in panel.lists.values():
            sliders.in_view_changed.connect(self._timer.start)
        self.state.changed.connect(self._show)
        self.state.effects_changed.connect(self._on_effects)
        self._explore.picture_changed.connect(self._measure_if_wanted)

    @property
    def order(self) -> str:
        """By what the model's directions are sorted."""
        return _ORDERS[[action.isChecked() for action in self._orders.actions()].index(True)]

    def _on_toggled(self) -> None:
        self.rested.leave()
        for sliders in self._panel.lists.values():
            sliders.show_strips(self._shown.isChecked())
        self._timer.start()

    def sort(self, order: str) -> None:
        """Sort the model's directions by "names", "variance" or their "effect" on the present picture."""
        self._orders.actions()[_ORDERS.index(order)].setChecked(True)
        self._measure_later = order == "effect"
        if order == "effect":
            self._panel.show_kind("model")
            self._measure_if_wanted()
        else:
            self._directions.sort(order)

    def _measure_if_wanted(self) -> None:
        if self._measure_later and self._explore.origin:
            self._measure_later = False
            self.state.measure_effects()

    def _on_effects(self) -> None:
        if self.order != "effect":
            return
        if self.state.effects:
            self._directions.sort("effect", self.state.effects)
        elif not self._measure_later:
            self._orders.actions()[0].setChecked(True)
            self._directions.sort("names")

    def _want(self) -> None:
        """Ask for what is in view, or for the slider that is rested on."""
        rested = [self.rested.index] if self.rested.index is not None else []
        wanted = self._panel.shown.in_view() if self._shown.isChecked() else rested
        self.state.want([self._directions.direction(index) for index in wanted])
        self._show()

    def _show(self) -> None:
        if not self._shown.isChecked():
            self.rested.show(self.state, self._directions.direction)
            return
        for index in self._panel.shown.in_view():
            images, fresh = self.state.images(self._directions.direction(index))
            strip = self._panel.shown.strips[index]
            strip.show_images(qimages(images) if images is not None else [], dimmed=not fresh)
