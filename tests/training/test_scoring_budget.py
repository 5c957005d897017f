"""What a run may score: within its share of the time, at whatever speed images are scored."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from nvp_studio.checkpoints import read_checkpoint
from nvp_studio.commands.run_tables import list_row
from nvp_studio.flow.engine.inference import Inference
from nvp_studio.runs.listing import list_labelled
from nvp_studio.training import clock, loop, reference, validation
from nvp_studio.training.config import StopRules, TrainConfig
from nvp_studio.training.control import Control
from nvp_studio.training.evaluation import scores
from nvp_studio.training.events import RunEvent, RunNotice, RunProgress, RunState, StepMetrics
from nvp_studio.training.resume import resume_run
from nvp_studio.training.runs import read_record
from nvp_studio.training.schedule import Budget
from nvp_studio.training.scoring_budget import (
    MIN_IMAGES,
    ScoringBudget,
    Speeds,
    StoredScoring,
    ValidationPlan,
    final_counts,
    seconds_after_training,
    validation_plan,
)
from nvp_studio.training.start import start_run
from tests.training.conftest import Events, bars

MakeConfig = Callable[..., TrainConfig]
FAST, USUAL, SLOW = Speeds(3000, 3000), Speeds(300, 240), Speeds(30, 30)


def plan(config: TrainConfig, speeds: Speeds, seconds: float, steps: float = 1000, available: int = 5000) -> Any:
    return validation_plan(config, Budget(config, 55_000), steps, seconds, available, speeds)


@pytest.mark.parametrize("minutes", [1, 5, 60])
@pytest.mark.parametrize("speeds", [FAST, USUAL, SLOW], ids=["fast", "usual", "slow"])
def test_validations_and_final_scores_stay_within_their_share(minutes: float, speeds: Speeds) -> None:
    config = TrainConfig(minutes=minutes)
    whole = 60 * minutes
    planned = plan(config, speeds, whole)
    due = round(Budget(config, 55_000).validations(config, 1))
    spent = planned.number(due) * speeds.validation(planned)
    tail = seconds_after_training(config, planned, whole, spent, 5_000, 10_000, speeds)
    assert spent - speeds.validation(planned) + tail <= 0.1 * whole


def test_what_is_slow_is_scored_on_fewer_images_or_more_rarely() -> None:
    config = TrainConfig(minutes=5)
    fast, usual, slow = (plan(config, speeds, 300) for speeds in (FAST, USUAL, SLOW))
    assert (fast.images >= 1000, fast.pictures, fast.every) == (True, 64, 1)
    assert usual.every > 1
    assert MIN_IMAGES <= slow.images < usual.images < fast.images
    assert slow.pictures < usual.pictures
    assert plan(TrainConfig(minutes=1), Speeds(5, 5), 60).every == 0, "the last alone"
    by_hand = plan(TrainConfig(minutes=1, validation_every=10), SLOW, 60)
    assert by_hand.every == 1, "a person has said when they come"
    assert plan(TrainConfig(minutes=1, stop=StopRules(patience=3)), SLOW, 60).every == 1
    assert plan(config, SLOW, 300, available=20).images == 20
    assert plan(TrainConfig(minutes=5, scoring_share=1.0), SLOW, 300) == ValidationPlan(2000)


def test_runs_of_about_the_same_speed_mostly_score_as_many_images() -> None:
    config = TrainConfig(steps=20_000)
    counts = {plan(config, Speeds(150 + more, 150 + more), 4000, 20_000).images for more in range(-7, 8)}
    assert len(counts) <= 2


def test_final_scores_take_what_validations_have_left() -> None:
    config = TrainConfig(minutes=10)
    assert final_counts(config, 600, 24, 5_000, 10_000, Speeds(100, 100)) == (1_200, 1_200)
    assert final_counts(config, 600, 40, 5_000, 10_000, Speeds(100, 100)) == (400, 400)
    assert final_counts(config, 600, 24, 100, 10_000, Speeds(100, 100)) == (100, 2_300)
    assert final_counts(config, 600, 24, 5_000, 0, Speeds(100, 100)) == (2_400, 0)
    assert final_counts(config, 600, 900, 5_000, 10_000, Speeds(1, 1)) == (MIN_IMAGES, MIN_IMAGES)
    whole = msgspec.structs.replace(config, scoring_share=1.0)
    assert final_counts(whole, 600, 900, 5_000, 10_000, Speeds(1, 1)) == (5_000, 10_000)


def test_the_speed_is_that_of_training_until_images_were_scored() -> None:
    now = [0.0]
    config = TrainConfig(minutes=1, batch_size=10)
    budget = ScoringBudget(config, Budget(config, 100), 50, 50, now=lambda: now[0])
    assert budget.speeds(10, 5.0) == Speeds(60, 60)
    with budget.timed(scored=8):
        now[0] += 4
    assert budget.speeds(10, 5.0) == Speeds(2, 2)
    with budget.timed(decoded=8):
        now[0] += 8
    assert budget.speeds(10, 5.0) == Speeds(2, 1)
    assert budget.stored == StoredScoring(None, 12.0)


@pytest.mark.parametrize(
    "impossible", [{"seconds": -1}, {"plan": {"images": -1}}, {"plan": {"images": 1, "pictures": 65}}]
)
def test_what_no_run_can_have_stored_is_refused(impossible: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError, match="must lie in"):
        msgspec.convert(impossible, StoredScoring)


class SlowMachine:
    """The module `time` on a machine that trains on 100 images in a second, and scores or decodes a tenth of 300."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        for module in (clock, validation, reference):
            patch.setattr(module, "time", self)
        patch.setattr(loop, "ScoringBudget", partial(ScoringBudget, now=self.monotonic))
        patch.setattr(
            loop, "train_step", self._slow(loop.train_step, lambda state, batches, config, *_: config.batch_size / 100)
        )
        for name in ("encode", "decode"):
            patch.setattr(Inference, name, self._slow(getattr(Inference, name), lambda _, x: len(x) / 30))
        patch.setattr(validation, "bits_by_scale", self._slow(validation.bits_by_scale, lambda _, x: len(x) / 30))

    def monotonic(self) -> float:
        return self.now

    process_time = monotonic

    def _slow(self, act: Callable[..., Any], seconds: Callable[..., float]) -> Callable[..., Any]:
        def timed(*words: Any, **named: Any) -> Any:
            self.now += seconds(*words)
            return act(*words, **named)

        return timed


@pytest.mark.slow
def test_the_share_holds_where_scoring_is_ten_times_slower_than_assumed(
    tmp_path: Path, make_config: MakeConfig, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    large_data = tmp_path / "many.npz"
    np.savez(large_data, x_train=bars(400, 0), x_val=bars(300, 1), x_test=bars(300, 2))
    machine = SlowMachine(monkeypatch)
    config = make_config(data=str(large_data), minutes=1.0, batch_size=64, scoring_share=0.1, validation_images=2000)
    folder = start_run(config, tmp_path, report=events)
    status = read_record(folder).status
    assert status.phase == "finished"
    assert machine.now <= 60 * 1.1 + 1, "a step may begin a moment before the end"
    assert status.test_images == MIN_IMAGES
    assert status.validation_images == MIN_IMAGES
    (validated,) = (metrics for metrics in events.of(StepMetrics) if metrics.validation is not None)
    assert validated.validation_images == MIN_IMAGES
    assert "only the last of the validations takes place" in (folder / "log.txt").read_text()
    halfway = next(one for one in events.of(RunProgress) if one.fraction > 0.5)
    end = halfway.seconds + halfway.seconds_left
    assert end == pytest.approx(machine.now, rel=0.03), "the time left is to the end, scores included"
    left = [one.seconds_left for one in events.of(RunState) if one.seconds_left is not None]
    assert left == sorted(left, reverse=True)


def test_the_rest_of_the_scores_can_be_skipped_and_made_up_for(
    tmp_path: Path, make_config: MakeConfig, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nvp_studio.training.publisher._COUNT_SECONDS", 0.0)
    monkeypatch.setattr("nvp_studio.training.best.scores", partial(scores, batch_size=10))
    control = Control()

    def report(event: RunEvent) -> None:
        events(event)
        if isinstance(event, RunState) and event.reason.startswith("scoring the best model: 30 of"):
            control.skip_scoring()
            (run,) = list_labelled(tmp_path)
            activities.append((run.summary.state, list_row(run)[1]))

    activities: list[tuple[str, str]] = []
    folder = start_run(make_config(steps=10, validation_every=10), tmp_path, control=control, report=report)
    status = read_record(folder).status
    assert set(activities) == {("training", "scoring")}
    assert list_row(list_labelled(tmp_path)[0])[1] == "finished"
    assert (status.phase, status.validation_images, status.test_images) == ("finished", 40, 10)
    assert any("10 of 30 test images were scored" in notice.text for notice in events.of(RunNotice))
    assert "directions.mean" in read_checkpoint(folder / "checkpoints" / "best.safetensors").tensors
    again = Control()
    again.skip_scoring()
    resume_run(folder, scoring_share=1.0, control=again)
    after = read_record(folder).status
    assert (after.test, after.test_images) == (status.test, 10), "what is known of more images stays"
    resume_run(folder, scoring_share=1.0)
    assert read_record(folder).status.test_images == 30
