"""The one window: rail, pages, run strip, menus, log, notices and what is dropped on it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PySide6.QtCore import QByteArray, QSize, Qt, QTimer, Signal
from PySide6.QtGui import (
    QCloseEvent,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDragMoveEvent,
    QDropEvent,
    QPaintEvent,
)
from PySide6.QtWidgets import (
    QApplication,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QMainWindow,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from nvp_studio.state.engine import Engine
from nvp_studio.state.paths import is_model
from nvp_studio.state.settings import SettingsStore
from nvp_studio.views.actions import ActionRegistry
from nvp_studio.views.engine_notices import EngineNotices
from nvp_studio.views.importer import Importer
from nvp_studio.views.menus import LetterMenu
from nvp_studio.views.pages.base import Page
from nvp_studio.views.theme import SPACE, apply_theme
from nvp_studio.views.widgets.drop_overlay import DropOverlay, local_paths
from nvp_studio.views.widgets.log_dock import LogDock
from nvp_studio.views.widgets.notices import Notice, Notices
from nvp_studio.views.widgets.rail import Rail
from nvp_studio.views.widgets.run_strip import RunStrip
from nvp_studio.views.window_actions import WindowActions

_FRAME = QSize(16, 40)
"""About what a title bar and borders take of the screen."""


@dataclass(frozen=True)
class PageSpec:
    """A page of the rail, built when it is first wanted or when the window has nothing else to do."""

    key: str
    title: str
    icon: str
    load: Callable[[], type[Page]]
    """Imports the page's module."""


def _explore() -> type[Page]:
    from nvp_studio.views.pages.explore import ExplorePage

    return ExplorePage


def _train() -> type[Page]:
    from nvp_studio.views.pages.train import TrainPage

    return TrainPage


def _score() -> type[Page]:
    from nvp_studio.views.pages.score import ScorePage

    return ScorePage


def _runs() -> type[Page]:
    from nvp_studio.views.pages.runs import RunsPage

    return RunsPage


class MainWindow(QMainWindow):
    """Pages find here what they share: `engine`, `settings`, `registry` (actions), `strip`, `notify`, `show_page`."""

    painted = Signal()
    """Once, after the first paint."""
    page_built = Signal(str)
    closing = Signal()
    """The window was closed; its state is saved."""

    def __init__(self, engine: Engine, settings: SettingsStore) -> None:
        super().__init__()
        self.engine = engine
        self.settings = settings
        self.registry = ActionRegistry(self)
        self.registry.menus = self._menu_titles()
        self.strip = RunStrip()
        self._specs = self._page_specs()
        self._pages: dict[str, Page] = {}
        self._importer = Importer()
        self._importer.imported.connect(self._on_page_imported)
        self._was_painted = False
        self.setWindowTitle("NVP Studio")
        self.setMinimumSize(QSize(960, 640))
        self.resize(1280, 800)
        self.setAcceptDrops(True)
        self._lay_out()
        self._actions = WindowActions(self, [(spec.key, spec.title, spec.icon) for spec in self._specs])
        self._engine_notices = EngineNotices(self)
        self._fill_menu_bar()
        self._connect_signals()
        self._restore()

    def _page_specs(self) -> list[PageSpec]:
        return [
            PageSpec("train", self.tr("Train"), "graduation-cap", _train),
            PageSpec("explore", self.tr("Explore"), "compass", _explore),
            PageSpec("score", self.tr("Score"), "gauge", _score),
            PageSpec("runs", self.tr("Runs"), "chart-line", _runs),
        ]

    def _menu_titles(self) -> dict[str, str]:
        return {
            "file": self.tr("&File"),
            "edit": self.tr("&Edit"),
            "explore": self.tr("E&xplore"),
            "run": self.tr("&Run"),
            "runs": self.tr("Ru&ns"),
            "score": self.tr("&Score"),
            "view": self.tr("&View"),
            "help": self.tr("&Help"),
        }

    # Pages

    @property
    def current_page(self) -> Page:
        """The page in front."""
        page = self._stack.currentWidget()
        assert isinstance(page, Page)
        return page

    def page(self, key: str) -> Page:
        """The page `key`, built now if it was not yet."""
        if key not in self._pages:
            spec = next(spec for spec in self._specs if spec.key == key)
            page = spec.load()(self)
            self._pages[key] = page
            self._stack.addWidget(page)
            self._refresh_menu_bar()
            self.page_built.emit(key)
        return self._pages[key]

    def all_pages_built(self) -> bool:
        """Whether every page of the rail exists."""
        return len(self._pages) == len(self._specs)

    def show_page(self, key: str) -> None:
        """Bring the page `key` to the front."""
        page = self.page(key)
        self._stack.setCurrentWidget(page)
        self._rail.mark(key)
        page.setFocus(Qt.FocusReason.OtherFocusReason)
        page.activated()

    def open_in_explore(self, paths: list[Path]) -> None:
        """Show models or images on Explore."""
        self.show_page("explore")
        self.page("explore").open_paths(paths)

    # Words to the person

    def notify(
        self,
        level: str,
        text: str,
        *,
        topic: str = "",
        action_text: str = "",
        action: Callable[[], object] | None = None,
        report: str = "",
    ) -> None:
        """Show a notice (`info`, `good`, `warning`, `bad`); one of the same `topic` replaces the one before. `report`
        is what *Copy report* copies."""
        self.notices.show_notice(Notice(level, text, topic, action_text, action, report))

    # File dialogs, each remembering its folder under a name

    def ask_files(self, name: str, title: str, filters: str, *, many: bool = False) -> list[Path]:
        """Let a person choose existing files; empty when they think better of it."""
        start = self._folder(name)
        if many:
            chosen, _ = QFileDialog.getOpenFileNames(self, title, start, filters)
        else:
            one, _ = QFileDialog.getOpenFileName(self, title, start, filters)
            chosen = [one] if one else []
        return self._remember_folder(name, [Path(text) for text in chosen])

    def ask_folder(self, name: str, title: str) -> Path | None:
        """Let a person choose a folder."""
        chosen = QFileDialog.getExistingDirectory(self, title, self._folder(name))
        if not chosen:
            return None
        self.settings.values.folders[name] = chosen
        return Path(chosen)

    def ask_save(self, name: str, title: str, proposal: str, filters: str) -> Path | None:
        """Let a person choose where to write a file; `proposal` is its name, whose suffix is added when left out."""
        start = str(Path(self._folder(name)) / proposal)
        chosen, _ = QFileDialog.getSaveFileName(self, title, start, filters)
        if not chosen:
            return None
        path = Path(chosen)
        if not path.suffix:
            path = path.with_suffix(Path(proposal).suffix)
        return self._remember_folder(name, [path])[0]

    def _folder(self, name: str) -> str:
        """Where the dialog `name` was last, at first the person's home: the program may run from anywhere."""
        return self.settings.values.folders.get(name) or str(Path.home())

    def _remember_folder(self, name: str, paths: list[Path]) -> list[Path]:
        if paths:
            self.settings.values.folders[name] = str(paths[0].parent)
        return paths

    # Construction

    def _lay_out(self) -> None:
        self._stack = QStackedWidget()
        self._rail = Rail([(spec.key, spec.title, spec.icon) for spec in self._specs])
        center = QWidget()
        column = QVBoxLayout(center)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        row = QHBoxLayout()
        row.setSpacing(0)
        row.addWidget(self._rail)
        row.addWidget(self._stack, 1)
        column.addLayout(row, 1)
        column.addWidget(self.strip)
        self.setCentralWidget(center)
        self.log_dock = LogDock(self)
        self.addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, self.log_dock)
        self.log_dock.hide()
        self.notices = Notices(self._stack)
        self._stack.currentChanged.connect(self.notices.raise_)  # showing a page puts it above everything else
        self._overlay = DropOverlay(self._stack)
        self._status = QLabel()
        self._status.setObjectName("engine_status")
        self._status.setProperty("role", "dim")
        self._status.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._status.setFixedSize(QSize(60 * SPACE, 28))
        self._status.setContentsMargins(0, 0, 2 * SPACE, 0)
        self._status.setAccessibleName(self.tr("Engine status"))
        self.menuBar().setCornerWidget(self._status)
        self.menuBar().setNativeMenuBar(False)

    def set_theme(self, choice: str) -> None:
        """Put a theme in force and remember it."""
        self.registry[f"view.theme-{choice}"].setChecked(True)
        self.settings.values.theme = choice
        self.settings.save()
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        apply_theme(app, choice)

    def _fill_menu_bar(self) -> None:
        self._menus: dict[str, LetterMenu] = {}
        for key, title in self.registry.menus.items():
            menu = LetterMenu(title, self.menuBar())
            self.menuBar().addMenu(menu)
            menu.aboutToShow.connect(partial(self._fill_menu, key))
            self._menus[key] = menu
        self._refresh_menu_bar()

    def _refresh_menu_bar(self) -> None:
        """Show the menus that hold anything yet; pages bring theirs when they are built."""
        for key, menu in self._menus.items():
            menu.menuAction().setVisible(bool(self.registry.entries(key)))

    def _fill_menu(self, key: str) -> None:
        menu = self._menus[key]
        menu.empty()
        for entry in self.registry.entries(key):
            if self.registry.starts_group(entry.key):
                menu.addSeparator()
            menu.addAction(entry.action)

    def _connect_signals(self) -> None:
        self._rail.page_chosen.connect(self.show_page)
        self.engine.status_changed.connect(self._status.setText)
        self._status.setText(self.engine.status)
        self.engine.explorer.log_line.connect(self.log_dock.add_explorer_line)
        self.engine.trainer.log_line.connect(self.log_dock.add_trainer_line)

    # Drag and drop

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        route = self._route(local_paths(event))
        if route is not None:
            event.acceptProposedAction()
            self._overlay.show_words(route[1])

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:
        event.acceptProposedAction()

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        self._overlay.hide()

    def dropEvent(self, event: QDropEvent) -> None:
        self._overlay.hide()
        event.acceptProposedAction()
        self.take_paths(local_paths(event))

    def take_paths(self, paths: list[Path]) -> bool:
        """Do what dropping `paths` on the window means now; False when it means nothing."""
        route = self._route(paths)
        if route is None:
            return False
        key, _ = route
        self.show_page(key)
        self.page(key).open_paths(paths)
        return True

    def _route(self, paths: list[Path]) -> tuple[str, str] | None:
        """Which page takes these files, and in which words; the page in front is asked first, models go to Explore."""
        if not paths:
            return None
        order = [self.current_page.key, *(spec.key for spec in self._specs)]
        if len(paths) == 1 and is_model(paths[0]):
            order.insert(0, "explore")
        for key in order:
            words = self.page(key).drop_text(paths)
            if words:
                return key, words
        return None

    # Life of the window

    def fit_screen(self) -> None:
        """Be no larger than the screen has room for, as on a small one or one whose scale is large."""
        room = self.screen().availableGeometry().size() - _FRAME
        self.setMinimumSize(self.minimumSize().boundedTo(room))
        if not self.windowState() & (Qt.WindowState.WindowMaximized | Qt.WindowState.WindowFullScreen):
            self.resize(self.size().boundedTo(room))

    def _restore(self) -> None:
        values = self.settings.values
        if values.geometry:
            self.restoreGeometry(QByteArray.fromBase64(values.geometry.encode()))
        if values.dock_layout:
            self.restoreState(QByteArray.fromBase64(values.dock_layout.encode()))
        keys = [spec.key for spec in self._specs]
        self.show_page(values.page if values.page in keys else "explore")

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if not self._was_painted:
            self._was_painted = True
            QTimer.singleShot(0, self, self._on_first_paint)

    def _on_first_paint(self) -> None:
        self.painted.emit()
        self._import_next_page()

    def _import_next_page(self) -> None:
        """Bring in the pages nobody asked for yet, one at a time; their modules take longest."""
        spec = next((spec for spec in self._specs if spec.key not in self._pages), None)
        if spec is not None:
            self._importer.start(spec.key, spec.load)

    def _on_page_imported(self, key: str) -> None:
        self.page(key)
        QTimer.singleShot(0, self, self._import_next_page)

    def closeEvent(self, event: QCloseEvent) -> None:
        values = self.settings.values
        values.page = self.current_page.key
        values.geometry = self.saveGeometry().toBase64().toStdString()
        values.dock_layout = self.saveState().toBase64().toStdString()
        for page in self._pages.values():
            page.save_state()
        self.settings.save()
        event.accept()
        self.closing.emit()
