"""Damaged frames without number: a decoder refuses them or gives whole messages, a worker answers or says why not."""

import random
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import PIL.Image
import pytest

from nvp_studio.data.report import DataReport, SplitFacts
from nvp_studio.direction_file import OwnDirection
from nvp_studio.explore.animation import Animation
from nvp_studio.flow.config import preset_config
from nvp_studio.image_batch import ImageBatch
from nvp_studio.recipe import Corners, Image, Kept, Move, Recipe, Seed
from nvp_studio.score_row import ScoreRow
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.events import CheckpointSaved, RunImages, RunNotice, RunState, StepMetrics
from nvp_studio.worker.animation_messages import (
    AnimationProgress,
    AnimationRead,
    DrawFrames,
    FramesDrawn,
    ReadAnimation,
    SaveAnimation,
)
from nvp_studio.worker.compiling_messages import Compiled
from nvp_studio.worker.direction_messages import (
    DirectionMade,
    DirectionsFound,
    FindDirections,
    MakeDirection,
    PicturesRead,
    Preview,
    Previewed,
    ReadPictures,
)
from nvp_studio.worker.framing import FrameError, FrameReader, encode
from nvp_studio.worker.messages import (
    PROTOCOL,
    Ask,
    Cancel,
    Failed,
    Hello,
    Nudge,
    OpenModel,
    Picture,
    PictureRead,
    Ping,
    Pong,
    Probe,
    ReadPicture,
    Refused,
    Render,
    RenderSheet,
    Reply,
    ResumeRun,
    RunCommand,
    SaveGrid,
    SavePicture,
    Sheet,
    StartRun,
    Survey,
    Surveying,
    WindowMessage,
    WorkerMessage,
)
from nvp_studio.worker.redraw_messages import Redraw, RedrawDone, RedrawProgress
from nvp_studio.worker.score_messages import Score, ScoreRows
from tests.fuzzing import cases, damaged, with_an_extreme
from tests.small_model import random_images
from tests.worker.process import WorkerProcess

CASES = 10_000
LIVE_CASES = 600
_AT_ONCE = 10

_RECIPE = Recipe(
    checkpoint="ab" * 32, base=Image((8, 8, 1), bytes(range(64)), "grün"), temperatures=(1.0, 0.5), offsets=((3, -1.5),)
)
_FOUR = Recipe(checkpoint="", base=Corners((Seed(1), Seed(2), Seed(3), Seed(4))))
_FILM = Animation(keyframes=(_RECIPE, Recipe(checkpoint="", base=Seed(4))), seconds=1, frames_per_second=5)
_CONFIG = TrainConfig(steps=5, flow=preset_config("quick", (1, 8, 8)))
_BATCH = ImageBatch((1, 8, 8, 1), bytes(64))
_MOVE = Move("local 1", bytes(128), 0.5, locked=True)
_REQUESTS: list[msgspec.Struct] = [
    Hello(PROTOCOL, "cpu", 1),
    Ping(3),
    Cancel("explore"),
    Ask("model", 1, OpenModel("a")),
    Ask("explore", 3, Render(_RECIPE)),
    Ask("sheet", 2, RenderSheet((_RECIPE, Recipe(checkpoint="", base=Seed(4))))),
    Ask("explore", 4, ReadPicture("a.png")),
    Ask("explore", 5, SavePicture(_RECIPE, "b.png", 2)),
    Ask("explore", 7, Nudge(_RECIPE, "z")),
    Ask("redraw", 1, Redraw(_RECIPE, bytes(64), 3)),
    Ask("directions", 1, FindDirections(_RECIPE)),
    Ask("own directions", 1, MakeDirection("up", (_RECIPE,), (_FOUR,))),
    Ask("own directions", 2, ReadPictures(("a.png",))),
    Ask("previews", 1, Preview((_RECIPE.with_move(_MOVE),))),
    Ask("explore", 6, SaveGrid(_FOUR, "c.png", 3, 3, 2)),
    Ask("frames", 1, DrawFrames(_FILM, (0, 4, 2))),
    Ask("film", 1, SaveAnimation(_FILM, "d.gif", 2)),
    Ask("film", 2, ReadAnimation("d.gif")),
    Ask("score", 1, Score(("a", "b"), samples=4)),
    StartRun(_CONFIG, "runs"),
    ResumeRun("run", steps=9),
    RunCommand("pause"),
    Ask("train", 2, Probe(_CONFIG, (1, 8, 8))),
    Ask("survey", 1, Survey("a")),
]
_ANSWERS: list[msgspec.Struct] = [
    Refused("no"),
    Pong(3),
    Reply("explore", 3, Picture(image=_BATCH, base_coordinates=(0.5, -1.0))),
    Reply("sheet", 2, Sheet((_RECIPE,), _BATCH, (3.5,))),
    Reply("explore", 4, PictureRead("a.png", _RECIPE, ("note",))),
    Reply(
        "score",
        1,
        ScoreRows((ScoreRow(path="a", bits_per_dim=2, pixels=_BATCH), ScoreRow(path="b", error="no")), 2, 9, True),
    ),
    Reply("redraw", 1, RedrawProgress(1, 9, _BATCH)),
    Reply("redraw", 1, RedrawDone(_RECIPE, 3.0, 3.5, 0.5)),
    Reply("directions", 1, DirectionsFound((_MOVE,), (3.5,))),
    Reply("own directions", 1, DirectionMade(OwnDirection("up", bytes(128), "ab", (3, 4)))),
    Reply("own directions", 2, PicturesRead((_RECIPE,))),
    Reply("previews", 1, Previewed(_BATCH)),
    Reply("frames", 1, FramesDrawn(8, _BATCH)),
    Reply("film", 1, AnimationProgress(3, 9)),
    Reply("film", 2, AnimationRead("d.gif", _FILM)),
    Reply("explore", 4, Failed("reason", "details")),
    StepMetrics(step=1, epoch=0.1, seconds=1.0, images=64, train=5.0, learning_rate=1e-3, gradient_norm=0.5),
    RunImages(kind="samples", step=3, images=_BATCH),
    RunState("training"),
    RunNotice("info", "text"),
    CheckpointSaved("a", 3, "last"),
    Compiled("ab"),
    Reply("survey", 1, Surveying(7)),
    Reply("survey", 1, DataReport(title="t", splits=(SplitFacts(name="train", images=12),), smallest=(8, 8))),
]


def framed(body: bytes) -> bytes:
    return struct.pack("<I", len(body)) + body


def mutation(chance: random.Random, message: msgspec.Struct) -> bytes:
    """A damaged frame: as bytes, within its body, or with another value somewhere in the message."""
    frame = encode(message)
    kind = chance.random()
    if kind < 0.2:
        return damaged(chance, frame)
    if kind < 0.5:
        return framed(damaged(chance, frame[4:]))
    return framed(msgspec.msgpack.encode(with_an_extreme(chance, msgspec.msgpack.decode(frame[4:]))))


@pytest.mark.timeout(3600)  # as many as are asked for
@pytest.mark.parametrize(
    ("kind", "messages"), [(WindowMessage, _REQUESTS), (WorkerMessage, _ANSWERS)], ids=["requests", "answers"]
)
def test_mutated_frames_are_refused_or_give_whole_messages(kind: Any, messages: list[msgspec.Struct]) -> None:
    refused = taken = 0
    for index, chance in cases(CASES):
        frame = mutation(chance, chance.choice(messages))
        try:
            found = FrameReader[Any](kind).feed(frame)
        except FrameError as error:
            refused += 1
            problem = "" if str(error).isprintable() and len(str(error)) < 1000 else f"it was told {str(error)[:300]!r}"
        except Exception as error:
            problem = f"it raised {type(error).__name__}: {error}"
        else:
            taken += len(found)
            problem = next((f"{message} is not whole" for message in found if not _whole(kind, message)), "")
        if problem:
            pytest.fail(f"case {index}: {problem}\n{frame!r}")
    assert refused > 0.3 * (refused + taken)
    assert taken > 0.1 * (refused + taken)


def _whole(kind: Any, message: msgspec.Struct) -> bool:
    """Whether it is a message that can be sent on and is read as the same."""
    frame = encode(message)
    (again,) = FrameReader[Any](kind).feed(frame)
    return type(again) is type(message) and encode(again) == frame


# A worker


def _safe_requests(folder: Path, model: Path) -> list[msgspec.Struct]:
    """Requests that, whatever becomes of their numbers, write no file and take no minutes."""
    return [
        Hello(PROTOCOL, "cpu", 1),
        Ping(3),
        Cancel("explore"),
        Ask("model", 1, OpenModel(str(model))),
        Ask("explore", 3, Render(_RECIPE)),
        Ask("sheet", 2, RenderSheet((_RECIPE, Recipe(checkpoint="", base=Seed(4))))),
        Ask("explore", 4, ReadPicture(str(folder / "a.png"))),
        Ask("score", 1, Score((str(folder), str(folder / "b.png")))),
        ResumeRun(str(folder)),
        RunCommand("pause"),
        Ask("survey", 1, Survey(str(folder))),
    ]


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_live_worker_survives_whatever_can_be_decoded(
    start_worker: Callable[[], WorkerProcess], tmp_path: Path, model_file: Path
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    PIL.Image.fromarray(random_images(1)[0, ..., 0]).save(folder / "a.png")
    (folder / "b.png").write_bytes(b"not an image")
    worker = start_worker()
    worker.greet()
    worker.send(Ask("model", 0, OpenModel(str(model_file))))
    requests = _safe_requests(folder, model_file)
    waiting: list[tuple[int, bytes]] = []
    sent = 0
    for index, chance in cases(LIVE_CASES):
        frame = _decodable(chance, chance.choice(requests))
        if frame is None:
            continue
        waiting.append((index, frame))
        sent += 1
        worker.write(frame)
        if len(waiting) == _AT_ONCE:
            _expect_pong(worker, index, waiting)
            waiting = []
    for channel in ("explore", "sheet", "score", "survey"):
        worker.send(Cancel(channel))
    _expect_pong(worker, -2, waiting)
    assert sent > 0
    _expect_picture(worker, model_file)
    worker.close_stdin()
    assert worker.wait() == 0
    assert "Fatal" not in worker.stderr()


def _expect_picture(worker: WorkerProcess, model: Path) -> None:
    """The worker opens a model and draws, once the last of the runs it was asked to resume has failed."""
    last = Ask("last", 1, OpenModel(str(model))), Ask("last", 2, Render(Recipe(checkpoint="", base=Seed(1))))
    worker.send(*last)
    while True:
        reply = worker.next()
        assert reply is not None, worker.stderr()
        if not isinstance(reply, Reply) or (reply.channel, reply.request_id) != ("last", 2):
            continue
        if isinstance(reply.answer, Picture):
            return
        if isinstance(reply.answer, Failed):
            time.sleep(0.1)
            worker.send(*last)


def _decodable(chance: random.Random, message: msgspec.Struct) -> bytes | None:
    """A mutation that is a message all the same; None when it is none, or one that would write or train."""
    frame = mutation(chance, message)
    reader = FrameReader[Any](WindowMessage)
    try:
        found = reader.feed(frame)
    except FrameError:
        return None
    if not found or reader.inside_frame:
        return None
    contents = [item.request if isinstance(item, Ask) else item for item in found]
    harmless = all(
        not isinstance(item, SavePicture | SaveGrid | StartRun | Probe) and _stays(item) for item in contents
    )
    return frame if harmless else None


def _stays(message: msgspec.Struct) -> bool:
    """Whether it is of the protocol, and looks at no folder but those of the test."""
    if isinstance(message, Hello):
        return message.protocol == PROTOCOL
    paths = {Score: lambda: message.paths, Survey: lambda: (message.data,)}.get(type(message), tuple)()
    return all(path.count("/") > 2 for path in paths)


def _expect_pong(worker: WorkerProcess, number: int, sent: list[tuple[int, bytes]]) -> None:
    worker.send(Ping(number))
    while not isinstance(answer := worker.next(), Pong) or answer.number != number:
        if answer is None:
            pytest.fail(f"the worker ended with {worker.wait()} after one of the cases {sent}: {worker.stderr()}")
        failed = answer.answer if isinstance(answer, Reply) else None
        if isinstance(failed, Failed) and not (failed.reason.isprintable() and failed.reason):
            pytest.fail(f"a reason of several lines after one of the cases {sent}: {answer}")


@pytest.mark.parametrize("index", range(4))
def test_a_live_worker_says_why_it_cannot_read_on(start_worker: Callable[[], WorkerProcess], index: int) -> None:
    chance = random.Random(f"live {index}")
    frame = b""
    while not frame or not _broken(frame):
        frame = mutation(chance, chance.choice(_REQUESTS))
    worker = start_worker()
    worker.send(Hello(PROTOCOL, "cpu", 1))
    worker.write(frame)
    assert "not a message" in worker.expect(Refused).reason
    assert worker.wait() == 2
    assert "Traceback" not in worker.stderr()


def _broken(frame: bytes) -> bool:
    try:
        FrameReader[Any](WindowMessage).feed(frame)
    except FrameError:
        return True
    return False


@pytest.mark.slow_repeats
@pytest.mark.parametrize(
    "request_",
    [
        Ask("p", 1, Probe(_CONFIG, (1, 2**40, 2**40))),
        Ask("p", 1, Probe(_CONFIG, (1, -8, 8))),
        Ask("p", 1, Probe(msgspec.structs.replace(_CONFIG, device="toaster"), (1, 8, 8))),
        Ask("p", 1, Score(("/nothing",), samples=2**60)),
        Ask("p", 1, SavePicture(Recipe(checkpoint="", base=Seed(1)), "/nothing/a.png", 2**40)),
        Ask("p", 1, SavePicture(Recipe(checkpoint="", base=Seed(1)), "a\0b.png")),
        Ask("p", 1, SaveGrid(Recipe(checkpoint="", base=Seed(1)), "/nothing/a.png", 2, 2, 1)),
        Ask("p", 1, SaveGrid(_FOUR, "/nothing/a.png", 2, 2, 0)),
        Ask("p", 1, SaveGrid(_FOUR, "/nothing/a.png", 256, 256, 2**40)),
        Ask("p", 1, Render(Recipe(checkpoint="", base=Seed(1), offsets=((0, 1e308),)))),
        Ask("p", 1, Render(Recipe(checkpoint="", base=Image((8, 8, 1), b"")))),
        Ask("p", 1, Render(Recipe(checkpoint="", base=Seed(1), scales=((7, Seed(1)),)))),
        Ask("p", 1, Render(Recipe(checkpoint="", base=Seed(1), kept=Kept(2.0, 0)))),
        Ask("p", 1, ReadPicture("\0")),
        Ask("p", 1, OpenModel("\0")),
        Ask("p", 1, Survey("\0")),
        Ask("p", 1, Survey("~nobody" * 500)),
    ],
    ids=lambda request: type(request).__name__,
)
def test_an_impossible_request_fails_in_one_line(shared_worker: WorkerProcess, request_: msgspec.Struct) -> None:
    shared_worker.send(request_)
    while not (isinstance(reply := shared_worker.next(), Reply) and isinstance(reply.answer, Failed)):
        assert reply is not None, shared_worker.stderr()
    assert reply.answer.reason.isprintable()
    shared_worker.send(Ask("after", 1, Render(Recipe(checkpoint="", base=Seed(1)))))
    shared_worker.expect(Picture, channel="after")
