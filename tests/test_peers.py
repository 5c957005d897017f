"""The other libraries' flows as `benchmarks.peers` builds them: their densities are exact, and images come back."""

import argparse
import importlib.util
import math
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.peers import learning
from benchmarks.peers.__main__ import main
from benchmarks.peers.learners import StudioLearner, bits_per_dim
from benchmarks.peers.models import PEERS, STUDIO, BehindLogit, PeerFlow
from benchmarks.peers.report import tables
from nvp_studio.data.catalogue import load_data
from nvp_studio.data.dataset import DataSet
from nvp_studio.flow.engine.inference import Inference
from nvp_studio.flow.flow import bits_per_dim_from_log_prob
from nvp_studio.flow.prior import standard_normal_log_prob
from tests.flow.jacobian import slogdet_of_jacobian
from tests.training.conftest import bars

SMALLER: dict[str, dict[str, int]] = {
    "normflows-glow": {"blocks": 2, "width": 8},
    "nflows-spline-glow": {"steps": 2, "width": 8},
    "freia-glow": {"blocks": 3, "width": 8},
    "freia-convolutional": {"fine": 1, "coarse": 2, "connected": 2},
}
"""Arguments that make the models of a library smaller."""


def small(name: str, shape: tuple[int, int, int]) -> PeerFlow:
    """A small flow of this library away from its start, in float64, after a few steps on images."""
    peer = PEERS[name]
    if not peer.installed:
        pytest.skip(f"{peer.package} is not installed")
    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    flow = peer.flow(shape, **SMALLER.get(name, {})).double().train()
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(32, *shape, generator=generator, dtype=torch.float64)
    if hasattr(flow, "initialize"):
        flow.initialize(x)
    optimizer = torch.optim.Adam(flow.parameters(), lr=1e-2)
    for _ in range(4):
        optimizer.zero_grad()
        (-flow(x).mean() / x[0].numel()).backward()
        optimizer.step()
    return flow.eval()


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 4, 4)])
@pytest.mark.parametrize("name", PEERS)
@pytest.mark.filterwarnings("ignore")
def test_the_density_is_that_of_the_map_and_images_come_back(name: str, shape: tuple[int, int, int]) -> None:
    flow, again = small(name, shape), small(name, shape)
    x = torch.rand(2, *shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    with torch.no_grad():
        z, log_det = flow.encode(x)
        assert z.shape == (2, x[0].numel())
        torch.testing.assert_close(log_det, slogdet_of_jacobian(lambda v: flow.encode(v)[0], x), rtol=1e-7, atol=1e-7)
        torch.testing.assert_close(flow.log_prob(x), standard_normal_log_prob(z) + log_det, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(flow.decode(z), x, rtol=0, atol=1e-7)
        torch.testing.assert_close(again.log_prob(x), flow.log_prob(x))  # a seed says what is built


class Doubling(PeerFlow):
    """z = 2 x."""

    def encode(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return 2 * x.flatten(1), torch.full((len(x),), x[0].numel() * math.log(2), dtype=x.dtype)

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        return z.unflatten(1, (1, 2, 3)) / 2


def test_a_flow_behind_the_logit_has_the_density_of_both_maps() -> None:
    flow = BehindLogit(Doubling(), (1, 2, 3)).double()
    x = torch.rand(2, 1, 2, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    z, log_det = flow.encode(x)
    torch.testing.assert_close(log_det, slogdet_of_jacobian(lambda v: flow.encode(v)[0], x))
    torch.testing.assert_close(flow.decode(z), x)
    assert z.amax() > 2  # a logit, twice


class Uniform(PeerFlow):
    """All images of [0, 1]^D alike: 8 bits/dim."""

    def log_prob(self, x: torch.Tensor) -> torch.Tensor:
        return x.new_zeros(len(x))


@pytest.mark.usefixtures("uncompiled")
def test_bits_per_dim_are_those_of_the_program() -> None:
    images = bars(20, 0)
    assert bits_per_dim(Uniform(), images, batch=7) == pytest.approx(8.0)
    learner = StudioLearner(images, batch=4)
    for _ in range(3):
        learner.step(0.0)
    ours: Any = learner.model()
    assert bits_per_dim(ours, images) == pytest.approx(ours.bits_per_dim(images).mean().item(), abs=0.1)
    assert bits_per_dim_from_log_prob(torch.zeros(1), 5).item() == pytest.approx(8.0)


@pytest.fixture
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models are scored by torch alone, which compiles nothing."""
    monkeypatch.setattr(Inference, "compile", lambda self: None)


@pytest.fixture
def data(tmp_path: Path) -> DataSet:
    np.savez(tmp_path / "bars.npz", x_train=bars(60, 0), x_val=bars(20, 1), x_test=bars(20, 2))
    return load_data(str(tmp_path / "bars.npz"))


def options(**given: object) -> argparse.Namespace:
    return argparse.Namespace(
        **{"minutes": [0.01], "trial_seconds": 1, "rate": None, "batch": None, "images": 20, "logit": False} | given
    )


@pytest.mark.usefixtures("uncompiled")
def test_a_finished_run_is_not_trained_again(data: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "results" / "peers.jsonl"
    learning.learn([STUDIO], data, options(), learning.Results(file))
    (row,) = learning.Results(file).rows
    assert row["seconds"] >= 0.6
    assert row["images"] == row["steps"] * row["batch"]
    assert {"machine", "date", "versions", "command"} <= row.keys()
    assert f"| {row['test']:.3f} |" in tables([row])
    monkeypatch.setattr(learning, "train", lambda *_: pytest.fail("trained again"))
    learning.learn([STUDIO], data, options(), learning.Results(file))


@pytest.mark.parametrize(("optimum", "chosen"), [(1.0, 1e-3), (1e-3, 10**-4.5), (1e3, 10**-1.5), (3.0, 10**-2.5)])
def test_rates_are_tried_until_the_best_lies_between_others(
    data: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optimum: float, chosen: float
) -> None:
    def train(name: str, data: DataSet, minutes: float, rate: float, batch: int, count: int) -> dict[str, Any]:
        bits = abs(math.log(rate / (1e-3 * optimum)))
        return {"measure": "learn", "model": name, "data": data.name, "minutes": minutes, "rate": rate} | {
            "batch": batch,
            "validation": bits,
            "test": bits,
        }

    monkeypatch.setattr(learning, "train", train)
    results = learning.Results(tmp_path / "peers.jsonl")
    rate = learning.best_rate("freia-glow", data, options(), results)
    assert rate == pytest.approx(chosen, rel=1e-3)
    rates = sorted(row["rate"] for row in results.rows)
    assert rates[-1] / rates[0] >= 9.99
    assert rates[0] < rate or len(rates) == 3 + learning.FURTHER


@pytest.mark.slow
def test_the_speed_of_the_program_itself_is_told_without_other_libraries(
    tmp_path: Path, data: DataSet, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "peers.jsonl"
    command = ["speed", STUDIO, "--rounds", "1", "--data", str(tmp_path / "bars.npz"), "--results", str(results)]
    monkeypatch.setattr(sys, "argv", ["peers", *command])
    main()
    speed, memory = learning.Results(results).rows
    assert memory["mib"] > 1
    assert f"| {STUDIO} | {speed['parameters']:,} | {64 / speed['training']:.0f} |" in capsys.readouterr().out


def test_without_the_libraries_it_says_how_to_install_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for arguments, reason in [
        (["learn"], r"none of the other libraries is installed; pip install .*\[bench\]"),
        (["speed", "freia-glow"], r"FrEIA is not installed; pip install .*\[bench\]"),
        (["learn", "freia"], r"there is no freia; there are nvp-studio, normflows-glow"),
    ]:
        monkeypatch.setattr(sys, "argv", ["peers", *arguments])
        with pytest.raises(SystemExit, match=reason):
            main()
    monkeypatch.setattr(sys, "argv", ["peers", "list"])
    main()
    assert "freia-glow: FrEIA, not installed; https://" in capsys.readouterr().out
