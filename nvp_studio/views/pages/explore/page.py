"""Explore: one picture large, how likely the flow finds it, and sliders that move it through the latent space."""

from pathlib import Path

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QWidget

from nvp_studio.recipe import Recipe, Seed
from nvp_studio.resources import INCLUDED_MODELS
from nvp_studio.state.blend import BlendState
from nvp_studio.state.corners import CornersState
from nvp_studio.state.explore import ExploreState
from nvp_studio.state.history import HistoryState
from nvp_studio.state.original import OriginalState
from nvp_studio.state.paths import is_image_file, is_model
from nvp_studio.state.qimages import qimage
from nvp_studio.state.scales import ScalesState
from nvp_studio.state.session import SessionState
from nvp_studio.state.stored_tray import tray_path
from nvp_studio.state.tray import TrayState
from nvp_studio.views.context import WindowContext
from nvp_studio.views.page import Page
from nvp_studio.views.pages.explore.actions import ExploreActions
from nvp_studio.views.pages.explore.animation_tool import AnimationTool
from nvp_studio.views.pages.explore.arrangement import PageArrangement
from nvp_studio.views.pages.explore.compare_tool import CompareTool
from nvp_studio.views.pages.explore.directions_tool import DirectionsTool
from nvp_studio.views.pages.explore.dragging import Dragging
from nvp_studio.views.pages.explore.follow_tool import FollowTool
from nvp_studio.views.pages.explore.larger_tool import LargerTool
from nvp_studio.views.pages.explore.map_dialog import MapTool
from nvp_studio.views.pages.explore.messages import ExploreMessages
from nvp_studio.views.pages.explore.model_bar import ModelBar
from nvp_studio.views.pages.explore.neighbours_tool import NeighboursTool
from nvp_studio.views.pages.explore.picture_area import PictureArea
from nvp_studio.views.pages.explore.picture_text import base_text, changed_text, count_text, moved_text, scales_text
from nvp_studio.views.pages.explore.preview_tool import PreviewTool
from nvp_studio.views.pages.explore.redraw_tool import RedrawTool
from nvp_studio.views.pages.explore.session_tool import SessionTool
from nvp_studio.views.pages.explore.slider_panel import SliderPanel
from nvp_studio.views.pages.explore.tools import Tools
from nvp_studio.views.theme import SPACE
from nvp_studio.views.widgets.action_button import ActionButton
from nvp_studio.views.widgets.hiding import show_or_hide
from nvp_studio.views.widgets.image_grid import ImageGrid
from nvp_studio.views.widgets.labels import SEPARATOR
from nvp_studio.views.widgets.layout import PAGE_MARGINS, hbox, splitter, vbox
from nvp_studio.views.widgets.welcome import WelcomeCard
from nvp_studio.worker.messages import ModelInfo, Picture, Sheet

_MAX_RECENT = 8
_WIDEST_MODEL = 20 * SPACE
_WIDE = 210 * SPACE
"""Width from which on the panel of sliders is wider, unless a person gave it a width."""
_LOW, _LOWEST = 80 * SPACE, 56 * SPACE
"""A page that is not as high has no room for the welcome, or for the samples, beside an open tool."""


class ExplorePage(Page):
    """The page that is shown at the first start."""

    key = "explore"

    def __init__(self, context: WindowContext) -> None:
        super().__init__(context)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.state = ExploreState(context.engine, context.settings.values.recipe, self)
        self.undo = self.state.undo
        self.blend = BlendState(self.state)
        self.original = OriginalState(self.state)
        self.corners = CornersState(self.state)
        self.scales = ScalesState(self.state)
        self.tray = TrayState(self.state, tray_path(context.settings.path))
        self.dragging = Dragging(context, self.state, self.original, self.tray)
        self.actions_ = ExploreActions(context, self, self.state, self.blend, self.corners, self.scales, self.tray)
        self.paint = RedrawTool(context, self, self.state)
        self.neighbours = NeighboursTool(context, self, self.state)
        self.history = HistoryState(self.state)
        self.compare = CompareTool(context, self, self.history, self.tray)
        self.directions = DirectionsTool(context, self, self.state, self.tray)
        self.map = MapTool(context, self, self.state, self.tray)
        self.animation = AnimationTool(context, self, self.state, self.tray)
        kept = context.settings.path.with_suffix(".session")
        tools = (self.compare.state, self.paint.state, self.animation.state)
        session = SessionState(self.history, self.blend, self.corners, *tools, kept)
        self.session = SessionTool(context, self, session)
        self.previews = PreviewTool(context, self, self.state, self.directions)
        self.larger = LargerTool(context, self, self.state)
        self.follow = FollowTool(context, self, self.state, lambda: self.paint.state.running)
        self._lay_out()
        self._connect_signals()
        if context.engine.model is not None:
            self._on_model_opened(context.engine.model)
        self._show_readiness()

    def drop_text(self, paths: list[Path]) -> str:
        if len(paths) != 1:
            return ""
        if is_model(paths[0]):
            return self.tr("Open this model")
        if self.session.is_session(paths[0]):
            return self.tr("Open this session")
        if paths[0].suffix.lower() == ".json" and paths[0].is_file():
            return self.tr("Open this animation or recipe")
        return self.tr("Open this image in Explore") if is_image_file(paths[0]) else ""

    def open_paths(self, paths: list[Path]) -> None:
        path = paths[0]
        if is_model(path):
            self.context.engine.open_model(str(path))
        elif self.session.is_session(path):
            self.session.state.open(path)
        else:
            self.animation.open_path(path)

    def save_state(self) -> None:
        values = self.context.settings.values
        self.session.keep()
        values.recipe = self.state.recipe.to_json()
        values.model_path = self.context.engine.model_path

    # Construction

    def _lay_out(self) -> None:
        self.panel = SliderPanel(self.context)
        self.directions.show_on(self.panel.latents)
        self.previews.show_on(self.panel.latents.panel)
        self._parts = splitter(Qt.Orientation.Horizontal, (self._make_center(), self.panel), (1, 0))
        self._wide = False
        self.restore_sizes("explore", self._parts, [10_000, 44 * SPACE])
        vbox(self, margins=PAGE_MARGINS).addWidget(self._parts)

    def _make_center(self) -> QWidget:
        center = QWidget()
        column = vbox(center, margins=(0, 0, SPACE, 0))
        self.toolbar = ModelBar(self.context)
        column.addWidget(self.toolbar)
        self.welcome = WelcomeCard()
        column.addWidget(self.welcome)
        self.pictures = PictureArea(self.context)
        column.addWidget(self.compare.bar)
        column.addWidget(self.pictures, 1)
        self.samples = QWidget()
        strip = hbox(self.samples)
        self.sheet = ImageGrid(rows=1)
        self.sheet.setFixedHeight(8 * SPACE)
        self.sheet.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.sheet.setAccessibleName(self.tr("Samples to pick from"))
        self.sheet.set_placeholder(self.tr("Samples to pick from appear here."))
        strip.addWidget(self.sheet, 1)
        strip.addWidget(ActionButton(self.context.registry["explore.more-samples"], flat=True))
        column.addWidget(self.samples)
        column.addWidget(self.compare.strip)
        further = {"paint": self.paint.panel, "neighbours": self.neighbours.panel, "animate": self.animation.panel}
        self.tools = Tools(
            self.context, self.state, self.blend, self.corners, self.scales, self.tray, further, self.pictures.view
        )
        self.blend_panel = self.tools.blend_panel
        arrangement = PageArrangement(self.context.registry, self.panel.latents.panel, self.previews)
        self.session.show_on(self.tools, arrangement)
        self.paint.show_on(self.pictures.view)
        self.animation.show_on(self.pictures.view)
        self.compare.show_on(self.pictures.view)
        self.compare.started.connect(lambda: self.tools.show_tool("paint", False))
        self.compare.started.connect(self.animation.state.player.close)
        self.paint.panel.shown.connect(lambda shown: self.compare.stop() if shown else None)
        self.compare.held_changed.connect(self.animation.state.player.close)
        self.animation.frame_shown.connect(lambda shown: self.compare.stop() if shown else None)
        self.compare.held_changed.connect(self._show_caption)
        self.follow.changed.connect(self._show_caption)
        self.dragging.take_from(self.pictures, self.sheet, self.tools.tray_panel)
        column.addWidget(self.tools)
        return center

    def _connect_signals(self) -> None:
        engine, state = self.context.engine, self.state
        engine.model_opened.connect(self._on_model_opened)
        engine.status_changed.connect(self._show_readiness)
        state.recipe_changed.connect(self._on_recipe_changed)
        state.picture_changed.connect(self._on_picture_changed)
        state.scored.connect(self._on_scored)
        state.samples.changed.connect(self._on_sheet_changed)
        state.picture_outdated.connect(self._on_picture_outdated)
        state.samples.outdated.connect(lambda: self.sheet.set_dimmed(True))
        state.notes_changed.connect(self._show_caption)
        ExploreMessages(state, self.tray)
        state.drawn_changed.connect(self._on_drawn_changed)
        self.original.changed.connect(self._on_original_changed)
        self.actions_.tool_shown.connect(self.tools.show_tool)
        self.paint.tool_shown.connect(self.tools.show_tool)
        self.neighbours.tool_shown.connect(self.tools.show_tool)
        self.animation.tool_shown.connect(self.tools.show_tool)
        self.animation.frame_shown.connect(self._on_frame_shown)
        self.tools.scale_panel.file_wanted.connect(self.actions_.ask_scale)
        self.actions_.grid_requested.connect(self._save_grid)
        self.actions_.original_shown.connect(self._show_original)
        self.actions_.zoom_requested.connect(self.pictures.zoom)
        self.sheet.clicked.connect(state.pick_sample)
        self.panel.seed.committed.connect(self._on_seed_edited)
        self.panel.latents.temperature_edited.connect(state.set_temperature)
        self.panel.latents.temperature_reset.connect(state.reset_temperature)
        self.panel.latents.direction_edited.connect(state.set_coordinate)
        self.panel.latents.direction_reset.connect(state.reset_direction)
        self.panel.latents.gesture_begun.connect(state.begin_gesture)
        self.panel.latents.gesture_ended.connect(state.end_gesture)
        for shown in ("help.lessons", "explore.history"):
            self.context.registry[shown].toggled.connect(self._make_room)
        self.tools.shown_changed.connect(self._make_room)
        self._make_room()
        self.welcome.closed.connect(self._close_welcome)
        self.welcome.train_chosen.connect(lambda: self._leave_welcome("train", "run.one-minute"))
        self.welcome.lessons_chosen.connect(lambda: self._leave_welcome(self.key, "help.lessons"))
        self.welcome.score_chosen.connect(lambda: self._leave_welcome("score", "score.add-files"))

    # Changes of the state

    def _on_model_opened(self, model: ModelInfo) -> None:
        self.toolbar.show_model(model)
        self.welcome.show_data(model.data_title)
        if not self.state.went_on:  # a slider may be held
            directions, jumps = (model.explained_variance, model.direction_names), not model.flow.has_gradients
            self.panel.latents.set_model(len(model.latent_shapes), *directions, jumps=jumps)
        self.panel.score.show_reference(model.reference)
        self.panel.score.show_exact(model.flow.exact_code_length)
        self._remember_model(self.context.engine.model_path)
        self._show_readiness()
        self._on_recipe_changed(self.state.recipe)

    def _remember_model(self, path: str) -> None:
        values = self.context.settings.values
        if path and path not in INCLUDED_MODELS:
            values.recent_models = [path, *(one for one in values.recent_models if one != path)][:_MAX_RECENT]

    def _on_recipe_changed(self, recipe: Recipe) -> None:
        self.panel.seed.setValue(recipe.base.seed if isinstance(recipe.base, Seed) else None)
        self._show_moved()
        self.panel.latents.show_temperatures(self.state.temperatures, self.state.own_temperatures)
        self.panel.latents.panel.setEnabled(recipe.enlarged == 1)
        if self.state.origin:
            self.panel.latents.show_coordinates(self.state.coordinates, self.state.origin)
        self._mark_sample()
        self._show_caption()

    def _on_picture_changed(self, picture: Picture) -> None:
        if not self.compare.held and self.animation.state.player.shown is None:
            self.pictures.view.show_image(qimage(picture.image))
        self.pictures.view.set_dimmed(False)
        self._show_moved()
        self.panel.score.show_pending()
        if self.state.origin:
            self.panel.latents.show_coordinates(self.state.coordinates, self.state.origin)

    def _show_moved(self) -> None:
        """Say how many directions moved, and for the picture on screen on which scales."""
        state = self.state
        moved = len(state.moved) + sum(bool(move.offset) for move in state.recipe.moves)
        on_screen = state.picture is not None and state.picture_recipe == state.recipe
        by_scale = state.picture.moved if state.picture is not None and on_screen else ()
        if state.recipe.enlarged > 1:
            tip = self.tr("Directions move pictures of the trained size: Alt+G brings it back.")
            self.panel.latents.show_moved(self.tr("trained size only"), tip)
        else:
            tip = scales_text(by_scale, state.at_ends)
            self.panel.latents.show_moved(count_text(moved, by_scale, state.at_ends), tip)
        self._show_caption()

    def _on_drawn_changed(self) -> None:
        self._show_readiness()
        if self.state.drawn:
            self.panel.latents.reveal(max(self.state.drawn, key=lambda one: abs(self.state.moved.get(one, 0.0))))

    def _on_original_changed(self) -> None:
        image = self.original.image
        self.pictures.original_view.show_image(qimage(image) if image is not None else None)
        self.pictures.original_view.set_dimmed(self.original.outdated)

    def _on_picture_outdated(self) -> None:
        self.pictures.view.set_dimmed(True)
        self.panel.score.show_pending()

    def _on_frame_shown(self, shown: bool) -> None:
        if shown:
            self.panel.score.show_pending()
        elif self.state.bits_per_dim is not None:
            self._on_scored(self.state.bits_per_dim)
        self._show_caption()

    def _on_scored(self, score: float | None) -> None:
        if self.animation.state.player.shown is None:
            self.panel.score.show_score(score, self.state.percentile())

    def _on_sheet_changed(self, sheet: Sheet) -> None:
        tips = tuple(
            self.tr("Sample {0}: {1} bits/dim").format(recipe.base.seed, f"{score:.3f}")
            for recipe, score in zip(sheet.recipes, sheet.bits_per_dim, strict=True)
            if isinstance(recipe.base, Seed)
        )
        self.sheet.show_batch(sheet.images, tips=tips)
        self.sheet.set_dimmed(False)
        self._mark_sample()

    def _mark_sample(self) -> None:
        recipe, sheet = self.state.recipe, self.state.samples.sheet
        bases = [one.base for one in sheet.recipes] if sheet else []
        self.sheet.select(bases.index(recipe.base) if recipe.base in bases else -1)

    def _show_caption(self) -> None:
        if self.state.busy or self.animation.caption():
            self.pictures.show_caption(self.tr("Reading the image…") if self.state.busy else self.animation.caption())
            return
        if self.compare.held:
            self.pictures.show_caption(self.tr("Before: {0}").format(self.compare.text))
            return
        names = self.state.model.direction_names if self.state.model is not None else ()
        recipe = self.state.recipe
        changed, moved = changed_text(recipe, self.state.scales), moved_text(self.state.moved, names, recipe.moves)
        parts = [self.follow.text, *(self.state.notes or (base_text(recipe.base),)), changed, moved]
        self.pictures.show_caption(SEPARATOR.join(part for part in parts if part) or " ")

    def _show_readiness(self) -> None:
        engine = self.context.engine
        ready = engine.explorer.state == "ready" and engine.model is not None
        self.panel.setEnabled(ready)
        self.tools.setEnabled(ready)
        self.sheet.setEnabled(ready)
        for entry in self.context.registry.entries():
            if entry.key.startswith("explore.") and entry.key != "explore.open-image":
                entry.action.setEnabled(ready)
        self.actions_.show_scales(self.state.scales if ready else 0)
        if ready and engine.model is not None:
            self.actions_.show_gradients(engine.model.flow.has_gradients)
            self.larger.show_state()
        self.paint.show_state()
        self.follow.show_state()
        self.neighbours.show_state()
        self.directions.show_state()
        self.directions.own.show_state()
        self.animation.show_state()
        self.pictures.view.set_placeholder(self.tr("Drawing the first picture…") if ready else engine.status)
        if engine.model is None:
            self.toolbar.show_model(None)

    # Actions of a person

    def show_blend(self, shown: bool) -> None:
        """Show or hide the panel that blends two images."""
        self.tools.show_tool("blend", shown)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.tools.fit_height(self.height())
        self._make_room()
        wide = self.width() >= _WIDE
        if wide != self._wide and "explore" not in self.context.settings.values.splitters:
            panel = (50 if wide else 44) * SPACE  # longer sliders where the picture needs no more width
            self._parts.setSizes([max(1, self._parts.width() - panel), panel])
        self._wide = wide

    def _save_grid(self) -> None:
        side = self.tools.corner_panel.side.value()
        if side is not None:
            self.actions_.save_grid(int(side))

    def _show_original(self, shown: bool) -> None:
        self.pictures.original_view.setVisible(shown)
        self.original.want(shown)

    def _on_seed_edited(self) -> None:
        seed = self.panel.seed.value()
        if seed is not None:
            self.state.new_sample(int(seed))
        else:
            self._on_recipe_changed(self.state.recipe)

    def _make_room(self) -> None:
        """Show the welcome until it was closed, and the samples; the lessons and the tools need their room."""
        checked = {key: self.context.registry[key].isChecked() for key in ("help.lessons", "explore.history")}
        opened = bool(self.tools.shown) or checked["explore.history"]
        welcome = not checked["help.lessons"] and not (opened and self.height() < _LOW)
        seen = self.context.settings.values.welcome_seen
        show_or_hide(self.welcome, welcome and not seen, self.pictures.view)
        show_or_hide(self.samples, not (self.tools.shown and self.height() < _LOWEST), self.pictures.view)

    def _close_welcome(self) -> None:
        show_or_hide(self.welcome, False, self.pictures.view)
        self.context.settings.values.welcome_seen = True
        self.context.settings.save()

    def _leave_welcome(self, page: str, action: str) -> None:
        self._close_welcome()
        self.context.page_requested.emit(page)
        if action in self.context.registry:
            QTimer.singleShot(0, self.context.registry[action], self.context.registry[action].trigger)
