"""Explore's directions: connects their state with the panel of sliders, and has their actions."""

from collections.abc import Callable, Sequence
from functools import partial

from PySide6.QtCore import QObject, QPoint
from PySide6.QtWidgets import QMenu

from nvp_studio.recipe import Move
from nvp_studio.state.directions import DirectionsState, local_number, move_title
from nvp_studio.state.explore import ExploreState
from nvp_studio.state.tray import TrayState
from nvp_studio.views.context import WindowContext
from nvp_studio.views.menus import MnemonicMenu
from nvp_studio.views.page import Page
from nvp_studio.views.pages.explore.own_directions_tool import OwnDirectionsTool
from nvp_studio.views.widgets.directions_panel import LocalHead
from nvp_studio.views.widgets.latent_panel import LatentPanel
from nvp_studio.views.widgets.slider_list import SliderEntry


class DirectionsTool(QObject):
    """Shows directions of the model, of the picture and a person's own, and edits the recipe along them."""

    def __init__(self, context: WindowContext, page: Page, explore: ExploreState, tray: TrayState) -> None:
        super().__init__(page)
        self._explore, self._registry = explore, context.registry
        self._order: Callable[[int], float] | None = None
        self.own = OwnDirectionsTool(context, page, explore, tray)
        self.state = DirectionsState(explore, self.own.state)
        add = partial(context.registry.add, page=page)
        text, tip = self.tr("Find directions of this picture"), self.tr("Find along which it can change most from here")
        self._find = add("explore.find-directions", text, self._on_find, "J", "compass", tip=tip, separator=True)
        text = self.tr("Stop finding directions")
        self._cancel = add("explore.cancel-directions", text, self.state.cancel, "Ctrl+J", "square")
        text, tip = self.tr("Lock the direction"), self.tr("Lock or unlock the direction of the slider in focus")
        self._lock = add("explore.lock-direction", text, self._lock_focused, "Alt+J", "lock", tip=tip)

    def show_on(self, latents: LatentPanel) -> None:
        """Work with the sliders of this panel."""
        self._latents, self._panel = latents, latents.panel
        self._local_head = LocalHead(self._find, self._cancel)
        self._panel.add_head("local", self._local_head)
        self._panel.kind_chosen.connect(self._choose)
        self._panel.search_changed.connect(lambda words: self.show_state())
        self.own.show_on(self._panel)
        self.own.wanted.connect(partial(self._panel.show_kind, "own"))
        for kind, one in self._panel.lists.items():
            one.menu_requested.connect(self._open_menu)
            one.unlocked.connect(lambda index: self.state.lock(self.direction(index), False))
            if kind != "model":
                one.edited.connect(lambda index, value: self.state.set_offset(self._move(index), value))
                one.reset_requested.connect(lambda index: self.state.reset(self._move(index)))
                one.gesture_begun.connect(self._explore.begin_gesture)
                one.gesture_ended.connect(self._explore.end_gesture)
        self.state.changed.connect(self.show_state)
        self.show_state()

    def show_state(self) -> None:
        """Show the sliders of all kinds as they are now."""
        state = self.state
        ready = self._explore.model is not None and self._explore.engine.explorer.state == "ready"
        possible = ready and self._explore.recipe.enlarged == 1
        model = self._explore.model
        self._find.setEnabled(possible and not state.running and model is not None and model.flow.has_gradients)
        self._registry["explore.randomize"].setEnabled(possible)
        self._registry["explore.repeat-randomize"].setEnabled(possible and bool(self._explore.drawn))
        self._cancel.setEnabled(state.running)
        self._latents.show_entries(self._explore.recipe.locked, self._panel.search.text(), self._order)
        found = len(state.found.moves) if state.found is not None else 0
        self._show_moves("local", [self._local_entry(place, move, found) for place, move in enumerate(state.local)])
        self._show_moves("own", [self._own_entry(place, move) for place, move in enumerate(state.own)])
        wanted = state.found is None or state.outdated
        self._local_head.show_state(self._local_text(), state.progress, wanted=wanted)

    def sort(self, by: str, effects: Sequence[float] = ()) -> None:
        """Sort the model's directions by "names" (named ones first), "variance" or these `effects`."""
        model = self._explore.model
        values = effects if by == "effect" else model.explained_variance if model is not None else ()
        self._order = None if by == "names" else lambda index: -values[index] if index < len(values) else 0.0
        self.show_state()

    def _show_moves(self, kind: str, entries: list[SliderEntry]) -> None:
        words = self._panel.search.text().lower() if kind == "own" else ""
        sliders, moves = self._panel.lists[kind], self.state.own if kind == "own" else self.state.local
        sliders.set_entries(entries)
        order = [place for place, move in enumerate(moves) if words in move.name.lower()]
        sliders.arrange(order, self.tr("No direction is called so.") if words else "")
        sliders.show_values([move.offset for move in moves], [0.0] * len(moves))

    def _choose(self, kind: str) -> None:
        self._panel.show_kind(kind)
        if kind == "local" and (self.state.found is None or self.state.outdated) and not self.state.running:
            self.state.find()

    def _on_find(self) -> None:
        self._panel.show_kind("local")
        self.state.find()

    def direction(self, index: int) -> int | Move:
        """What a slider of the chosen kind moves along."""
        return index if self._panel.kind == "model" else self._move(index)

    def _move(self, index: int) -> Move:
        return (self.state.own if self._panel.kind == "own" else self.state.local)[index]

    def _open_menu(self, index: int, place: QPoint) -> None:
        menu = MnemonicMenu(self._panel)
        self._fill_menu(menu, index)
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(place)

    def _fill_menu(self, menu: QMenu, index: int) -> None:
        direction = self.direction(index)
        locked = self._locked(direction)
        lock = menu.addAction(self.tr("&Lock: moves along others leave it as it is"))
        lock.setCheckable(True)
        lock.setChecked(locked)
        lock.triggered.connect(lambda: self.state.lock(direction, not locked))
        menu.addAction(self.tr("&Reset"), lambda: self._panel.shown.reset_requested.emit(index))
        if self._panel.kind == "own":
            self.own.fill_menu(menu, index)

    def _lock_focused(self) -> None:
        focused = self._panel.window().focusWidget()
        for index, row in enumerate(self._panel.shown.rows):
            if row.slider is focused:
                direction = self.direction(index)
                self.state.lock(direction, not self._locked(direction))
                return
        self._explore.told.emit(self.tr("Click the slider of a direction first: the one in focus is locked."))

    def _locked(self, direction: int | Move) -> bool:
        return direction.locked if isinstance(direction, Move) else direction in self._explore.recipe.locked

    # Words

    def _entry(self, move: Move, title: str, tip: str) -> SliderEntry:
        more = self.tr("Double-click to reset it, right-click to lock it.")
        return SliderEntry(title, move_title(move), f"{tip}\n{more}", move.locked)

    def _local_entry(self, place: int, move: Move, found: int) -> SliderEntry:
        if self.state.found is not None and place < found:
            text = self.tr("One unit changes the picture by about {0} grey levels, near where it was found.")
            tip = text.format(f"{self.state.found.grey_levels[place]:.1f}")
            return self._entry(move, str(place + 1), tip)
        number = local_number(move)
        title = self.tr("{0}, of another picture").format(number) if number else move.name
        return self._entry(move, title, self.tr("The picture is moved along it."))

    def _own_entry(self, place: int, move: Move) -> SliderEntry:
        return self._entry(move, move.name, self.own.tip(self.own.state.directions[place]))

    def _local_text(self) -> str:
        state = self.state
        if state.running:
            return self.tr("Finding along which directions this picture can change most…")
        if state.found is None:
            return self.tr("Directions along which this picture can change most from here, found in seconds.")
        if state.outdated:
            return self.tr("These directions belong to another picture.")
        return self.tr("What can change most from this picture, the strongest first.")
