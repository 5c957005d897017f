"""The tools below Explore's picture: a panel for each, of which one at most is open."""

import math
from collections.abc import Mapping

from PySide6.QtCore import Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QWidget

from nvp_studio.recipe import KEPT_SHARES, Base
from nvp_studio.state.blend import STRIP_POSITIONS, BlendState
from nvp_studio.state.corners import CornersState
from nvp_studio.state.explore import ExploreState
from nvp_studio.state.mixture import MixtureState, base_title
from nvp_studio.state.scales import ScalesState
from nvp_studio.state.tray import TrayState
from nvp_studio.views.context import WindowContext
from nvp_studio.views.pages.explore.actions import TOOLS
from nvp_studio.views.pages.explore.picture_text import ends_text
from nvp_studio.views.widgets.blend_panel import BlendPanel
from nvp_studio.views.widgets.corner_panel import CornerPanel
from nvp_studio.views.widgets.hiding import show_or_hide
from nvp_studio.views.widgets.layout import vbox
from nvp_studio.views.widgets.length_panel import LengthPanel
from nvp_studio.views.widgets.scale_panel import ScalePanel
from nvp_studio.views.widgets.tray_panel import TrayPanel
from nvp_studio.worker.messages import Picture

_SAMPLES = 8
"""Of the strip that a scale may be taken from."""
_KEPT = 12
"""Pictures of the tray that a scale may be taken from, the newest."""


class Tools(QWidget):
    """The panels of the tools; with none open it has no height."""

    shown_changed = Signal()
    """A panel was opened or closed."""

    def __init__(
        self,
        context: WindowContext,
        explore: ExploreState,
        blend: BlendState,
        corners: CornersState,
        scales: ScalesState,
        tray: TrayState,
        further: Mapping[str, QWidget],
        picture: QWidget,
    ) -> None:
        """`further` are panels of tools that are connected elsewhere; a closed one gives the keyboard to `picture`."""
        super().__init__()
        self._picture = picture
        self._registry = context.registry
        self._explore, self._blend, self._corners, self._scales = explore, blend, corners, scales
        self._tray = tray
        registry = context.registry
        self.blend_panel = BlendPanel(_end_actions(context, blend))
        self.corner_panel = CornerPanel(
            _end_actions(context, corners),
            registry["explore.corners-samples"],
            registry["explore.corners-grid"],
            registry["explore.record"],
        )
        self.scale_panel = ScalePanel(registry["explore.redraw-rest"], self._other_pictures)
        self.length_panel = LengthPanel([registry[f"explore.nudge-z-{way}"] for way in ("up", "down")])
        self.tray_panel = TrayPanel(registry["explore.keep"])
        self.panels: dict[str, QWidget] = {
            "blend": self.blend_panel,
            "corners": self.corner_panel,
            "scales": self.scale_panel,
            "length": self.length_panel,
            "tray": self.tray_panel,
            **further,
        }
        assert set(self.panels) == set(TOOLS)
        column = vbox(self)
        for panel in self.panels.values():
            panel.hide()
            column.addWidget(panel)
        self.hide()
        self._active: dict[str, bool] = {}
        """Whether the picture was of the tool's kind; its panel opens when it becomes one."""
        for panel in (self.blend_panel, self.corner_panel, self.scale_panel):
            panel.gesture_begun.connect(explore.begin_gesture)
            panel.gesture_ended.connect(explore.end_gesture)
        blend.changed.connect(self._on_blend_changed)
        blend.strip_changed.connect(self._on_blend_strip)
        self.blend_panel.position_edited.connect(blend.set_position)
        self.blend_panel.picked.connect(lambda index: blend.set_position(STRIP_POSITIONS[index]))
        self.blend_panel.file_dropped.connect(blend.open_end)
        corners.changed.connect(self._on_corners_changed)
        corners.strip_changed.connect(self._on_corners_strip)
        self.corner_panel.place_edited.connect(lambda down, right: corners.set_place((down, right)))
        self.corner_panel.file_dropped.connect(corners.open_end)
        self.scale_panel.redrawn.connect(scales.redraw)
        self.scale_panel.taken.connect(scales.take)
        self.scale_panel.locked.connect(explore.set_locked)
        self.scale_panel.picked.connect(lambda index: scales.keep(KEPT_SHARES[index]))
        self.scale_panel.temperature_edited.connect(scales.set_rest_temperature)
        scales.changed.connect(self._on_scales_changed)
        scales.strip_changed.connect(self._on_kept_strip)
        self.length_panel.keep_chosen.connect(explore.set_keep_length)
        explore.picture_changed.connect(self._on_picture)
        self.tray_panel.chosen.connect(tray.show)
        self.tray_panel.renamed.connect(tray.rename)
        self.tray_panel.deleted.connect(tray.delete)
        self.tray_panel.moved.connect(tray.move)
        tray.changed.connect(lambda: self.tray_panel.show_pictures(tray.pictures))
        self.tray_panel.show_pictures(tray.pictures)
        self._on_scales_changed()
        self._on_blend_changed()
        self._on_corners_changed()
        self._on_corners_strip()

    def show_tool(self, tool: str, shown: bool) -> None:
        """Open the panel of a tool, which closes another, or close it."""
        for key, panel in self.panels.items():
            visible = shown if key == tool else panel.isVisibleTo(self) and not shown
            show_or_hide(panel, visible, self._picture)
            self._registry[f"explore.{key}"].setChecked(panel.isVisibleTo(self))
        self._scales.want(self.scale_panel.isVisibleTo(self))
        self.setVisible(any(panel.isVisibleTo(self) for panel in self.panels.values()))
        self.shown_changed.emit()

    @property
    def shown(self) -> str:
        """The tool whose panel is open; empty where none is."""
        return next((key for key, panel in self.panels.items() if panel.isVisibleTo(self)), "")

    def fit_height(self, page: int) -> None:
        """Take note of the height of the page, in pixels."""
        self.corner_panel.fit_height(page)

    def _other_pictures(self) -> list[tuple[str, Base]]:
        """What a scale may be taken from: ends of the blend, corners, pictures of the tray, samples of the strip."""
        found: list[tuple[str, Base]] = []
        for mixture in (self._blend, self._corners):
            for letter, end in zip(mixture.letters, mixture.ends, strict=True):
                if end is not None:
                    found.append((f"{letter}: {base_title(end)}", end))
        sheet = self._explore.samples.sheet
        samples = sheet.recipes[:_SAMPLES] if sheet is not None else ()
        found += [(self.tr("Tray: {0}").format(name), base) for name, base in self._tray.parts(_KEPT)]
        return found + [(base_title(recipe.base), recipe.base) for recipe in samples]

    def _on_scales_changed(self) -> None:
        state, recipe = self._scales, self._explore.recipe
        scales = range(self._explore.scales)
        own = [recipe.base_of(scale) == recipe.base for scale in scales]
        self.scale_panel.show_scales([state.title_of(scale) for scale in scales], self._explore.locked, own)
        self.scale_panel.show_kept(state.share, state.rest_temperature)
        self.length_panel.keep.setChecked(recipe.keep_length)
        self._registry["explore.keep-length"].setChecked(recipe.keep_length)

    def _on_kept_strip(self) -> None:
        self.scale_panel.show_strip(self._scales.strip.images if self._scales.strip is not None else None)

    def _on_picture(self, picture: Picture) -> None:
        model = self._explore.model
        if model is not None and len(model.latent_shapes) == len(picture.squared_lengths):
            recipe = self._explore.picture_recipe
            times = 1 if recipe is None else recipe.enlarged**2
            dimensions = [times * math.prod(shape) for shape in model.latent_shapes]
            self.length_panel.gauge.show_lengths(
                picture.squared_lengths,
                dimensions,
                picture.length_percent,
                () if recipe is None else recipe.temperatures,
            )
            self.length_panel.show_ends(ends_text(self._explore.at_ends))

    def _open_when_active(self, mixture: MixtureState) -> None:
        if mixture.active and not self._active.get(mixture.key):
            self.show_tool(mixture.key, True)
        self._active[mixture.key] = mixture.active

    def _on_blend_changed(self) -> None:
        self.blend_panel.show_ends(*self._blend.ends)
        self.blend_panel.show_position(self._blend.position, blended=self._blend.active)
        self._open_when_active(self._blend)

    def _on_blend_strip(self) -> None:
        self.blend_panel.strip.show_batch(self._blend.strip.images if self._blend.strip is not None else None)
        self.blend_panel.show_position(self._blend.position, blended=self._blend.active)

    def _on_corners_changed(self) -> None:
        self.corner_panel.show_ends(self._corners.ends)
        self.corner_panel.pad.show_place(self._corners.place, active=self._corners.active)
        if self._corners.strip is None:
            self._on_corners_strip()
        self._open_when_active(self._corners)

    def _on_corners_strip(self) -> None:
        self.corner_panel.show_grid(self._corners.strip.images if self._corners.strip is not None else None)


def _end_actions(context: WindowContext, mixture: MixtureState) -> list[list[QAction]]:
    return [
        [context.registry[f"explore.{mixture.key}-{kind}-{letter.lower()}"] for kind in ("picture", "file")]
        for letter in mixture.letters
    ]
