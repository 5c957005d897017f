"""The benchmark for whoever has a GPU, on the CPU: all its parts give results, and a later call measures none again."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.gpu import page
from nvp_studio.training.runs import read_record
from tests.training.conftest import bars


@pytest.mark.slow
def test_all_parts_run_without_a_gpu_and_a_later_call_goes_on(tmp_path: Path) -> None:
    data, folder = tmp_path / "bars.npz", tmp_path / "results"
    np.savez(data, x_train=bars(150, 0), x_val=bars(40, 1), x_test=bars(30, 2))

    def call() -> dict[str, dict[str, object]]:
        command = [
            sys.executable,
            "-m",
            "benchmarks.gpu",
            "--device",
            "cpu",
            "--minutes",
            "1",
            "--run-minutes",
            "0.05",
        ]
        root = Path(__file__).parents[1]
        subprocess.run([*command, "--data", str(data), "--folder", str(folder)], cwd=root, check=True, timeout=170)
        found: dict[str, dict[str, object]] = json.loads((folder / "gpu.json").read_text())
        return found

    first = call()
    assert {"tests", "throughput", "memory", "graph", "run"} <= first.keys()
    assert not [name for name, result in first.items() if isinstance(result, dict) and "error" in result]
    assert (folder / "gpu.md").read_text() == page(first)
    second = call()
    assert second["throughput"] == first["throughput"]
    assert second["run"]["phase"] == read_record(folder / "run").status.phase == "finished"
