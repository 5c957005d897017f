"""Frames: whatever the cuts, the same messages; whatever the damage, a FrameError."""

import itertools
import os
import random
import struct
import tracemalloc

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nvp_studio.data.reading import Suspicion
from nvp_studio.data.report import DataReport, LeftOut, SplitFacts
from nvp_studio.flow.config import preset_config
from nvp_studio.image_batch import ImageBatch
from nvp_studio.recipe import Image, Recipe, Seed
from nvp_studio.score_row import ScoreRow
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.events import RunStarted, StepMetrics
from nvp_studio.worker.framing import MAX_FRAME_BYTES, FrameError, FrameReader, encode, read_messages
from nvp_studio.worker.messages import (
    Ask,
    Cancelled,
    Failed,
    Hello,
    Picture,
    PictureScored,
    Ping,
    Probe,
    Render,
    Reply,
    StartRun,
    Survey,
    Surveying,
    WindowMessage,
    WorkerMessage,
)
from nvp_studio.worker.score_messages import Score, ScoreRows

_RECIPE = Recipe(
    checkpoint="ab" * 32,
    base=Image((4, 4, 1), bytes(range(16)), "gr\u00fcn"),
    temperatures=(1.0, 0.5),
    offsets=((3, -1.5),),
)
_CONFIG = TrainConfig(steps=5, flow=preset_config("quick", (1, 8, 8)))
_REQUESTS = [
    Hello(1),
    Ping(2**40),
    Ask("explore", 3, Render(_RECIPE)),
    Ask("score", 1, Score(("a", "b\u0394"), samples=4)),
    StartRun(_CONFIG, "runs"),
    Ask("train", 2, Probe(_CONFIG, (1, 8, 8))),
    Ask("survey", 1, Survey("a")),
]
_BATCH = ImageBatch((1, 4, 4, 1), bytes(16))
_REPORT = DataReport(
    title="t",
    splits=(SplitFacts(name="train", images=11, classes=(("a", 5), ("b", 6)), class_count=2),),
    smallest=(8, 8),
    left_out=(LeftOut(reason="cannot be read", count=1, examples=("c.png",)),),
    suspicions=(Suspicion(kind="few values", words="dark", option=("--values", "0..15"), serious=True),),
    samples=_BATCH,
)
_ANSWERS = [
    Reply("explore", 3, Picture(image=_BATCH, base_coordinates=(0.5, -1.0))),
    Reply("explore", 3, PictureScored(3.25)),
    Reply(
        "score",
        1,
        ScoreRows((ScoreRow(path="a", bits_per_dim=2, pixels=_BATCH), ScoreRow(path="b", error="no")), 2, 9, True),
    ),
    Reply("explore", 4, Failed("reason", "details")),
    Reply("score", 1, Cancelled()),
    Reply("survey", 1, Surveying(7)),
    Reply("survey", 1, _REPORT),
    StepMetrics(step=1, epoch=0.1, seconds=1.0, images=64, train=5.0, learning_rate=1e-3, gradient_norm=0.5),
    RunStarted(
        folder="f",
        name="n",
        config=_CONFIG,
        device="cpu",
        parameters=1,
        train_images=2,
        validation_images=3,
        steps_per_epoch=4,
        step=0,
        total_steps=5,
        data_title="t",
    ),
]


def test_every_message_comes_back_as_it_was() -> None:
    for kind, messages in ((WindowMessage, _REQUESTS), (WorkerMessage, _ANSWERS)):
        assert FrameReader(kind).feed(b"".join(map(encode, messages))) == messages


@given(st.lists(st.sampled_from(_REQUESTS), max_size=6), st.lists(st.integers(0, 4000), max_size=30))
def test_cuts_of_the_stream_change_nothing(messages: list[msgspec.Struct], cuts: list[int]) -> None:
    stream = b"".join(map(encode, messages))
    places = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    reader = FrameReader(WindowMessage)
    received = [message for a, b in itertools.pairwise(places) for message in reader.feed(stream[a:b])]
    assert received == messages
    assert not reader.inside_frame


def test_single_bytes_give_the_same_messages() -> None:
    reader = FrameReader(WorkerMessage)
    stream = b"".join(map(encode, _ANSWERS))
    assert [m for i in range(len(stream)) for m in reader.feed(stream[i : i + 1])] == _ANSWERS


@pytest.mark.parametrize("kind", ["request", "answer"])
def test_ten_thousand_mutations_raise_frame_errors_only_and_stay_below_the_cap(kind: str) -> None:
    expected, messages = (WindowMessage, _REQUESTS) if kind == "request" else (WorkerMessage, _ANSWERS)
    frames = [encode(message) for message in messages]
    chance = random.Random(20261123)
    refused = 0
    tracemalloc.start()
    try:
        for _ in range(5000):
            damaged = _damage(chance, bytearray(chance.choice(frames)))
            try:
                FrameReader(expected).feed(bytes(damaged))
            except FrameError:
                refused += 1
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MAX_FRAME_BYTES
    assert refused > 1000  # the damage was real


def _damage(chance: random.Random, frame: bytearray) -> bytearray:
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(frame))
        match chance.randrange(5):
            case 0:
                frame[place] ^= 1 << chance.randrange(8)
            case 1:
                frame[place] = chance.choice((0xC1, 0xC6, 0xDB, 0xDD, 0xDF, 0xFF, 0xCF, 0xCB))
            case 2:
                frame[place:place] = chance.randbytes(chance.randint(1, 8))
            case 3:
                del frame[place : place + chance.randint(1, 8)]
            case _:
                frame[place : place + 4] = chance.randbytes(4)
        if not frame:
            return frame
    if chance.random() < 0.7 and len(frame) >= 4:
        frame[:4] = struct.pack("<I", len(frame) - 4)  # let the damage reach the decoder
    return frame


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        b"\xdd\xff\xff\xff\xff",  # a list of 2**32 - 1 items
        b"\xdf\xff\xff\xff\xff",  # a map of as many
        b"\xc6\xff\xff\xff\xff",  # as many bytes
        b"\x82\xa4type\xa4ping\xa1x" + b"\x91" * 100_000 + b"\xc0",  # an unknown field, nested deeply
        b"\x82\xa4type\xa4ping\xa6number\xdd\xff\xff\xff\xff",
        b"\x82\xa4type\xa4pung\xa6number\x01",
        b"\x82\xa4type\xa4ping\xa6number\xa1\xff",
        msgspec.msgpack.encode({"type": "ping", "number": "1"}),
        msgspec.msgpack.encode([1, 2]),
    ],
    ids=lambda body: f"{len(body)}-{bytes(body[:6]).hex()}",
)
def test_foreign_bodies_are_frame_errors(body: bytes) -> None:
    reader = FrameReader(WindowMessage)
    with pytest.raises(FrameError):
        reader.feed(struct.pack("<I", len(body)) + body)
    with pytest.raises(FrameError):  # and the reader does not go on as if nothing had happened
        reader.feed(encode(Ping(1)))


def test_a_length_above_the_cap_is_refused_at_once() -> None:
    with pytest.raises(FrameError, match="announced"):
        FrameReader(WindowMessage).feed(struct.pack("<I", MAX_FRAME_BYTES + 1))


def test_a_message_above_the_cap_is_not_sent() -> None:
    recipe = Recipe(checkpoint="", base=Image((1, 1, 1), bytes(MAX_FRAME_BYTES)))
    with pytest.raises(FrameError, match="larger"):
        encode(Ask("explore", 1, Render(recipe)))


def test_impossible_values_are_refused_when_read() -> None:
    """Structures that check themselves do so for received ones too, at no cost in memory."""
    body = msgspec.to_builtins(StartRun(_CONFIG, "runs"))
    body["config"]["flow"]["scales"] = 2**40
    with pytest.raises(FrameError, match="scales"):
        FrameReader(WindowMessage).feed(_frame(body))


def _frame(body: object) -> bytes:
    data = msgspec.msgpack.encode(body)
    return struct.pack("<I", len(data)) + data


def test_reading_a_descriptor_ends_with_the_stream() -> None:
    messages = [Ping(number) for number in range(20)] + [Ask("explore", 1, Render(Recipe(checkpoint="", base=Seed(1))))]
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as source:
        with os.fdopen(writing, "wb") as sink:
            sink.write(b"".join(map(encode, messages)))
        assert list(read_messages(source.fileno(), WindowMessage)) == messages


def test_a_stream_cut_within_a_frame_is_an_error() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as source:
        with os.fdopen(writing, "wb") as sink:
            sink.write(encode(Ping(1)) + encode(Ping(2))[:-1])
        stream = read_messages(source.fileno(), WindowMessage)
        assert next(stream) == Ping(1)
        with pytest.raises(FrameError, match="ended"):
            next(stream)


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_noise_is_never_more_than_a_frame_error(noise: bytes) -> None:
    reader = FrameReader(WindowMessage)
    try:
        reader.feed(struct.pack("<I", len(noise)) + noise)
    except FrameError:
        return
    assert not noise or not reader.inside_frame
