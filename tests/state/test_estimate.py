"""The estimate of a run before it starts."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from nvp_studio.data.report import DataReport
from nvp_studio.state.engine import Engine
from nvp_studio.state.estimate import Estimate, Estimator, image_shape_of
from nvp_studio.training.config import StopRules, TrainConfig
from tests.qt import Bot


@pytest.fixture
def estimator(shared_engine: Engine, qtbot: Bot) -> Iterator[Estimator]:
    estimator = Estimator(shared_engine)
    yield estimator
    shared_engine.trainer.stop()
    qtbot.waitUntil(lambda: not shared_engine.trainer.alive)
    estimator.deleteLater()


@pytest.mark.slow
def test_the_engine_is_asked_once_the_form_no_longer_changes(estimator: Estimator, qtbot: Bot, tmp_path: Path) -> None:
    base = {"data": str(tmp_path / "later"), "image_size": 8, "channels": 1, "preset": "quick", "device": "cpu"}
    shape = (1, 8, 8)
    estimator.request(TrainConfig(steps=100, batch_size=4, **base), None)
    assert estimator.lacks_shape
    estimator.request(TrainConfig(steps=100, batch_size=4, **base), shape)
    assert not estimator.lacks_shape
    estimator.request(TrainConfig(steps=100, batch_size=8, **base), shape)
    assert estimator.estimate is None
    qtbot.waitUntil(lambda: estimator.estimate is not None)
    found = estimator.estimate
    assert found is not None
    assert found.config.batch_size == 8
    assert found.parameters > 1000
    assert found.images_per_second > 0
    assert found.training_seconds(None) == 800 / found.images_per_second

    estimator.request(TrainConfig(minutes=5, batch_size=8, **base), None)
    assert estimator.estimate is None
    estimator.request(TrainConfig(minutes=5, batch_size=8, **base), shape)  # another budget needs no other probe
    assert not estimator.asking
    assert estimator.estimate is not None
    assert estimator.estimate.training_seconds(None) == pytest.approx(300)


@pytest.mark.slow
def test_a_flow_that_cannot_be_built_is_reported(estimator: Estimator, qtbot: Bot, tmp_path: Path) -> None:
    estimator.request(TrainConfig(data=str(tmp_path), image_size=8, channels=1, preset="nonsense", steps=1), (1, 8, 8))
    qtbot.waitUntil(lambda: "nonsense" in estimator.problem)


@pytest.mark.slow
def test_a_batch_of_too_many_pixels_is_not_measured(estimator: Estimator, qtbot: Bot, tmp_path: Path) -> None:
    base = {"data": str(tmp_path / "later"), "channels": 1, "preset": "quick", "steps": 1, "device": "cpu"}
    estimator.request(TrainConfig(image_size=512, batch_size=3, **base), (1, 512, 512))
    qtbot.waitUntil(lambda: estimator.too_large)
    assert not estimator.asking
    assert estimator.estimate is None
    estimator.request(TrainConfig(image_size=8, batch_size=3, **base), (1, 8, 8))
    assert not estimator.too_large
    qtbot.waitUntil(lambda: estimator.estimate is not None)


def test_epochs_and_seconds_follow_from_the_budget() -> None:
    by_epochs = Estimate(TrainConfig(epochs=2, batch_size=10), 1, 50.0, 0, 1e9, 1e9)
    assert by_epochs.images(1000) == 2000
    assert by_epochs.training_seconds(1000) == 40
    assert by_epochs.seconds(None) is None
    by_minutes = Estimate(TrainConfig(minutes=1), 1, 50.0, 0, 1e9, 1e9)
    assert by_minutes.images(None) == 3000


def test_validations_and_final_scores_are_estimated_too() -> None:
    config = TrainConfig(minutes=1, batch_size=8)
    estimate = Estimate(config, 1, 100.0, 0, scored_per_second=300.0, decoded_per_second=200.0)
    tail = estimate.scoring_seconds(55_000)
    assert tail is not None
    assert 3 < tail < 6, "a last validation, final scores and directions, all together a tenth of a minute"
    assert estimate.seconds(55_000) == pytest.approx(62 + tail)
    stopped = Estimate(replace(config, stop=StopRules(minutes=0.5)), 1, 100.0, 0, 300.0, 200.0)
    assert stopped.training_seconds(None) == 30
    whole = Estimate(replace(config, scoring_share=1.0), 1, 100.0, 0, 300.0, 200.0)
    assert whole.scoring_seconds(54_000) > (6_000 + 9_000) / 300
    by_steps = Estimate(TrainConfig(steps=1000, batch_size=8), 1, 100.0, 0, 300.0, 200.0)
    beside = by_steps.scoring_seconds(None)
    assert beside is not None
    assert beside > tail, "all validations come beside the steps"


@pytest.mark.parametrize("budget", [{"minutes": 1}, {"minutes": 60}, {"steps": 5_000}, {"epochs": 3}], ids=str)
@pytest.mark.parametrize("speed", [30.0, 300.0, 1e5])
def test_scoring_takes_at_most_its_share_at_any_speed(budget: dict[str, float], speed: float) -> None:
    estimate = Estimate(TrainConfig(**budget), 1, 100.0, 0, speed, speed)
    scoring, training = estimate.scoring_seconds(50_000), estimate.training_seconds(50_000)
    assert scoring is not None
    assert training is not None
    assert scoring <= 0.1 * training


def test_the_shape_of_images_is_that_of_the_report_on_them() -> None:
    assert image_shape_of(TrainConfig(steps=1), None) == (1, 28, 28)
    assert image_shape_of(TrainConfig(steps=1, image_size=32, channels=3), None) == (3, 32, 32)
    folder = {"data": "folder", "steps": 1}
    report = DataReport(title="folder", image_shape=(3, 12, 20))
    assert image_shape_of(TrainConfig(**folder), report) == (3, 12, 20)
    assert image_shape_of(TrainConfig(channels=1, image_size=16, **folder), report) == (1, 16, 16)
    for unknown in (None, DataReport(title="folder", unread=True)):
        assert image_shape_of(TrainConfig(image_size=16, **folder), unknown) is None
        tall = TrainConfig(channels=1, image_size=(16, 24), **folder)
        assert image_shape_of(tall, unknown) == (1, 24, 16)
