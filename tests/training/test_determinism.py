"""Deterministic mode: every preset trains under it, nothing random has a history, and a GPU resumes to the bit."""

import os
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from nvp_studio.flow.config import FlowConfig, preset_config
from nvp_studio.training.batches import MicroBatch
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.determinism import WORKSPACE, claim_workspace, deterministic
from nvp_studio.training.errors import RunError
from nvp_studio.training.events import StepMetrics
from nvp_studio.training.loop import Loop
from nvp_studio.training.resume import resume_run
from nvp_studio.training.runs import read_record
from nvp_studio.training.start import start_run
from tests.gpu import DEVICES, needs_cuda
from tests.training.conftest import TINY, Events
from tests.training.test_resume import assert_same_run, start_until

MakeConfig = Callable[..., TrainConfig]

WITHOUT_ALGORITHM = {
    "avg_pool3d_backward",
    "_adaptive_avg_pool2d_backward",
    "_adaptive_avg_pool3d_backward",
    "adaptive_max_pool2d_backward",
    "adaptive_max_pool3d_backward",
    "fractional_max_pool2d_backward",
    "fractional_max_pool3d_backward",
    "max_unpool2d",
    "max_unpool3d",
    "upsample_linear1d_backward",
    "upsample_bilinear2d_backward",
    "_upsample_bilinear2d_aa_backward",
    "upsample_bicubic2d_backward",
    "_upsample_bicubic2d_aa_backward",
    "upsample_trilinear3d_backward",
    "reflection_pad1d_backward",
    "reflection_pad2d_backward",
    "reflection_pad3d_backward",
    "nll_loss_forward",
    "nll_loss2d_forward",
    "nll_loss_backward",
    "nll_loss2d_backward",
    "_ctc_loss_backward",
    "_embedding_bag_dense_backward",
    "put_",
    "put",
    "histc",
    "bincount",
    "median",
    "nanmedian",
    "kthvalue",
    "grid_sampler_2d_backward",
    "grid_sampler_3d_backward",
    "cumsum",
    "cumsum_",
    "scatter_reduce",
    "scatter_reduce_",
}
"""What has no deterministic algorithm on CUDA, by torch's documentation of `use_deterministic_algorithms` (2.13)."""

FLOWS: dict[str, FlowConfig | None] = {
    "affine": TINY,
    "spline": msgspec.structs.replace(TINY, law="spline", network="depthwise"),
    "gated": msgspec.structs.replace(TINY, network="gated", mixing="conv1x1", conditional_prior=True),
    "published": msgspec.structs.replace(
        TINY, normalization="batch", network_norm="batch", weight_norm=True, checkerboard="masked", mixing="none"
    ),
}
PRESETS = {
    "paper": msgspec.structs.replace(preset_config("paper", (1, 8, 8)), width=4, blocks=1),
    "paper-cifar10": msgspec.structs.replace(preset_config("paper-cifar10", (1, 8, 8)), width=4, blocks=1),
    "studio": preset_config("studio", (1, 8, 8)),
    "quick": preset_config("quick", (1, 8, 8)),
    "pyramid": msgspec.structs.replace(preset_config("pyramid", (1, 8, 8)), width=8, blocks=1, pieces=2),
    "large": msgspec.structs.replace(preset_config("large", (1, 8, 8)), width=8, blocks=1),
}
"""Narrower where the operations are the same."""


class Operations(TorchDispatchMode):
    """Notes the names of torch's operations, gradients included."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.add(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


@pytest.mark.slow_repeats
@pytest.mark.parametrize("memory", ["fast", "constant"])
@pytest.mark.parametrize("name", [*FLOWS, *PRESETS])
def test_every_operation_of_a_run_has_a_deterministic_algorithm(
    name: str, memory: str, tmp_path: Path, make_config: MakeConfig
) -> None:
    """Two steps, a validation, samples, files and the final scores."""
    flow = (FLOWS | PRESETS)[name]
    config = make_config(
        steps=2, deterministic=True, memory=memory, flow=flow, optimizer="adam", random_shift=1, horizontal_flip=True
    )
    with Operations() as operations:
        folder = start_run(config, tmp_path)
    assert read_record(folder).config.deterministic
    assert "convolution_backward" in operations.names, "the way back is seen too"
    assert not operations.names & WITHOUT_ALGORITHM


def test_operations_without_an_algorithm_are_noticed() -> None:
    assert all(hasattr(torch.ops.aten, name) for name in WITHOUT_ALGORITHM)
    x = torch.ones(1, 1, 4, 4, requires_grad=True)
    with Operations() as operations:
        torch.nn.functional.pad(x, (1, 1, 1, 1), "reflect").cumsum(2).sum().backward()
    assert operations.names & WITHOUT_ALGORITHM == {"cumsum", "reflection_pad2d_backward"}


def test_an_operation_without_an_algorithm_ends_the_run_in_one_line(
    tmp_path: Path, make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch, events: Events
) -> None:
    micro_batches = Loop._next_batch

    def without(self: Loop) -> Iterator[MicroBatch]:
        torch.zeros(3).put_(torch.tensor([0]), torch.ones(1))
        return micro_batches(self)

    monkeypatch.setattr(Loop, "_next_batch", without)
    with pytest.raises(RunError, match=r"^put_ has no deterministic algorithm here; train without --deterministic$"):
        start_run(make_config(steps=3, deterministic=True), tmp_path, report=events)
    assert not torch.are_deterministic_algorithms_enabled()
    start_run(make_config(steps=3), tmp_path)  # the same is allowed without


def test_settings_of_torch_are_put_back() -> None:
    cudnn = torch.backends.cudnn
    before = torch.get_deterministic_debug_mode(), cudnn.deterministic, cudnn.benchmark
    cudnn.benchmark = True
    try:
        with suppress(KeyError), deterministic(True):
            assert torch.are_deterministic_algorithms_enabled()
            assert (cudnn.deterministic, cudnn.benchmark) == (True, False)
            raise KeyError
        assert (torch.get_deterministic_debug_mode(), cudnn.deterministic, cudnn.benchmark) == (*before[:2], True)
    finally:
        cudnn.benchmark = before[2]
    with deterministic(False):
        assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize(
    ("found", "used", "wrong"),
    [
        (None, 0, ""),
        (":16:8", 512, ""),
        (None, 512, "has used CUDA already"),
        (":4096:2", 0, "not ':4096:2'"),
    ],
)
def test_the_workspace_is_claimed_before_it_is_looked_at(
    found: str | None, used: int, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(WORKSPACE, found or "")  # so that it is put back after the test
    if found is None:
        monkeypatch.delenv(WORKSPACE)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    claim_workspace()
    assert os.environ.get(WORKSPACE) == found, "without CUDA there is nothing to claim"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda: used)
    if wrong:
        with pytest.raises(RunError, match=wrong):
            claim_workspace()
        return
    claim_workspace()
    assert os.environ[WORKSPACE] == (found or ":4096:8")


@pytest.mark.parametrize("device", DEVICES)
def test_no_generator_has_a_part_in_training(device: str, tmp_path: Path, make_config: MakeConfig) -> None:
    """So no checkpoint needs to hold one: what is random is keyed by counters, and generators stay where they were."""

    def states() -> list[Any]:
        found = [torch.random.get_rng_state(), *(torch.cuda.get_rng_state_all() if device == "cuda" else [])]
        return [*found, torch.from_numpy(np.random.get_state()[1].astype(np.int64)), random.getstate()]

    seen: list[list[Any]] = []

    def note(event: object) -> None:
        if isinstance(event, StepMetrics):
            seen.append(states())

    config = make_config(steps=6, random_shift=1, horizontal_flip=True, device=device, validation_every=3)
    folders = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        np.random.seed(seed)
        random.seed(seed)
        seen.clear()
        folders.append(start_run(config, tmp_path, report=note))
        assert len(seen) == 6
        for one in (*seen[1:], states()):
            for before, after in zip(seen[0], one, strict=True):
                assert torch.equal(before, after) if isinstance(before, torch.Tensor) else before == after
    if device == "cpu":
        assert_same_run(*folders)


@needs_cuda
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("memory", ["fast", "constant"])
@pytest.mark.parametrize("name", ["quick", "gated", "published"])
def test_a_gpu_resumes_to_the_bit(
    name: str, memory: str, precision: str, tmp_path: Path, make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(WORKSPACE, ":4096:8")  # other tests of this process have used CUDA
    config = make_config(
        steps=12,
        device="cuda",
        deterministic=True,
        memory=memory,
        precision=precision,
        flow=(FLOWS | PRESETS)[name],
        random_shift=1,
        validation_every=5,
    )
    whole = start_run(config, tmp_path, "whole")
    parts = start_until(7, config, tmp_path)
    resume_run(parts)
    assert_same_run(whole, parts)
