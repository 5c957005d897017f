"""Checkpoints of ill will: how each is made from a sound one, and what must be said of it."""

import json
import os
import pickle
import socket
import struct
import zipfile
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nvp_studio.checkpoints import Checkpoint, CheckpointInfo, DataInfo, _digest, write_checkpoint
from nvp_studio.flow.config import FlowConfig
from nvp_studio.flow.flow import Flow
from nvp_studio.tensor_file import pack_tensors

Build = Callable[[Path, bytes], object]
"""Makes the file at a path from the content of a sound one."""
Change = Callable[[bytes], bytes]

CONFIG = FlowConfig(
    image_shape=(1, 4, 4),
    scales=2,
    checkerboard_couplings=1,
    channel_couplings=1,
    final_couplings=1,
    blocks=1,
    width=3,
    normalization="batch",
    network_norm="batch",
    mixing="conv1x1",
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


def sound_checkpoint(config: FlowConfig = CONFIG) -> Checkpoint:
    """All groups of tensors, with different numbers in the average and the weights."""
    torch.manual_seed(0)
    flow, other = Flow(config), Flow(config)
    count = sum(parameter.numel() for parameter in flow.parameters())
    tensors = {f"average.{name}": tensor for name, tensor in flow.state_dict().items()}
    tensors |= {f"weights.{name}": tensor for name, tensor in other.state_dict().items()}
    tensors |= {"optimizer.exp_avg": torch.randn(count), "optimizer.exp_avg_sq": torch.rand(count)}
    tensors |= {
        "directions.components": torch.randn(5, config.dimensions),
        "directions.mean": torch.randn(config.dimensions),
        "directions.deviation": torch.rand(5),
        "directions.shares": torch.rand(5),
        "reference.bits_per_dim": torch.rand(7).double().sort().values,
    }
    return Checkpoint(config, INFO, tensors, resume='{"step": 5}')


def parts(content: bytes) -> tuple[dict[str, Any], bytes]:
    """Header and data of a file."""
    length = struct.unpack("<Q", content[:8])[0]
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def joined(header: dict[str, Any] | bytes, data: bytes) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def sealed(checkpoint: Checkpoint, metadata: dict[str, str]) -> bytes:
    """The file of `checkpoint` with other metadata, a right checksum, and none of a writer's checks."""
    tensors = dict(checkpoint.tensors)
    digest = _digest(metadata, tensors)
    return pack_tensors(tensors, metadata | {"sha256": digest})


def resealed(content: bytes, change: Callable[[dict[str, str]], object]) -> bytes:
    """The file with changed metadata and a checksum that is right for them."""
    header, data = parts(content)
    metadata = header.pop("__metadata__")
    change(metadata)
    dtypes = {"F32": torch.float32, "F64": torch.float64, "I64": torch.int64}
    tensors = {}
    for name, entry in header.items():
        start, stop = entry["data_offsets"]
        flat = torch.frombuffer(bytearray(data[start:stop]), dtype=dtypes[entry["dtype"]]) if stop > start else None
        tensors[name] = torch.empty(entry["shape"]) if flat is None else flat.view(entry["shape"])
    metadata["sha256"] = _digest(metadata, tensors)
    return joined({"__metadata__": metadata} | header, data)


def writes(change: Change) -> Build:
    return lambda path, sound: path.write_bytes(change(sound))


def with_header(change: Callable[[dict[str, Any]], object]) -> Build:
    def changed(content: bytes) -> bytes:
        header, data = parts(content)
        change(header)
        return joined(header, data)

    return writes(changed)


def with_config(**fields: Any) -> Build:
    """The configuration with other fields, under a right checksum."""

    def change(metadata: dict[str, str]) -> None:
        metadata["config"] = json.dumps(json.loads(metadata["config"]) | fields)

    return writes(lambda content: resealed(content, change))


def with_info(**fields: Any) -> Build:
    def change(metadata: dict[str, str]) -> None:
        metadata["info"] = json.dumps(json.loads(metadata["info"]) | fields)

    return writes(lambda content: resealed(content, change))


def with_words(**fields: str) -> Build:
    """Metadata with other words, under a right checksum."""
    return writes(lambda content: resealed(content, lambda metadata: metadata.update(fields)))


def with_metadata(**fields: Any) -> Build:
    return with_header(lambda header: header["__metadata__"].update(fields))


def with_tensor(name: str, **fields: Any) -> Build:
    return with_header(lambda header: header[name].update(fields))


def with_values(name: str, spoil: Callable[[Tensor], Tensor], config: FlowConfig = CONFIG) -> Build:
    """A checkpoint with a right checksum whose tensor `name` holds what `spoil` makes of it."""

    def build(path: Path, sound: bytes) -> None:
        checkpoint = sound_checkpoint(config)
        metadata = parts(sound)[0]["__metadata__"] | {"config": json.dumps(_fields(config))}
        tensors = dict(checkpoint.tensors) | {name: spoil(checkpoint.tensors[name].clone())}
        metadata.pop("sha256")
        path.write_bytes(sealed(replace(checkpoint, tensors=tensors), metadata))

    return build


def _fields(config: FlowConfig) -> dict[str, Any]:
    return {name: getattr(config, name) for name in config.__struct_fields__}


def only(config: dict[str, Any], tensors: dict[str, list[int]], data_bytes: int | None = None) -> Build:
    """A file with this configuration and float tensors of these shapes, a hole for data, and no right checksum."""

    def build(path: Path, sound: bytes) -> None:
        metadata = parts(sound)[0]["__metadata__"]
        metadata["config"] = json.dumps(_fields(CONFIG) | config)
        header: dict[str, Any] = {"__metadata__": metadata}
        end = 0
        for name, shape in tensors.items():
            size = 4
            for length in shape:
                size *= length
            header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [end, end + size]}
            end += size
        path.write_bytes(joined(header, b""))
        os.truncate(path, path.stat().st_size + (end if data_bytes is None else data_bytes))  # sparse: takes no room

    return build


def renamed(old: str, new: str) -> Build:
    return with_header(lambda header: header.update({new: header.pop(old)}))


def _swapped(header: dict[str, Any]) -> None:
    one, two = header["directions.deviation"], header["directions.shares"]
    one["data_offsets"], two["data_offsets"] = two["data_offsets"], one["data_offsets"]


def _overlapping(header: dict[str, Any]) -> None:
    header["directions.shares"]["data_offsets"] = header["directions.deviation"]["data_offsets"]


def _shifted(header: dict[str, Any]) -> None:
    for name, entry in header.items():
        if name != "__metadata__":
            entry["data_offsets"] = [offset + 8 for offset in entry["data_offsets"]]


def _crowd(content: bytes) -> bytes:
    header, data = parts(content)
    header |= {f"x{i}": {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]} for i in range(12_000)}
    return joined(header, data)


def _twice(content: bytes) -> bytes:
    header, data = parts(content)
    text = json.dumps(header).encode()
    entry = json.dumps({"directions.mean": header["directions.mean"]}).encode()
    return joined(entry[:-1] + b"," + text[1:], data)


def _metadata_twice(content: bytes) -> bytes:
    header, data = parts(content)
    return joined(b'{"__metadata__":{"format":"x","format":"y"},' + json.dumps(header).encode()[1:], data)


def _header_text(old: bytes, new: bytes) -> Build:
    def change(content: bytes) -> bytes:
        header, data = parts(content)
        text = json.dumps(header).encode()
        assert old in text
        return joined(text.replace(old, new, 1), data)

    return writes(change)


def _flipped(content: bytes) -> bytes:
    return content[:-100] + bytes([content[-100] ^ 1]) + content[-99:]


class _Intruder:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch intruded",)


def _pickle(path: Path, sound: bytes) -> None:
    path.write_bytes(pickle.dumps(_Intruder()))


def _torch_pickle(path: Path, sound: bytes) -> None:
    torch.save({"weights": torch.zeros(3)}, path)


def _zip(content: bytes) -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("model.safetensors", content)
    return file.getvalue()


def _sparse(size: int, start: bytes = b"") -> Build:
    def build(path: Path, sound: bytes) -> None:
        path.write_bytes(start)
        os.truncate(path, size)

    return build


def _loop(path: Path, sound: bytes) -> None:
    other = path.with_name(path.name + "-other")
    path.symlink_to(other.name)
    other.symlink_to(path.name)


def _socket(path: Path, sound: bytes) -> None:
    here = os.getcwd()
    os.chdir(path.parent)  # names of sockets must be short
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(path.name)
    finally:
        os.chdir(here)


def _minus(tensor: Tensor) -> Tensor:
    return -tensor.abs() - 1


def _first(value: float) -> Callable[[Tensor], Tensor]:
    def spoil(tensor: Tensor) -> Tensor:
        tensor.view(-1)[0] = value
        return tensor

    return spoil


_EQUALIZING = FlowConfig(
    image_shape=(1, 4, 4), scales=2, checkerboard_couplings=0, channel_couplings=2, final_couplings=0, blocks=0,
    width=2, equalize=True,
)  # fmt: skip
_EDGES = "average.preprocessing.equalization.edges"
_MIXING = "average.body.scales.0.layers.3."
_VAST = {"image_shape": [3, 1024, 1024], "scales": 9}
_LONE = {
    "scales": 1, "checkerboard_couplings": 0, "channel_couplings": 0, "normalization": "none", "network_norm": "none",
    "mixing": "none",
}  # fmt: skip
_COUPLING = "average.body.scales.0.layers.0."


def _lone_coupling(width: int, inputs: int, changes: int) -> dict[str, list[int]]:
    """The state of a flow of one affine coupling on a depthwise network without blocks."""
    return {
        f"{_COUPLING}law.scale": [changes],
        f"{_COUPLING}network.enter.weight": [width, inputs, 3, 3],
        f"{_COUPLING}network.enter.bias": [width],
        f"{_COUPLING}network.leave.weight": [2 * changes, width, 1, 1],
        f"{_COUPLING}network.leave.bias": [2 * changes],
    }


MODEL_FILES: dict[str, tuple[Build, str]] = {
    # What is no such file
    "empty": (writes(lambda content: b""), "not a safetensors file"),
    "seven bytes": (writes(lambda content: content[:7]), "not a safetensors file"),
    "text": (writes(lambda content: b"hello, this is not a model at all"), "not a safetensors file"),
    "a pickle that runs a program": (_pickle, "looks like a pickle, which is never loaded"),
    "a file of torch.save": (_torch_pickle, "looks like a zip archive"),
    "a sound file in a zip": (writes(_zip), "looks like a zip archive"),
    "a PNG": (writes(lambda content: b"\x89PNG\r\n\x1a\n" + bytes(100)), "not a safetensors file"),
    "all zeros": (writes(lambda content: bytes(len(content))), "not a safetensors file"),
    "a folder": (lambda path, sound: path.mkdir(), "folder"),
    "a pipe": (lambda path, sound: os.mkfifo(path), "not a regular file"),
    "a socket": (_socket, "not a regular file"),
    "a link to an endless device": (lambda path, sound: path.symlink_to("/dev/zero"), "not a regular file"),
    "a link to itself": (_loop, "symbolic links"),
    "a link to nothing": (lambda path, sound: path.symlink_to("nothing"), "no such file"),
    "larger than any": (_sparse(5 * 2**30), "larger than 4 GiB"),
    "four gigabytes of nothing": (_sparse(2**32), "not a safetensors file"),
    # Cuts
    "cut in the length": (writes(lambda content: content[:3]), "cut short"),
    "cut behind the length": (writes(lambda content: content[:8]), "cut short"),
    "cut in the header": (writes(lambda content: content[:500]), "cut short"),
    "cut behind the header": (writes(lambda content: content[: 8 + int.from_bytes(content[:8], "little")]), "bytes"),
    "cut in the data": (writes(lambda content: content[:-10]), "bytes"),
    "one byte short": (writes(lambda content: content[:-1]), "bytes"),
    "more at the end": (writes(lambda content: content + b"\0" * 16), "bytes"),
    "twice behind itself": (writes(lambda content: content + content), "bytes"),
    # The header
    "endless header": (writes(lambda content: struct.pack("<Q", 2**63) + content[8:]), "not a safetensors file"),
    "longest header": (writes(lambda content: b"\xff" * 8 + content[8:]), "not a safetensors file"),
    "header of a gigabyte": (_sparse(2**31, struct.pack("<Q", 2**30)), "header is larger"),
    "large header": (writes(lambda content: joined(b"{" + b" " * 2_000_000 + b"}", b"")), "header is larger"),
    "header without a character": (writes(lambda content: joined(b"", b"abc")), "not a safetensors file"),
    "nested header": (writes(lambda content: joined(b"[" * 200_000, b"")), "not JSON"),
    "nested tables": (writes(lambda content: joined(b'{"a":' * 150_000, b"")), "not JSON"),
    "nested shape": (
        _header_text(b'"shape": [16]', b'"shape": ' + b"[" * 100_000 + b"]" * 100_000),
        "not JSON",
    ),
    "header is a list": (writes(lambda content: joined(b"[1, 2]", b"")), "not a table"),
    "header is null": (writes(lambda content: joined(b"null", b"")), "not a table"),
    "header not UTF-8": (writes(lambda content: joined(b'{"\xff": 1}', b"")), "not JSON"),
    "header in UTF-16": (writes(lambda content: joined('{"a": 1}'.encode("utf-16"), b"")), "not JSON"),
    "header with surrogate bytes": (writes(lambda content: joined(b'{"\xed\xa0\x80": 1}', b"")), "not JSON"),
    "header with half a pair": (_header_text(b'"format"', b'"\\ud800": "x", "format"'), "unpaired surrogates"),
    "value with half a pair": (_header_text(b'"nvp-studio-checkpoint"', b'"\\udfff"'), "unpaired surrogates"),
    "NaN in the header": (with_tensor("directions.mean", shape=[float("nan")]), "number NaN"),
    "infinity in the header": (with_tensor("directions.mean", shape=[float("inf")]), "number Infinity"),
    "number beyond floats": (_header_text(b'"shape": [16]', b'"shape": [1e400]'), "impossible shape"),
    "number of many digits": (_header_text(b'"shape": [16]', b'"shape": [' + b"9" * 5000 + b"]"), "not JSON"),
    "key twice": (writes(_twice), "twice"),
    "metadata twice": (writes(_metadata_twice), "twice"),
    "crowd of tensors": (writes(_crowd), "more than 10000 tensors"),
    # Names, types, shapes, places
    "name with a path": (renamed("directions.mean", "../../etc/passwd"), "forbidden name"),
    "name with a line break": (renamed("directions.mean", "directions\nmean"), "forbidden name"),
    "name with a null": (renamed("directions.mean", "directions.mean\0"), "forbidden name"),
    "name that looks right": (renamed("directions.mean", "directions.me\u0430n"), "forbidden name"),
    "long name": (renamed("directions.mean", "x" * 201), "forbidden name"),
    "empty name": (renamed("directions.mean", ""), "forbidden name"),
    "unknown type": (with_tensor("directions.mean", dtype="F8_E4M3"), "unknown type"),
    "type is a list": (with_tensor("directions.mean", dtype=["F32"]), "unknown type"),
    "half precision": (with_tensor("directions.mean", dtype="F16", shape=[32]), "unknown type"),
    "no description": (with_header(lambda header: header.update({"directions.mean": None})), "not understood"),
    "more in a description": (with_tensor("directions.mean", comment="x"), "not understood"),
    "description without a shape": (with_header(lambda header: header["directions.mean"].pop("shape")), "understood"),
    "negative shape": (with_tensor("directions.mean", shape=[-16]), "impossible shape"),
    "twice negative shape": (with_tensor("directions.mean", shape=[-4, -4]), "impossible shape"),
    "true as shape": (with_tensor("directions.mean", shape=[True, 16]), "impossible shape"),
    "float as shape": (with_tensor("directions.mean", shape=[16.0]), "impossible shape"),
    "words as shape": (with_tensor("directions.mean", shape=["16"]), "impossible shape"),
    "nine dimensions": (with_tensor("directions.mean", shape=[1] * 8 + [16]), "impossible shape"),
    "huge shape": (with_tensor("directions.mean", shape=[2**31, 2**31]), "does not fit its shape"),
    "shape that wraps around": (with_tensor("directions.mean", shape=[2**32, 2**32, 2**2, 16]), "does not fit"),
    "empty but vast shape": (with_tensor("directions.mean", shape=[0, 2**32, 2**32, 2**32]), "does not fit"),
    "offsets behind the end": (with_tensor("directions.mean", data_offsets=[10**7, 10**7 + 64]), "gap"),
    "offsets behind any end": (with_tensor("directions.mean", data_offsets=[2**62, 2**62 + 64]), "no byte range"),
    "offsets backwards": (with_tensor("directions.mean", data_offsets=[64, 0]), "does not fit its shape"),
    "negative offsets": (with_tensor("directions.mean", data_offsets=[-64, 0]), "no byte range"),
    "true as offset": (with_tensor("directions.mean", data_offsets=[False, 64]), "no byte range"),
    "three offsets": (with_tensor("directions.mean", data_offsets=[0, 0, 64]), "no byte range"),
    "overlap": (with_header(_overlapping), "overlaps"),
    "a gap in front": (with_header(_shifted), "gap"),
    "tensor of nothing hidden": (
        with_header(lambda h: h.update(payload={"dtype": "U8", "shape": [0], "data_offsets": [0, 0]})),
        "does not belong",
    ),
    "swapped tensors": (with_header(_swapped), "checksum"),
    # Metadata
    "metadata of numbers": (with_metadata(extra=5), "strings"),
    "metadata of tables": (with_metadata(config={}), "strings"),
    "metadata is a list": (with_header(lambda header: header.update(__metadata__=[])), "metadata"),
    "no metadata": (with_header(lambda header: header.pop("__metadata__")), "not written by NVP Studio"),
    "another program's": (with_metadata(format="pt"), "not written by NVP Studio"),
    "no checksum": (with_header(lambda header: header["__metadata__"].pop("sha256")), "sha256"),
    "wrong checksum": (with_metadata(sha256="0" * 64), "checksum"),
    "checksum of another kind": (with_metadata(sha256="d41d8cd98f00b204e9800998ecf8427e"), "checksum"),
    "one bit flipped": (writes(_flipped), "checksum"),
    "a word more in the metadata": (with_metadata(comment="hello"), "checksum"),
    "changed information": (
        with_header(lambda h: h["__metadata__"].update(info=h["__metadata__"]["info"].replace("Bars", "Cars"))),
        "checksum",
    ),
    "information is no JSON": (with_words(info="{"), "information"),
    "information is nested": (with_words(info='{"x":' + "[" * 100_000), "information"),
    "information lacks a name": (with_words(info="{}"), "information"),
    "information of two lines": (with_info(step="first\nsecond"), "information"),
    "step beyond any message": (with_info(step=10**30), "information"),
    "negative step": (with_info(step=-1), "information"),
    "true as step": (with_info(step=True), "information"),
    "seconds beyond floats": (
        writes(lambda content: resealed(content, lambda m: m.update(info=m["info"].replace("1.25", "1e400")))),
        "information",
    ),
    "title of a book": (
        with_info(data={"name": "a", "title": "x" * 6000, "digest": ""}),
        "information",
    ),
    "information of a later version": (with_info(format_version=99), "newer version"),
    "information of a later and other version": (
        with_words(info='{"format_version": 2, "maker": []}'),
        "newer version",
    ),
    # The configuration
    "configuration is no JSON": (with_words(config="]"), "configuration"),
    "configuration is a number": (with_words(config="7"), "configuration"),
    "configuration is nested": (with_words(config='{"image_shape":' + "[" * 100_000), "configuration"),
    "configuration of colour": (with_config(image_shape=[3, 4, 4]), "fewer numbers|is float32"),
    "configuration of four channels": (with_config(image_shape=[4, 4, 4]), "1 or 3 channels"),
    "configuration with a word": (with_config(normalization="layer"), "configuration"),
    "configuration of two lines": (with_config(normalization="la\nyer\x1b[2J"), "Invalid enum value"),
    "configuration with true as width": (with_config(width=True), "Expected `int`"),
    "configuration with half a block": (with_config(blocks=0.5), "Expected `int`"),
    "configuration with a number in words": (with_config(width="4"), "Expected `int`"),
    "configuration with a wide net": (with_config(width=4096), "fewer numbers"),
    "configuration with a wider net": (with_config(width=10**9), "at most 4096"),
    "configuration with a net of many digits": (with_config(width=10**1000), "not understood .width is 1000"),
    "configuration with endless scales": (with_config(scales=10**18), "at most 9"),
    "configuration with ten scales": (with_config(image_shape=[1, 1024, 1024], scales=10), "at most 9"),
    "configuration with endless blocks": (with_config(blocks=10**6), "at most 64"),
    "configuration with negative blocks": (with_config(blocks=-1), "at least 0"),
    "configuration with many blocks": (with_config(blocks=64, final_couplings=64), "at most 4000"),
    "configuration with endless couplings": (with_config(final_couplings=2**40), "at most 64"),
    "configuration with endless pieces": (with_config(law="spline", pieces=2**40), "at most 64"),
    "configuration with as many pieces as may be": (with_config(law="spline", pieces=64), "fewer numbers|is float32"),
    "configuration with a vast image": (with_config(image_shape=[1, 10**6, 10**6]), "at most 1024"),
    "configuration with an empty image": (with_config(image_shape=[1, 0, 0]), "divisible"),
    "configuration with a flat image": (with_config(image_shape=[1, 16]), "configuration"),
    "configuration with a nameless image": (with_config(image_shape="large"), "Expected `array`"),
    "configuration with an odd image": (with_config(image_shape=[1, 5, 4]), "divisible"),
    "configuration with a leak of all": (with_config(leak=1.0), "leak"),
    "configuration with a bent logit": (with_config(logit_alpha=0.5), "logit_alpha"),
    "configuration that halves one channel": (with_config(scales=1, final_mask="channel"), "cannot be halved"),
    "configuration of vast mixing": (
        with_config(**_VAST, mixing="conv1x1", channel_couplings=60, blocks=0),
        "fewer numbers",
    ),
    "configuration of all at most": (
        with_config(**_VAST, law="spline", pieces=64, blocks=0, width=4096, network="depthwise", network_norm="none"),
        "MB at once",
    ),
    "configuration with a removed option": (with_config(law="mixture"), "no longer has"),
    "few numbers for a vast image": (
        only(
            _LONE | {"image_shape": [3, 1024, 1024], "network": "depthwise", "blocks": 0, "width": 4096},
            _lone_coupling(4096, 6, 6),
        ),
        "MB at once",
    ),
    "a promise of gigabytes that are not there": (only({}, {"average.x": [2**29]}, data_bytes=0), "its tensors take"),
    "gigabytes that do not belong": (only({}, {"average.x": [2**29]}), "fewer numbers"),
    "gigabytes in place of directions": (only({}, {"directions.components": [2**20, 2**9]}), "fewer numbers"),
    # Tensors that do not fit
    "tensor missing": (renamed("directions.mean", "directions.average"), "missing"),
    "weight missing": (with_header(lambda h: h.update(x=h.pop("average.body.scales.1.layers.0.law.scale"))), "fewer"),
    "tensor of another shape": (
        with_tensor("directions.mean", shape=[4, 4]),
        "float32 4x4, its configuration asks for float32 16",
    ),
    "tensor of another type": (
        with_tensor("directions.mean", dtype="I32"),
        "int32 16, its configuration asks for float32 16",
    ),
    "directions of another size": (
        with_header(
            lambda h: (
                h["directions.components"].update(shape=[4, 20]),
                h["directions.mean"].update(shape=[2, 8]),
            )
        ),
        "asks for",
    ),
    "optimizer of another flow": (with_tensor("optimizer.exp_avg", shape=[1, 16]), "does not fit|asks for"),
    # Values, under a right checksum
    "NaN among the weights": (with_values("average.body.scales.1.layers.0.law.scale", _first(float("nan"))), "NaN"),
    "infinity among the weights": (
        with_values("weights.body.scales.1.layers.0.law.scale", _first(float("inf"))),
        "inf",
    ),
    "NaN among the directions": (with_values("directions.mean", _first(float("nan"))), "NaN"),
    "NaN among the scores": (with_values("reference.bits_per_dim", _first(float("nan"))), "NaN"),
    "negative deviations": (with_values("directions.deviation", _minus), "negative deviations"),
    "negative variances": (with_values("average.body.scales.0.layers.1.variance", _minus), "negative variances"),
    "negative variances in a network": (
        with_values("average.body.scales.1.layers.0.network.leave_norm.running_var", _minus),
        "negative variances",
    ),
    "a permutation that is none": (with_values(f"{_MIXING}permutation", torch.zeros_like), "no permutation"),
    "a permutation with a fraction": (with_values(f"{_MIXING}permutation", _first(0.5)), "no permutation"),
    "signs that are none": (with_values(f"{_MIXING}sign", _first(0.0)), "other values than 1"),
    "levels that do not start at zero": (with_values(_EDGES, _first(1e-6), _EQUALIZING), "does not rise from 0 to 1"),
    "levels without room": (with_values(_EDGES, torch.zeros_like, _EQUALIZING), "does not rise from 0 to 1"),
    "levels that fall": (with_values(_EDGES, lambda edges: edges.flip(1), _EQUALIZING), "does not rise from 0 to 1"),
    "a level of hardly any room": (
        with_values(_EDGES, lambda edges: edges.index_copy(1, torch.tensor([7]), edges[:, [6]] + 1e-6), _EQUALIZING),
        "does not rise from 0 to 1",
    ),
}


def write_sound(path: Path) -> bytes:
    """Write the checkpoint that the others are made from; return its content."""
    write_checkpoint(path, sound_checkpoint())
    return path.read_bytes()
