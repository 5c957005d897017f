"""A model as it is sent to a window on another machine: which files may be read, and what is written of them."""

import hashlib
import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from nvp_studio import tensor_file
from nvp_studio.worker.send_model import MAX_MODEL_BYTES, OPTION, ModelHeader, open_model, send_model

COMMANDS = ([sys.executable, "-m", "nvp_studio.worker"], [sys.executable, "-m", "nvp_studio", "worker"])


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The runs folder."""
    monkeypatch.setenv("NVP_STUDIO_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


def make_run(folder: Path, **sizes: int) -> Path:
    """A folder with what a run is recognized by, and model files of random bytes."""
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "run.json").write_text("{}")
    for name, size in sizes.items():
        (folder / "checkpoints" / f"{name}.safetensors").write_bytes(os.urandom(size))
    return folder.resolve()


def parse(output: bytes) -> tuple[ModelHeader, bytes]:
    line, _, data = output.partition(b"\n")
    return msgspec.json.decode(line, type=ModelHeader), data


def sent(folder: Path | str) -> tuple[ModelHeader, bytes]:
    output = io.BytesIO()
    send_model(str(folder), output)
    return parse(output.getvalue())


@pytest.mark.parametrize("command", COMMANDS, ids=["module", "command line"])
def test_a_process_sends_the_best_with_its_digest(runs: Path, command: list[str]) -> None:
    folder = make_run(runs / "grün", best=3_000_000, last=5)
    root = Path(__file__).parents[2]
    ended = subprocess.run([*command, OPTION], input=os.fsencode(folder), capture_output=True, cwd=root)
    assert (ended.returncode, ended.stderr) == (0, b"")
    header, data = parse(ended.stdout)
    assert data == (folder / "checkpoints" / "best.safetensors").read_bytes()
    assert header == ModelHeader(len(data), hashlib.sha256(data).hexdigest())


def test_a_process_whose_reader_is_gone_ends_without_a_word(runs: Path) -> None:
    folder = make_run(runs / "one", best=3_000_000)
    process = subprocess.Popen(
        [*COMMANDS[0], OPTION],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    _, stderr = process.communicate(os.fsencode(folder))
    assert (process.returncode, stderr) == (1, b"")


@pytest.mark.parametrize("name", ["last", "previous"])
def test_without_a_best_it_is_the_last(runs: Path, name: str) -> None:
    folder = make_run(runs / "one", **{name: 7})
    assert sent(folder)[1] == (folder / "checkpoints" / f"{name}.safetensors").read_bytes()


def test_a_model_that_is_replaced_meanwhile_is_the_one_that_was_opened(runs: Path) -> None:
    folder = make_run(runs / "one", best=100)
    best = folder / "checkpoints" / "best.safetensors"
    before = best.read_bytes()
    with open_model(folder) as file:
        newer = best.with_name("newer")
        newer.write_bytes(b"newer")
        newer.replace(best)
        assert file.read() == before


@pytest.mark.parametrize("folder", ["elsewhere/one", "runs/../elsewhere/one", "runs", "runs/none", "", "/", "\0"])
def test_only_runs_of_the_runs_folder_are_sent(runs: Path, tmp_path: Path, folder: str) -> None:
    make_run(tmp_path / "elsewhere" / "one", best=7)
    make_run(runs, best=7)
    header, data = sent(tmp_path / folder if folder not in ("", "\0") else folder)
    assert "no run of the runs folder" in header.error or "null" in header.error
    assert (header.size, data) == (0, b"")


def test_a_folder_without_a_record_is_no_run(runs: Path) -> None:
    folder = make_run(runs / "one", best=7)
    (folder / "run.json").unlink()
    assert "no run of the runs folder" in sent(folder)[0].error


def _link(folder: Path) -> None:
    (folder / "secret").write_bytes(b"secret")
    (folder / "checkpoints" / "best.safetensors").symlink_to(folder / "secret")


def _link_folder(folder: Path) -> None:
    make_run(folder.parent.parent / "other", best=7)
    (folder / "checkpoints").rmdir()
    (folder / "checkpoints").symlink_to(folder.parent.parent / "other" / "checkpoints")


def _pipe(folder: Path) -> None:
    os.mkfifo(folder / "checkpoints" / "best.safetensors")


def _too_large(folder: Path) -> None:
    path = folder / "checkpoints" / "best.safetensors"
    path.touch()
    os.truncate(path, MAX_MODEL_BYTES + 1)


def _empty(folder: Path) -> None:
    (folder / "checkpoints" / "best.safetensors").touch()


@pytest.mark.skipif(os.name != "posix", reason="links and pipes")
@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_link, "is a link"),
        (_link_folder, "is a link"),
        (_pipe, "not a regular file"),
        (_too_large, "the most is 4,294,967,296"),
        (_empty, "has 0 bytes"),
        (lambda folder: None, "there is none yet"),
    ],
    ids=["link", "linked folder", "pipe", "too large", "empty", "none"],
)
def test_what_is_no_model_of_the_run_is_refused(runs: Path, spoil: Callable[[Path], None], reason: str) -> None:
    folder = make_run(runs / "one")
    spoil(folder)
    header, data = sent(folder)
    assert reason in header.error
    assert (header.size, data) == (0, b"")


def test_what_can_be_sent_can_be_read() -> None:
    assert MAX_MODEL_BYTES == tensor_file.MAX_FILE_BYTES
