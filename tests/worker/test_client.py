"""The client of a worker process: order of requests, crashes, hangs and ends, with real processes."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QObject

from nvp_studio.recipe import Recipe, Seed
from nvp_studio.state.engine import Engine
from nvp_studio.worker import client as client_module
from nvp_studio.worker.channel import Channel, WorkerLost
from nvp_studio.worker.client import CrashReport, WorkerClient
from nvp_studio.worker.messages import Answer, Failed, ModelOpened, OpenModel, Picture, PictureScored, Render, Request
from tests.qt import WAIT_SECONDS, Bot, delete_now, is_asking


class Recorder(QObject):
    """Everything that a client emitted, in order."""

    def __init__(self, client: WorkerClient) -> None:
        super().__init__(client)
        self.answers: list[Answer | WorkerLost] = []
        self.states: list[str] = []
        self.crashes: list[CrashReport] = []
        self.lines: list[str] = []
        self.responsive: list[bool] = []
        client.state_changed.connect(self.states.append)
        client.crashed.connect(self.crashes.append)
        client.log_line.connect(self.lines.append)
        client.responsive_changed.connect(self.responsive.append)

        self._client = client
        self._channels: dict[str, Channel] = {}

    def ask(self, channel: str, request: Request) -> bool:
        if channel not in self._channels:
            self._channels[channel] = self._client.channel(channel, self)
        return self._channels[channel].ask(request, self.answers.append)

    def of(self, kind: type) -> list[Answer | WorkerLost]:
        return [answer for answer in self.answers if isinstance(answer, kind)]


@pytest.fixture
def make_client(qtbot: Bot) -> Iterator[Callable[..., tuple[WorkerClient, Recorder]]]:
    clients: list[WorkerClient] = []

    def make(program: list[str] | None = None) -> tuple[WorkerClient, Recorder]:
        client = WorkerClient("explorer", program)
        clients.append(client)
        return client, Recorder(client)

    yield make
    for client in clients:
        client.force_stop()
        qtbot.waitUntil(lambda client=client: not client.alive)
        client.deleteLater()


@pytest.fixture
def running(shared_engine: Engine) -> Iterator[tuple[WorkerClient, Recorder, str]]:
    """A client whose worker is ready, which several tests share, and the digest of the model that it has open."""
    client = shared_engine.explorer
    recorder = Recorder(client)
    assert shared_engine.model is not None
    yield client, recorder, shared_engine.model.digest
    recorder.deleteLater()
    delete_now()


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


ANSWERS_PINGS = """
import os
from nvp_studio.worker.framing import encode, read_messages
from nvp_studio.worker.messages import Hello, Ping, Pong, Welcome, WindowMessage
for message in read_messages(0, WindowMessage):
    if isinstance(message, Hello):
        os.write(1, encode(Welcome(torch_version="none", device_name="none", threads=1)))
    elif isinstance(message, Ping):
        os.write(1, encode(Pong(message.number)))
"""


def open_small(client: WorkerClient, recorder: Recorder, path: Path, qtbot: Bot) -> str:
    client.start()
    recorder.ask("model", OpenModel(str(path)))
    qtbot.waitUntil(lambda: bool(recorder.of(ModelOpened)))
    opened = recorder.of(ModelOpened)[-1]
    assert isinstance(opened, ModelOpened)
    return opened.model.digest


def test_questions_before_the_start_are_answered_after_it(make_client, qtbot: Bot, small_model: Path) -> None:
    client, recorder = make_client()
    assert open_small(client, recorder, small_model, qtbot)
    assert recorder.states == ["starting", "ready"]
    assert client.welcome is not None
    assert client.pid


def test_of_many_requests_only_the_first_and_the_newest_are_answered(
    running: tuple[WorkerClient, Recorder, str], qtbot: Bot
) -> None:
    client, recorder, digest = running
    channel = client.channel("picture", recorder)
    told: list[tuple[int, type]] = []
    for seed in range(200):
        recipe = Recipe(checkpoint=digest, base=Seed(seed))
        channel.ask(Render(recipe), lambda answer, seed=seed: told.append((seed, type(answer))))
    qtbot.waitUntil(lambda: (199, PictureScored) in told)

    assert not is_asking(client)
    assert [seed for seed, kind in told if kind is Picture] == [0, 199]
    assert told[-1] == (199, PictureScored)


def test_channels_do_not_wait_for_each_other(running: tuple[WorkerClient, Recorder, str], qtbot: Bot) -> None:
    _, recorder, digest = running
    for channel in ("a", "b", "c"):
        assert recorder.ask(channel, Render(Recipe(checkpoint=digest, base=Seed(1))))
    qtbot.waitUntil(lambda: len(recorder.of(Picture)) == 3)


def test_a_failed_question_frees_its_channel(running: tuple[WorkerClient, Recorder, str], qtbot: Bot) -> None:
    client, recorder, _ = running
    recorder.ask("model", OpenModel("/nowhere.safetensors"))
    qtbot.waitUntil(lambda: bool(recorder.of(Failed)))
    assert not is_asking(client)
    assert "\n" not in recorder.of(Failed)[0].reason


@pytest.mark.slow
def test_a_killed_worker_is_reported_and_restarted(make_client, qtbot: Bot, small_model: Path) -> None:
    client, recorder = make_client()
    open_small(client, recorder, small_model, qtbot)
    recorder.ask("model", OpenModel(str(small_model)))
    first = client.pid
    os.kill(first, signal.SIGKILL)
    qtbot.waitUntil(lambda: recorder.states[-1] == "ready" and client.pid != first)

    assert recorder.states == ["starting", "ready", "restarting", "ready"]
    assert len(recorder.crashes) == 1
    assert "killed" in recorder.crashes[0].reason
    assert not is_asking(client)
    assert isinstance(recorder.answers[-1], WorkerLost), "who asked is told"
    open_small(client, recorder, small_model, qtbot)


@pytest.mark.slow
def test_nothing_asked_during_a_restart_is_kept(make_client, qtbot: Bot, small_model: Path) -> None:
    client, recorder = make_client()
    client.start()
    qtbot.waitUntil(lambda: client.state == "ready")
    os.kill(client.pid, signal.SIGKILL)
    qtbot.waitUntil(lambda: client.state == "restarting")
    assert not recorder.ask("model", OpenModel(str(small_model)))
    assert not is_asking(client)
    qtbot.waitUntil(lambda: client.state == "ready")
    assert not recorder.of(ModelOpened)


def test_a_program_that_always_crashes_is_abandoned_with_its_last_output(
    make_client, qtbot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "RESTART_DELAYS_MILLISECONDS", (1,))
    client, recorder = make_client(python("import sys; sys.stderr.write('no luck today\\n'); sys.exit(3)"))
    client.start()
    qtbot.waitUntil(lambda: client.state == "failed")

    assert len(recorder.crashes) == client_module.CRASHES_BEFORE_GIVING_UP
    assert all("code 3" in report.reason for report in recorder.crashes)
    assert "no luck today" in recorder.crashes[-1].text()
    assert not client.alive


def test_a_program_that_does_not_exist_fails_with_a_reason(make_client, qtbot: Bot) -> None:
    client, recorder = make_client(["/nowhere/python"])
    client.start()
    qtbot.waitUntil(lambda: client.state == "failed")
    assert "/nowhere/python" in recorder.crashes[0].reason


def test_a_damaged_stream_ends_the_worker(make_client, qtbot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "CRASHES_BEFORE_GIVING_UP", 1)
    client, recorder = make_client(python("import sys, time; print('hello', flush=True); time.sleep(60)"))
    client.start()
    qtbot.waitUntil(lambda: client.state == "failed")
    assert "damaged" in recorder.crashes[0].reason


def test_a_worker_of_another_protocol_is_not_restarted(make_client, qtbot: Bot) -> None:
    code = (
        "import sys; from nvp_studio.worker.framing import encode; from nvp_studio.worker.messages import Refused;"
        "sys.stdin.buffer.read(4); sys.stdout.buffer.write(encode(Refused('version 9 speaks here')));"
        "sys.stdout.buffer.flush()"
    )
    client, recorder = make_client(python(code))
    client.start()
    qtbot.waitUntil(lambda: client.state == "failed")
    assert [report.reason for report in recorder.crashes] == ["version 9 speaks here"]


def hold(client: WorkerClient, qtbot: Bot) -> None:
    """Suspend the worker, and read all that it had sent."""
    os.kill(client.pid, signal.SIGSTOP)
    beats = client._pings
    qtbot.waitUntil(lambda: client._pings > beats + 1)


def test_a_worker_that_hangs_is_noticed_and_can_be_restarted(
    make_client, qtbot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "SILENCE_SECONDS", WAIT_SECONDS)  # a slow start is no hang here
    client, recorder = make_client(python(ANSWERS_PINGS))
    client.start()
    qtbot.waitUntil(lambda: client.state == "ready")
    first = client.pid
    hold(client, qtbot)
    monkeypatch.setattr(client_module, "SILENCE_SECONDS", 1.2)
    qtbot.waitUntil(lambda: recorder.responsive == [False])
    monkeypatch.setattr(client_module, "SILENCE_SECONDS", WAIT_SECONDS)
    client.restart()
    qtbot.waitUntil(lambda: client.state == "ready" and client.pid != first)
    assert recorder.responsive == [False, True]


def test_the_first_answer_after_a_silence_ends_it(make_client, qtbot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any message shows that the worker responds again; no heartbeat is needed."""
    monkeypatch.setattr(client_module, "SILENCE_SECONDS", WAIT_SECONDS)
    client, recorder = make_client(python(ANSWERS_PINGS))
    client.start()
    qtbot.waitUntil(lambda: client.state == "ready")
    hold(client, qtbot)
    monkeypatch.setattr(client_module, "SILENCE_SECONDS", 0.0)
    qtbot.waitUntil(lambda: recorder.responsive == [False])
    client._heartbeat.stop()
    os.kill(client.pid, signal.SIGCONT)
    qtbot.waitUntil(lambda: recorder.responsive == [False, True])


def test_stop_ends_the_process_without_a_crash(make_client, qtbot: Bot) -> None:
    client, recorder = make_client(python(ANSWERS_PINGS))
    client.start()
    qtbot.waitUntil(lambda: client.state == "ready")
    client.stop()
    qtbot.waitUntil(lambda: not client.alive)
    assert recorder.states == ["starting", "ready", "stopped"]
    assert not recorder.crashes


def test_stop_kills_what_ignores_it(make_client, qtbot: Bot) -> None:
    client, recorder = make_client(python("import time; time.sleep(600)"))
    client.start()
    qtbot.waitUntil(lambda: bool(client.pid))
    client.stop(grace_milliseconds=50)
    qtbot.waitUntil(lambda: not client.alive)
    assert recorder.states[-1] == "stopped"
    assert not recorder.crashes


def test_lines_of_stderr_are_reported_whole(make_client, qtbot: Bot) -> None:
    code = (
        "import sys, time\n"
        "for part in ('one li', 'ne\\ntwo', '\\n', 'three'):\n"
        "    sys.stderr.write(part); sys.stderr.flush(); time.sleep(0.05)\n"
        "sys.stdin.read()"
    )
    client, recorder = make_client(python(code))
    client.start()
    qtbot.waitUntil(lambda: len(recorder.lines) == 2)
    client.stop()
    qtbot.waitUntil(lambda: not client.alive)
    assert recorder.lines == ["one line", "two", "three"]
