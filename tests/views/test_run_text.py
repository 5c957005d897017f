"""The texts of the run strip."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from nvp_studio.state.run import LiveRun
from nvp_studio.training.events import StepMetrics
from nvp_studio.views.pages.train.run_text import strip_content

pytestmark = pytest.mark.usefixtures("qapp")


def live_run(skipped: int, rollbacks: int, phase: str = "training") -> LiveRun:
    """As much of a run as the strip looks at before its first progress."""
    last = StepMetrics(
        step=9,
        epoch=0.1,
        seconds=1.0,
        images=72,
        train=4.0,
        learning_rate=1e-3,
        gradient_norm=1.0,
        skipped=skipped,
        rollbacks=rollbacks,
    )
    run: Any = SimpleNamespace(
        phase=phase,
        reason="",
        name="run",
        started=None,
        progress=None,
        prepared=None,
        under_way=phase == "training",
        in_loop=phase == "training",
        history=SimpleNamespace(last=last),
    )
    return cast(LiveRun, run)


@pytest.mark.parametrize(
    ("skipped", "rollbacks", "text"),
    [
        (0, 0, "training"),
        (1, 0, "training, 1 step skipped"),
        (5, 1, "training, 5 steps skipped, returned once"),
        (0, 2, "training, returned 2 times"),
    ],
)
def test_the_strip_shows_skipped_steps_and_returns(skipped: int, rollbacks: int, text: str) -> None:
    content = strip_content(live_run(skipped, rollbacks))
    assert content.state == text
    assert content.level == ("warning" if skipped or rollbacks else "")


def test_a_run_that_is_over_shows_how_it_ended() -> None:
    assert strip_content(live_run(5, 1, "stopped")).state == "stopped"


def test_what_is_scored_after_the_last_step_is_counted_and_the_best_is_shown_briefly() -> None:
    run: Any = live_run(0, 0)
    run.reason, run.spent = "scoring the best model: 1,200 of 15,000", True
    run.started = SimpleNamespace(total_steps=90, steps_per_epoch=9)
    run.progress = SimpleNamespace(fraction=1.0, epoch=10.0, images_per_second=80.0, seconds_left=0.0)
    run.history.smoothed, run.history.best = SimpleNamespace(values=np.array([4.0])), (90, 3.9)
    content = strip_content(run)
    assert content.state == run.reason
    assert content.score == "best 3.900"
    assert content.fraction is None, "a full bar would take the place of buttons in a small window"
    assert content.speed == content.remaining == ""
