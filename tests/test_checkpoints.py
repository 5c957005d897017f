"""The checkpoint file: what is written comes back, and nothing else is accepted."""

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import safetensors.torch
import torch

import nvp_studio
from nvp_studio.checkpoints import (
    Checkpoint,
    CheckpointError,
    build_flow,
    find_checkpoint,
    load,
    peek,
    read_checkpoint,
    slim,
    write_checkpoint,
)
from nvp_studio.flow.flow import Flow
from nvp_studio.tensor_file import pack_tensors
from nvp_studio.training.batches import MicroBatch
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.step import train_step
from nvp_studio.training.train_state import TrainState
from tests.hostile.model_files import CONFIG, INFO, sound_checkpoint


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return sound_checkpoint()


@pytest.fixture
def file(tmp_path: Path, checkpoint: Checkpoint) -> Path:
    write_checkpoint(tmp_path / "model.safetensors", checkpoint)
    return tmp_path / "model.safetensors"


def test_everything_comes_back(tmp_path: Path, checkpoint: Checkpoint) -> None:
    path = tmp_path / "model.safetensors"
    digest = write_checkpoint(path, checkpoint)
    found = read_checkpoint(path)
    assert (found.config, found.info, found.resume, found.digest) == (CONFIG, INFO, '{"step": 5}', digest)
    assert len(digest) == 64
    assert found.tensors.keys() == checkpoint.tensors.keys()
    for name, tensor in checkpoint.tensors.items():
        assert torch.equal(found.tensors[name], tensor)
        assert found.tensors[name].dtype == tensor.dtype
    assert peek(path) == INFO


def test_digest_depends_on_content_alone(tmp_path: Path, checkpoint: Checkpoint) -> None:
    reordered = replace(checkpoint, tensors=dict(reversed(checkpoint.tensors.items())))
    assert write_checkpoint(tmp_path / "a", checkpoint) == write_checkpoint(tmp_path / "b", reordered)
    renamed = replace(checkpoint, info=msgspec.structs.replace(INFO, name="other"))
    assert write_checkpoint(tmp_path / "c", renamed) != write_checkpoint(tmp_path / "a", checkpoint)


def test_load_gives_the_averaged_weights_ready_to_use(file: Path, checkpoint: Checkpoint) -> None:
    flow = load(file)
    assert not flow.flow.training
    assert not any(parameter.requires_grad for parameter in flow.flow.parameters())
    for name, tensor in flow.flow.state_dict().items():
        assert torch.equal(tensor, checkpoint.tensors[f"average.{name}"])
    expected = Flow(CONFIG).eval()
    expected.load_state_dict(checkpoint.group("average"))
    x = torch.rand(3, 1, 4, 4)
    torch.testing.assert_close(flow.log_prob(x).float(), expected(x))
    assert torch.equal(nvp_studio.load(file).log_prob(x), flow.log_prob(x))


def test_a_loaded_flow_can_be_trained_further(file: Path) -> None:
    flow = load(file).flow.requires_grad_()
    config = TrainConfig(steps=1, batch_size=2, noise_share=0.0)
    before = [parameter.clone() for parameter in flow.parameters()]
    images = torch.rand(2, *flow.config.image_shape)
    result = train_step(TrainState(flow, config), [MicroBatch(images, images[:0])], config, 1e-2)
    assert result.verdict == "good"
    assert any(not torch.equal(now, then) for now, then in zip(flow.parameters(), before, strict=True))


def test_load_leaves_random_numbers_alone(file: Path) -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    load(file)
    assert torch.equal(torch.rand(3), expected)


def test_slim_keeps_what_exploring_needs(tmp_path: Path, file: Path, checkpoint: Checkpoint) -> None:
    small = slim(read_checkpoint(file))
    write_checkpoint(tmp_path / "slim", small)
    again = read_checkpoint(tmp_path / "slim")
    assert {name.split(".")[0] for name in again.tensors} == {"average", "directions", "reference"}
    assert (again.resume, again.info) == ("", INFO)
    assert (tmp_path / "slim").stat().st_size < file.stat().st_size
    x = torch.rand(2, 1, 4, 4)
    assert torch.equal(build_flow(again).log_prob(x), build_flow(checkpoint).log_prob(x))


def test_run_folder_gives_best_then_last(tmp_path: Path, checkpoint: Checkpoint) -> None:
    with pytest.raises(CheckpointError, match="holds no checkpoint"):
        find_checkpoint(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    for name in ("last", "best"):
        path = tmp_path / "checkpoints" / f"{name}.safetensors"
        write_checkpoint(path, checkpoint)
        assert find_checkpoint(tmp_path) == path


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_never_written(file: Path, checkpoint: Checkpoint, bad: float) -> None:
    before = file.read_bytes()
    name = next(iter(checkpoint.tensors))
    spoilt = dict(checkpoint.tensors) | {name: checkpoint.tensors[name].clone().fill_(bad)}
    with pytest.raises(CheckpointError, match="NaN or infinite"):
        write_checkpoint(file, replace(checkpoint, tensors=spoilt))
    assert file.read_bytes() == before


# -- files from elsewhere: those of ill will are in test_hostile_files ------------------------------------------------


def test_every_cut_is_noticed(file: Path) -> None:
    content = file.read_bytes()
    for length in range(0, len(content), 97):
        file.write_bytes(content[:length])
        with pytest.raises(CheckpointError):
            read_checkpoint(file)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such file"):
        load(tmp_path / "nothing")
    with pytest.raises(CheckpointError, match="folder"):
        read_checkpoint(tmp_path)
    with pytest.raises(CheckpointError, match="usable"):
        read_checkpoint("with\0zero")


def test_a_file_is_what_the_library_writes(checkpoint: Checkpoint) -> None:
    kinds = {"float64": torch.float64, "int64": torch.int64, "uint8": torch.uint8, "bool": torch.bool}
    others = {name: torch.ones(3, dtype=dtype) for name, dtype in kinds.items()}
    for tensors in (checkpoint.tensors, others | {"scalar": torch.tensor(2.5), "empty": torch.empty(0, 2)}):
        metadata = {"words": 'é "quoted" \n', "format": "x"}
        written, wanted = pack_tensors(tensors, metadata), safetensors.torch.save(dict(tensors), metadata)
        assert len(written) == len(wanted)
        found = safetensors.torch.load(bytes(written))
        assert found.keys() == tensors.keys()
        assert all(torch.equal(found[name], tensor) for name, tensor in tensors.items())
        # The library's metadata come in any order.
        assert written.partition(b"}")[2] == wanted.partition(b"}")[2]
