"""The Explore page in a shown window, with its first picture, for the tests of that page."""

from pathlib import Path

from nvp_studio.state.engine import Engine
from nvp_studio.views.pages.explore.page import ExplorePage
from tests.qt import Bot, is_asking, open_window


def settled(page: ExplorePage) -> bool:
    """Whether the page shows the picture, score and samples that were requested last."""
    state = page.state
    shown = state.recipe is not None and state.picture_recipe == state.recipe and state.bits_per_dim is not None
    return shown and not is_asking(state.engine.explorer) and state.samples.sheet is not None


def shown_page(engine: Engine, qtbot: Bot, model: Path, folder: Path) -> ExplorePage:
    """The page in a shown window, with the first picture of `model`."""
    window = open_window(qtbot, engine, folder, page="explore")
    page = window.page("explore")
    assert isinstance(page, ExplorePage)
    engine.open_model(str(model))
    qtbot.waitUntil(lambda: not engine.opening and settled(page))
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    page.setFocus()
    return page
