"""Damaged checkpoints without number: refused in a line, or read as exactly what they were."""

import json
import random
import re
import struct
from pathlib import Path
from typing import Any

import pytest
import torch

from nvp_studio.checkpoints import Checkpoint, CheckpointError, build_flow, read_checkpoint, write_checkpoint
from nvp_studio.flow.config import FlowConfig
from tests.fuzzing import EXTREMES, cases, damaged, with_an_extreme
from tests.hostile.model_files import joined, parts, resealed, sound_checkpoint

FAST_CASES = 300
CASES = 10_000

CONFIG = FlowConfig(
    image_shape=(1, 2, 2), scales=1, checkerboard_couplings=0, channel_couplings=0, final_couplings=1, blocks=0,
    width=2, normalization="batch",
)  # fmt: skip
_NUMBER = re.compile(rb"-?\d+(\.\d+)?")
_NUMBERS = (
    b"-1",
    b"0",
    b"1e400",
    b"NaN",
    b"true",
    b"null",
    b"4294967296",
    b"9223372036854775808",
    b"1.0",
    b'"1"',
    b"[]",
)


@pytest.fixture
def sound(tmp_path: Path) -> tuple[Path, bytes, Checkpoint]:
    """A real checkpoint with all its groups, small so that there can be many."""
    path = tmp_path / "model.safetensors"
    write_checkpoint(path, sound_checkpoint(CONFIG))
    return path, path.read_bytes(), read_checkpoint(path)


def mutation(chance: random.Random, content: bytes) -> tuple[bytes, bool]:
    """A mutation, and whether its checksum was made to fit so that what is behind the checksum is reached."""
    kind = chance.random()
    if kind < 0.35:
        return damaged(chance, content), False
    header, data = parts(content)
    text = content[8 : len(content) - len(data)]
    if kind < 0.55:
        return joined(damaged(chance, text), data), False
    if kind < 0.7:
        places = list(_NUMBER.finditer(text))
        place = chance.choice(places)
        return joined(text[: place.start()] + chance.choice(_NUMBERS) + text[place.end() :], data), False
    if kind < 0.8:
        return joined(json.dumps(with_an_extreme(chance, header), default=str).encode(), data), False
    return resealed(content, lambda metadata: _spoil(chance, metadata)), True


def _spoil(chance: random.Random, metadata: dict[str, str]) -> None:
    """Change the configuration, the information or what resuming needs."""
    key = chance.choice(("config", "config", "info", "resume"))
    text = metadata[key].encode()
    if chance.random() < 0.4:
        metadata[key] = damaged(chance, text).decode(errors="replace")
        return
    fields: dict[str, Any] = json.loads(text)
    if key == "config" and chance.random() < 0.7:  # most extremes are of another type; these may fit
        name = chance.choice(list(fields))
        fields[name] = chance.choice(
            (0, 1, 2, 3, 9, 64, 4096, 0.3, True, "none", "channel", "spline", [1, 4, 4], [3, 2, 2])
        )
    else:
        fields = with_an_extreme(chance, fields)
    metadata[key] = json.dumps(fields, default=str)


@pytest.mark.slow_repeats
@pytest.mark.parametrize("count", [FAST_CASES, CASES])
@pytest.mark.timeout(3600)  # as many as are asked for
def test_mutations_are_refused_in_a_line_or_change_nothing(count: int, sound: tuple[Path, bytes, Checkpoint]) -> None:
    path, content, original = sound
    refused = taken = 0
    for index, chance in cases(count):
        mutant, fits = mutation(chance, content)
        _overwrite(path, mutant)
        try:
            found = read_checkpoint(path)
        except CheckpointError as error:
            refused += 1
            problem = "" if str(error).isprintable() and len(str(error)) < 1000 else f"it was told {str(error)[:300]!r}"
        except Exception as error:
            problem = f"it raised {type(error).__name__}: {error}"
        else:
            taken += 1
            problem = _difference(found, original) if not fits else _fault(found)
        if problem:
            pytest.fail(f"case {index}: {problem}\n{_shown(content, mutant)}")
    assert refused > 0.8 * (refused + taken)


def _overwrite(path: Path, content: bytes) -> None:
    """Write in place: a file that was emptied first is brought to disk at once, which takes most of the time."""
    with open(path, "r+b") as file:
        file.write(content)
        file.truncate()


def _difference(found: Checkpoint, original: Checkpoint) -> str:
    """What is not as it was, in a file that nobody gave a new checksum."""
    if (found.digest, found.config, found.info, found.resume) != (
        original.digest,
        original.config,
        original.info,
        original.resume,
    ):
        return "it was taken with another content"
    same = found.tensors.keys() == original.tensors.keys() and all(
        torch.equal(tensor, original.tensors[name]) for name, tensor in found.tensors.items()
    )
    return "" if same else "it was taken with other tensors"


def _fault(found: Checkpoint) -> str:
    """What goes wrong with a flow whose checkpoint was taken: it must at least do something with an image."""
    try:
        flow = build_flow(found)
        flow.decode(torch.zeros(1, found.config.dimensions))
    except Exception as error:
        return f"it was taken, but its flow raises {type(error).__name__}: {error}"
    return ""


def _shown(content: bytes, mutant: bytes) -> str:
    """Where the mutant first differs, and what is there."""
    place = next((i for i, (a, b) in enumerate(zip(content, mutant, strict=False)) if a != b), len(mutant))
    length = struct.unpack("<Q", mutant[:8].ljust(8, b"\0"))[0]
    around = slice(max(0, place - 80), place + 120)
    return (
        f"{len(mutant)} bytes of {len(content)}, header of {length}, first difference at {place}:\n"
        f"before {content[around]!r}\nafter  {mutant[around]!r}"
    )


def test_extremes_reach_the_checks() -> None:
    """The mutations are of every kind, and the same at every call."""
    first, second = (
        [with_an_extreme(chance, {"a": [1, {"b": 2}], "c": 3}) for _, chance in cases(200)] for _ in range(2)
    )
    assert repr(first) == repr(second)
    assert len({repr(value) for value in first}) > len(EXTREMES)
