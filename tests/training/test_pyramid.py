"""Runs of flows of mixtures over grey levels: they learn, resume exactly, and refuse what has no meaning for them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

import nvp_studio
from nvp_studio.training.config import TrainConfig, recommended
from nvp_studio.training.errors import RunError
from nvp_studio.training.resume import resume_run
from nvp_studio.training.runs import read_metrics, read_record
from nvp_studio.training.start import start_run
from tests.small_model import small_pyramid
from tests.training.conftest import bars
from tests.training.test_resume import assert_same_run, start_until

MakeConfig = Callable[..., TrainConfig]
FLOW = small_pyramid((1, 8, 8))


@pytest.fixture
def make_pyramid(make_config: MakeConfig) -> MakeConfig:
    def make(**changes: Any) -> TrainConfig:
        return make_config(**({"preset": "pyramid", "flow": FLOW, "steps": 12} | recommended("pyramid") | changes))

    return make


@pytest.mark.slow_repeats
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"memory": "constant", "accumulate": 3, "horizontal_flip": True},
        {"precision": "bfloat16", "random_shift": 1},
    ],
    ids=["plain", "constant, in parts", "bfloat16"],
)
def test_a_run_resumes_exactly(tmp_path: Path, make_pyramid: MakeConfig, changes: dict[str, Any]) -> None:
    config = make_pyramid(validation_every=6, **changes)
    whole = start_run(config, tmp_path, "whole")
    parts = start_until(7, config, tmp_path)
    resume_run(parts)
    assert_same_run(whole, parts)


@pytest.mark.slow_repeats
def test_constant_memory_and_parts_of_a_batch_take_the_same_steps(tmp_path: Path, make_pyramid: MakeConfig) -> None:
    plain, other = (
        read_metrics(start_run(make_pyramid(**changes), tmp_path, name))
        for name, changes in (("plain", {}), ("other", {"memory": "constant", "accumulate": 3}))
    )
    assert other[0].train == pytest.approx(plain[0].train, abs=1e-5)
    assert other[0].gradient_norm == pytest.approx(plain[0].gradient_norm, rel=1e-4)
    assert [one.train for one in other] == pytest.approx([one.train for one in plain], abs=0.01)


def test_a_run_begins_from_such_a_model_and_scores_exactly(tmp_path: Path, make_pyramid: MakeConfig) -> None:
    parent = start_run(make_pyramid(steps=40), tmp_path, "parent")
    losses = [one.train for one in read_metrics(parent)]
    assert losses[-1] < losses[0] - 0.3
    child = start_run(
        msgspec.structs.replace(make_pyramid(steps=3), flow=None, begin_from=str(parent)), tmp_path, "child"
    )
    assert read_record(child).config.flow == FLOW
    before, after = read_record(parent).status.validation, read_record(child).status.validation
    assert before is not None
    assert after is not None
    assert after < before + 0.2
    model, images = nvp_studio.load(child), bars(40, 1)
    scores = [model.bits_per_dim(images, seed=seed).numpy() for seed in (0, 1)]
    assert np.abs(scores[0] - scores[1]).max() < 1e-6


def test_samples_are_not_matched(tmp_path: Path, make_pyramid: MakeConfig) -> None:
    with pytest.raises(RunError, match="cannot be matched with law=levels"):
        start_run(make_pyramid(match_samples=0.2), tmp_path / "runs")
    assert not (tmp_path / "runs").exists()
