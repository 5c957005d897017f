"""Explore in a shown window, with its first picture, for the tests of that page."""

from collections.abc import Callable, Iterator
from pathlib import Path

from nvp_studio.state.blend import END_VIEWS, STRIP_VIEW
from nvp_studio.state.engine import Engine
from nvp_studio.state.settings import SettingsStore
from nvp_studio.views.main_window import MainWindow
from nvp_studio.views.pages.explore import ExplorePage
from tests.conftest import wait_for_deletion

Wait = Callable[..., None]
_VIEWS = ("explore", "explore-sheet", "explore-read", "explore-save", STRIP_VIEW, *END_VIEWS)


def settled(page: ExplorePage) -> bool:
    """Whether the page shows all that was asked for, picture and figure."""
    state = page.state
    asking = any(state.engine.explorer.asking(view) for view in _VIEWS)
    shown = state.recipe is not None and state.picture_recipe == state.recipe and state.bits_per_dim is not None
    return shown and not asking and state.sheet is not None


def shown_page(engine: Engine, qt: Wait, model: Path, folder: Path) -> Iterator[ExplorePage]:
    """For a fixture to yield from."""
    window = MainWindow(engine, SettingsStore(folder / "window.ini"))
    window.show()
    qt(window.all_pages_built, "the pages")
    page = window.page("explore")
    assert isinstance(page, ExplorePage)
    engine.open_model(str(model))
    qt(lambda: not engine.opening and settled(page), "the first picture")
    window.activateWindow()
    qt(window.isActiveWindow, "the window to be active")
    page.setFocus()
    yield page
    window.close()
    window.deleteLater()
    wait_for_deletion()
