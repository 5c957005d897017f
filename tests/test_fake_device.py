"""What a training step and the answers to questions do on a device, without one: where the host waits, and types."""

import msgspec
import pytest
import torch

from benchmarks.fake_device import FakeDevice
from benchmarks.fake_gpu import Walked, shallow, walk_inference, walk_steps
from nvp_studio.flow.config import FlowConfig
from nvp_studio.flow.flow import Flow

STUDIO, PAPER = (
    msgspec.structs.replace(shallow(preset, (1, 8, 8)), channel_couplings=0) for preset in ("studio", "paper")
)
PYRAMID = shallow("pyramid", (1, 8, 8))


def faults(walked: list[Walked]) -> list[str]:
    assert all(one.record.operations for one in walked), "nothing was done on the device"
    return [f"{one.record.name}: {fault}" for one in walked for fault in one.faults]


@pytest.mark.slow_repeats
@pytest.mark.parametrize(
    ("config", "memory"),
    [(STUDIO, "fast"), (STUDIO, "constant"), (PAPER, "fast"), (PYRAMID, "fast"), (PYRAMID, "constant")],
    ids=["fast", "constant", "batch norm", "pyramid", "pyramid, constant"],
)
def test_the_host_waits_for_a_training_step_no_more_often_than_needed(config: FlowConfig, memory: str) -> None:
    """Once, for loss and gradient norm; in constant memory also for each scale (`benchmarks.fake_gpu.STEP_WAITS`)."""
    with FakeDevice() as fake:
        flow = Flow(config).to(fake.device)
        assert not faults(list(walk_steps(fake, "small", flow, "studio", "float32", memory)))  # type: ignore[arg-type]


@pytest.mark.parametrize("config", [STUDIO, PYRAMID], ids=["studio", "pyramid"])
def test_questions_compute_on_the_device_in_the_types_that_belong_there(config: FlowConfig) -> None:
    with FakeDevice() as fake:
        assert not faults(list(walk_inference(fake, "small", Flow(config).to(fake.device))))


def test_what_is_wrong_on_a_device_is_found() -> None:
    with FakeDevice() as fake:
        there, here = torch.ones(4, device=fake.device), torch.ones(4)
        with fake.phase("wrong", (torch.float32,)) as record:
            float(there.sum())
            there.cpu()
            there.tolist()
            here.to(fake.device)
            there.double()
            there[torch.tensor([0, 1])]
            with pytest.raises(RuntimeError, match="same device"):
                there + here
    assert sorted(what for what, _ in record.waits.elements()) == [
        "a copy from memory that is not pinned",
        "a copy to the host",
        "a list is read",
        "a number is read",
    ]
    assert {what for what, _ in record.slips} == {"_to_copy gives float64"}
    assert {what for what, _ in record.mixed} == {"index", "add"}
