"""`nvp-studio data`: the list, one set in detail, and getting sets and folders ready."""

import hashlib
import json
import os
import signal
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from PIL import Image

from nvp_studio.data.catalogue import CATALOGUE, CatalogueEntry
from nvp_studio.data.download import RemoteFile
from tests.cli.conftest import Run
from tests.data.published_files import write_mnist
from tests.watched_reading import watch_reading

RNG = np.random.default_rng(17)


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NVP_STUDIO_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("NVP_STUDIO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("nvp_studio.data.places.SYSTEM_FOLDERS", ())


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CatalogueEntry]:
    """A small MNIST in the catalogue, published by a server of the test's own."""
    folder = tmp_path / "server"
    write_mnist(folder, *(RNG.integers(0, 256, (count, 28, 28), np.uint8) for count in (40, 10)))

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    files = tuple(
        RemoteFile(
            f"http://127.0.0.1:{server.server_port}/{path.name}",
            hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest(),
        )
        for path in sorted(folder.iterdir())
    )
    entry = replace(CATALOGUE["mnist"], counts=(40, 0, 10), files=files)
    monkeypatch.setitem(CATALOGUE, "mnist", entry)
    yield entry
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for number in range(20):
        (folder / ("a" if number % 2 else "b")).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (30, 20), (number, 0, 0)).save(folder / ("a" if number % 2 else "b") / f"{number}.png")
    (folder / "a" / "broken.png").write_text("no image")
    return folder


def test_the_list_says_what_is_where(run: Run, tmp_path: Path) -> None:
    write_mnist(tmp_path / "root" / "KMNIST" / "raw", *np.zeros((2, 3, 28, 28), np.uint8))
    code, out, err = run("data", "list", "--json", "--data-root", tmp_path / "root")
    assert code == 0, err
    states = {row["name"]: row["state"] for row in json.loads(out)["data_sets"]}
    assert states["fashion-mnist"] == states["peeps"] == "in the program"
    assert states["kmnist"] == "here"
    assert states["mnist"] == states["svhn"] == "to download"
    assert states["celeba"] == states["imagenet64"] == "to get by hand"
    code, out, _ = run("data", "list")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == [*states, "hf:NAME"]


def test_a_set_in_detail(run: Run, tmp_path: Path) -> None:
    code, out, _ = run("data", "info", "mnist")
    assert code == 0
    for words in (
        "train-images-idx3-ubyte.gz (9.9 MB, MD5 f68b3c2d",
        "only with --flip",
        "not on this machine",
        "--download",
    ):
        assert words in out
    code, out, _ = run("data", "info", "celeba", "--json")
    facts = json.loads(out)
    assert (facts["mirrored_in_training"], facts["files"], facts["images"]) == (True, [], 202_599)
    assert run("data", "info", "peeps")[0] == 0
    code, _, err = run("data", "info", "nonsense")
    assert code == 1
    assert "no data set 'nonsense' in the catalogue" in err


def test_nothing_is_downloaded_unasked(run: Run, served: CatalogueEntry, tmp_path: Path) -> None:
    code, _, err = run("data", "prepare", "mnist")
    assert code == 1
    assert "MNIST is not on this machine: 'nvp-studio data prepare mnist --download' downloads it" in err
    assert not (tmp_path / "data").exists()


def test_a_download_says_its_size_and_gets_the_set_ready(run: Run, served: CatalogueEntry, tmp_path: Path) -> None:
    code, out, err = run("data", "prepare", "mnist", "--download")
    assert code == 0, err
    size = sum(path.stat().st_size for path in (tmp_path / "server").iterdir())
    assert f"MNIST: {size / 1e6:,.1f} MB from 127.0.0.1" in err
    assert "test" in out
    assert sorted(path.name for path in (tmp_path / "data" / "mnist").iterdir()) == sorted(f.name for f in served.files)
    code, out, err = run("data", "prepare", "mnist", "--download", "--json")
    assert "is here already" in err
    facts = json.loads(out)
    assert sum(facts["images"].values()) == 50
    assert facts["images"]["test"] == 10


def test_an_interrupted_download_is_finished(run: Run, served: CatalogueEntry, tmp_path: Path) -> None:
    (tmp_path / "data" / "mnist").mkdir(parents=True)
    for file in served.files[2:]:
        (tmp_path / "data" / "mnist" / file.name).write_bytes((tmp_path / "server" / file.name).read_bytes())
    code, _, err = run("data", "prepare", "mnist")
    assert code == 1
    assert "MNIST is not on this machine" in err
    code, out, err = run("data", "prepare", "mnist", "--download", "--json")
    assert code == 0, err
    assert sum(json.loads(out)["images"].values()) == 50


def test_a_damaged_download_is_refused(run: Run, served: CatalogueEntry, tmp_path: Path) -> None:
    path = tmp_path / "server" / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(path.read_bytes() + b"x")
    code, _, err = run("data", "prepare", "mnist", "--download")
    assert code == 1
    assert "t10k-labels-idx1-ubyte.gz arrived damaged" in err


@pytest.mark.parametrize(
    ("name", "words"),
    [("celeba", "cannot be downloaded by a program: download img_align_celeba.zip"), ("photos", "nothing to download")],
)
def test_what_cannot_be_downloaded_is_told(run: Run, name: str, words: str) -> None:
    code, _, err = run("data", "prepare", name, "--download")
    assert code == 1
    assert words in err


def test_a_folder_is_prepared_and_listed(run: Run, photos: Path) -> None:
    code, out, err = run("data", "prepare", photos, "--image-size", 8, "--json")
    assert code == 0, err
    facts = json.loads(out)
    assert sum(facts["images"].values()) == 20
    assert facts["classes"] == ["a", "b"]
    assert facts["notes"][-1].startswith("1 unreadable file skipped (a/broken.png: not an image")
    (row,) = json.loads(run("data", "list", "--json")[1])["prepared"]
    assert (row["source"], row["images"], row["finished"], row["shape"]) == (str(photos), 20, True, "8x8 colour")
    assert str(photos) in run("data", "list")[1]


def _interrupted_at(number: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Have Ctrl+C come when so many images are read; returns the names of those that are."""

    def stop(count: int) -> None:
        if count == number:
            os.kill(os.getpid(), signal.SIGINT)

    return watch_reading(monkeypatch, stop)


def test_a_stopped_preparation_goes_on(run: Run, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _interrupted_at(7, monkeypatch)
    code, _, err = run("data", "prepare", photos, "--image-size", 8)
    assert code == 1
    assert "stopped by Ctrl+C; the next call continues from there" in err
    (row,) = json.loads(run("data", "list", "--json")[1])["prepared"]
    assert not row["finished"]
    written = row["images"]
    assert 0 < written < 20
    code, out, err = run("data", "prepare", photos, "--image-size", 8, "--json")
    assert code == 0, err
    assert "going on with photos" in err
    assert sum(json.loads(out)["images"].values()) == 20


def test_showing_can_be_stopped(run: Run, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def survey(*given: object) -> Iterator[int]:
        os.kill(os.getpid(), signal.SIGINT)
        yield 1

    monkeypatch.setattr("nvp_studio.data.survey.survey_data", survey)
    code, _, err = run("data", "show", photos, "--image-size", 8)
    assert code == 1
    assert err.rstrip().endswith("stopped by Ctrl+C")


def test_a_run_that_prepares_its_data_can_be_stopped(
    run: Run, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = _interrupted_at(7, monkeypatch)
    words = ["train", "--data", photos, "--image-size", 8, "--steps", 2, "--device", "cpu", "--threads", 1]
    code, _, err = run(*words, "--preset", "quick", "--flow", "width=4", "--runs", tmp_path / "runs")
    assert code == 1
    assert "stopped before training began: SIGINT (Ctrl+C)" in err
    assert 7 <= len(read) < 20


@pytest.mark.slow
def test_a_run_records_augmentation_and_data_root(run: Run, served: CatalogueEntry, tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "server").rename(tmp_path / "root" / "mnist")
    words = ["train", "--data", "mnist", "--steps", 2, "--batch-size", 4, "--device", "cpu", "--threads", 1]
    words += ["--preset", "quick", "--flow", "width=4", "--flow", "blocks=1", "--validation-images", 2]
    words += ["--runs", tmp_path / "runs", "--data-root", tmp_path / "root", "--shift", 2, "--json"]
    code, out, err = run(*words)
    assert code == 0, err
    config = json.loads((Path(json.loads(out)["run"]) / "run.json").read_text())["config"]
    assert (config["horizontal_flip"], config["random_shift"]) == (False, 2)
    assert config["data_root"] == str(tmp_path / "root")
    code, out, err = run(*words, "--flip")
    assert code == 0, err
    assert json.loads((Path(json.loads(out)["run"]) / "run.json").read_text())["config"]["horizontal_flip"] is True


def test_data_are_shown_before_a_run(run: Run, tmp_path: Path) -> None:
    for number in range(30):
        path = tmp_path / "set" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(RNG.integers(0, 256, (9, 8), np.uint8)).save(path)
    code, out, err = run("data", "show", tmp_path / "set", "--sheet", tmp_path / "sheet.png")
    assert code == 0, err
    assert "classes    2: a " in out
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 24 * 8
    code, out, err = run("data", "show", tmp_path / "set", "--json", "--image-size", 4)
    facts = json.loads(out)
    assert facts["image_shape"] == [1, 4, 4]
    assert sum(split["images"] for split in facts["splits"]) == 30
    assert not (tmp_path / "cache").exists()
    code, out, err = run("data", "show", tmp_path / "set", "--leave-out", "a", "--leave-out", "c", "--split", "none")
    assert code == 0, err
    assert "left out   15: left out as was asked (a/)" in out
    assert "warning    nothing to leave out: there are no images in a folder c" in out
    assert "read with  --values 8-bit:0..255 --split none --leave-out a --leave-out c" in out
    shown = [
        line for line in out.splitlines() if line.startswith(("left out", "warning", "images", "size", "read with"))
    ]
    code, out, err = run("data", "prepare", tmp_path / "set", "--leave-out", "a", "--leave-out", "c", "--split", "none")
    assert code == 0, err
    assert set(shown) <= set(out.splitlines())


def test_data_that_no_run_can_train_on_end_with_1(run: Run, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    Image.new("L", (8, 8)).save(tmp_path / "set" / "1.png")
    code, out, _ = run("data", "show", tmp_path / "set")
    assert code == 1
    assert "problem    set has 1 image; at least two are needed, to train and to validate" in out


def test_options_of_reading_are_taken_by_show_and_prepare_alike(run: Run, tmp_path: Path) -> None:
    values = (np.arange(12 * 8 * 8).reshape(12, 8, 8) + 3 * np.arange(12)[:, None, None]) % 16
    np.save(tmp_path / "a.npy", values.transpose(1, 2, 0).astype(np.uint8))
    options = ["--values", "0..15", "--axes", "HWN", "--white", "low", "--image-size", "4x6", "--json"]
    code, out, err = run("data", "prepare", tmp_path / "a.npy", *options)
    assert code == 0, err
    prepared = json.loads(out)
    assert prepared["shape"] == "4x6 grey"
    assert prepared["warnings"] == []
    assert prepared["reading"] == {"values": "8-bit:0..15", "white": "low", "axes": "HWN"}
    code, out, err = run("data", "show", tmp_path / "a.npy", *options)
    assert code == 0, err
    assert json.loads(out)["reading"] == prepared["reading"]
    code, out, _ = run("data", "prepare", tmp_path / "a.npy")
    assert "nearly black images (--values 0..15 changes it)" in out
    for wrong, words in (
        (["--values", "dark"], "values are a range"),
        (["--axes", "XY"], "axes are an order"),
        (["--image-size", "4x"], "such as 32x48"),
    ):
        code, _, err = run("data", "prepare", tmp_path / "a.npy", *wrong)
        assert code == 2
        assert words in " ".join(err.split())
