"""The window with a map of the training images, and the action that opens it."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from PySide6.QtCore import QBuffer, QIODevice, QObject, QSize
from PySide6.QtGui import QShortcut
from PySide6.QtWidgets import QProgressBar, QPushButton, QSizePolicy, QSpacerItem

from nvp_studio.state.explore import ExploreState
from nvp_studio.state.image_map import MapState
from nvp_studio.state.tray import TrayState
from nvp_studio.text import grouped_number, sentence
from nvp_studio.views import notify
from nvp_studio.views.context import WindowContext
from nvp_studio.views.dialogs import Dialog
from nvp_studio.views.file_writing import write_file
from nvp_studio.views.page import Page
from nvp_studio.views.pages.explore.known_choice import ask_known_file, ask_known_folder, progress_text
from nvp_studio.views.theme import SPACE, set_icon
from nvp_studio.views.widgets.image_map import ImageMapView
from nvp_studio.views.widgets.inputs import ComboBox
from nvp_studio.views.widgets.known_data import KnownDataField
from nvp_studio.views.widgets.labels import SEPARATOR, ElidedLabel
from nvp_studio.views.widgets.layout import hbox
from nvp_studio.worker.map_messages import MakeMap, MapMade

_COUNTS = (500, 1000, 2000, 5000)
_EXPORT_WIDTH = 2400
"""Pixels of a saved map."""


class MapTool(QObject):
    """Opens the window with the map; there is one at most."""

    def __init__(self, context: WindowContext, page: Page, explore: ExploreState, tray: TrayState) -> None:
        super().__init__(page)
        self._context, self._explore, self._tray = context, explore, tray
        self.dialog: MapDialog | None = None
        text, tip = self.tr("Map of training images"), self.tr("Thousands of training images in two dimensions")
        add = context.registry.add
        self._action = add("explore.map", text, self.toggle, "Alt+M", "images", tip=tip, checkable=True, page=page)

    def toggle(self) -> None:
        """Open the window, or close it."""
        if self.dialog is not None:
            self.dialog.close()
            return
        self.dialog = MapDialog(self._context, MapState(self._explore, self._tray))
        self.dialog.finished.connect(self._on_closed)
        close = QShortcut(self._action.shortcut(), self.dialog)
        close.activated.connect(self.dialog.close)
        self._action.setChecked(True)
        self.dialog.show()
        self.dialog.raise_()
        self.dialog.activateWindow()

    def _on_closed(self) -> None:
        self.dialog = None
        self._action.setChecked(False)


class MapDialog(Dialog):
    """Choices above, the map, and what can be done with it below; it stays open beside the window."""

    def __init__(self, context: WindowContext, state: MapState) -> None:
        super().__init__(context.window)
        self._context, self.state = context, state
        state.setParent(self)
        self.setWindowTitle(self.tr("Map of training images"))
        self.data = KnownDataField()
        self.space = ComboBox(
            [(self.tr("by pixels"), "x"), (self.tr("by latents"), "z")],
            self.tr("What makes images alike: pixels, or latents, which a good model makes as random as noise"),
            14 * SPACE,
        )
        self.method = ComboBox(
            [(self.tr("PCA"), "pca"), (self.tr("UMAP"), "umap")],
            self.tr("PCA shows the two directions in which the images differ most; UMAP keeps near images together"),
            12 * SPACE,
        )
        self.count = ComboBox(
            [(self.tr("{0} images").format(grouped_number(count)), count) for count in _COUNTS],
            self.tr("How many images"),
            16 * SPACE,
        )
        self.count.setCurrentIndex(self.count.findData(state.request.count))
        self.start = self._button(self.tr("Draw"), "refresh-cw", self._make)
        self.stop = self._button(self.tr("Stop"), "square", state.stop)
        row = hbox()
        row.addWidget(self.data, 1)
        for field in (self.space, self.method, self.count, self.start, self.stop):
            row.addWidget(field)
        row.addSpacerItem(QSpacerItem(0, 0, QSizePolicy.Policy.Expanding))  # all of it once `data` has its whole width
        self.column.addLayout(row)
        self.view = ImageMapView()
        self.column.addWidget(self.view, 1)
        self.status = ElidedLabel(role="dim")
        self.progress = QProgressBar(textVisible=False)
        self.progress.setFixedSize(16 * SPACE, SPACE // 2)
        self.progress.setAccessibleName(self.tr("Progress of the map"))
        row = hbox()
        row.addWidget(self.status, 1)
        row.addWidget(self.progress)
        self.column.addLayout(row)
        self.lasso = self._button(self.tr("Select"), "pencil", self._on_lasso)
        self.lasso.setCheckable(True)
        self.lasso.setToolTip(self.tr("A drag encircles images and selects them; with Shift it does so without this"))
        self.keep = self._button(self.tr("Keep in the tray"), "image-plus", self._keep)
        self.fit = self._button(self.tr("Show all"), "maximize", self.view.fit)
        self.fit.setToolTip(self.tr("Show the whole map  (0)"))
        self.export = self._button(self.tr("Save as PNG…"), "download", self._export)
        row = hbox()
        for button in (self.lasso, self.keep, self.fit):
            row.addWidget(button)
        row.addStretch(1)
        row.addWidget(self.export)
        self.column.addLayout(row)
        self.resize(QSize(110 * SPACE, 90 * SPACE))
        self._shown: MapMade | None = None
        self._selected_none = False
        """Whether what was drawn last selected nothing."""
        self._connect_signals()
        self._make()

    def _button(self, text: str, icon: str, slot: Callable[[], object]) -> QPushButton:
        button = QPushButton(f" {text}")
        button.setAutoDefault(False)
        button.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        set_icon(button, icon)
        button.clicked.connect(lambda _=False: slot())
        return button

    def _connect_signals(self) -> None:
        for field in (self.space, self.method, self.count):
            field.activated.connect(lambda _: self._make())
        self.data.picked.connect(self._make)
        self.data.folder_wanted.connect(partial(self._ask, ask_known_folder))
        self.data.file_wanted.connect(partial(self._ask, ask_known_file))
        self.view.opened.connect(self.state.show)
        self.view.marked_changed.connect(lambda _: self._show_status())
        self.view.selection_changed.connect(self._on_selection)
        self.state.changed.connect(self._show_state)
        self.state.failed.connect(lambda reason: notify.refuse(reason, topic="map"))
        self.state.kept.connect(self._on_kept)

    def _make(self, data: str | None = None) -> None:
        request = MakeMap(
            data=self.state.request.data if data is None else data,
            space=self.space.currentData(),
            method=self.method.currentData(),
            count=self.count.currentData(),
        )
        self.state.make(request)

    def _ask(self, ask: Callable[[WindowContext], Path | None]) -> None:
        path = ask(self._context)
        if path is not None:
            self._make(str(path))

    def _show_state(self) -> None:
        state, made = self.state, self.state.made
        self.data.show_data(state.request.data)
        self.start.setEnabled(not state.running)
        self.stop.setEnabled(state.running)
        progress = state.progress
        self.progress.setVisible(progress is not None)
        if progress is not None:
            self.progress.setRange(0, progress.total)
            self.progress.setValue(progress.done)
        if made is not self._shown:
            self._shown = made
            if made is None:
                self.view.show_map(np.empty((0, 2)), None)
            else:
                self.view.show_map(np.frombuffer(made.places, "<f4").reshape(-1, 2), made.thumbnails)
        self.view.set_placeholder(self._placeholder())
        self._show_status()

    def _placeholder(self) -> str:
        if self.state.problem:
            return sentence(self.state.problem)
        if self.state.stopped:
            return self.tr("There is no map. Draw makes one; latents that were computed are kept.")
        return self.tr("The map appears here.")

    def _show_status(self) -> None:
        state, made, view = self.state, self.state.made, self.view
        chosen = int(view.selected.sum())
        self.keep.setEnabled(chosen > 0)
        for button in (self.export, self.fit, self.lasso):
            button.setEnabled(made is not None)
        if state.progress is not None:
            self.status.setText(progress_text(state.progress))
        elif made is None or not len(view.places):
            self.status.setText("")
        else:
            parts = [
                self.tr("{0} of {1} training images of {2}").format(
                    grouped_number(len(made.numbers)), grouped_number(made.total), made.title
                )
            ]
            if made.shares:
                shares = " + ".join(f"{100 * share:.1f}" for share in made.shares)
                parts.append(self.tr("the axes have {0} % of the variance").format(shares))
            if chosen:
                parts.insert(0, self.tr("{0} selected").format(chosen))
            if view.marked >= 0:
                parts.insert(0, self.tr("Image {0}").format(made.numbers[view.marked] + 1))
            if view.lasso and not chosen:
                hint = self.tr("Nothing is selected: draw a line around images")
                parts.insert(0, hint if self._selected_none else self.tr("Draw a line around images to select them"))
            self.status.setText(SEPARATOR.join(parts))

    def _on_lasso(self) -> None:
        self.view.lasso = self.lasso.isChecked()
        self._selected_none = False
        self.view.setFocus()
        self._show_status()

    def _on_selection(self) -> None:
        self._selected_none = not self.view.selected.any()
        self._show_status()

    def _keep(self) -> None:
        self.state.keep(tuple(np.flatnonzero(self.view.selected).tolist()))

    def _on_kept(self, count: int) -> None:
        notify.success(self.tr("Kept {0} images in the tray.").format(count), topic="map")

    def _export(self) -> None:
        made = self._shown
        if made is None:
            return
        title, name = self.tr("Save the map"), f"map-{made.request.method}.png"
        path = self._context.ask_save("pictures", title, name, "PNG (*.png)")
        if path is not None:
            image = self.view.picture(_EXPORT_WIDTH)

            def content() -> bytes:
                buffer = QBuffer()
                buffer.open(QIODevice.OpenModeFlag.WriteOnly)
                image.save(buffer, "PNG")  # type: ignore[call-overload]
                return bytes(buffer.data().data())

            write_file(path, content)
