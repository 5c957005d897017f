"""The page Score in a window, on a real engine, and image files for it."""

from pathlib import Path

from PIL import Image

from nvp_studio.state.engine import Engine
from nvp_studio.views.main_window import MainWindow
from nvp_studio.views.pages.score.page import ScorePage
from tests.qt import Bot, is_asking, open_window
from tests.small_model import random_images


def open_score(qtbot: Bot, engine: Engine, folder: Path) -> MainWindow:
    """A window that shows the page; what is scored then ends before the window is closed."""

    def stop_scoring(window: MainWindow) -> None:
        window.page("score").state.clear()
        qtbot.waitUntil(lambda: not is_asking(engine.explorer))

    return open_window(qtbot, engine, folder, folder / "runs", "score", before_close=stop_scoring)


def score_page(window: MainWindow) -> ScorePage:
    """Its page Score."""
    page = window.page("score")
    assert isinstance(page, ScorePage)
    return page


def write_images(folder: Path, count: int) -> Path:
    """Make a folder with so many images, 0.png and so on, of the small model's size; returns it."""
    folder.mkdir()
    for number, pixels in enumerate(random_images(count, seed=3)):
        Image.fromarray(pixels[:, :, 0]).save(folder / f"{number}.png")
    return folder
