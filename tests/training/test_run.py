"""A run from its start to its end: learning, files, budgets, control."""

import itertools
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from PIL import Image

from nvp_studio.checkpoints import load, read_checkpoint
from nvp_studio.data.catalogue import load_data
from nvp_studio.data.dataset import DataError
from nvp_studio.training import clock, loop, validation
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.control import Control
from nvp_studio.training.errors import RunError
from nvp_studio.training.evaluation import chosen_images
from nvp_studio.training.events import (
    CheckpointSaved,
    RunEvent,
    RunImages,
    RunNotice,
    RunProgress,
    RunStarted,
    RunState,
    StepMetrics,
)
from nvp_studio.training.lock import is_locked
from nvp_studio.training.resume import resume_run
from nvp_studio.training.runs import open_run, read_metrics, read_record
from nvp_studio.training.scoring_budget import ValidationPlan
from nvp_studio.training.start import start_run
from tests.training.conftest import Events

MakeConfig = Callable[..., TrainConfig]


def test_learns_structure(tmp_path: Path, make_config: MakeConfig, events: Events) -> None:
    folder = start_run(make_config(steps=150), tmp_path, report=events)
    status = read_record(folder).status
    assert status.best is not None
    assert status.best < 5.0, "a uniform model scores 8, and the bars on their ground need fewer than 5 bits"
    data = load_data(read_record(folder).config.data)
    flow = load(folder)
    assert data.test is not None
    assert flow.bits_per_dim(data.test.images).mean().item() == pytest.approx(status.test, abs=1e-6)
    assert flow.bits_per_dim(data.validation.images).mean().item() == pytest.approx(status.validation, abs=1e-6)


def test_the_end_is_said_when_the_folder_is_free(tmp_path: Path, make_config: MakeConfig) -> None:
    """Whoever hears that a run stopped may discard or resume it at once."""
    seen: list[tuple[str, bool]] = []

    def run(control: Control, stop_at: int) -> Callable[[RunEvent], None]:
        def report(event: RunEvent) -> None:
            if isinstance(event, StepMetrics) and event.step == stop_at:
                control.stop("enough")
            if isinstance(event, RunState) and event.phase not in ("preparing", "training", "stopping"):
                seen.append((event.phase, is_locked(tmp_path / "bars")))

        return report

    control = Control()
    start_run(make_config(steps=6), tmp_path, "bars", control=control, report=run(control, 3))
    resume_run(tmp_path / "bars", report=run(Control(), 0))
    assert seen == [("stopped", False), ("finished", False)]


@pytest.mark.slow
def test_noise_scores_worse_than_data(tmp_path: Path, make_config: MakeConfig) -> None:
    flow = load(start_run(make_config(steps=100), tmp_path))
    noise = np.random.default_rng(5).integers(0, 256, (40, 8, 8, 1), dtype=np.uint8)
    assert flow.bits_per_dim(noise).mean().item() >= 8


@pytest.mark.slow
def test_a_share_of_noise_brings_noise_nearer_and_costs_images_little(tmp_path: Path, make_config: MakeConfig) -> None:
    noise = np.random.default_rng(5).integers(0, 256, (40, 8, 8, 1), dtype=np.uint8)
    found = {}
    for share in (0.0, 0.05):
        folder = start_run(make_config(steps=150, noise_share=share), tmp_path, str(share))
        best = read_record(folder).status.best
        assert best is not None
        found[share] = load(folder).bits_per_dim(noise).mean().item(), best
    assert found[0.05][0] < found[0.0][0] - 1
    assert found[0.05][1] < found[0.0][1] + 0.5, "0.2 to 0.4 by seed and processor here, half of it after 300 steps"


def test_folder_holds_what_is_promised(tmp_path: Path, make_config: MakeConfig, events: Events) -> None:
    folder = start_run(make_config(steps=30, validation_every=10), tmp_path, "My bars", report=events)
    assert folder == tmp_path / "My-bars"
    kept = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    milestones = {f"checkpoints/step-{step:08d}.safetensors" for step in range(3, 30, 3)}
    sheets = {f"samples/{kind}-{step:08d}.png" for kind in ("step", "reconstructions") for step in (10, 20, 30)}
    assert kept == milestones | sheets | {
        "run.json",
        "run.lock",
        "data.json",
        "data.png",
        "metrics.jsonl",
        "log.txt",
        "checkpoints/last.safetensors",
        "checkpoints/previous.safetensors",
        "checkpoints/best.safetensors",
    }
    for kind, sheet in (("step", (64, 64)), ("reconstructions", (64, 32))):
        with Image.open(folder / "samples" / f"{kind}-00000030.png") as image:
            assert image.size == sheet
    record = json.loads((folder / "run.json").read_text())
    assert record["status"]["phase"] == "finished"
    assert record["data"]["digest"] == load_data(record["config"]["data"]).digest
    assert record["config"]["flow"]["width"] == 4


def test_events_tell_the_run_in_order(tmp_path: Path, make_config: MakeConfig, events: Events) -> None:
    folder = start_run(make_config(steps=20, validation_every=10), tmp_path, report=events)
    phases = [state.phase for state in events.of(RunState)]
    assert [phase for phase, _ in itertools.groupby(phases)] == ["preparing", "training", "finished"]
    (started,) = events.of(RunStarted)
    assert (started.step, started.total_steps, started.train_images, started.validation_images) == (0, 20, 150, 40)
    assert started.steps_per_epoch == 10
    metrics = events.of(StepMetrics)
    assert [one.step for one in metrics] == list(range(1, 21))
    assert [one.step for one in metrics if one.validation is not None] == [10, 20]
    assert all(one.inverse_error < 1e-4 for one in metrics if one.validation is not None)
    assert metrics[-1].epoch == pytest.approx(20 * 16 / 150)
    assert metrics == read_metrics(folder)
    last = events.of(RunProgress)[-1]
    assert (last.step, last.fraction) == (20, 1.0)
    assert last.images_per_second > 0
    assert {(one.kind, one.step) for one in events.of(RunImages)} == {
        (kind, step) for kind in ("samples", "reconstructions") for step in (10, 20)
    }
    assert {one.kind for one in events.of(CheckpointSaved)} == {"last", "best", "milestone"}


def test_a_budget_is_said_to_be_spent_before_the_last_validation(
    tmp_path: Path, make_config: MakeConfig, events: Events
) -> None:
    start_run(make_config(steps=10, validation_every=10), tmp_path, report=events)
    spent = next(place for place, one in enumerate(events) if isinstance(one, RunProgress) and one.fraction == 1)
    first = next(place for place, one in enumerate(events) if isinstance(one, RunState) and "validating" in one.reason)
    assert spent < first


def test_the_images_scored_after_the_last_step_are_counted(
    tmp_path: Path, make_config: MakeConfig, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nvp_studio.training.publisher._COUNT_SECONDS", 0.0)
    start_run(make_config(steps=10, validation_every=10, validation_images=20), tmp_path, report=events)
    assert [state.reason for state in events.of(RunState) if state.phase == "training" and state.reason] == [
        "validating: 0 of 20",
        "validating: 20 of 20",
        "scoring the best model: 0 of 50",
        "scoring the best model: 20 of 50",
        "scoring the best model: 20 of 50",
        "scoring the best model: 50 of 50",
        "finding the directions of the best model",
    ]


def test_a_pause_and_a_checkpoint_are_possible_while_the_final_model_is_scored(
    tmp_path: Path, make_config: MakeConfig, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nvp_studio.training.publisher._COUNT_SECONDS", 0.0)
    control = Control()

    def report(event: RunEvent) -> None:
        events(event)
        if isinstance(event, RunState):
            if event.reason.startswith("scoring the best model: 0"):
                control.request("save")
                control.pause()
            elif event.phase == "paused":
                control.unpause()

    start_run(make_config(steps=10, validation_every=10), tmp_path, control=control, report=report)
    scoring = next(
        place for place, one in enumerate(events) if "scoring the best model: 0" in getattr(one, "reason", "")
    )
    after = events[scoring:]
    kinds = [one.kind if isinstance(one, CheckpointSaved) else getattr(one, "phase", "") for one in after]
    assert kinds.index("last") < kinds.index("paused") < kinds.index("best"), "both before the model is written"
    assert after[-1].phase == "finished"


def test_a_short_run_is_scored_on_the_images_that_its_time_allows(
    tmp_path: Path, make_config: MakeConfig, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop.ScoringBudget, "final_counts", lambda *_: (25, 9))
    monkeypatch.setattr(loop.ScoringBudget, "decide", lambda *_: ValidationPlan(10, 16))
    folder = start_run(make_config(steps=10, validation_every=10), tmp_path, report=events)
    status, data, flow = read_record(folder).status, load_data(read_record(folder).config.data), load(folder)
    assert data.test is not None
    for split, count, score in ((data.validation, 25, status.validation), (data.test, 9, status.test)):
        expected = flow.bits_per_dim(chosen_images(split.images, count)).mean().item()
        assert score == pytest.approx(expected, abs=1e-6)
    assert (status.validation_images, status.test_images) == (25, 9)
    assert any("9 of 30 test images were scored" in notice.text for notice in events.of(RunNotice))


def test_a_final_validation_of_hardly_more_images_stays_the_one_that_is_known(
    tmp_path: Path, make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop.ScoringBudget, "final_counts", lambda *_: (39, 9))
    status = read_record(start_run(make_config(steps=10, validation_every=10), tmp_path)).status
    assert status.validation_images == 20
    assert status.validation == status.best


def test_what_was_done_to_the_data_is_said_and_logged_once(
    tmp_path: Path, make_config: MakeConfig, events: Events
) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for index, image in enumerate(np.random.default_rng(0).integers(0, 256, (24, 8, 8), np.uint8)):
        Image.fromarray(image).save(folder / f"{index}.png")
    (folder / "broken.png").write_bytes(b"no image")
    run = start_run(make_config(data=str(folder), steps=4), tmp_path / "runs", report=events)
    said = [notice.text for notice in events.of(RunNotice) if "1 unreadable file skipped (broken.png" in notice.text]
    assert len(said) == 1
    assert said[0] in (run / "log.txt").read_text()
    again = Events()
    resume_run(run, steps=8, report=again)
    assert not [notice for notice in again.of(RunNotice) if "unreadable" in notice.text]


def test_reconstructions_are_the_images_again(tmp_path: Path, make_config: MakeConfig, events: Events) -> None:
    start_run(make_config(steps=10), tmp_path, report=events)
    (sheet,) = (one for one in events.of(RunImages) if one.kind == "reconstructions")
    pixels = np.frombuffer(sheet.images.pixels, np.uint8).reshape(sheet.images.shape)
    originals, again = np.split(pixels, 2)
    np.testing.assert_array_equal(originals, again)


def test_a_state_that_cannot_be_inverted_is_not_the_best(
    tmp_path: Path, make_config: MakeConfig, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = iter((1e-5, 0.01))
    monkeypatch.setattr("nvp_studio.training.validation.inverse_error", lambda *_: next(errors))
    folder = start_run(make_config(steps=20, validation_every=10), tmp_path, report=events)
    assert read_record(folder).status.best_step == 10
    assert [one.inverse_error for one in events.of(StepMetrics) if one.validation is not None] == [1e-5, 0.01]
    (warning,) = (notice.text for notice in events.of(RunNotice) if notice.level == "warning")
    assert "2.6 grey levels" in warning


def test_best_carries_directions_and_reference_of_its_own_weights(tmp_path: Path, make_config: MakeConfig) -> None:
    folder = start_run(make_config(steps=60), tmp_path)
    best = read_checkpoint(folder / "checkpoints" / "best.safetensors")
    data = load_data(read_record(folder).config.data)
    scores = load(folder).bits_per_dim(data.validation.images).sort().values
    torch.testing.assert_close(best.tensors["reference.bits_per_dim"], scores, rtol=0, atol=1e-5)
    assert best.info.validation == pytest.approx(scores.mean().item())
    assert (best.info.validation_images, best.info.test_images) == (40, 30)
    components = best.tensors["directions.components"].double()
    assert components.shape == (24, 64)
    torch.testing.assert_close(components @ components.T, torch.eye(24).double(), rtol=0, atol=1e-5)
    assert not best.group("weights")


@pytest.mark.parametrize(("budget", "steps"), [({"steps": 7}, 7), ({"epochs": 0.5}, 5), ({"epochs": 2.0}, 19)], ids=str)
def test_budget_in_steps_and_epochs(
    tmp_path: Path, make_config: MakeConfig, budget: dict[str, float], steps: int
) -> None:
    folder = start_run(make_config(**budget), tmp_path)
    assert read_metrics(folder)[-1].step == steps
    assert open_run(folder).total_steps == steps


def test_budget_in_minutes(tmp_path: Path, make_config: MakeConfig, events: Events) -> None:
    folder = start_run(make_config(minutes=0.02), tmp_path, report=events)
    metrics = read_metrics(folder)
    assert all(one.seconds < 1.2 for one in metrics[:-1])
    assert metrics[-1].seconds >= 1.2
    assert metrics[-1].validation is not None
    assert open_run(folder).state == "finished"


@pytest.mark.slow
def test_pictures_come_between_validations_when_those_are_dear(
    tmp_path: Path, make_config: MakeConfig, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two minutes in which a step takes a second, a sheet of samples a quarter of one, and a validation ten."""
    hands = Hands()
    for module in (validation, clock):
        monkeypatch.setattr(module, "time", hands)
    monkeypatch.setattr(validation, "samples", hands.taking(0.25, validation.samples))
    monkeypatch.setattr(validation, "scores", hands.taking(10, validation.scores))
    monkeypatch.setattr(loop.Loop, "_next_batch", hands.taking(1, loop.Loop._next_batch))
    start_run(make_config(minutes=2), tmp_path, report=events)
    validated = [metrics.step for metrics in events.of(StepMetrics) if metrics.validation is not None]
    shown = [images.step for images in events.of(RunImages) if images.kind == "samples"]
    assert validated == [15, shown[-1]]
    assert shown == [15, 40, 65, 90, 109], "every 25 steps, which is a hundred times as long as a sheet takes"


def test_pause_proceed_and_stop_from_another_thread(tmp_path: Path, make_config: MakeConfig, events: Events) -> None:
    control = Control()
    folders: list[Path] = []
    run = threading.Thread(
        target=lambda: folders.append(
            start_run(make_config(steps=100_000, validation_every=100_000), tmp_path, control=control, report=events)
        )
    )
    run.start()
    try:
        _wait(lambda: len(events.of(StepMetrics)) > 5)
        control.pause()
        _wait(lambda: events.of(RunState)[-1].phase == "paused")
        steps = len(events.of(StepMetrics))
        control.request("sample")
        control.request("save")
        _wait(lambda: len(events.of(RunImages)) == 2 and events.of(CheckpointSaved)[-1].step == steps)
        assert len(events.of(StepMetrics)) == steps
        control.unpause()
        _wait(lambda: len(events.of(StepMetrics)) > steps)
    finally:
        control.stop("enough")
        run.join(60)
    assert events.of(RunState)[-2:] == [RunState("stopping", "enough"), RunState("stopped", "enough")]
    (folder,) = folders
    last = read_checkpoint(folder / "checkpoints" / "last.safetensors")
    assert last.info.step == events.of(StepMetrics)[-1].step == open_run(folder).step
    assert "directions.components" in last.tensors, "without a best model, the last one is what Explore opens"


def test_stop_at_once_leaves_out_the_directions(tmp_path: Path, make_config: MakeConfig) -> None:
    control = Control()

    def report(event: object) -> None:
        if isinstance(event, StepMetrics):
            control.stop("quit", at_once=True)

    folder = start_run(make_config(steps=1000), tmp_path, control=control, report=report)
    last = read_checkpoint(folder / "checkpoints" / "last.safetensors")
    assert last.info.step == 1
    assert not last.group("directions")


def test_whole_data_set_smaller_than_a_batch(tmp_path: Path, make_config: MakeConfig) -> None:
    folder = start_run(make_config(steps=3, batch_size=400), tmp_path)
    assert read_metrics(folder)[-1].epoch == pytest.approx(8.0)


@pytest.mark.slow_repeats
@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "adam"},
        {"horizontal_flip": True, "schedule": "constant"},
        {"weight_decay": 5e-5, "flow": None, "preset": "paper", "steps": 2, "validation_images": 4},
    ],
    ids=["adam", "flip", "paper"],
)
def test_variants_run_to_their_end(tmp_path: Path, make_config: MakeConfig, changes: dict[str, object]) -> None:
    folder = start_run(make_config(**({"steps": 12} | changes)), tmp_path)
    assert open_run(folder).state == "finished"
    assert open_run(folder).best is not None


@pytest.mark.slow_repeats
@pytest.mark.parametrize("changes", [{}, {"normalization": "batch", "network_norm": "batch", "mixing": "none"}])
def test_constant_memory_takes_the_same_steps(
    tmp_path: Path, make_config: MakeConfig, changes: dict[str, object]
) -> None:
    """The first loss is of the same weights; rounding differs, and the optimizer enlarges the difference with time."""
    flow = msgspec.structs.replace(make_config().flow, **changes)
    fast, constant = (
        start_run(make_config(flow=flow, steps=15, memory=memory), tmp_path, memory) for memory in ("fast", "constant")
    )
    expected, found = (read_metrics(folder) for folder in (fast, constant))
    assert len(found) == 15
    assert expected[-1].train < expected[0].train
    assert found[0].train == pytest.approx(expected[0].train, abs=1e-5)
    assert found[0].gradient_norm == pytest.approx(expected[0].gradient_norm, rel=1e-4)
    assert [one.train for one in found] == pytest.approx([one.train for one in expected], abs=0.01)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"data": "nowhere/at/all"}, DataError, "nowhere"),
        ({"device": "cuda:77"}, ValueError, "cuda:77"),
        ({"flow": None, "preset": "enormous"}, ValueError, "enormous"),
        ({"image_size": 16}, RunError, "1x8x8"),
    ],
    ids=["data", "device", "preset", "shape"],
)
def test_what_cannot_start_says_why_and_leaves_nothing(
    tmp_path: Path,
    make_config: MakeConfig,
    events: Events,
    changes: dict[str, object],
    error: type[Exception],
    words: str,
) -> None:
    with pytest.raises(error, match=words):
        start_run(make_config(**changes), tmp_path / "runs", report=events)
    assert events[-1] == RunState("failed", events[-1].reason)
    assert words in events[-1].reason
    assert "\n" not in events[-1].reason
    assert not (tmp_path / "runs").exists()


class Hands:
    """The module `time` with hands that move with what is done."""

    def __init__(self) -> None:
        self._now = 1000.0

    def monotonic(self) -> float:
        return self._now

    process_time = monotonic

    def taking(self, seconds: float, act: Callable[..., Any]) -> Callable[..., Any]:
        """As `act`, which takes so long by these hands."""

        def timed(*words: Any, **named: Any) -> Any:
            self._now += seconds
            return act(*words, **named)

        return timed


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)
