"""One run on several processes: the run of one process, with its stops, its bad steps and its ends."""

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch

from nvp_studio.checkpoints import read_checkpoint
from nvp_studio.flow.config import preset_config
from nvp_studio.training.batches import Batches
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.control import Control
from nvp_studio.training.distributed import parts_of
from nvp_studio.training.errors import RunError
from nvp_studio.training.runs import open_run, read_metrics, read_record
from nvp_studio.training.start import resume_run, start_run
from tests.training.conftest import TINY, Events, bars
from tests.training.launch import launch, start
from tests.training.test_resume import StopAt

MakeConfig = Callable[..., TrainConfig]

pytestmark = pytest.mark.skipif(os.name != "posix", reason="gloo between local processes")

STEPS = 10
SAME = 1e-5
"""Bits/dim."""


def cases(make_config: MakeConfig) -> dict[str, TrainConfig]:
    """Long runs, of which the first steps must not depend on the number of processes."""
    paper = msgspec.structs.replace(TINY, normalization="batch", network_norm="batch", mixing="none")
    common = {"steps": 4000, "warmup_steps": 200, "validation_every": 5}
    return {
        "plain": make_config(**common),
        "odd": make_config(**common, batch_size=13, horizontal_flip=True),
        "parts": make_config(**common, accumulate=3),
        "constant": make_config(**common, memory="constant"),
        "batch-norm": make_config(**common, flow=paper),
    }


@pytest.mark.parametrize("count", [2, 4])
def test_several_processes_give_the_losses_of_one(count: int, tmp_path: Path, make_config: MakeConfig) -> None:
    configs = cases(make_config)
    words = [f"{name}={msgspec.json.encode(config).decode()}" for name, config in configs.items()]
    for process in launch(count, "tests.training.on_ranks:train", tmp_path, STEPS, *words):
        assert process.returncode == 0, process.stderr
    for name, config in configs.items():
        stop = StopAt(STEPS)
        alone = read_metrics(start_run(config, tmp_path, f"{name}-alone", control=stop.control, report=stop))
        together = read_metrics(tmp_path / name)
        assert [one.step for one in together] == list(range(1, STEPS + 1))
        for one, other in zip(alone, together, strict=True):
            assert abs(one.train - other.train) < SAME, (name, one.step)
            assert (one.validation is None) == (one.step % 5 != 0)
            if one.validation is not None and other.validation is not None:
                assert abs(one.validation - other.validation) < SAME, (name, one.step)
        digests = (tmp_path / f"{name}.digests").read_text().split()
        assert len(digests) == count
        assert len(set(digests)) == 1, "the weights of the ranks are the same, bit for bit"
