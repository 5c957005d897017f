"""The actions that belong to no page: models, themes, log, palette, help."""

from functools import partial

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QAction, QActionGroup, QKeySequence
from PySide6.QtWidgets import QApplication, QMessageBox

import nvp_studio
from nvp_studio.resources import INCLUDED_MODELS
from nvp_studio.state.paths import MODEL_SUFFIX
from nvp_studio.views.context import WindowContext
from nvp_studio.views.dialogs import CommandPalette, ShortcutSheet
from nvp_studio.views.figures_dialog import FiguresDialog
from nvp_studio.views.history_dialog import HistoryDialog
from nvp_studio.views.notification_history import NotificationHistory
from nvp_studio.views.theme import apply_theme
from nvp_studio.views.widgets.labels import plain_tip


class WindowActions(QObject):
    """Registers the window's own actions and performs them."""

    def __init__(
        self, context: WindowContext, pages: list[tuple[str, str, str]], log: QAction, history: NotificationHistory
    ) -> None:
        """`pages` are (key, title, icon), `log` shows and hides the log, `history` holds the messages."""
        super().__init__(context)
        self._context = context
        self._window = context.window
        self._history = history
        self._add_actions(pages, log)

    def set_theme(self, choice: str) -> None:
        """Apply a theme and remember it."""
        self._context.registry[f"view.theme-{choice}"].setChecked(True)
        self._context.settings.values.theme = choice
        self._context.settings.save()
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        apply_theme(app, choice)

    def _add_actions(self, pages: list[tuple[str, str, str]], log: QAction) -> None:
        add = self._context.registry.add
        tip = self.tr("Open a checkpoint file")
        text = self.tr("Open &model…")
        add("file.open-model", text, self._ask_model, "Ctrl+Shift+O", "box", tip=tip, place=20, separator=True)
        add("file.open-run", self.tr("Open &run folder…"), self._ask_run, icon="folder-open", place=20)
        for name, title in INCLUDED_MODELS.items():
            text = self.tr("Open the included {0} model").format(title)
            add(f"file.open-{name}", text, partial(self._context.engine.open_model, name), place=20)
        add("file.quit", self.tr("&Quit"), self._window.close, "Ctrl+Q", "log-out", separator=True, place=90)
        for number, (key, title, icon) in enumerate(pages, 1):
            add(f"view.page-{key}", title, partial(self._context.page_requested.emit, key), f"Ctrl+{number}", icon)
        self._add_theme_actions()
        log.setText(self.tr("L&og"))
        log.setShortcut(QKeySequence("Ctrl+L"))
        self._context.registry.adopt("view.log", log, "square-terminal", separator=True)
        add("view.messages", self.tr("&Messages"), self._show_messages, "Ctrl+M", "bell")
        add("view.full-screen", self.tr("&Full screen"), self._toggle_full_screen, "F11")
        add("help.palette", self.tr("&Commands…"), self._show_palette, "Ctrl+K", "command")
        add("help.shortcuts", self.tr("&Keyboard shortcuts"), self._show_shortcuts, "F1", "keyboard")
        add("help.figures", self.tr("What the &figures mean"), self._show_figures, "Shift+F1", "info")
        restart = self._context.engine.explorer.restart
        add("help.restart-explorer", self.tr("&Restart the engine"), restart, icon="refresh-cw", separator=True)
        add("help.about", self.tr("&About NVP Studio"), self._show_about, icon="info", separator=True)

    def _add_theme_actions(self) -> None:
        group = QActionGroup(self)
        for choice, text, icon in (
            ("system", self.tr("Theme of the &system"), "monitor"),
            ("light", self.tr("&Light theme"), "sun"),
            ("dark", self.tr("&Dark theme"), "moon"),
        ):
            first = choice == "system"
            apply = partial(self.set_theme, choice)
            action = self._context.registry.add(
                f"view.theme-{choice}", text, apply, icon=icon, checkable=True, separator=first
            )
            action.setChecked(self._context.settings.values.theme == choice)
            group.addAction(action)

    def _ask_model(self) -> None:
        filters = self.tr("Models") + f" (*{MODEL_SUFFIX})"
        for path in self._context.ask_files("models", self.tr("Open a model"), filters):
            self._context.open_requested.emit([path])

    def _ask_run(self) -> None:
        folder = self._context.ask_folder("runs", self.tr("Open a run folder"))
        if folder is not None:
            self._context.open_requested.emit([folder])

    def _show_palette(self) -> None:
        palette = CommandPalette(self._context.registry, self._window)
        palette.move(self._window.geometry().center().x() - palette.width() // 2, self._window.geometry().top() + 80)
        palette.open()

    def _show_shortcuts(self) -> None:
        ShortcutSheet(self._context.registry, self._window).open()

    def _show_messages(self) -> None:
        HistoryDialog(self._history, self._window).open()

    def _show_figures(self) -> None:
        FiguresDialog(self._window).open()

    def _show_about(self) -> None:
        texts = (
            self.tr("Trains RealNVP normalizing flows on images and explores what they learnt."),
            self._engine_text(),
            self.tr(
                "Method: Dinh, Sohl-Dickstein and Bengio, “Density estimation using Real NVP”, 2017. "
                "Icons: Lucide, ISC licence. Built with PyTorch, Qt for Python and pyqtgraph. MIT licence."
            ),
            *(self.tr("Images: {0}").format(text) for text in _included_data()),
            self.tr("Settings: {0}\nRuns: {1}").format(self._context.settings.path, self._context.runs_folder),
        )
        box = QMessageBox(self._window)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.setWindowTitle(self.tr("About NVP Studio"))
        box.setText(f"<b>NVP Studio {nvp_studio.__version__}</b>")
        box.setInformativeText(plain_tip("\n\n".join(texts)))
        box.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        box.setStandardButtons(QMessageBox.StandardButton.Close)
        box.open()

    def _engine_text(self) -> str:
        welcome = self._context.engine.explorer.welcome
        if welcome is None:
            return self._context.engine.status
        return self.tr("Engine: PyTorch {0} on {1}, threads: {2}").format(
            welcome.torch_version, welcome.device_name, welcome.threads
        )

    def _toggle_full_screen(self) -> None:
        self._window.setWindowState(self._window.windowState() ^ Qt.WindowState.WindowFullScreen)


def _included_data() -> list[str]:
    """Title, licence and credit of each data set that ships with the program."""
    from nvp_studio.data.catalogue import CATALOGUE  # not at the top: it imports numpy, which takes long

    return [f"{entry.title}, {entry.licence}. {entry.credit}" for entry in CATALOGUE.values() if entry.ships]
