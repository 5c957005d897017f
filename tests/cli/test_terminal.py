"""What reaches a terminal: no control character of a file name or of a stranger's files, and nothing else is lost."""

import csv
import io
import json
import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import msgspec
import PIL.Image
import pytest

from nvp_studio.csv_file import csv_cell
from nvp_studio.runs.labels import LABELS
from nvp_studio.text import escaped
from nvp_studio.training.runs import read_record, write_record
from tests.cli.conftest import Run
from tests.runs.folders import make_trained_run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="such names of files cannot be had there")

ROOT = Path(__file__).resolve().parent.parent.parent
HOSTILE = (
    "\x1b[31mred",
    "\x1b]0;title\x07",
    "bell\x07",
    "left\u202e",
    "two\nlines",
    "line\u2028end",
    "c1\x9b2J",
    "\ufeffbom",
)
MARKED = ("[bold]up[/nothing]", ":warning:")
"""Names in the notation of the library that prints to the terminal."""


def unsafe(text: str) -> set[str]:
    """Characters that no command may print, but for the line breaks between lines."""
    return {one for one in text if one != "\n" and unicodedata.category(one) in ("Cc", "Cf", "Zl", "Zp", "Cs")}


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder of images with such names, and one that is no image."""
    folder = tmp_path / "images"
    folder.mkdir()
    for name in (*HOSTILE, *(mark.replace("/", "∕") for mark in MARKED)):
        PIL.Image.new("L", (8, 8), 90).save(folder / f"{name}.png")
    (folder / f"{HOSTILE[0]}-broken.png").write_bytes(b"no image")
    return folder


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Runs whose records and labels are complete, and are written to harm a terminal."""
    for number in range(2):
        folder = make_trained_run(tmp_path / "runs" / f"run-{number}\x1b[2J", 4, 2)
        text = "".join(HOSTILE)
        record = read_record(folder)
        record = msgspec.structs.replace(
            record,
            name=text,
            device=text,
            data=msgspec.structs.replace(record.data, title=text),
            status=msgspec.structs.replace(record.status, phase="failed", reason=text),
            config=msgspec.structs.replace(record.config, data=text, seed=number),
        )
        write_record(folder, record)
        (folder / LABELS).write_bytes(msgspec.json.encode({"name": f"{number}{text}", "note": text, "tags": [text]}))
    return tmp_path / "runs"


@pytest.mark.parametrize(
    "words",
    [
        ["score", "{images}"],
        ["score", "{images}", "--json"],
        ["score", "{images}", "--csv", "-"],
        ["encode", "{images}", "-o", "{images}/\x1b[2Jz.npz"],
        ["sample", "-n", "1", "-o", "{images}/\x1b[2Jsheet.png"],
        ["score", "{images}/\x1b[2J\nnone.png"],
        ["info", "{images}/\x1b[2J\nnone"],
        ["train", "--data", "{images}/\x1b[2J", "--steps", "1"],
        ["train", "--preset", "\x1b[2J", "--steps", "1"],
        ["data", "info", "\x1b[2J"],
        ["data", "prepare", "{images}"],
        ["\x1b[2J"],
        ["score", "--\x1b[2J"],
        ["runs", "list"],
        ["runs", "list", "--json"],
        ["runs", "show", "run-0\x1b[2J"],
        ["runs", "show", "run-0\x1b[2J", "--json"],
        ["runs", "compare", "run-0\x1b[2J", "run-1\x1b[2J"],
        ["runs", "compare", "run-0\x1b[2J", "run-1\x1b[2J", "--csv", "-"],
        ["runs", "note", "run-0\x1b[2J"],
        ["runs", "tag", "run-0\x1b[2J"],
        ["runs", "export", "run-0\x1b[2J"],
        ["runs", "rename", "no\x1b[2J", "other"],
        ["runs", "rm", "run-0\x1b[2J"],
        ["resume", "run-0\x1b[2J"],
    ],
)
def test_no_control_character_is_printed(
    run: Run, model: Path, images: Path, runs: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.setenv("NVP_STUDIO_RUNS", str(runs))
    monkeypatch.setenv("NVP_STUDIO_CACHE", str(runs.parent / "cache"))
    with_model = ["-m", model] if words[0] in ("score", "encode", "sample") else []
    _, out, err = run(*(word.format(images=images) for word in words), *with_model)
    assert unsafe(out + err) == set()
    assert out + err


def test_different_names_stay_different_and_as_they_are(run: Run, model: Path, images: Path) -> None:
    _, out, err = run("score", images, "-m", model)
    shown = {line.split("/")[-1].removesuffix(".png") for line in out.splitlines()}
    assert {escaped(name) for name in HOSTILE} <= shown
    assert {mark.replace("/", "∕") for mark in MARKED} <= shown
    assert "\\x1b[31mred-broken.png" in err
    _, out, _ = run("score", images, "-m", model, "--json")
    names = {Path(row["path"]).stem for row in map(json.loads, out.splitlines()) if "path" in row}
    assert set(HOSTILE) <= names
    _, out, _ = run("score", images, "-m", model, "--csv", "-")
    assert len(list(csv.reader(io.StringIO(out)))) == len(out.splitlines()) == len(HOSTILE) + len(MARKED) + 2


@pytest.mark.parametrize("blank", ["", " ", "\t", "\r", "\n", "\0", "\xa0", "\u3000", "\ufeff", "\u200b", "\x1b"])
@pytest.mark.parametrize("sign", [*"=+-@", *"＝＋－＠", "﹦", "﹢", "﹣", "﹫"])
def test_no_cell_is_taken_for_a_formula(blank: str, sign: str) -> None:
    cell = csv_cell(f"{blank}{sign}1+1")
    assert unsafe(cell) == set()
    assert "\n" not in cell
    assert unicodedata.normalize("NFKC", cell).lstrip()[0] not in "=+-@"


def test_a_harmless_cell_stays_as_it_is() -> None:
    for text in ("a/b.png", "1-2", " a=b", "朝顔.png", "café", "x\xa0y"):
        assert csv_cell(text) == text


@pytest.mark.slow
@pytest.mark.parametrize(
    "words", [["score", "{images}"], ["encode", "{images}", "-o", "{images}/z.npz"], ["runs", "list"]]
)
def test_a_terminal_gets_no_command_from_a_name(model: Path, images: Path, runs: Path, words: list[str]) -> None:
    """On a terminal, where progress bars are drawn, with sequences of their own."""
    import pty

    def on_terminal(folder: Path) -> bytes:
        command = [word.format(images=folder) for word in words]
        command += ["-m", str(model)] if words[0] != "runs" else ["--runs", str(runs)]
        ours, theirs = pty.openpty()
        with subprocess.Popen(
            [sys.executable, "-m", "nvp_studio", *command],
            cwd=ROOT,
            env={**os.environ, "TERM": "xterm"},
            stdout=theirs,
            stderr=theirs,
            stdin=theirs,
        ) as process:
            os.close(theirs)
            shown = b""
            while True:
                try:
                    data = os.read(ours, 65536)
                except OSError:  # how Linux tells the end
                    break
                if not data:
                    break
                shown += data
            process.wait()
        os.close(ours)
        return shown

    shown = on_terminal(images)
    for sequence in (
        b"\x1b[31mred",
        b"\x1b]0;",
        b"\x07",
        "\u202e".encode(),
        "\u2028".encode(),
        b"\xc2\x9b",
        b"\ntwo\nlines",
    ):
        assert sequence not in shown
    assert b"red" in shown
