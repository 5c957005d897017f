"""The command line as its users meet it: words in, files and exit codes out."""

import csv
import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from nvp_studio.cli import main
from nvp_studio.commands.console import print_json
from nvp_studio.device import choose_threads
from nvp_studio.runs.labels import change_labels
from tests.cli.conftest import Run
from tests.runs.folders import make_run

ROOT = Path(__file__).resolve().parent.parent.parent


def write_images(folder: Path, count: int, side: int = 8) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(count)
    paths = [folder / f"image-{index:02}.png" for index in range(count)]
    for path in paths:
        PIL.Image.fromarray(random.integers(0, 256, (side, side), np.uint8)).save(path)
    return paths


def pixels(path: Path) -> np.ndarray:
    with PIL.Image.open(path) as image:
        return np.asarray(image)


def test_json_goes_to_a_stream_without_an_encoding_too() -> None:
    with redirect_stdout(io.StringIO()) as stream:
        print_json({"name": "朝顔"})
    assert json.loads(stream.getvalue()) == {"name": "朝顔"}


class TestUsage:
    @pytest.mark.parametrize(
        "words",
        [
            ["bogus"],
            ["train", "--bogus"],
            ["train", "--steps", "many"],
            ["train", "--steps", "10", "--minutes", "1"],
            ["train", "--optimizer", "sgd"],
            ["train", "--batch-size", "0"],
            ["train", "--preset", "enormous"],
            ["train", "--data", "fashion-mnist", "--flow", "widht=3"],
            ["resume"],
            ["resume", "some-run", "--steps", "1", "--epochs", "1"],
            ["sample"],
            ["encode", "picture.png", "-o", "latents.txt"],
            ["decode", "-o", "images"],
            ["score"],
            ["score", "picture.png", "--data", "fashion-mnist"],
            ["score", "picture.png", "--json", "--csv", "-"],
        ],
    )
    def test_wrong_usage_ends_with_2_and_one_line(self, run: Run, words: list[str]) -> None:
        code, out, err = run(*words)
        assert code == 2
        assert out == ""
        assert err.startswith("nvp-studio: ")
        assert len(err.splitlines()) == 1

    @pytest.mark.parametrize(
        "command",
        [
            "train",
            "resume",
            "sample",
            "encode",
            "decode",
            "score",
            "compare",
            "reference",
            "ledger",
            "doctor",
            "info",
            "worker",
            "gui",
        ],
    )
    def test_help_of_every_command(self, run: Run, command: str) -> None:
        code, out, _ = run(command, "--help")
        assert code == 0
        assert f"Usage: nvp-studio {command}" in out

    def test_without_a_command_the_help_is_shown(self, run: Run) -> None:
        code, out, err = run()
        assert code == 2
        assert "score" in out + err

    def test_a_missing_file_ends_with_1_and_one_line(self, run: Run, tmp_path: Path) -> None:
        code, _, err = run("info", tmp_path / "none.safetensors")
        assert code == 1
        assert "none.safetensors" in err
        assert len(err.splitlines()) == 1

    def test_debug_shows_the_traceback(self, tmp_path: Path) -> None:
        with pytest.raises(Exception, match=r"none\.safetensors"):
            main(["info", str(tmp_path / "none.safetensors"), "--debug"])

    def test_help_imports_neither_torch_nor_qt(self) -> None:
        code = (
            "import sys\nfrom nvp_studio.cli import main\n"
            "try: main(['train', '--help'])\nexcept SystemExit: pass\n"
            "sys.exit(any(name in sys.modules for name in ('torch', 'PySide6')))"
        )
        assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False).returncode == 0

    def test_the_window_without_a_display_is_refused_in_one_line(
        self, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(sys, "platform", "linux")
        code, _, err = run("gui")
        assert code == 1
        assert "no display" in err


@pytest.mark.parametrize(
    "words",
    [
        ["sample", "-n", "1", "-o", "a.png"],
        ["encode", "in", "-o", "z.npz"],
        ["decode", "z.npz", "-o", "out"],
        ["score", "in"],
    ],
)
def test_a_command_that_computes_takes_the_threads_of_a_run(
    run: Run, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    """On two busy cores, two threads were measured to take ten times the processor time of one."""
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "in", 1)
    if words[0] == "decode":
        assert run("encode", "in", "-o", "z.npz", "-m", model)[0] == 0
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(choose_threads() + 1)
        code, _, err = run(*words, "-m", model)
        assert code == 0, err
        assert torch.get_num_threads() == choose_threads()
    finally:
        torch.set_num_threads(before)


class TestInfo:
    def test_shows_what_a_checkpoint_holds(self, run: Run, model: Path) -> None:
        code, out, _ = run("info", model)
        assert code == 0
        assert "Random images" in out
        assert "4.5000 bits/dim" in out
        assert "8x8 grey" in out

    def test_json_is_complete(self, run: Run, model: Path) -> None:
        _, out, _ = run("info", model, "--json")
        facts = json.loads(out)
        assert facts["run"] is None
        assert facts["info"]["test"] is None
        assert facts["config"]["image_shape"] == [1, 8, 8]
        assert sum(np.prod(shape) for shape in facts["latent_shapes"]) == 64
        assert facts["reference_images"] == 100

    def test_a_run_is_found_by_its_name(
        self, run: Run, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = tmp_path / "mine" / "checkpoints"
        folder.mkdir(parents=True)
        (folder / "best.safetensors").write_bytes(model.read_bytes())
        (tmp_path / "mine" / "run.json").write_bytes((make_run(tmp_path / "two") / "run.json").read_bytes())
        monkeypatch.setenv("NVP_STUDIO_RUNS", str(tmp_path))
        assert run("sample", "-m", "mine", "-n", 1, "-o", tmp_path / "one.png")[0] == 0
        code, _, err = run("sample", "-m", "other", "-n", 1, "-o", tmp_path / "two.png")
        assert code == 1
        assert "other" in err
        change_labels(tmp_path / "mine", name="good one")
        assert run("sample", "-m", "good one", "-n", 1, "-o", tmp_path / "three.png")[0] == 0
        assert json.loads(run("info", "good one", "--json")[1])["run"]["folder"] == str(tmp_path / "mine")
        change_labels(tmp_path / "two", name="good one")
        code, _, err = run("info", "good one")
        assert code == 1
        assert "2 runs are called good one" in err

    def test_a_damaged_file_is_refused_with_the_reason(self, run: Run, model: Path, tmp_path: Path) -> None:
        broken = tmp_path / "broken.safetensors"
        data = bytearray(model.read_bytes())
        data[-5] ^= 0x10
        broken.write_bytes(data)
        code, _, err = run("info", broken)
        assert code == 1
        assert "damaged" in err


class TestSample:
    def test_a_sheet_holds_the_very_images_of_the_array(self, run: Run, model: Path, tmp_path: Path) -> None:
        for name in ("images.npz", "sheet.png"):
            words = ("sample", "-m", model, "-n", 5, "--seed", 3, "-t", 0.7, "--scale", 1, "-o", tmp_path / name)
            assert run(*words)[0] == 0
        images = np.load(tmp_path / "images.npz", allow_pickle=False)["images"]
        sheet = pixels(tmp_path / "sheet.png")
        assert images.shape == (5, 8, 8, 1)
        assert (sheet[2:10, 2:10] == images[0, ..., 0]).all()
        assert (sheet[12:20, 12:20] == images[4, ..., 0]).all()

    def test_is_what_the_library_draws(self, run: Run, model: Path, tmp_path: Path) -> None:
        import nvp_studio
        from nvp_studio.flow import images_from_unit

        run("sample", "-m", model, "-n", 3, "--seed", 9, "-t", 0.5, "-o", tmp_path / "some.npz")
        drawn = images_from_unit(nvp_studio.load(model).sample(3, 0.5, 9)).numpy()
        assert (np.load(tmp_path / "some.npz")["images"] == drawn).all()

    def test_a_folder_gets_one_file_each(self, run: Run, model: Path, tmp_path: Path) -> None:
        code, out, _ = run("sample", "-m", model, "-n", 4, "-o", tmp_path / "samples", "--json")
        assert code == 0
        assert json.loads(out)["images"] == 4
        assert len(list((tmp_path / "samples").glob("*.png"))) == 4

    def test_temperatures_per_scale(self, run: Run, model: Path, tmp_path: Path) -> None:
        assert run("sample", "-m", model, "-t", 1, "-t", 0, "-o", tmp_path / "a.png")[0] == 0
        code, _, err = run("sample", "-m", model, "-t", 1, "-t", 0, "-t", 1, "-o", tmp_path / "b.png")
        assert code == 1
        assert "3 temperatures for 2 scales" in err


class TestEncodeAndDecode:
    def test_there_and_back_is_lossless(self, run: Run, model: Path, tmp_path: Path) -> None:
        sources = write_images(tmp_path / "in", 70)
        code, out, _ = run("encode", tmp_path / "in", "-m", model, "-o", tmp_path / "z.npz", "--json")
        assert code == 0
        assert json.loads(out) == {"output": str(tmp_path / "z.npz"), "images": 70, "exact": 70, "failed": 0}
        assert run("decode", tmp_path / "z.npz", "-m", model, "-o", tmp_path / "out")[0] == 0
        results = sorted((tmp_path / "out").glob("*.png"))
        assert len(results) == 70
        for source, result in zip(sources, results, strict=True):
            assert source.stem in result.stem
            assert (pixels(source) == pixels(result)).all()

    def test_a_split_of_a_data_set_with_its_labels(self, run: Run, model: Path, tmp_path: Path) -> None:
        images = np.random.default_rng(2).integers(0, 256, (90, 8, 8), np.uint8)
        np.savez(
            tmp_path / "data.npz", x_train=images, x_test=images[:70], y_train=images[:, 0, 0] % 3, y_test=[1] * 70
        )
        words = ["--data", tmp_path / "data.npz", "-m", model, "-o", tmp_path / "z.npz", "--json"]
        code, out, err = run("encode", *words)
        assert code == 0, err
        assert json.loads(out)["images"] == 70
        with np.load(tmp_path / "z.npz") as stored:
            assert stored["names"].tolist() == [f"test/{index}" for index in range(70)]
            assert stored["label"].tolist() == [1] * 70
            assert stored["label_name"].tolist() == ["1"] * 70
        assert run("decode", tmp_path / "z.npz", "-m", model, "-o", tmp_path / "again.npz")[0] == 0
        with np.load(tmp_path / "again.npz") as decoded:
            assert (decoded["images"][..., 0] == images[:70]).all()
        assert run("encode", *words, "--split", "validation", "--limit", 3, "--labels", "none")[0] == 0
        with np.load(tmp_path / "z.npz") as stored:
            assert stored["names"].tolist() == ["validation/0", "validation/1", "validation/2"]
            assert "label" not in stored
        for name in ("cat", "dog"):
            write_images(tmp_path / "set" / "test" / name, 2)
            write_images(tmp_path / "set" / "train" / name, 2)
        assert run("encode", "--data", tmp_path / "set", "-m", model, "-o", tmp_path / "z.npz")[0] == 0
        with np.load(tmp_path / "z.npz") as stored:
            assert stored["label_name"].tolist() == ["cat", "cat", "dog", "dog"]
        assert run("encode", "in", *words)[0] == 2

    def test_an_unreadable_file_is_named_and_left_out(self, run: Run, model: Path, tmp_path: Path) -> None:
        write_images(tmp_path / "in", 2)
        (tmp_path / "in" / "broken.png").write_bytes(b"no image")
        code, out, err = run("encode", tmp_path / "in", "-m", model, "-o", tmp_path / "z.npz", "--json")
        assert code == 1
        assert json.loads(out)["images"] == 2
        assert "broken.png" in err

    def test_latents_of_another_checkpoint_are_refused(self, run: Run, model: Path, tmp_path: Path) -> None:
        np.savez(tmp_path / "z.npz", z=np.zeros((1, 64), np.float32), names=np.array(["a"]), checkpoint=np.array("ab"))
        words = ("decode", tmp_path / "z.npz", "-m", model, "-o", tmp_path / "out")
        code, _, err = run(*words)
        assert code == 1
        assert "another checkpoint" in err
        assert run(*words, "--force")[0] == 0

    @pytest.mark.parametrize("content", [b"", b"PK\x03\x04nonsense", b"\x93NUMPY"])
    def test_a_file_that_is_none_of_ours_is_refused(
        self, run: Run, model: Path, tmp_path: Path, content: bytes
    ) -> None:
        (tmp_path / "z.npz").write_bytes(content)
        code, _, err = run("decode", tmp_path / "z.npz", "-m", model, "-o", tmp_path / "out")
        assert code == 1
        assert len(err.splitlines()) == 1

    def test_a_picture_renders_again_from_its_recipe(self, run: Run, model: Path, tmp_path: Path) -> None:
        from nvp_studio.explore.model import open_model
        from nvp_studio.explore.pictures import save_picture
        from nvp_studio.explore.rendering import render
        from nvp_studio.recipe import Recipe, Seed

        opened = open_model(model)
        recipe = Recipe(checkpoint=opened.digest, base=Seed(5), temperatures=(0.5, 1.0), offsets=((1, 2.0),))
        image = render(opened, [recipe]).images[0]
        save_picture(tmp_path / "picture.png", image, recipe, pixel_size=4)
        code, _, _ = run("decode", "--recipe", tmp_path / "picture.png", "-m", model, "-o", tmp_path / "again.png")
        assert code == 0
        assert (pixels(tmp_path / "again.png") == image[..., 0]).all()


class TestScore:
    def test_rows_are_the_library_s_scores_and_a_bad_file_does_not_stop_the_rest(
        self, run: Run, model: Path, tmp_path: Path
    ) -> None:
        import nvp_studio

        paths = write_images(tmp_path / "in", 3)
        (tmp_path / "in" / "image-01-broken.png").write_bytes(b"no image")
        code, _, err = run("score", tmp_path / "in", "-m", model, "--csv", tmp_path / "out.csv")
        with open(tmp_path / "out.csv", newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert code == 1
        assert "3 scored, 1 could not be read" in err
        assert [Path(row["path"]).name for row in rows] == [
            "image-00.png",
            "image-01-broken.png",
            "image-01.png",
            "image-02.png",
        ]
        assert rows[1]["error"]
        assert rows[1]["bits_per_dim"] == ""
        images = np.stack([pixels(path) for path in paths])[..., None]
        expected = nvp_studio.load(model).bits_per_dim(images).tolist()
        found = [float(row["bits_per_dim"]) for row in rows if row["bits_per_dim"]]
        assert found == pytest.approx(expected, abs=1e-6)

    def test_a_name_that_looks_like_a_formula_is_made_harmless(
        self, run: Run, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        write_images(tmp_path, 1)[0].rename("=cmd()!A1.png")
        code, out, _ = run("score", "=cmd()!A1.png", "-m", model, "--csv", "-")
        assert code == 0
        assert "\n'=cmd()!A1.png," in out

    def test_json_lines_are_valid_and_absent_values_are_null(self, run: Run, model: Path, tmp_path: Path) -> None:
        broken = tmp_path / "broken.png"
        broken.write_bytes(b"no image")
        code, out, _ = run("score", *write_images(tmp_path, 1), broken, "-m", model, "--json")
        rows = [json.loads(line, parse_constant=lambda name: pytest.fail(name)) for line in out.splitlines()]
        assert code == 1
        assert rows[0]["bits_per_dim"] > 0
        assert rows[1]["bits_per_dim"] is None
        assert rows[2]["scored"] == 1
        assert rows[2]["standard_error"] is None

    def test_a_file_name_that_is_no_text(self, run: Run, model: Path, tmp_path: Path) -> None:
        odd = os.fsencode(tmp_path) + b"/caf\xe9.png"
        os.rename(write_images(tmp_path, 1)[0], odd)
        for extra in (["--json"], ["--csv", str(tmp_path / "out.csv")], []):
            assert run("score", tmp_path, "-m", model, *extra)[0] == 0
        assert "caf" in (tmp_path / "out.csv").read_text("utf-8")

    def test_a_split_of_a_data_set(self, run: Run, model: Path, tmp_path: Path) -> None:
        import nvp_studio

        random = np.random.default_rng(1)
        labels = np.where(np.arange(300) % 3 == 0, "=one", "other")
        np.savez(tmp_path / "data.npz", x_train=random.integers(0, 256, (300, 8, 8), np.uint8), y_train=labels)
        words = ["--data", tmp_path / "data.npz", "--split", "train", "--limit", 260, "-m", model]
        code, out, err = run("score", *words, "--csv", tmp_path / "scores.csv", "--json")
        assert code == 0, err
        *rows, total = map(json.loads, out.splitlines())
        assert [row["path"] for row in rows] == [f"train/{index}" for index in range(260)]
        with open(tmp_path / "scores.csv", newline="", encoding="utf-8") as file:
            cells = list(csv.DictReader(file))
        assert list(cells[0]) == [*rows[0], "model", "model_sha256"]
        assert [int(row["label"]) for row in cells] == [row["label"] for row in rows]
        assert {row["label_name"] for row in cells} == {"'=one", "other"}, "no spreadsheet computes it"
        from nvp_studio.data.catalogue import load_data

        data = load_data(str(tmp_path / "data.npz"))
        images = data.train.images[:260]
        assert [data.label_names[row["label"]] for row in rows] == [row["label_name"] for row in rows]
        assert data.train.labels is not None
        assert [row["label"] for row in rows] == data.train.labels[:260].tolist()
        assert total["scored"] == 260
        assert total["mean_bits_per_dim"] == pytest.approx(nvp_studio.load(model).bits_per_dim(images).mean().item())

    def test_rows_are_written_as_parquet(self, run: Run, model: Path, tmp_path: Path) -> None:
        parquet = pytest.importorskip("pyarrow.parquet")
        images = np.random.default_rng(1).integers(0, 256, (30, 8, 8), np.uint8)
        np.savez(tmp_path / "data.npz", x_test=images, x_train=images, y_test=np.arange(30) % 2, y_train=[0] * 30)
        out = tmp_path / "scores.parquet"
        assert run("score", "--data", tmp_path / "data.npz", "-m", model, "--parquet", out)[0] == 0
        table = parquet.read_table(out)
        columns = "path label bits_per_dim percentile p_value verdict reasons notes error label_name"
        assert table.column_names == columns.split()
        assert table.to_pylist()[3]["label"] == 1
        assert table.to_pylist()[3]["label_name"] == "1"
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / "broken.png").write_bytes(b"no image")
        code, printed, _ = run("score", *write_images(tmp_path, 2), tmp_path / "in", "-m", model, "--parquet", out)
        assert (code, printed) == (1, "")
        rows = parquet.read_table(out).to_pylist()
        assert [row["bits_per_dim"] is None for row in rows] == [False, False, True]
        assert rows[2]["label"] == "in"

    def test_a_package_for_parquet_that_is_missing_is_named_before_anything_is_scored(
        self, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("nvp_studio.commands.parquet.find_spec", lambda name: None)
        code, _, err = run("score", tmp_path, "--parquet", tmp_path / "x.parquet")
        assert code == 1
        assert "pip install 'nvp-studio[parquet]'" in err

    @pytest.mark.slow
    def test_a_reader_that_has_gone_is_no_traceback(self, model: Path, tmp_path: Path) -> None:
        write_images(tmp_path / "in", 200)
        command = f"{sys.executable} -m nvp_studio score {tmp_path}/in -m {model} --csv - | head -1"
        ended = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True, check=False)
        assert ended.stdout == "path,label,bits_per_dim,percentile,p_value,verdict,reasons,notes,error\n"
        assert "Traceback" not in ended.stderr
        assert "Exception" not in ended.stderr
