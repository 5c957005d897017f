"""The worker process: greeting, answers, newest-wins, cancelling, and its end."""

import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import PIL.Image
import psutil
import pytest
import torch

from nvp_studio.cli import main
from nvp_studio.data.report import DataReport
from nvp_studio.explore.model import open_model
from nvp_studio.explore.rendering import render
from nvp_studio.flow.config import preset_config
from nvp_studio.recipe import Image, Recipe, Seed
from nvp_studio.text import error_line
from nvp_studio.training.config import TrainConfig
from nvp_studio.worker import service as service_module
from nvp_studio.worker.framing import FrameReader, encode
from nvp_studio.worker.messages import (
    PROTOCOL,
    Ask,
    Cancel,
    Cancelled,
    Failed,
    Hello,
    ModelOpened,
    OpenModel,
    Picture,
    PictureRead,
    PictureSaved,
    PictureScored,
    Ping,
    Pong,
    Probe,
    Probed,
    ReadPicture,
    Refused,
    Render,
    RenderSheet,
    Reply,
    SavePicture,
    Sheet,
    Survey,
    Surveying,
    Welcome,
    WorkerMessage,
)
from nvp_studio.worker.score_messages import Score, ScoreDone, ScoreRows
from nvp_studio.worker.service import Service
from nvp_studio.worker.task_queue import Task
from tests.hostile.image_files import scans
from tests.small_model import random_images, small_config, write_small_model
from tests.worker.process import HANG_SECONDS, WorkerProcess

StartWorker = Callable[[], WorkerProcess]


def _recipe(seed: int = 1, **changes: object) -> Recipe:
    return msgspec.structs.replace(Recipe(checkpoint="", base=Seed(seed)), **changes)


@pytest.fixture(scope="module")
def images_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """600 images and, among them, one that is none."""
    folder = tmp_path_factory.mktemp("images")
    for index, image in enumerate(random_images(600)):
        PIL.Image.fromarray(image[..., 0]).save(folder / f"{index:04}.png")
    (folder / "0005.png").write_bytes(b"not an image")
    return folder


# Greeting


def test_the_greeting_says_who_is_there(start_worker: StartWorker) -> None:
    worker = start_worker()
    welcome = worker.greet()
    assert welcome.threads == 1
    assert welcome.device_name
    worker.close_stdin()
    assert worker.wait() == 0
    assert worker.rest() == []


def test_another_protocol_is_refused(start_worker: StartWorker) -> None:
    worker = start_worker()
    worker.send(Hello(PROTOCOL + 1))
    refused = worker.expect(Refused)
    assert str(PROTOCOL + 1) in refused.reason
    assert worker.rest() == []
    assert worker.wait() == 2


def test_who_does_not_greet_is_refused(start_worker: StartWorker, model_file: Path) -> None:
    worker = start_worker()
    worker.send(Ask("model", 1, OpenModel(str(model_file))))
    assert "greeting" in worker.expect(Refused).reason
    assert worker.wait() == 2


def test_a_device_that_is_not_there_is_refused(start_worker: StartWorker) -> None:
    worker = start_worker()
    worker.send(Hello(PROTOCOL, "toaster"))
    assert "toaster" in worker.expect(Refused).reason
    assert worker.wait() == 2


@pytest.mark.slow
def test_garbage_ends_the_worker_with_a_reason(start_worker: StartWorker) -> None:
    worker = start_worker()
    worker.greet()
    worker.write(b"GET / HTTP/1.1\r\n\r\n")
    assert "not a message" in worker.expect(Refused).reason
    assert worker.wait() == 2


def test_pings_are_answered_while_torch_loads(new_worker: WorkerProcess) -> None:
    worker = new_worker
    worker.send(Ping(1), Ping(2))
    worker.send(Hello(PROTOCOL, "cpu", 1))
    first, second, third = worker.next(), worker.next(), worker.next()
    assert first.number == 1
    assert second.number == 2
    assert isinstance(third, Welcome)


# Answers


def test_opening_tells_what_the_file_holds(shared_worker: WorkerProcess, model_file: Path) -> None:
    shared_worker.send(Ask("model", 2, OpenModel(str(model_file))))
    model = shared_worker.expect(ModelOpened, request_id=2).model
    expected = open_model(model_file)
    assert model.digest == expected.digest
    assert model.image_shape == (1, 8, 8)
    assert model.latent_shapes == tuple(scale.shape for scale in expected.flow.scales)
    assert model.parameters == expected.parameters
    assert len(model.explained_variance) == 12
    assert list(model.reference) == sorted(model.reference)
    assert (model.name, model.validation) == ("small", 4.5)


def test_a_render_is_what_explore_gives(shared_worker: WorkerProcess, model_file: Path) -> None:
    recipe = _recipe(4, temperatures=(0.5, 1.0), offsets=((3, 2.0),))
    shared_worker.send(Ask("explore", 1, Render(recipe)))
    answer = shared_worker.expect(Picture)
    expected = render(open_model(model_file), [recipe])
    assert answer.image.shape == (1, 8, 8, 1)
    shown = np.frombuffer(answer.image.pixels, np.uint8).reshape(1, 8, 8, 1)
    assert np.abs(shown.astype(int) - expected.images).max() <= 1
    assert answer.base_coordinates == pytest.approx(expected.base_coordinates[0], abs=1e-3)
    scored = shared_worker.expect(PictureScored, request_id=1)
    again = open_model(model_file).flow.bits_per_dim(shown.copy())  # not compiled, as the worker's is
    assert scored.bits_per_dim == pytest.approx(again.item(), abs=1e-5)


def test_a_picture_and_its_file_score_the_same_in_the_window_and_on_the_command_line(
    shared_worker: WorkerProcess, model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = str(tmp_path / "picture.png")
    shared_worker.send(Ask("score", 1, Score(())))
    shared_worker.expect(ScoreDone)  # the model is compiled, also the first time on a machine
    shared_worker.send(Ask("explore", 2, Render(_recipe(5))))
    shown = shared_worker.expect(PictureScored, request_id=2).bits_per_dim
    shared_worker.send(Ask("save", 3, SavePicture(_recipe(5), picture)))
    shared_worker.expect(PictureSaved, request_id=3)
    shared_worker.send(Ask("score", 4, Score((picture,))))
    assert shared_worker.expect(ScoreRows, request_id=4).rows[0].bits_per_dim == shown
    with pytest.raises(SystemExit):
        main(["score", picture, "--model", str(model_file), "--device", "cpu", "--json"])
    assert msgspec.json.decode(capsys.readouterr().out.splitlines()[0])["bits_per_dim"] == shown


def test_a_sheet_keeps_the_order(shared_worker: WorkerProcess) -> None:
    recipes = tuple(_recipe(seed) for seed in range(30))
    shared_worker.send(Ask("sheet", 1, RenderSheet(recipes)))
    sheet = shared_worker.expect(Sheet, request_id=1)
    assert sheet.recipes == recipes
    assert sheet.images.shape == (30, 8, 8, 1)
    assert len(sheet.bits_per_dim) == 30
    shared_worker.send(Ask("explore", 2, Render(recipes[17])))
    single = shared_worker.expect(Picture, request_id=2)
    cell = np.frombuffer(sheet.images.pixels, np.uint8)[17 * 64 : 18 * 64].astype(int)
    assert np.abs(cell - np.frombuffer(single.image.pixels, np.uint8)).max() <= 1
    shared_worker.send(Ask("sheet", 3, RenderSheet(())))
    assert shared_worker.expect(Sheet, request_id=3).images.shape == (0, 8, 8, 1)


def test_a_saved_picture_can_be_read_and_scores_what_was_shown(shared_worker: WorkerProcess, tmp_path: Path) -> None:
    recipe = _recipe(9, offsets=((0, 1.0),))
    path = str(tmp_path / "picture.png")
    shared_worker.send(Ask("score", 0, Score(())))
    shared_worker.expect(ScoreDone)  # the model is compiled
    shared_worker.send(Ask("explore", 3, Render(recipe)), Ask("save", 1, SavePicture(recipe, path)))
    shown = shared_worker.expect(Picture, request_id=3)
    score = shared_worker.expect(PictureScored, request_id=3).bits_per_dim
    shared_worker.expect(PictureSaved)
    shared_worker.send(Ask("read", 1, ReadPicture(path)), Ask("score", 1, Score((path,))))
    read = shared_worker.expect(PictureRead)
    assert (read.recipe.base, read.recipe.offsets) == (recipe.base, recipe.offsets)
    (row,) = shared_worker.expect(ScoreRows).rows
    assert row.bits_per_dim == score
    assert row.pixels is not None
    assert row.pixels.pixels == shown.image.pixels
    shared_worker.expect(ScoreDone)


def test_scores_stream_with_their_count(shared_worker: WorkerProcess, images_folder: Path) -> None:
    shared_worker.send(Ask("score", 2, Score((str(images_folder),))))
    rows = []
    while len(rows) < 600:
        part = shared_worker.expect(ScoreRows)
        rows += part.rows
        assert part.done == len(rows) <= part.total
    assert (part.total, part.counted) == (600, True)
    shared_worker.expect(ScoreDone)
    assert [os.path.basename(row.path) for row in rows if row.error] == ["0005.png"]
    assert all(row.percentile is not None for row in rows if not row.error)


@pytest.mark.slow
def test_a_probe_is_answered(shared_worker: WorkerProcess) -> None:
    config = TrainConfig(steps=10, flow=small_config(), batch_size=4)
    shared_worker.send(Ask("probe", 1, Probe(config, (1, 8, 8))))
    probed = shared_worker.expect(Probed)
    assert probed.images_per_second > 0
    assert probed.parameters > 0
    assert probed.memory_bytes > 0


def test_a_folder_is_counted(shared_worker: WorkerProcess, images_folder: Path) -> None:
    shared_worker.send(Ask("survey", 3, Survey(str(images_folder))))
    counts = []
    while isinstance(answer := shared_worker.next().answer, Surveying):
        counts.append(answer.images)
    assert counts == sorted(counts)
    assert isinstance(answer, DataReport)
    assert (answer.images, answer.smallest, answer.alike, answer.unreadable) == (600, (8, 8), True, 1)


# Failures


@pytest.mark.parametrize(
    ("recipe", "reason"),
    [
        (_recipe(offsets=((0, math.nan),)), "not a finite number"),
        (_recipe(temperatures=(math.inf, 1.0)), "temperature"),
        (_recipe(offsets=((0, 1e200),)), "too far"),
        (_recipe(base=Image((28, 28, 1), bytes(784))), "open the model"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused_in_a_line(
    shared_worker: WorkerProcess, recipe: Recipe, reason: str
) -> None:
    shared_worker.send(Ask("explore", 5, Render(recipe)))
    failed = shared_worker.expect(Failed, request_id=5)
    assert reason in failed.reason
    assert "\n" not in failed.reason
    assert "Traceback" in failed.details
    shared_worker.send(Ask("sheet", 6, RenderSheet((_recipe(), recipe))))
    assert reason in shared_worker.expect(Failed, channel="sheet").reason
    shared_worker.send(Ask("explore", 7, Render(_recipe())))
    shared_worker.expect(Picture, request_id=7)


def test_a_file_that_is_no_model_leaves_the_open_one(shared_worker: WorkerProcess, tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(bytes(1000))
    shared_worker.send(
        Ask("model", 8, OpenModel(str(tmp_path / "x.safetensors"))), Ask("explore", 8, Render(_recipe()))
    )
    assert "x.safetensors" in shared_worker.expect(Failed, channel="model", request_id=8).reason
    shared_worker.expect(Picture, request_id=8)


def test_pictures_that_cannot_be_read_or_written_fail_alone(shared_worker: WorkerProcess, tmp_path: Path) -> None:
    shared_worker.send(Ask("read", 9, ReadPicture(str(tmp_path / "gone.png"))))
    assert shared_worker.expect(Failed, channel="read").reason
    shared_worker.send(Ask("save", 9, SavePicture(_recipe(), str(tmp_path / "no" / "folder" / "a.png"))))
    failed = shared_worker.expect(Failed, channel="save")
    assert "No such file" in failed.reason
    assert "\n" not in failed.reason


def test_without_a_model_there_is_nothing_to_render(start_worker: StartWorker) -> None:
    worker = start_worker()
    worker.greet()
    worker.send(Ask("explore", 1, Render(_recipe())))
    assert "open" in worker.expect(Failed).reason


def test_reasons_are_one_line_for_a_person(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError) as too_much:
        torch.empty(2**50)
    assert error_line(too_much.value).startswith("not enough memory")
    with pytest.raises(OSError, match="gone") as gone:
        (tmp_path / "gone").read_bytes()
    assert error_line(gone.value) == f"{tmp_path / 'gone'}: No such file or directory"
    assert error_line(ValueError("\n first \n  second")) == "first"
    assert error_line(KeyError("x")) == "unexpected error: 'x'"
    assert error_line(AssertionError()) == "unexpected error"


# Newest wins, cancelling, fairness


def test_the_newest_of_a_channel_wins(shared_worker: WorkerProcess) -> None:
    """Of a burst in one write, what had not begun when a newer one came is never answered."""
    shared_worker.send(*(Ask("slider", request_id, Render(_recipe(request_id))) for request_id in range(1000, 1400)))
    answered = []
    while not answered or answered[-1] != 1399:
        answered.append(shared_worker.expect_reply(Picture, channel="slider").request_id)
    assert answered == sorted(set(answered))
    assert len(answered) < 100


def test_a_picture_comes_before_its_score_which_a_newer_one_saves(
    model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_module, "_SCORE_SECONDS", 1e9)  # the first score is not overdue at any load
    service = Service("cpu", 1)
    list(service.steps(Task(Ask("model", 1, OpenModel(str(model_file))))))
    task = Task(Ask("explore", 2, Render(_recipe())))
    assert [type(answer) for answer in service.steps(task)] == [Picture, PictureScored]
    steps = service.steps(task)
    assert isinstance(next(steps), Picture)
    task.cancelled.set()
    assert list(steps) == []


def test_pictures_come_before_a_model_is_compiled_and_stay_within_rounding(model_file: Path) -> None:
    service = Service("cpu", 1)
    list(service.steps(Task(Ask("model", 1, OpenModel(str(model_file))))))
    answers = []
    for number in (2, 3, 4):
        picture, score = service.steps(Task(Ask("explore", number, Render(_recipe()))))
        assert isinstance(picture, Picture)
        assert isinstance(score, PictureScored)
        answers.append((np.frombuffer(picture.image.pixels, np.uint8).astype(int), score.bits_per_dim, picture))
        assert service._compiling is not None
        assert service._compiling.wait()
    plain, compiled, again = answers
    assert any(type(layer).__name__ == "CompiledChain" for layer in service._opened().flow.body.modules())
    assert np.abs(compiled[0] - plain[0]).max() <= 1
    assert compiled[1] == pytest.approx(plain[1], abs=1e-2 if (compiled[0] != plain[0]).any() else 1e-5)
    assert again[1:] == compiled[1:]


def test_an_endless_drag_is_scored_now_and_then(model_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service("cpu", 1)
    list(service.steps(Task(Ask("model", 1, OpenModel(str(model_file))))))
    monkeypatch.setattr(service_module, "_SCORE_SECONDS", 0.0)
    task = Task(Ask("explore", 2, Render(_recipe())))
    task.cancelled.set()
    assert [type(answer) for answer in service.steps(task)] == [Picture, PictureScored]


def test_channels_do_not_replace_each_other(shared_worker: WorkerProcess) -> None:
    shared_worker.send(*(Ask(f"channel-{index}", 1, Render(_recipe(index))) for index in range(8)))
    channels = {shared_worker.expect_reply(Picture, request_id=1).channel for _ in range(8)}
    assert channels == {f"channel-{index}" for index in range(8)}


def test_a_score_ends_when_cancelled_and_serves_renders_meanwhile(
    shared_worker: WorkerProcess, images_folder: Path
) -> None:
    shared_worker.send(Ask("score", 20, Score((str(images_folder),) * 100)))
    shared_worker.expect(ScoreRows, request_id=20)
    for request_id in (21, 22, 23):
        shared_worker.send(Ask("explore", request_id, Render(_recipe(request_id))), Ping(request_id))
        shared_worker.expect(Picture, request_id=request_id)
    shared_worker.send(Ask("sheet", 24, RenderSheet(tuple(_recipe(seed) for seed in range(20)))))
    shared_worker.expect(Sheet, request_id=24)
    shared_worker.send(Cancel("score"))
    shared_worker.expect(Cancelled, channel="score", request_id=20)


@pytest.mark.parametrize("kind", [ReadPicture, Score])
def test_a_file_that_takes_long_can_be_cancelled_and_renders_are_served_meanwhile(
    shared_worker: WorkerProcess, tmp_path: Path, kind: type
) -> None:
    """A decoder works in C for seconds, which nothing in the same process could interrupt."""
    path = tmp_path / "long.jpg"
    path.write_bytes(scans(190))
    request = ReadPicture(str(path)) if kind is ReadPicture else Score((str(path),))
    shared_worker.send(Ask("long", 60, request), Ask("explore", 61, Render(_recipe(61))))
    shared_worker.expect(Picture, request_id=61)
    shared_worker.send(Cancel("long"))
    shared_worker.expect(Cancelled, channel="long", request_id=60)


def test_a_newer_score_takes_the_place_of_the_one_under_way(shared_worker: WorkerProcess, images_folder: Path) -> None:
    shared_worker.send(Ask("score", 30, Score((str(images_folder),) * 100)))
    shared_worker.expect(ScoreRows, request_id=30)
    shared_worker.send(Ask("score", 31, Score((str(images_folder / "0001.png"),))))
    answers = []
    while not isinstance((reply := shared_worker.next()).answer, ScoreDone):
        answers.append(reply)
    assert reply.request_id == 31
    assert Reply("score", 30, Cancelled()) in answers


def test_pings_are_answered_while_scoring(shared_worker: WorkerProcess, images_folder: Path) -> None:
    shared_worker.send(Ask("score", 40, Score((str(images_folder),) * 100, samples=4)))
    shared_worker.expect(ScoreRows, request_id=40)
    for number in range(50):
        shared_worker.send(Ping(number))
        shared_worker.expect(Pong, number=number)
    shared_worker.send(Cancel("score"))
    shared_worker.expect(Cancelled, request_id=40)


@pytest.mark.slow
def test_a_score_keeps_the_model_it_began_with(
    start_worker: StartWorker, model_file: Path, images_folder: Path, tmp_path: Path
) -> None:
    worker = start_worker()
    worker.greet()
    write_small_model(tmp_path / "other.safetensors", seed=3)
    first, other = open_model(model_file), open_model(tmp_path / "other.safetensors")
    worker.send(Ask("model", 1, OpenModel(str(model_file))))
    worker.expect(ModelOpened)
    worker.send(Ask("score", 1, Score((str(images_folder),))))
    worker.send(
        Ask("model", 2, OpenModel(str(tmp_path / "other.safetensors"))), Ask("second", 1, Score((str(images_folder),)))
    )
    scores: dict[str, list[float]] = {"score": [], "second": []}
    ended = 0
    while ended < 2:
        reply = worker.next()
        if isinstance(reply.answer, ScoreRows):
            scores[reply.channel] += [row.bits_per_dim for row in reply.answer.rows if row.bits_per_dim is not None]
        ended += isinstance(reply.answer, ScoreDone)
    images = np.delete(random_images(600), 5, axis=0)
    assert scores["score"] == pytest.approx(first.flow.bits_per_dim(images).numpy(), abs=1e-4)
    assert scores["second"] == pytest.approx(other.flow.bits_per_dim(images).numpy(), abs=1e-4)


# The stream, and the end


def test_what_is_printed_does_not_reach_the_stream(tmp_path: Path) -> None:
    """`print`, the bare descriptor and a child process all end up on stderr."""
    code = (
        "import os, subprocess, nvp_studio.worker.server as server\n"
        "before = server.Server.serve\n"
        "def serve(self):\n"
        "    print('printed'); os.write(1, b'written\\n'); subprocess.run(['echo', 'echoed'])\n"
        "    assert os.read(0, 10) == b''\n"
        "    return before(self)\n"
        "server.Server.serve = serve\n"
        "server.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=encode(Ping(3)) + encode(Hello(PROTOCOL + 1)),
        capture_output=True,
        timeout=HANG_SECONDS,
        check=False,
    )
    pong, refused = FrameReader(WorkerMessage).feed(done.stdout)
    assert (pong.number, type(refused)) == (3, Refused)
    for word in (b"printed", b"written", b"echoed"):
        assert word in done.stderr
        assert word not in done.stdout


@pytest.mark.slow_repeats
@pytest.mark.parametrize("moment", ["at once", "greeted", "scoring"])
def test_the_end_of_stdin_ends_the_worker(
    moment: str, start_worker: StartWorker, model_file: Path, images_folder: Path
) -> None:
    worker = start_worker()
    if moment != "at once":
        worker.greet()
    if moment == "scoring":
        worker.send(Ask("model", 1, OpenModel(str(model_file))), Ask("score", 1, Score((str(images_folder),) * 1000)))
        worker.expect(ScoreRows)
    worker.close_stdin()
    assert worker.wait() == 0
    assert "Traceback" not in worker.stderr()


@pytest.mark.slow_repeats
@pytest.mark.skipif(os.name != "posix", reason="signals as processes know them")
@pytest.mark.parametrize(("number", "moment"), [(signal.SIGINT, "greeted"), (signal.SIGTERM, "scoring")])
def test_signals_end_the_worker(
    number: signal.Signals, moment: str, start_worker: StartWorker, model_file: Path, images_folder: Path
) -> None:
    worker = start_worker()
    worker.greet()
    if moment == "scoring":
        worker.send(Ask("model", 1, OpenModel(str(model_file))), Ask("score", 1, Score((str(images_folder),) * 1000)))
        worker.expect(ScoreRows)
    worker.process.send_signal(number)
    assert worker.wait() == 0
    assert "Traceback" not in worker.stderr()


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="pipes as processes know them")
def test_nobody_reading_ends_the_worker(tmp_path: Path, model_file: Path, images_folder: Path) -> None:
    """The reading end is closed while stdin stays open: the next answer finds nobody."""
    with open(tmp_path / "stderr.txt", "wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "nvp_studio.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr
        )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(encode(Hello(PROTOCOL, "cpu", 1)) + encode(Ask("model", 1, OpenModel(str(model_file)))))
        process.stdin.write(encode(Ask("score", 1, Score((str(images_folder),) * 1000))))
        process.stdin.flush()
        process.stdout.read(5000)
        process.stdout.close()
        assert process.wait(HANG_SECONDS) == 0
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
    assert "Traceback" not in (tmp_path / "stderr.txt").read_text()


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_killing_the_window_leaves_no_orphan(tmp_path: Path) -> None:
    """A process that had started a worker is killed; the worker finds its stdin at an end and goes."""
    code = (
        "import subprocess, sys, time\n"
        "worker = subprocess.Popen([sys.executable, '-m', 'nvp_studio.worker'], stdin=subprocess.PIPE,\n"
        "    stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)\n"
        "print(worker.pid, flush=True)\n"
        "time.sleep(1000)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    with parent.stdout:
        worker = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    gone, _ = psutil.wait_procs([worker], timeout=HANG_SECONDS)
    assert gone


@pytest.mark.slow
def test_the_studio_preset_is_served_too(start_worker: StartWorker, tmp_path: Path) -> None:
    """Nothing of the protocol depends on the small flow: pings go on while a larger one renders a long sheet."""
    from nvp_studio.checkpoints import Checkpoint, CheckpointInfo, DataInfo, write_checkpoint
    from nvp_studio.flow.flow import Flow

    flow = Flow(preset_config("studio", (1, 28, 28)))
    info = CheckpointInfo(
        name="fresh",
        preset="studio",
        data=DataInfo(name="n", title="t", digest=""),
        step=0,
        epoch=0,
        seconds=0,
        images=0,
        seed=0,
    )
    tensors = {f"average.{name}": tensor for name, tensor in flow.state_dict().items()}
    write_checkpoint(tmp_path / "fresh.safetensors", Checkpoint(flow.config, info, tensors))
    worker = start_worker()
    worker.greet()
    worker.send(Ask("model", 1, OpenModel(str(tmp_path / "fresh.safetensors"))))
    model = worker.expect(ModelOpened).model
    assert model.explained_variance == ()
    worker.send(Ask("sheet", 1, RenderSheet(tuple(_recipe(seed) for seed in range(1000)))), Ping(1))
    answer = worker.next()
    assert isinstance(answer, Pong)
    worker.send(Cancel("sheet"))
    worker.expect(Cancelled, channel="sheet")
