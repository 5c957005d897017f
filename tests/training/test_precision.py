"""Runs whose networks train in bfloat16: as exact to resume, about as good, and recorded."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import torch
from torch import nn

import nvp_studio
from nvp_studio.ranks import ALONE
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.distributed import _batch_norm
from nvp_studio.training.errors import RunError
from nvp_studio.training.resume import resume_run
from nvp_studio.training.runs import read_metrics, read_record
from nvp_studio.training.start import start_run
from nvp_studio.training.train_state import settled_precision
from tests.gpu import needs_cuda
from tests.training.conftest import TINY, bars
from tests.training.test_resume import assert_same_run, last, start_until, timeless

MakeConfig = Callable[..., TrainConfig]
CPU = torch.device("cpu")


@pytest.mark.slow
@pytest.mark.slow_repeats
@pytest.mark.parametrize("memory", ["fast", "constant"])
def test_a_run_in_bfloat16_resumes_exactly(tmp_path: Path, make_config: MakeConfig, memory: str) -> None:
    flow = msgspec.structs.replace(TINY, law="spline", network="gated", width=8)
    config = make_config(steps=12, precision="bfloat16", memory=memory, flow=flow, validation_every=6)
    whole = start_run(config, tmp_path, "whole")
    parts = start_until(7, config, tmp_path)
    resume_run(parts)
    assert read_record(parts).config.precision == "bfloat16"
    assert_same_run(whole, parts)
    assert {tensor.dtype for tensor in last(whole).values() if tensor.is_floating_point()} <= {
        torch.float32,
        torch.float64,
    }


@pytest.mark.slow
def test_bfloat16_learns_about_as_well(tmp_path: Path, make_config: MakeConfig) -> None:
    """After 100 steps runs of different seeds are 0.1 to 0.3 bits/dim apart; the number format must matter less.

    Measured: 0.002 to 0.023 apart, by seed and processor.
    """
    found = {}
    for precision in ("float32", "bfloat16"):
        folder = start_run(make_config(steps=100, precision=precision, validation_images=40), tmp_path, precision)
        found[precision] = read_record(folder).status.validation
    assert found["float32"] is not None
    assert found["bfloat16"] == pytest.approx(found["float32"], abs=0.1)
    losses = [[one.train for one in read_metrics(tmp_path / name)] for name in found]
    assert losses[0] != losses[1]


def test_the_record_says_what_automatic_came_to(tmp_path: Path, make_config: MakeConfig) -> None:
    folder = start_run(make_config(steps=2), tmp_path)
    assert make_config().precision == "auto"
    assert read_record(folder).config.precision == "float32"


def test_a_record_from_before_there_was_a_choice_goes_on_in_float32(
    tmp_path: Path, make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make_config(steps=8)
    whole = start_run(config, tmp_path, "whole")
    parts = start_until(4, config, tmp_path)
    record = msgspec.json.decode((parts / "run.json").read_bytes())
    for name in ("precision", "deterministic"):
        del record["config"][name]
    (parts / "run.json").write_bytes(msgspec.json.encode(record))
    monkeypatch.setattr(
        "nvp_studio.training.preparation.settled_precision",
        lambda wanted, device: {"auto": "bfloat16"}.get(wanted, wanted),
    )
    resume_run(parts)
    assert read_record(parts).config.precision == "float32"
    assert not read_record(parts).config.deterministic
    assert_same_run(whole, parts)


def test_a_run_goes_on_with_another_precision(tmp_path: Path, make_config: MakeConfig) -> None:
    config = make_config(steps=8)
    whole = start_run(config, tmp_path, "whole")
    parts = start_until(4, config, tmp_path)
    resume_run(parts, precision="bfloat16")
    assert read_record(parts).config.precision == "bfloat16"
    assert timeless(whole)[:4] == timeless(parts)[:4]
    assert [one.train for one in timeless(whole)[5:]] != [one.train for one in timeless(parts)[5:]]


def test_precision_suits_the_device() -> None:
    assert settled_precision("auto", CPU) == "float32"
    assert settled_precision("auto", torch.device("mps")) == "float32"
    assert settled_precision("bfloat16", CPU) == "bfloat16"
    with pytest.raises(RunError, match="does not compute in bfloat16"):
        settled_precision("bfloat16", torch.device("mps"))


@pytest.mark.parametrize(("capability", "expected"), [((7, 5), "float32"), ((8, 0), "bfloat16"), ((9, 0), "bfloat16")])
def test_automatic_is_bfloat16_where_a_gpu_multiplies_in_it(
    capability: tuple[int, int], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert settled_precision("auto", torch.device("cuda")) == expected


def test_statistics_over_processes_are_of_full_precision() -> None:
    """Batch normalization inside a network gets activations in bfloat16, and its moments must not be rounded to it."""
    torch.manual_seed(0)
    own, shared = (nn.BatchNorm2d(3).train() for _ in range(2))
    x = (4 + torch.randn(8, 3, 6, 6)).to(torch.bfloat16)
    expected, found = own(x), _batch_norm(shared, ALONE, x)
    assert found.dtype == expected.dtype == torch.bfloat16
    torch.testing.assert_close(found, expected, rtol=2**-7, atol=2**-7)
    for name, buffer in own.named_buffers():
        torch.testing.assert_close(dict(shared.named_buffers())[name], buffer, rtol=1e-5, atol=1e-6)


@needs_cuda
def test_a_gpu_trains_in_bfloat16_and_scores_as_the_cpu_does(tmp_path: Path, make_config: MakeConfig) -> None:
    folder = start_run(make_config(steps=20, device="cuda", precision="bfloat16"), tmp_path)
    scores = [nvp_studio.load(folder, device).bits_per_dim(bars(40, 1)) for device in ("cpu", "cuda")]
    torch.testing.assert_close(scores[1], scores[0], rtol=0, atol=1e-4)
