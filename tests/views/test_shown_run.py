"""The run that the Train page shows, while its view is hidden and after."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QApplication

from nvp_studio.runs.history import RunHistory
from nvp_studio.views.context import WindowContext
from nvp_studio.views.pages.train.shown_run import ShownRun
from nvp_studio.views.widgets.run_view import RunView
from tests.runs.test_history import step


class Live(QObject):
    """As much of a live run as `ShownRun` looks at."""

    can_skip_scoring = False

    updated = Signal()
    images_changed = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.phase, self.reason, self.name, self.local_folder = "training", "", "run", ""
        self.under_way, self.started = True, None
        self.history = RunHistory()
        self.images: dict[str, object] = {}


@pytest.fixture
def view(qapp: QApplication) -> Iterator[RunView]:
    view = RunView()
    view.resize(800, 600)
    yield view
    view.close()
    view.deleteLater()


def test_curves_that_grew_while_their_page_was_hidden_are_drawn_when_it_is_shown(view: RunView) -> None:
    live: Any = Live()
    shown = ShownRun(cast(WindowContext, SimpleNamespace(runs=None, live=live)), view, view)
    shown.show_all()
    view.show()
    live.history.append(step(1))
    live.updated.emit()
    assert len(view.curves.drawing.traces[0].points.x) == 1
    view.hide()
    for number in (2, 3):
        live.history.append(step(number))
        live.updated.emit()
    live.phase = "finished"  # after which nothing is reported any more
    view.show()
    assert len(view.curves.drawing.traces[0].points.x) == 3
    assert "step 3" in view.curves.reading.text()
