"""The texts of the run strip."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import numpy as np
import pytest

from nvp_studio.runs.history import RunHistory
from nvp_studio.state.run import LiveRun
from nvp_studio.training.events import StepMetrics
from nvp_studio.training.runs import read_record
from nvp_studio.views.pages.train.run_text import facts_of_record, strip_content
from tests.runs.folders import make_run

pytestmark = pytest.mark.usefixtures("qapp")
LAST = StepMetrics(step=9, epoch=0.1, seconds=1.0, images=72, train=4.0, learning_rate=1e-3, gradient_norm=1.0)


def live_run(skipped: int, rollbacks: int, phase: str = "training") -> LiveRun:
    """As much of a run as the strip looks at before its first progress."""
    last = msgspec.structs.replace(LAST, skipped=skipped, rollbacks=rollbacks)
    run: Any = SimpleNamespace(
        phase=phase,
        reason="",
        name="run",
        started=None,
        progress=None,
        prepared=None,
        seconds_left=None,
        skipping=False,
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
    run.reason, run.spent, run.prepared = "scoring the best model: 1,200 of 15,000", True, 0.08
    run.seconds_left = 20.0
    run.started = SimpleNamespace(total_steps=90, steps_per_epoch=9)
    run.progress = SimpleNamespace(step=9, fraction=1.0, epoch=10.0, images_per_second=80.0, seconds_left=0.0)
    run.history.smoothed, run.history.best = SimpleNamespace(values=np.array([4.0])), (90, 3.9)
    content = strip_content(run)
    assert content.state == run.reason
    assert content.score == "best 3.900"
    assert content.fraction == 0.08, "of the images that are scored"
    assert (content.speed, content.remaining) == ("", "20 s left")
    run.skipping = True
    assert strip_content(run).state == "ending the scoring…"


def test_the_strip_compares_validations_with_each_other_and_names_what_it_shows() -> None:
    run: Any = live_run(0, 0)
    run.spent, run.settings = False, None
    run.started = SimpleNamespace(total_steps=90, steps_per_epoch=9)
    run.progress = SimpleNamespace(step=9, fraction=0.5, epoch=5.0, images_per_second=80.0, seconds_left=9.0)
    run.history = RunHistory()
    for number, validation in ((1, None), (2, 3.9), (3, 4.2)):
        metrics = msgspec.structs.replace(LAST, step=number, train=5.0, validation=validation)
        run.history.append(metrics)
        if number == 1:
            assert strip_content(run).score == "5.000 bits/dim in training"
    assert strip_content(run).score == "4.200 bits/dim in validation (best 3.900 @ 2)"


def test_a_final_score_says_of_how_many_images_it_is(tmp_path: Path) -> None:
    status = {"validation": 3.25, "validation_images": 1250, "test": 3.5, "test_images": 600}
    facts = facts_of_record(read_record(make_run(tmp_path / "run", **status)))
    assert facts.startswith("3.250 bits/dim in validation (1,250 images)  ·  3.500 in the test (600 images)")


@pytest.mark.parametrize(
    ("step", "epoch", "total", "text"),
    [
        (9, 0.01, 40, "step 9 / 40"),
        (9, 0.01, None, "step 9"),
        (1500, 1.5, None, "epoch 1.5"),
        (1500, 1.5, 2000, "epoch 1.5 / 2.0"),
    ],
)
def test_a_run_of_less_than_an_epoch_counts_steps(step: int, epoch: float, total: int | None, text: str) -> None:
    run: Any = live_run(0, 0)
    run.spent, run.settings, run.history = False, None, RunHistory()
    run.started = SimpleNamespace(total_steps=total, steps_per_epoch=1000)
    run.progress = SimpleNamespace(step=step, fraction=0.5, epoch=epoch, images_per_second=80.0, seconds_left=9.0)
    assert strip_content(run).epoch == text
