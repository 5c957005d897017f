"""Compiling a model beside the worker's answers."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nvp_studio.explore.model import open_model
from nvp_studio.flow.engine.inference import Inference
from nvp_studio.worker.compiling import Compiling
from nvp_studio.worker.compiling_messages import Compiled
from tests.worker.process import ROOT

_FIRST_START = """
import sys
from nvp_studio.explore.model import open_model
from nvp_studio.flow.engine.compiled import kernels
from nvp_studio.worker.compiling import Compiling
from nvp_studio.worker.compiling_messages import Compiled

model = open_model(sys.argv[1])
used = kernels(model.flow.body)
assert used and model.flow.must_compile()
assert Compiling(model).wait()
assert any(type(layer).__name__ == "CompiledChain" for layer in model.flow.body.modules())
print(sum(sum(kernel.stats.cache_misses.values()) for kernel in used), not model.flow.must_compile())
"""


@pytest.mark.slow
def test_the_first_time_on_a_machine_another_process_compiles_all(model_file: Path, tmp_path: Path) -> None:
    """What the process left on the disk is all that the worker needs."""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-P", "-c", _FIRST_START, str(model_file)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.stdout.split() == ["0", "True"], result.stderr


def test_a_model_that_was_replaced_is_not_compiled(model_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr(Inference, "compile", asked.append)
    compiling = Compiling(open_model(model_file))
    compiling.cancel()
    assert compiling.wait()
    assert asked == []


def test_a_failure_leaves_the_model_as_it_was(
    model_file: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(flow: Inference) -> None:
        raise RuntimeError("no compiler")

    monkeypatch.setattr(Inference, "compile", fail)
    model = open_model(model_file)
    before = model.flow.body
    assert Compiling(model).wait()
    assert model.flow.body is before
    assert "no compiler" in capfd.readouterr().err


def test_that_a_model_is_compiled_is_told_once_its_flow_uses_the_result(model_file: Path) -> None:
    model = open_model(model_file)
    told: list[tuple[Compiled, bool]] = []
    compiling = Compiling(model, lambda message: told.append((message, model.flow.compiled)))
    assert compiling.wait()
    assert told == [(Compiled(model.digest), True)]


def test_nothing_is_told_of_a_model_that_is_not_open_any_more(model_file: Path) -> None:
    told: list[Compiled] = []
    compiling = Compiling(open_model(model_file), told.append)
    compiling.cancel()
    assert compiling.wait()
    assert told == []
