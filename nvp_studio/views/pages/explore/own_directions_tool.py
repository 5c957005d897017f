"""The part of Explore's directions in which a person makes, keeps and shares directions."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, QPoint, Signal
from PySide6.QtWidgets import QInputDialog, QMenu, QWidget

from nvp_studio.direction_file import ENDING, OwnDirection, write_directions
from nvp_studio.recipe import Recipe
from nvp_studio.state.explore import ExploreState
from nvp_studio.state.own_directions import CLASSIFIED_FROM, OwnDirectionsState
from nvp_studio.state.paths import image_filter
from nvp_studio.state.tray import TrayState
from nvp_studio.views import notify
from nvp_studio.views.context import WindowContext
from nvp_studio.views.file_writing import write_in_thread
from nvp_studio.views.menus import MnemonicMenu
from nvp_studio.views.page import Page
from nvp_studio.views.widgets.directions_panel import DirectionsPanel
from nvp_studio.views.widgets.own_head import OwnHead

_LETTERS = "AB"


class OwnDirectionsTool(QObject):
    """Has the actions of own directions, and connects their state with the panel of sliders."""

    wanted = Signal()
    """Show the person's own directions."""

    def __init__(self, context: WindowContext, page: Page, explore: ExploreState, tray: TrayState) -> None:
        super().__init__(page)
        self._context, self._explore, self._tray = context, explore, tray
        self.state = OwnDirectionsState(explore)
        add = partial(context.registry.add, page=page)
        text, tip = self.tr("New direction from pictures"), self.tr("Choose two groups of pictures, and name it")
        new = partial(add, tip=tip, checkable=True, separator=True)
        self._new = new("explore.new-direction", text, self._toggle, "Shift+J", "pencil")
        for group, letter in enumerate(_LETTERS):
            text = self.tr("Picture on screen to group {0}").format(letter)
            take = partial(self._take_picture, group)
            add(f"explore.direction-{letter.lower()}", text, take, f"Ctrl+Alt+{letter}", "image")
        text, tip = self.tr("Make the direction"), self.tr("Make it of the groups A and B")
        self._make = add("explore.make-direction", text, self._on_make, "Ctrl+Alt+J", "check", tip=tip)
        text = self.tr("Import directions…")
        self._import = add("explore.import-directions", text, self._ask_import, "Ctrl+I", "folder-open")
        text = self.tr("Export directions…")
        self._export = add("explore.export-directions", text, self._ask_export, "Ctrl+Shift+I", "download")

    def show_on(self, panel: DirectionsPanel) -> None:
        """Work with this panel of sliders."""
        self.head = OwnHead(self._new, self._make, (self._import, self._export))
        panel.add_head("own", self.head)
        for group, row in enumerate(self.head.rows):
            row.menu_requested.connect(partial(self._open_menu, group, row))
            row.dropped.connect(partial(self.state.add_files, group))
            row.grid.clicked.connect(partial(self.state.remove, group))
        self.state.changed.connect(self.show_state)
        self.state.pictures_changed.connect(self._show_pictures)
        self.state.made.connect(self._on_made)
        self.show_state()
        self._show_pictures()

    def show_state(self) -> None:
        """Enable what is possible now, and say what is made of the groups."""
        self._make.setEnabled(self.state.possible)
        self._export.setEnabled(bool(self.state.directions))
        self.head.show_state(self._note(), self.state.progress)

    def fill_menu(self, menu: QMenu, index: int) -> None:
        """Add what can be done with a direction of one's own."""
        menu.addAction(self.tr("Re&name…"), partial(self._ask_name, index))
        menu.addAction(self.tr("&Delete"), partial(self.state.delete, index))

    def tip(self, direction: OwnDirection) -> str:
        """What a direction is made of."""
        text = self.tr("From {0} pictures to {1}, by the difference of their means.")
        if direction.method == "classifier":
            text = self.tr("From {0} pictures to {1}, by a linear classifier.")
        text = text.format(*direction.pictures)
        model = self._explore.model
        if model is not None and direction.checkpoint != model.digest:
            text += "\n" + self.tr("It was made with other weights: it may lead elsewhere here.")
        return text

    def _note(self) -> str:
        state = self.state
        if not all(state.groups):
            return self.tr("Put pictures into A and B: the one on screen, files, samples, or the tray.")
        if state.classified:
            return self.tr("Made by a linear classifier, as both groups have {0} or more.").format(CLASSIFIED_FROM)
        return self.tr("Made of the means of A and B; with {0} or more in both, by a linear classifier.").format(
            CLASSIFIED_FROM
        )

    def _show_pictures(self) -> None:
        for row, recipes, images in zip(self.head.rows, self.state.groups, self.state.pictures, strict=True):
            row.show_pictures(len(recipes), images)

    def _toggle(self) -> None:
        self.wanted.emit()
        self.head.show_editor(self._new.isChecked())  # the keyboard stays: letters choose pictures for the groups

    def _open_editor(self) -> None:
        self.wanted.emit()
        self._new.setChecked(True)
        self.head.show_editor(True)

    def _take_picture(self, group: int) -> None:
        self._open_editor()
        self.state.add_picture(group)

    def _on_make(self) -> None:
        self._open_editor()
        if self.head.name.text().strip():
            self.state.make(self.head.name.text())
        else:
            self.head.name.setFocus()
            notify.info(self.tr("Give the direction a name first."), topic="explore")

    def _on_made(self, direction: OwnDirection) -> None:
        self.head.name.clear()
        self._new.setChecked(False)
        self.head.show_editor(False)
        text = self.tr("{0} is among your own directions, and kept beside the model.")
        notify.success(text.format(direction.name), topic="explore")

    def _open_menu(self, group: int, row: QWidget) -> None:
        menu = MnemonicMenu(row)
        model = self._explore.model
        sheet = self._explore.samples.sheet
        samples = sheet.recipes if sheet is not None else ()
        kept = [one.recipe for one in self._tray.pictures if model and one.recipe.checkpoint == model.digest]
        menu.addAction(self.tr("&Picture on screen"), partial(self.state.add_picture, group))
        menu.addAction(self.tr("Image &files…"), partial(self._ask_pictures, group))
        menu.addAction(self.tr("A f&older of images…"), partial(self._ask_folder, group))
        none, one = self.tr("No &samples yet"), self.tr("The &sample below the picture")
        self._add_recipes(menu, (none, one, self.tr("All {0} &samples below the picture")), samples, group)
        none, one = self.tr("No pictures of this model in the &tray"), self.tr("The picture in the &tray")
        self._add_recipes(menu, (none, one, self.tr("All {0} pictures in the &tray")), kept, group)
        clear = menu.addAction(self.tr("&Clear group {0}").format(_LETTERS[group]), partial(self.state.clear, group))
        clear.setEnabled(bool(self.state.groups[group]))
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(row.mapToGlobal(QPoint(0, row.height())))

    def _add_recipes(self, menu: QMenu, texts: tuple[str, str, str], recipes: Sequence[Recipe], group: int) -> None:
        """`texts` are said of none, of one, and of several."""
        text = texts[min(len(recipes), 2)]
        action = menu.addAction(text.format(len(recipes)), partial(self.state.add, group, tuple(recipes)))
        action.setEnabled(bool(recipes))

    def _ask_pictures(self, group: int) -> None:
        title = self.tr("Pictures of group {0}").format(_LETTERS[group])
        paths = self._context.ask_files("images", title, image_filter(self.tr("Images")), many=True)
        if paths:
            self.state.add_files(group, paths)

    def _ask_folder(self, group: int) -> None:
        path = self._context.ask_folder("images", self.tr("Pictures of group {0}").format(_LETTERS[group]))
        if path is not None:
            self.state.add_files(group, [path])

    def _ask_name(self, index: int) -> None:
        title, text = self.tr("Rename the direction"), self.tr("Name")
        before = self.state.directions[index].name
        name, given = QInputDialog.getText(self._context.window, title, text, text=before)
        if given:
            self.state.rename(index, name)

    def _ask_import(self) -> None:
        filters = self.tr("Directions ({0})").format(f"*{ENDING} *.json")
        for path in self._context.ask_files("directions", self.tr("Import directions"), filters):
            self.wanted.emit()
            self.state.take_file(path)

    def _ask_export(self) -> None:
        model, directions = self._explore.model, self.state.directions
        if model is None:
            return
        filters = self.tr("Directions ({0})").format(f"*{ENDING}")
        title, name = self.tr("Export the directions"), f"{Path(model.path).stem}{ENDING}"
        path = self._context.ask_save("directions", title, name, filters)
        if path is not None:
            self._write(path, directions)

    def _write(self, path: Path, directions: tuple[OwnDirection, ...]) -> None:
        done = self.tr("Wrote {0}.").format(path.name)

        def write() -> str:
            write_directions(path, directions)
            return done

        write_in_thread(write)
