"""Runs that begin from another model's weights."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from nvp_studio.checkpoints import (
    Checkpoint,
    CheckpointInfo,
    DataInfo,
    find_checkpoint,
    load,
    read_checkpoint,
    write_checkpoint,
)
from nvp_studio.data.reading import Reading
from nvp_studio.flow.config import FlowConfig
from nvp_studio.flow.dequantization import unit_from_images
from nvp_studio.flow.flow import Flow
from nvp_studio.parent import Parent
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.errors import RunError
from nvp_studio.training.events import RunNotice
from nvp_studio.training.fine_tuning import read_parent
from nvp_studio.training.preparation import settled
from nvp_studio.training.resume import resume_run
from nvp_studio.training.runs import open_run, read_record
from nvp_studio.training.start import start_run
from tests.training.conftest import TINY, Events, bars

MakeConfig = Callable[..., TrainConfig]
DEEP = '{"reading": {"values": "8-bit:0..255,16-bit:0..4095"}}'
EQUALIZED = msgspec.structs.replace(TINY, equalize=True)


def begun(model: Path, config: TrainConfig, **changes: object) -> TrainConfig:
    """The configuration of a run from `model`, with a learning rate at which nothing is lost."""
    return msgspec.structs.replace(config, flow=None, begin_from=str(model), learning_rate=1e-5, **changes)


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    """A model that equalizes levels, with other weights than any run begins with."""
    generator = torch.Generator().manual_seed(1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        flow = Flow(EQUALIZED)
    images = bars(64, 0)
    flow.initialize(unit_from_images(torch.from_numpy(images), 0.5), images)
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter += 0.08 * torch.randn(parameter.shape, generator=generator)
    data = DataInfo(name="bars", title="Bars", digest="")
    info = CheckpointInfo(
        name="parent", preset="quick", data=data, step=1, epoch=0.1, seconds=1.0, images=64, seed=0, train_config=DEEP
    )
    tensors = {f"average.{name}": tensor for name, tensor in flow.state_dict().items()}
    path = tmp_path / "model" / "parent.safetensors"
    path.parent.mkdir()
    write_checkpoint(path, Checkpoint(EQUALIZED, info, tensors))
    return path


def levels(model: Path) -> torch.Tensor:
    tensors = read_checkpoint(find_checkpoint(model)).tensors
    (edges,) = [tensor for name, tensor in tensors.items() if name.startswith("average.") and name.endswith("edges")]
    return edges


def test_a_run_begins_where_its_parent_ended_and_does_not_need_it_later(
    tmp_path: Path, parent: Path, make_config: MakeConfig, events: Events
) -> None:
    score = load(parent).bits_per_dim(bars(40, 1)).mean().item()
    child = start_run(begun(parent, make_config(), steps=1), tmp_path, "child", report=events)
    record = read_record(child)
    assert record.status.validation == pytest.approx(score, abs=0.05)
    assert score > 3.9, "a flow that begins anew has 3.7 here"
    assert record.config.flow == EQUALIZED
    assert record.parent == Parent(name="parent", path=str(parent), digest=read_checkpoint(parent).digest)
    assert open_run(child).begun_from == "parent"
    assert read_checkpoint(find_checkpoint(child)).info.parent == record.parent
    assert any("begins from the weights of parent" in notice.text for notice in events.of(RunNotice))

    parent.unlink()
    resume_run(child, steps=2)
    assert read_record(child).status.step == 2
    assert read_record(child).parent == record.parent


def test_what_the_weights_depend_on_stays_the_parents(tmp_path: Path, parent: Path, make_config: MakeConfig) -> None:
    """The levels are not equalized anew for other data, whose images come to the size of the parent's."""
    other = tmp_path / "other.npz"
    np.savez(other, images=np.kron(255 - bars(60, 5)[..., 0], np.ones((1, 2, 2), np.uint8)))
    child = start_run(begun(parent, make_config(data=str(other)), steps=2), tmp_path, "child")
    assert torch.equal(levels(child), levels(parent))
    assert read_record(child).config.image_size == 8


def test_what_contradicts_the_parent_is_refused_with_what_differs(
    tmp_path: Path, parent: Path, make_config: MakeConfig
) -> None:
    model, config = read_parent(str(parent)), make_config(flow=EQUALIZED)

    def refused(**changes: object) -> str:
        with pytest.raises(RunError) as error:
            model.settled(msgspec.structs.replace(config, **changes))
        return str(error.value)

    assert "image size 8, not 16" in refused(image_size=16)
    assert "image size 8, not 8x12" in refused(image_size=(8, 12))
    assert "channels 1, not 3" in refused(channels=3)
    assert "blocks 1, not 2; width 4, not 6" in refused(flow=msgspec.structs.replace(EQUALIZED, width=6, blocks=2))
    large = FlowConfig(**{**msgspec.structs.asdict(TINY), "image_shape": (3, 16, 16)})
    assert "images of 8x8 grey, not of 16x16 colour" in refused(flow=large)
    with pytest.raises(RunError, match="blocks 1, not 3"):
        model.unchanged(lambda flow: msgspec.structs.replace(flow, blocks=3))(EQUALIZED)
    with pytest.raises(RunError, match=r"no run can begin from .*nothing"):
        read_parent(str(tmp_path / "nothing"))
    with pytest.raises(RunError, match="no run can begin from"):
        start_run(begun(tmp_path / "nothing", config), tmp_path, "child")


def test_a_deep_range_is_the_parents_unless_one_is_given(parent: Path, make_config: MakeConfig) -> None:
    model = read_parent(str(parent))
    config = make_config(flow=None)
    assert model.settled(config).reading.values == "16-bit:0..4095"
    given = msgspec.structs.replace(config, reading=Reading(values="0..1023"))
    assert model.settled(given).reading.values == "0..1023"
    named = msgspec.structs.replace(config, data="fashion-mnist")
    assert model.settled(named).reading.values == ""
    assert model.settled(model.settled(config)) == model.settled(config)


def test_an_included_model_is_begun_from_by_its_name() -> None:
    model = read_parent("fashion-mnist")
    assert model.about.path == "fashion-mnist"
    config = TrainConfig(begin_from="fashion-mnist", steps=1)
    assert settled(config).begin_from == "fashion-mnist"
    assert model.settled(config).flow == model.flow
    assert model.settled(config).image_size == 28
