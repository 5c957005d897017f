"""The checkpoint file: what is written comes back, and nothing else is believed."""

import json
import os
import random
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch

import nvp_studio
from nvp_studio.checkpoints import (
    Checkpoint,
    CheckpointError,
    CheckpointInfo,
    DataInfo,
    _least_parameters,
    build_flow,
    find_checkpoint,
    load,
    peek,
    read_checkpoint,
    slim,
    write_checkpoint,
)
from nvp_studio.flow.config import FlowConfig
from nvp_studio.flow.flow import Flow

CONFIG = FlowConfig(
    image_shape=(1, 4, 4), scales=1, final_couplings=2, blocks=1, width=3, normalization="batch", network_norm="batch"
)
INFO = CheckpointInfo(
    name="run",
    preset="studio",
    data=DataInfo(name="bars", title="Bars", digest="d", label_names=("a", "b"), licence="MIT"),
    step=5,
    epoch=0.5,
    seconds=1.25,
    images=80,
    seed=3,
    validation=4.125,
)


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    """All groups of tensors, with different numbers in the average and the weights."""
    torch.manual_seed(0)
    state, other = Flow(CONFIG).state_dict(), Flow(CONFIG).state_dict()
    count = sum(parameter.numel() for parameter in Flow(CONFIG).parameters())
    tensors = {f"average.{name}": tensor for name, tensor in state.items()}
    tensors |= {f"weights.{name}": tensor for name, tensor in other.items()}
    tensors |= {"optimizer.exp_avg": torch.randn(count), "optimizer.exp_avg_sq": torch.rand(count)}
    tensors |= {
        "directions.components": torch.randn(5, 16),
        "directions.mean": torch.randn(16),
        "directions.deviation": torch.rand(5),
        "directions.shares": torch.rand(5),
        "reference.bits_per_dim": torch.rand(7).double().sort().values,
    }
    return Checkpoint(CONFIG, INFO, tensors, resume='{"step": 5}')


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
    assert not flow.training
    assert not any(parameter.requires_grad for parameter in flow.parameters())
    for name, tensor in flow.state_dict().items():
        assert torch.equal(tensor, checkpoint.tensors[f"average.{name}"])
    expected = Flow(CONFIG).eval()
    expected.load_state_dict(checkpoint.group("average"))
    x = torch.rand(3, 1, 4, 4)
    assert torch.equal(flow.log_prob(x), expected.log_prob(x))
    assert torch.equal(nvp_studio.load(file).log_prob(x), flow.log_prob(x))


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


# -- files from elsewhere ---------------------------------------------------------------------------------------------


def parts(content: bytes) -> tuple[dict[str, Any], bytes]:
    length = struct.unpack("<Q", content[:8])[0]
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def joined(header: dict[str, Any] | bytes, data: bytes) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def with_header(change: Callable[[dict[str, Any]], object]) -> Callable[[bytes], bytes]:
    def changed(content: bytes) -> bytes:
        header, data = parts(content)
        change(header)
        return joined(header, data)

    return changed


def with_config(**fields: Any) -> Callable[[bytes], bytes]:
    def change(header: dict[str, Any]) -> None:
        config = json.loads(header["__metadata__"]["config"]) | fields
        header["__metadata__"]["config"] = json.dumps(config)

    return with_header(change)


def with_tensor(name: str, **fields: Any) -> Callable[[bytes], bytes]:
    return with_header(lambda header: header[name].update(fields))


def with_metadata(**fields: Any) -> Callable[[bytes], bytes]:
    return with_header(lambda header: header["__metadata__"].update(fields))


def renamed(old: str, new: str) -> Callable[[bytes], bytes]:
    return with_header(lambda header: header.update({new: header.pop(old)}))


def swapped(header: dict[str, Any]) -> None:
    one, two = header["directions.deviation"], header["directions.shares"]
    one["data_offsets"], two["data_offsets"] = two["data_offsets"], one["data_offsets"]


def overlapping(header: dict[str, Any]) -> None:
    header["directions.shares"]["data_offsets"] = header["directions.deviation"]["data_offsets"]


def crowd(content: bytes) -> bytes:
    header, data = parts(content)
    header |= {f"x{i}": {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]} for i in range(12_000)}
    return joined(header, data)


def twice(content: bytes) -> bytes:
    header, data = parts(content)
    text = json.dumps(header).encode()
    entry = json.dumps({"directions.mean": header["directions.mean"]}).encode()
    return joined(entry[:-1] + b"," + text[1:], data)


def flipped(content: bytes) -> bytes:
    return content[:-100] + bytes([content[-100] ^ 1]) + content[-99:]


HOSTILE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda content: b"", "not a safetensors file"),
    "seven bytes": (lambda content: content[:7], "not a safetensors file"),
    "text": (lambda content: b"hello, this is not a model at all", "not a safetensors file"),
    "a pickle": (
        lambda content: b"\x80\x04\x95\x10\0\0\0\0\0\0\0cos\nsystem\n",
        "not a safetensors file",
    ),
    "a zip": (lambda content: b"PK\x03\x04" + bytes(200), "not a safetensors file"),
    "cut in the header": (lambda content: content[:500], "cut short"),
    "cut in the data": (lambda content: content[:-10], "bytes"),
    "more at the end": (lambda content: content + b"\0" * 16, "bytes"),
    "endless header": (lambda content: struct.pack("<Q", 2**63) + content[8:], "not a safetensors file"),
    "large header": (lambda content: joined(b"{" + b" " * 2_000_000 + b"}", b""), "header is larger"),
    "nested header": (lambda content: joined(b"[" * 200_000, b""), "not JSON"),
    "header is a list": (lambda content: joined(b"[1, 2]", b""), "not a table"),
    "header not UTF-8": (lambda content: joined(b'{"\xff": 1}', b""), "not JSON"),
    "NaN in the header": (with_tensor("directions.mean", shape=[float("nan")]), "number NaN"),
    "key twice": (twice, "twice"),
    "crowd of tensors": (crowd, "more than 10000 tensors"),
    "name with a path": (renamed("directions.mean", "../../etc/passwd"), "forbidden name"),
    "long name": (renamed("directions.mean", "x" * 300), "forbidden name"),
    "empty name": (renamed("directions.mean", ""), "forbidden name"),
    "unknown type": (with_tensor("directions.mean", dtype="F8_E4M3"), "unknown type"),
    "negative shape": (with_tensor("directions.mean", shape=[-16]), "impossible shape"),
    "true as shape": (with_tensor("directions.mean", shape=[True, 16]), "impossible shape"),
    "nine dimensions": (with_tensor("directions.mean", shape=[1] * 8 + [16]), "impossible shape"),
    "huge shape": (with_tensor("directions.mean", shape=[2**31, 2**31]), "does not fit its shape"),
    "offsets behind the end": (with_tensor("directions.mean", data_offsets=[10**7, 10**7 + 64]), "gap"),
    "offsets backwards": (with_tensor("directions.mean", data_offsets=[64, 0]), "does not fit its shape"),
    "three offsets": (with_tensor("directions.mean", data_offsets=[0, 0, 64]), "no byte range"),
    "overlap": (with_header(overlapping), "overlaps"),
    "swapped tensors": (with_header(swapped), "checksum"),
    "more in an entry": (with_tensor("directions.mean", comment="x"), "not understood"),
    "metadata of numbers": (with_metadata(extra=5), "strings"),
    "metadata is a list": (with_header(lambda header: header.update(__metadata__=[])), "metadata"),
    "no metadata": (with_header(lambda header: header.pop("__metadata__")), "not written by NVP Studio"),
    "another program's": (with_metadata(format="pt"), "not written by NVP Studio"),
    "no checksum": (with_header(lambda header: header["__metadata__"].pop("sha256")), "sha256"),
    "wrong checksum": (with_metadata(sha256="0" * 64), "checksum"),
    "one bit flipped": (flipped, "checksum"),
    "changed information": (
        with_header(lambda h: h["__metadata__"].update(info=h["__metadata__"]["info"].replace("Bars", "Cars"))),
        "checksum",
    ),
    "information is no JSON": (with_metadata(info="{"), "information"),
    "information of a later version": (
        with_header(
            lambda h: h["__metadata__"].update(
                info=json.dumps(json.loads(h["__metadata__"]["info"]) | {"format_version": 99})
            )
        ),
        "newer version",
    ),
    "configuration is no JSON": (with_metadata(config="]"), "configuration"),
    "configuration is a number": (with_metadata(config="7"), "configuration"),
    "configuration of colour": (with_config(image_shape=[3, 4, 4]), "fewer numbers|is float32"),
    "configuration with a word": (with_config(normalization="layer"), "configuration"),
    "configuration with a wide net": (with_config(width=4096), "fewer numbers"),
    "configuration with a wider net": (with_config(width=10**9), "limit"),
    "configuration with endless scales": (with_config(scales=10**18), "limit"),
    "configuration with endless blocks": (with_config(blocks=10**6), "limit"),
    "configuration with negative blocks": (with_config(blocks=-1), "limit"),
    "configuration with many blocks": (with_config(blocks=64, final_couplings=64), "residual blocks"),
    "configuration with a vast image": (with_config(image_shape=[1, 10**6, 10**6]), "image shape"),
    "configuration with a nameless image": (with_config(image_shape="large"), "image shape"),
    "tensor missing": (renamed("directions.mean", "directions.average"), "missing"),
    "tensor too many": (
        with_header(lambda h: h.update(payload={"dtype": "U8", "shape": [0], "data_offsets": [0, 0]})),
        "does not belong",
    ),
    "tensor of another shape": (
        with_tensor("directions.mean", shape=[4, 4]),
        "float32 4x4, its configuration asks for float32 16",
    ),
    "tensor of another type": (
        with_tensor("directions.mean", dtype="I32"),
        "int32 16, its configuration asks for float32 16",
    ),
    "optimizer of another flow": (with_tensor("optimizer.exp_avg", shape=[1, 16]), "does not fit|asks for"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_file_is_refused_in_one_line(file: Path, kind: str) -> None:
    change, words = HOSTILE[kind]
    content = file.read_bytes()
    hostile = change(content)
    assert hostile != content
    file.write_bytes(hostile)
    with pytest.raises(CheckpointError, match=words) as refusal:
        load(file)
    assert "\n" not in str(refusal.value)
    assert str(file) in str(refusal.value)
    assert len(str(refusal.value)) < 500


def test_not_finite_numbers_with_a_right_checksum_are_refused(
    tmp_path: Path, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoilt = dict(checkpoint.tensors) | {"directions.mean": torch.full((16,), float("nan"))}
    with monkeypatch.context() as patch:
        patch.setattr("nvp_studio.checkpoints._check_values", lambda tensors: None)  # a writer of ill will
        write_checkpoint(tmp_path / "nan", replace(checkpoint, tensors=spoilt))
    with pytest.raises(CheckpointError, match=r"directions\.mean holds NaN"):
        read_checkpoint(tmp_path / "nan")


def test_random_damage_is_noticed(file: Path) -> None:
    content = file.read_bytes()
    chance = random.Random(0)
    for _ in range(300):
        place = chance.randrange(len(content))
        value = bytes([content[place] ^ chance.randrange(1, 256)])
        file.write_bytes(content[:place] + value + content[place + 1 :])
        with pytest.raises(CheckpointError):
            read_checkpoint(file)


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


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with a name exist on POSIX alone")
def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CheckpointError, match="regular file"):
        load(tmp_path / "pipe")


def test_a_file_beyond_the_limit_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "vast"
    with path.open("wb") as sparse:
        sparse.truncate(5 * 2**30)
    with pytest.raises(CheckpointError, match="larger than 4 GiB"):
        load(path)


HUNGRY = """
import resource, sys
import torch
from nvp_studio.checkpoints import CheckpointError, load
resource.setrlimit(resource.RLIMIT_CPU, (30, 30))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    load(sys.argv[1])
except CheckpointError as error:
    print("refused")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(os.name != "posix", reason="limits of POSIX")
@pytest.mark.parametrize(
    "fields",
    [
        {"image_shape": [3, 1024, 1024], "scales": 9, "mixing": "conv1x1", "channel_couplings": 60, "blocks": 0},
        {"width": 4096, "blocks": 60, "final_couplings": 60},
        {
            "image_shape": [3, 1024, 1024],
            "scales": 8,
            "law": "spline",
            "pieces": 64,
            "blocks": 0,
            "width": 4096,
            "network": "depthwise",
            "weight_norm": False,
            "doubling": False,
        },
        {
            "image_shape": [3, 1024, 1024],
            "scales": 11,
            "mixing": "orthogonal",
            "blocks": 1,
            "width": 1,
            "network": "depthwise",
            "weight_norm": False,
            "channel_couplings": 16,
        },
    ],
    ids=["channels", "width", "numbers", "rotations"],
)
def test_a_large_promise_in_a_small_file_costs_little(file: Path, fields: dict[str, Any]) -> None:
    file.write_bytes(with_config(**fields)(file.read_bytes()))
    command = [sys.executable, "-c", HUNGRY, str(file)]
    said, grown = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert said == "refused"
    assert int(grown) < 50_000, "kilobytes"


@pytest.mark.parametrize("law", ["affine", "mixture", "spline"])
@pytest.mark.parametrize("mixing", ["none", "permutation", "conv1x1", "orthogonal"])
@pytest.mark.parametrize("network", ["residual", "gated", "depthwise"])
def test_what_a_file_must_hold_is_no_more_than_a_flow_has(law: str, mixing: str, network: str) -> None:
    for scales, mask, doubling, blocks in (
        (1, "checkerboard", True, 0),
        (3, "channel", True, 2),
        (2, "channel", False, 1),
    ):
        config = FlowConfig(
            image_shape=(3, 8, 8), scales=scales, final_mask=mask, doubling=doubling, blocks=blocks, width=4,  # type: ignore[arg-type]
            law=law, mixing=mixing, network=network, checkerboard="masked" if blocks else "packed",  # type: ignore[arg-type]
        )  # fmt: skip
        with torch.device("meta"):
            count = sum(parameter.numel() for parameter in Flow(config).parameters())
        assert 0.3 * count < _least_parameters(config) <= count
