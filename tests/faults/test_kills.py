"""kill -9 at random times, of processes that train: again and again until the run is through."""

import os
import random
import shutil
import sys
import time
from pathlib import Path

import pytest

from nvp_studio.training.runs import open_run
from nvp_studio.training.start import start_run
from tests.faults.killing import train_until_killed
from tests.faults.runs import LONG, assert_same_run, checkpoint_steps, finish, small_config, write_data

KILLS = 1000 if LONG else 100
RUNS = 10
"""Runs that share the kills."""

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="signals of POSIX"),
    pytest.mark.skipif(sys.version_info >= (3, 14), reason="another way of forking"),
    pytest.mark.timeout(300),
]


@pytest.mark.slow_repeats
@pytest.mark.parametrize("number", range(RUNS))
def test_a_run_killed_at_random_times_is_the_run_that_was_not(number: int, tmp_path: Path) -> None:
    """Also the kills that come before the first checkpoint, and those that come while a resumed run is saving."""
    chance = random.Random(number)
    config = small_config(write_data(tmp_path / "bars.npz"), steps=40, validation_every=10, checkpoint_steps=3)
    began = time.monotonic()
    whole = start_run(config, tmp_path, "whole")
    seconds = time.monotonic() - began
    folder, kills, oldest = tmp_path / "killed", 0, 0
    while kills < KILLS // RUNS:
        if folder.exists() and (open_run(folder).state == "finished" if (folder / "run.json").exists() else True):
            if (folder / "run.json").exists():
                assert_same_run(whole, folder)
            shutil.rmtree(folder)
            oldest = 0
        kills += train_until_killed(config, folder, chance, seconds / 3)
        steps = checkpoint_steps(folder)
        assert steps.get("last", 0) >= oldest, "a kill takes nothing back"
        oldest = steps.get("last", 0)
        if not steps:
            shutil.rmtree(folder)  # killed before its first checkpoint, and nothing is lost
    if folder.exists():
        if open_run(folder).state != "finished":
            finish(folder, config)
        assert_same_run(whole, folder)
