"""The model of a run on another machine, copied over a stand-in for ssh."""

import io
import os
import resource
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from nvp_studio.checkpoints import read_checkpoint
from nvp_studio.state import fetch
from nvp_studio.state.engine import Engine
from nvp_studio.state.fetch import ModelCopy, megabytes, model_path, models_folder
from nvp_studio.state.run import LiveRun
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.runs import read_metrics
from tests.far import WORKER, stand_in_for_ssh
from tests.qt import WAIT_SECONDS, Bot

pytestmark = [pytest.mark.skipif(os.name != "posix", reason="the stand-in needs sh"), pytest.mark.timeout(600)]

LARGE = 40_000_000


class Copies:
    """The copies that a test started, the newest last."""

    def __init__(self) -> None:
        self.all: list[ModelCopy] = []

    def start(self, folder: Path | str, host: str = "gpu-box", command: str = WORKER) -> None:
        self.all.append(ModelCopy(host, command, str(folder)))
        self.all[-1].start()

    @property
    def newest(self) -> ModelCopy:
        return self.all[-1]

    def over(self) -> bool:
        return self.newest.over

    @property
    def paths(self) -> list[str]:
        """Of the files that were copied."""
        return [str(copy.path) for copy in self.all if copy.over and not copy.problem]

    @property
    def reasons(self) -> list[str]:
        """Why the others were not."""
        return [copy.problem for copy in self.all if copy.over and copy.problem]


@pytest.fixture
def there(qtbot: Bot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Copies]:
    """Copies from the stand-in's machine."""
    stand_in_for_ssh(tmp_path, monkeypatch)
    copies = Copies()
    yield copies
    for copy in copies.all:
        copy.cancel()
    qtbot.waitUntil(lambda: all(copy.over for copy in copies.all))


def files_here() -> list[str]:
    """Names of the files below the folder for models of other machines, without the lock."""
    return sorted(path.name for path in models_folder().rglob("*") if path.is_file() and path.name != ".lock")


def large_run(tmp_path: Path, size: int = LARGE) -> Path:
    """A run on the other machine whose model takes a while to copy; random bytes, as nobody opens it."""
    folder = tmp_path / "there" / "large"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "run.json").write_text("{}")
    (folder / "checkpoints" / "best.safetensors").write_bytes(os.urandom(size))
    return folder


@pytest.mark.slow
def test_the_best_model_is_copied_during_a_run_and_after_it(
    far_engine: Engine, there: Copies, qtbot: Bot, far_config: TrainConfig, tmp_path: Path
) -> None:
    far_engine.run_on("gpu-box", WORKER)
    live = LiveRun(far_engine)
    live.start(msgspec.structs.replace(far_config, steps=10**6, checkpoint_minutes=1e-4), tmp_path, "far")
    best = tmp_path / "there" / "far" / "checkpoints" / "best.safetensors"
    qtbot.waitUntil(lambda: bool(live.folder and best.exists()))
    there.start(live.folder)
    qtbot.waitUntil(there.over)
    assert there.reasons == []
    assert there.paths == [str(tmp_path / "models" / "gpu-box" / "far.safetensors")]
    assert read_checkpoint(there.paths[0]).info.step > 0
    assert live.phase == "training"
    live.stop()
    qtbot.waitUntil(lambda: not live.under_way)
    there.start(live.folder)
    qtbot.waitUntil(there.over)
    assert Path(there.paths[1]).read_bytes() == best.read_bytes()
    assert files_here() == ["far.safetensors"]
    steps = [metrics.step for metrics in read_metrics(tmp_path / "there" / "far")]
    assert live.history.last is not None
    assert live.history.last.step == steps[-1] == len(steps), "every step was told"
    live.deleteLater()


def test_a_large_model_is_copied_with_progress(there: Copies, qtbot: Bot, tmp_path: Path) -> None:
    folder = large_run(tmp_path)
    progress: list[int] = []
    there.start(folder)
    while not there.over():
        progress.append(there.newest.done)
        qtbot.wait(1)
    assert there.reasons == []
    assert Path(there.paths[0]).read_bytes() == (folder / "checkpoints" / "best.safetensors").read_bytes()
    assert (there.newest.done, there.newest.size) == (LARGE, LARGE)
    assert progress == sorted(progress)


def test_a_run_without_a_model_is_reported(there: Copies, qtbot: Bot, tmp_path: Path) -> None:
    folder = large_run(tmp_path, 1)
    (folder / "checkpoints" / "best.safetensors").unlink()
    there.start(folder)
    qtbot.waitUntil(there.over)
    assert there.reasons == ["there is none yet; it comes with the first checkpoint"]
    assert files_here() == []


def test_a_worker_inside_a_quoted_command_sends_the_model(there: Copies, qtbot: Bot, tmp_path: Path) -> None:
    there.start(large_run(tmp_path, 1000), command=f"sh -c '{WORKER}'")
    qtbot.waitUntil(there.over)
    assert (there.reasons, len(there.paths)) == ([], 1)


@pytest.mark.slow
def test_a_lost_connection_leaves_nothing_and_the_next_try_starts_over(
    there: Copies, qtbot: Bot, tmp_path: Path
) -> None:
    there.start("/there/large", command=other_machine(tmp_path, "lost in the middle"))
    qtbot.waitUntil(there.over)
    assert there.reasons == ["the connection to gpu-box ended after 2.0 of 40.0 MB; try again"]
    assert files_here() == []
    folder = large_run(tmp_path)
    there.start(folder)
    qtbot.waitUntil(there.over)
    assert (there.paths, len(there.reasons)) == ([str(model_path("gpu-box", str(folder)))], 1)


@pytest.mark.slow
def test_a_temporary_file_of_a_killed_window_is_removed_by_the_next_copy(
    there: Copies, qtbot: Bot, tmp_path: Path
) -> None:
    path = model_path("gpu-box", "/there/large")
    path.parent.mkdir(parents=True)
    (path.parent / ".large.safetensors.0123abcd.tmp").write_bytes(b"part")
    there.start(large_run(tmp_path, 7))
    qtbot.waitUntil(there.over)
    assert files_here() == ["large.safetensors"]


def test_cancel_leaves_what_was_there_before(there: Copies, qtbot: Bot, tmp_path: Path) -> None:
    folder = large_run(tmp_path)
    path = model_path("gpu-box", str(folder))
    path.parent.mkdir(parents=True)
    path.write_bytes(b"before")
    there.start(folder, command=other_machine(tmp_path, "slow"))
    qtbot.waitUntil(lambda: there.newest.done > 0)
    there.newest.cancel()
    qtbot.waitUntil(there.over)
    assert files_here() == ["large.safetensors"]
    assert path.read_bytes() == b"before"
    there.start(folder)
    qtbot.waitUntil(there.over)
    assert (path.stat().st_size, there.newest.problem) == (LARGE, "")


@pytest.mark.parametrize("what", ["silent", "reads nothing"])
def test_a_copy_from_a_silent_machine_can_be_cancelled(there: Copies, qtbot: Bot, tmp_path: Path, what: str) -> None:
    there.start("/there/" + "x" * 10**6, command=other_machine(tmp_path, what))
    qtbot.wait(300)
    assert not there.over()
    there.newest.cancel()
    qtbot.waitUntil(there.over)
    assert (there.reasons, there.paths) == (["cancelled"], [])


def test_a_full_disk_is_reported(there: Copies, qtbot: Bot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = large_run(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    there.start(folder)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGE // 2, hard))
    try:
        qtbot.waitUntil(there.over)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert there.reasons == [f"{tmp_path / 'models' / 'gpu-box'}: File too large"]
    assert files_here() == []
    free = shutil.disk_usage(tmp_path)._replace(free=1_500_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free)
    there.start(folder)
    qtbot.waitUntil(there.over)
    assert there.reasons[1].endswith("it takes 40.0 MB, and 1.5 MB are free")
    assert (there.paths, files_here()) == ([], [])


def test_an_unforeseen_error_of_a_copy_is_no_success(
    there: Copies, qtbot: Bot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def disk_usage(folder: Path) -> None:
        raise ValueError("no such figure")

    monkeypatch.setattr(shutil, "disk_usage", disk_usage)
    there.start(large_run(tmp_path, 1000))
    qtbot.waitUntil(there.over)
    assert (there.reasons, there.paths, files_here()) == (["no such figure"], [], [])


@pytest.mark.slow
def test_a_folder_that_cannot_be_made_is_reported(there: Copies, qtbot: Bot, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file")
    there.start(large_run(tmp_path))
    qtbot.waitUntil(there.over)
    assert there.reasons == [f"{tmp_path / 'models' / 'gpu-box'}: Not a directory"]


@pytest.mark.slow_repeats
@pytest.mark.parametrize(
    ("host", "command", "reason"),
    [
        ("nowhere", WORKER, "cannot connect to nowhere (ssh: connect to host nowhere port 22: No route to host)"),
        ("gpu-box", "no-such-program worker", "there is no nvp-studio on gpu-box"),
        ("gpu-box", "echo Welcome to gpu-box, have a nice day; " + WORKER, "start-up files must print nothing"),
        ("gpu-box", "exit 3;", "the engine on gpu-box ended with code 3"),
    ],
    ids=["no connection", "no program", "banner", "exit code"],
)
def test_errors_of_the_other_machine_are_reported(
    there: Copies, qtbot: Bot, host: str, command: str, reason: str
) -> None:
    there.start("/there/far", host, command)
    qtbot.waitUntil(there.over)
    assert (len(there.reasons), there.paths) == (1, [])
    assert reason in there.reasons[0]


def test_a_missing_ssh_is_reported(there: Copies, qtbot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NVP_STUDIO_SSH", "/no/ssh")
    there.start("/there/far")
    qtbot.waitUntil(there.over)
    assert there.reasons == ["cannot start /no/ssh: No such file or directory"]


OTHER_MACHINE = """
import sys, time, hashlib, os
from nvp_studio.worker.send_model import ModelHeader
import msgspec
def write(data): os.write(1, data) if isinstance(data, bytes) else os.write(1, msgspec.json.encode(data) + b"\\n")
case = sys.argv[1]
if case == "reads nothing": time.sleep(600)
sys.stdin.read()
right = ModelHeader(1000, hashlib.sha256(bytes(1000)).hexdigest())
match case:
    case "silent": time.sleep(600)
    case "slow":
        write(ModelHeader(40_000_000, "ab" * 32))
        write(bytes(1000))
        time.sleep(600)
    case "lost in the middle":
        write(ModelHeader(40_000_000, "ab" * 32))
        sys.stdout.buffer.write(bytes(2_000_000))
    case "too large": write(ModelHeader(2**62, "ab" * 32))
    case "nothing": write(ModelHeader())
    case "negative": write(ModelHeader(-5, "ab" * 32))
    case "no header": write(b"x" * 100_000)
    case "other types": write(b'{"size": "1000", "sha256": 7}\\n')
    case "another digest":
        write(ModelHeader(1000, "ab" * 32))
        write(bytes(1000))
    case "more than announced":
        write(right)
        write(bytes(2000))
        time.sleep(600)
    case "many lines": write(ModelHeader(error="no\\n\\x1b[2Jway"))
    case "many lines of stderr":
        os.write(2, b"x" * 10**6 + b"\\n\\x1b[2Jlast\\n\\n")
        sys.exit(1)
"""
_NO_MODEL = "gpu-box sent something that is no message; its shell's start-up files must print nothing"


def other_machine(tmp_path: Path, case: str) -> str:
    """The command of a worker that misbehaves."""
    script = tmp_path / "other_machine.py"
    script.write_text(OTHER_MACHINE)
    return f"exec {sys.executable} {script} '{case}'"


@pytest.mark.slow_repeats
@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        ("too large", "it is said to have 4,611,686,018,427,387,904 bytes, the most is 4 GiB"),
        ("nothing", "it is said to have 0 bytes, the most is 4 GiB"),
        ("negative", "it is said to have -5 bytes, the most is 4 GiB"),
        ("no header", _NO_MODEL),
        ("other types", _NO_MODEL),
        ("another digest", "what arrived has another digest than what was sent; try again"),
        ("many lines", "no [2Jway"),
        ("many lines of stderr", "the engine on gpu-box ended with code 1 ([2Jlast)"),
    ],
)
def test_a_false_answer_leaves_no_file(there: Copies, qtbot: Bot, tmp_path: Path, lie: str, reason: str) -> None:
    there.start("/there/far", command=other_machine(tmp_path, lie))
    qtbot.waitUntil(there.over)
    assert (there.reasons, there.paths, files_here()) == ([reason], [], [])


def test_no_byte_more_than_announced_is_written(there: Copies, qtbot: Bot, tmp_path: Path) -> None:
    there.start("/there/far", command=other_machine(tmp_path, "more than announced"))
    qtbot.waitUntil(there.over)
    assert there.reasons == []
    assert Path(there.paths[0]).read_bytes() == bytes(1000)


class SlowDisk(io.BytesIO):
    """A file whose first bytes take until the event."""

    def __init__(self, event: threading.Event) -> None:
        super().__init__()
        self._event = event

    def write(self, data: Any) -> int:
        self._event.wait(WAIT_SECONDS)
        return super().write(data)


def test_a_slow_disk_holds_up_the_sender(
    there: Copies, qtbot: Bot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Received data are not buffered without limit, and the window stays responsive."""
    go_on = threading.Event()
    disk = SlowDisk(go_on)
    monkeypatch.setattr(fetch, "stream_whole", lambda _: nullcontext(disk))
    folder = large_run(tmp_path)
    before = set(psutil.Process().children())  # of other tests: those that multiprocessing keeps
    there.start(folder)
    qtbot.waitUntil(lambda: there.newest.size == LARGE)
    qtbot.wait(300)
    assert (there.newest.done, len(set(psutil.Process().children()) - before)) == (0, 1), "the sender waits"
    go_on.set()
    qtbot.waitUntil(there.over)
    assert there.reasons == []
    assert disk.getvalue() == (folder / "checkpoints" / "best.safetensors").read_bytes()


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
