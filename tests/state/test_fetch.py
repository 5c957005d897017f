"""The model of a run on another machine, brought here over a stand-in for ssh."""

import io
import os
import resource
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nvp_studio.checkpoints import read_checkpoint
from nvp_studio.state import fetch
from nvp_studio.state.engine import Engine
from nvp_studio.state.fetch import ModelFetch, megabytes, model_path, models_folder
from nvp_studio.state.run import LiveRun
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.runs import read_metrics
from tests.conftest import HANG_SECONDS
from tests.far import WORKER

Wait = Callable[..., None]

pytestmark = [pytest.mark.skipif(os.name != "posix", reason="the stand-in needs sh"), pytest.mark.timeout(600)]

LARGE = 40_000_000


class Fetched:
    """A fetch and what it said."""

    def __init__(self, engine: Engine) -> None:
        self.fetch = ModelFetch(engine)
        self.paths: list[str] = []
        self.reasons: list[str] = []
        self.fetch.fetched.connect(self.paths.append)
        self.fetch.failed.connect(self.reasons.append)

    def over(self) -> bool:
        return not self.fetch.active


@pytest.fixture
def there(far_engine: Engine) -> Iterator[Fetched]:
    """A fetch from the stand-in's machine."""
    far_engine.run_on("gpu-box", WORKER)
    fetched = Fetched(far_engine)
    yield fetched
    fetched.fetch.cancel()
    fetched.fetch.deleteLater()


def files_here() -> list[str]:
    """All that is kept of other machines, but for the lock."""
    return sorted(path.name for path in models_folder().rglob("*") if path.is_file() and path.name != ".lock")


def large_run(tmp_path: Path, size: int = LARGE) -> Path:
    """A run there whose model takes a while to come; of random bytes, for nobody opens it."""
    folder = tmp_path / "there" / "large"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "run.json").write_text("{}")
    (folder / "checkpoints" / "best.safetensors").write_bytes(os.urandom(size))
    return folder


def test_the_best_of_a_run_comes_here_while_it_trains_and_after(
    far_engine: Engine, there: Fetched, qt: Wait, far_config: TrainConfig, tmp_path: Path
) -> None:
    live = LiveRun(far_engine)
    live.start(msgspec.structs.replace(far_config, steps=10**6, checkpoint_minutes=1e-4), tmp_path, "far")
    best = tmp_path / "there" / "far" / "checkpoints" / "best.safetensors"
    qt(lambda: live.folder and best.exists(), "a best model, and word of its run")
    there.fetch.start(live.folder)
    qt(there.over, "the model")
    assert there.reasons == []
    assert there.paths == [str(tmp_path / "models" / "gpu-box" / "far.safetensors")]
    assert read_checkpoint(there.paths[0]).info.step > 0
    assert live.phase == "training"
    live.stop()
    qt(lambda: not live.under_way, "the run to end")
    there.fetch.start(live.folder)
    qt(there.over, "the model")
    assert Path(there.paths[1]).read_bytes() == best.read_bytes()
    assert files_here() == ["far.safetensors"]
    steps = [metrics.step for metrics in read_metrics(tmp_path / "there" / "far")]
    assert live.history.last is not None
    assert live.history.last.step == steps[-1] == len(steps), "every step was told"
    live.deleteLater()


def test_a_large_model_comes_by_parts_with_progress(there: Fetched, qt: Wait, tmp_path: Path) -> None:
    folder = large_run(tmp_path)
    progress: list[tuple[int, int | None]] = []
    there.fetch.progressed.connect(lambda: progress.append((there.fetch.done, there.fetch.size)))
    there.fetch.start(str(folder))
    qt(there.over, "the model")
    assert there.reasons == []
    assert Path(there.paths[0]).read_bytes() == (folder / "checkpoints" / "best.safetensors").read_bytes()
    assert progress[0] == (0, LARGE)
    assert progress[-1] == (LARGE, LARGE)
    assert len(progress) > 50
    assert progress == sorted(progress)


def test_a_run_without_a_model_has_none_to_bring(there: Fetched, qt: Wait, tmp_path: Path) -> None:
    folder = large_run(tmp_path, 1)
    (folder / "checkpoints" / "best.safetensors").unlink()
    there.fetch.start(str(folder))
    qt(there.over, "the answer")
    assert there.reasons == ["there is none yet; it comes with the first checkpoint"]
    assert files_here() == []


def test_a_lost_connection_leaves_nothing_and_the_next_try_starts_over(
    far_engine: Engine, there: Fetched, qt: Wait, tmp_path: Path
) -> None:
    folder = large_run(tmp_path)
    there.fetch.start(str(folder))
    qt(lambda: there.fetch.done > 0, "some parts")
    os.kill(far_engine.trainer.pid, signal.SIGKILL)
    qt(there.over, "the end to be noticed")
    assert there.reasons == ["the engine on gpu-box ended"]
    qt(lambda: files_here() == [], "the part to be removed")
    there.fetch.start(str(folder))
    qt(there.over, "the model")
    assert (there.paths, len(there.reasons)) == ([str(model_path("gpu-box", str(folder)))], 1)


def test_what_a_killed_window_has_left_goes_with_the_next_model(there: Fetched, qt: Wait, tmp_path: Path) -> None:
    path = model_path("gpu-box", "/there/large")
    path.parent.mkdir(parents=True)
    (path.parent / ".large.safetensors.0123abcd.tmp").write_bytes(b"part")
    there.fetch.start(str(large_run(tmp_path, 7)))
    qt(there.over, "the model")
    assert files_here() == ["large.safetensors"]


def test_cancel_leaves_what_was_there_before(there: Fetched, qt: Wait, tmp_path: Path) -> None:
    folder = large_run(tmp_path)
    path = model_path("gpu-box", str(folder))
    path.parent.mkdir(parents=True)
    path.write_bytes(b"before")
    there.fetch.start(str(folder))
    qt(lambda: there.fetch.done > 0, "some parts")
    there.fetch.cancel()
    assert there.over()
    qt(lambda: files_here() == ["large.safetensors"], "the part to be removed")
    assert path.read_bytes() == b"before"
    there.fetch.start(str(folder))
    qt(there.over, "the model")
    assert (path.stat().st_size, there.reasons) == (LARGE, [])


def test_a_full_disk_here_is_said(there: Fetched, qt: Wait, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = large_run(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    there.fetch.start(str(folder))
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGE // 2, hard))
    try:
        qt(there.over, "the end")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert there.reasons == [f"{tmp_path / 'models' / 'gpu-box'}: File too large"]
    assert files_here() == []
    free = shutil.disk_usage(tmp_path)._replace(free=1_500_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free)
    there.fetch.start(str(folder))
    qt(there.over, "the end")
    assert there.reasons[1].endswith("it takes 40.0 MB, and 1.5 MB are free")
    assert (there.paths, files_here()) == ([], [])


def test_a_folder_that_cannot_be_made_is_said(there: Fetched, qt: Wait, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file")
    there.fetch.start(str(large_run(tmp_path)))
    qt(there.over, "the end")
    assert there.reasons == [f"{tmp_path / 'models' / 'gpu-box'}: Not a directory"]


def test_what_cannot_be_connected_to_is_said(far_engine: Engine, there: Fetched, qt: Wait) -> None:
    far_engine.run_on("nowhere", WORKER)
    there.fetch.start("/there/far")
    qt(there.over, "the end")
    assert there.reasons[0].startswith("cannot connect to nowhere")


def test_another_machine_is_chosen_meanwhile(far_engine: Engine, there: Fetched, qt: Wait, tmp_path: Path) -> None:
    there.fetch.start(str(large_run(tmp_path)))
    qt(lambda: there.fetch.done > 0, "some parts")
    far_engine.run_on("", "")
    qt(there.over, "the end")
    assert there.reasons == ["the engine is off"]
    qt(lambda: files_here() == [], "the part to be removed")


HOSTILE = """
import os, sys, hashlib
from nvp_studio.worker.framing import encode, read_messages
from nvp_studio.worker.messages import *
def say(*messages):
    for message in messages:
        os.write(1, encode(message))
def lie(view, stamp):
    found, part = ModelFound(view, stamp, 1000), ModelPart(view, stamp, bytes(600))
    right = ModelSent(view, stamp, 1000, hashlib.sha256(bytes(1000)).hexdigest())
    match sys.argv[1]:
        case "too large": say(ModelFound(view, stamp, 2**62))
        case "nothing": say(ModelFound(view, stamp, 0))
        case "negative": say(ModelFound(view, stamp, -5))
        case "more than announced": say(found, part, part)
        case "less than announced": say(found, part, right)
        case "other size at the end": say(found, ModelPart(view, stamp, bytes(1000)), ModelSent(view, stamp, 9, ""))
        case "no announcement": say(part)
        case "two announcements": say(found, found)
        case "a large part": say(ModelFound(view, stamp, 2**22), ModelPart(view, stamp, bytes(PART_BYTES + 1)))
        case "an empty part": say(found, ModelPart(view, stamp, b""))
        case "never waiting": say(ModelFound(view, stamp, 2**24), *[ModelPart(view, stamp, bytes(PART_BYTES))] * 40)
        case "gone with the last word":
            say(found, ModelPart(view, stamp, bytes(1000)), right)
            os._exit(3)
        case "another digest": say(found, ModelPart(view, stamp, bytes(1000)), ModelSent(view, stamp, 1000, "ab" * 32))
        case "given up": say(found, Cancelled(view, stamp))
        case "many lines": say(Failed(view, stamp, "no\\n\\x1b[2Jway"))
for message in read_messages(0, Request):
    if isinstance(message, Hello):
        say(Welcome(protocol=PROTOCOL, version="", torch_version="", device="", device_name="", threads=1, pid=1))
    elif isinstance(message, Ping):
        say(Pong(message.number))
    elif isinstance(message, FetchModel):
        lie(message.view, message.stamp)
"""
_OTHER = "gpu-box sent something else than it had said"


@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        ("too large", "it is said to have 4,611,686,018,427,387,904 bytes, the most is 4 GiB"),
        ("nothing", "it is said to have 0 bytes, the most is 4 GiB"),
        ("negative", "it is said to have -5 bytes, the most is 4 GiB"),
        ("more than announced", _OTHER),
        ("less than announced", _OTHER),
        ("other size at the end", _OTHER),
        ("no announcement", _OTHER),
        ("two announcements", _OTHER),
        ("a large part", _OTHER),
        ("an empty part", _OTHER),
        ("another digest", "what arrived has another digest than what was sent; try again"),
        ("given up", "gpu-box has given it up"),
        ("many lines", "no [2Jway"),
    ],
)
def test_a_machine_that_lies_leaves_nothing(
    far_engine: Engine, qt: Wait, tmp_path: Path, lie: str, reason: str
) -> None:
    script = tmp_path / "hostile.py"
    script.write_text(HOSTILE)
    far_engine.run_on("gpu-box", f"exec {sys.executable} {script} '{lie}'")
    there = Fetched(far_engine)
    there.fetch.start("/there/far")
    qt(there.over, "the end")
    assert (len(there.reasons), there.paths) == (1, [])
    assert there.reasons[0].endswith(reason)
    qt(lambda: files_here() == [], "the part to be removed")
    there.fetch.deleteLater()


class SlowDisk(io.BytesIO):
    """A file whose first bytes take until the event."""

    def __init__(self, event: threading.Event) -> None:
        super().__init__()
        self._event = event

    def write(self, data: Any) -> int:
        self._event.wait(HANG_SECONDS)
        return super().write(data)


def test_a_machine_that_does_not_wait_for_a_slow_disk_is_left(
    far_engine: Engine, qt: Wait, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "hostile.py"
    script.write_text(HOSTILE)
    over = threading.Event()
    monkeypatch.setattr(fetch, "stream_whole", lambda _: nullcontext(SlowDisk(over)))
    far_engine.run_on("gpu-box", f"exec {sys.executable} {script} 'never waiting'")
    there = Fetched(far_engine)
    there.fetch.start("/there/far")
    qt(there.over, "the end")
    over.set()
    assert (there.reasons, there.paths) == ([_OTHER], [])
    there.fetch.deleteLater()


def test_a_machine_that_is_gone_once_all_is_here_is_not_missed(
    far_engine: Engine, qt: Wait, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "gone.py"
    script.write_text(HOSTILE)
    gone = threading.Event()
    monkeypatch.setattr(fetch, "stream_whole", lambda _: nullcontext(SlowDisk(gone)))
    far_engine.trainer.crashed.connect(lambda _: gone.set())
    far_engine.run_on("gpu-box", f"exec {sys.executable} {script} 'gone with the last word'")
    there = Fetched(far_engine)
    there.fetch.start("/there/far")
    qt(there.over, "the end")
    assert (there.reasons, there.paths) == ([], [str(model_path("gpu-box", "/there/far"))])
    there.fetch.deleteLater()


@pytest.mark.parametrize(
    ("host", "folder"),
    [
        ("gpu-box", "/home/me/runs/.."),
        ("gpu-box", "/"),
        ("gpu-box", ""),
        ("gpu-box", "/runs/..\\..\\.bashrc"),
        ("gpu-box", "C:\\runs\\a:b"),
        ("..", "/runs/far"),
        ("../../etc", "/runs/far"),
        ("/etc", "/runs/far"),
        ("me@gpu-box", "/runs/" + "ü" * 300),
        ("x" * 300, "/runs/a\0b"),
        ("gpu-box", "/runs/\ud800"),
        ("[2001:db8::1]", "/runs/.hidden"),
    ],
)
def test_a_model_is_kept_below_its_folder_whatever_it_is_called(
    host: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NVP_STUDIO_MODELS", str(tmp_path / "models"))
    path = model_path(host, folder)
    assert path.resolve().parent.parent == tmp_path / "models"
    assert path.suffix == ".safetensors"
    assert all(part.isascii() and part.isprintable() and len(part) < 100 for part in path.parts[-2:])
    assert not any(part.startswith(".") for part in path.parts[-2:])


def test_names_that_are_spelt_alike_here_are_kept_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NVP_STUDIO_MODELS", str(tmp_path))
    assert model_path("me@gpu-box", "/runs/far") == tmp_path / "me@gpu-box" / "far.safetensors"
    assert len({model_path("gpu-box", f"/runs/{name}") for name in ("a b", "a-b", "a/b", "a?b", "-a-b")}) == 5


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0.0"), (1_234_567, "1.2"), (185_000_000, "185"), (4 * 10**9, "4,000")]
)
def test_megabytes_have_the_digits_that_say_something(count: int, text: str) -> None:
    assert megabytes(count) == text
