"""Runs on a folder of images: prepared with progress, stopped while preparing, trained from the mapped file."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nvp_studio.training import preparation
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.control import Control
from nvp_studio.training.errors import RunError
from nvp_studio.training.events import RunEvent, RunState
from nvp_studio.training.resume import resume_run
from nvp_studio.training.runs import read_metrics, read_record
from nvp_studio.training.start import start_run
from tests.training.conftest import Events, bars
from tests.watched_reading import watch_reading

MakeConfig = Callable[..., TrainConfig]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """100 images in a folder, and a cache of the test's own."""
    monkeypatch.setenv("NVP_STUDIO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(preparation, "_REPORT_SECONDS", 0.0)
    path = tmp_path / "photos"
    path.mkdir()
    for number, image in enumerate(bars(100, 5)):
        Image.fromarray(image[..., 0]).save(path / f"{number:03}.png")
    return path


def fractions(events: Events) -> list[float]:
    """Of the images that are read; other steps of the preparation have fractions of their own."""
    return [
        event.fraction
        for event in events.of(RunState)
        if event.reason.startswith("reading photos:") and event.fraction is not None
    ]


def test_a_run_says_how_much_is_prepared(folder: Path, tmp_path: Path, make_config: MakeConfig, events: Events) -> None:
    run = start_run(make_config(data=str(folder), steps=6, random_shift=1), tmp_path / "runs", report=events)
    told = fractions(events)
    assert told == sorted(told)
    assert len(set(told)) > 20
    assert told[-1] == 1
    assert any(event.reason == "reading photos: 50 of 100" for event in events.of(RunState))
    record = read_record(run)
    assert record.config.horizontal_flip is False
    assert record.config.random_shift == 1
    events.clear()
    resume_run(run, steps=8, report=events)
    assert fractions(events) == []


def test_a_stop_while_preparing_keeps_the_rows(
    folder: Path, tmp_path: Path, make_config: MakeConfig, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    control = Control()

    def stop_half_way(event: RunEvent) -> None:
        events(event)
        if isinstance(event, RunState) and event.fraction == 0.5:
            control.stop()

    config = make_config(data=str(folder), steps=2)
    with pytest.raises(RunError, match="before training began"):
        start_run(config, tmp_path / "runs", control=control, report=stop_half_way)
    assert events[-1].phase == "failed"
    read = watch_reading(monkeypatch)
    events.clear()
    start_run(config, tmp_path / "runs", report=events)
    assert 40 <= len(read) <= 50
    assert min(fractions(events)) >= 0.5
    assert events[-1].phase == "finished"


def test_a_run_on_a_mapped_file_is_the_run_in_memory(
    folder: Path, tmp_path: Path, make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nvp_studio.data.catalogue import load_data

    mapped = load_data(str(folder))
    np.savez(tmp_path / "same.npz", x_train=mapped.train.images, x_val=mapped.validation.images)
    changes = {"steps": 10, "horizontal_flip": True, "random_shift": 2}
    one = start_run(make_config(data=str(folder), **changes), tmp_path / "runs", "one")
    two = start_run(make_config(data=str(tmp_path / "same.npz"), **changes), tmp_path / "runs", "two")
    losses = [[metrics.train for metrics in read_metrics(run)] for run in (one, two)]
    assert len(losses[0]) == 10
    assert losses[0] == losses[1]


def test_mirroring_is_decided_by_the_catalogue_and_recorded() -> None:
    for data, mirrored in (("cifar-10", True), ("celeba", True), ("mnist", False), ("fashion-mnist", False)):
        assert preparation.settled(TrainConfig(steps=1, data=data)).horizontal_flip is mirrored
        assert preparation.settled(TrainConfig(steps=1, data=data, horizontal_flip=False)).horizontal_flip is False
    settled = preparation.settled(TrainConfig(steps=1, data="photos", data_root="there"))
    assert settled.horizontal_flip is False
    assert Path(settled.data).is_absolute()
    assert settled.data_root is not None
    assert Path(settled.data_root).is_absolute()
    assert preparation.settled(TrainConfig(steps=1, data="hf:some/set")).data == "hf:some/set"
