"""The report of scored files: complete, escaped, bounded."""

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from nvp_studio.score_row import ScoreRow
from nvp_studio.scores.report import EXAMPLES, ReportFacts, ScoreReport
from tests.cli.conftest import Run
from tests.small_model import random_images, write_small_model


class _Page(HTMLParser):
    """The tags and texts of a page; no tag may be one that loads or runs something."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.pictures: list[bytes] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            assert not name.startswith("on")
            if name == "src":
                assert value is not None
                assert value.startswith("data:image/png;base64,")
                self.pictures.append(base64.b64decode(value.partition(",")[2]))
            assert name != "href"

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model, good images to refer to, and 40 to score of which one has a name like HTML and one cannot be read."""
    write_small_model(tmp_path / "small.safetensors")
    noise = np.random.default_rng(0).integers(0, 256, (1, 8, 8, 1), np.uint8)
    for name, images in (("good", random_images(120)), ("new", np.concatenate([random_images(39, seed=5), noise]))):
        (tmp_path / name).mkdir()
        for index, image in enumerate(images):
            PIL.Image.fromarray(image[..., 0]).save(tmp_path / name / f"{index:03}.png")
    (tmp_path / "new" / "039.png").rename(tmp_path / "new" / "<script>alert(1)<&'\".png")
    (tmp_path / "new" / "bad<b>.png").write_bytes(b"none")
    return tmp_path


def test_a_report_has_everything_and_escapes_names(run: Run, folder: Path) -> None:
    words = ["-m", folder / "small.safetensors", "--reference", folder / "good", "--false-alarms", "5%"]
    code, _, err = run("score", folder / "new", *words, "--csv", folder / "a.csv", "--report", folder / "a.html")
    assert code == 1, err
    page = _Page((folder / "a.html").read_text("utf-8"))
    assert "script" not in page.tags
    assert "<script>alert(1)<&'\".png" in page.text
    assert "bad<b>.png" in page.text
    assert "40 images scored, 1 could not be read" in page.text
    for words_in in (
        "SHA-256",
        "Rate of false alarms: 5 %",
        "threshold",
        "Most unusual",
        "Least unusual",
        "PyTorch",
        "far outside",
    ):
        assert words_in in page.text
    assert len(page.pictures) == 2 * EXAMPLES
    assert page.tags.count("svg") == 2
    for content in page.pictures:
        with PIL.Image.open(io.BytesIO(content)) as picture:
            assert picture.height == 256
    first = re.search(r"Most unusual.*?\.png", page.text, re.DOTALL)
    assert first is not None
    assert "alert(1)" in first[0], "noise is the most unusual"
    rows = (folder / "a.csv").read_text("utf-8").count("\n")
    assert rows == 42


def test_a_report_without_a_reference_or_of_a_data_set(run: Run, folder: Path) -> None:
    np.savez(folder / "data.npz", x_train=random_images(20), x_test=random_images(5, seed=4), y_test=np.arange(5))
    for words in (["--data", folder / "data.npz"], [folder / "good"]):
        code, _, err = run(
            "score", *words, "-m", folder / "small.safetensors", "--reference", "none", "--report", folder / "b.html"
        )
        assert code == 0, err
        page = _Page((folder / "b.html").read_text("utf-8"))
        assert "Highest bits/dim" in page.text
        assert "dashed: the threshold" not in page.text
        assert len(page.pictures) == (5 if words[0] == "--data" else 2 * EXAMPLES)
    code, _, err = run(
        "score", folder / "good", "-m", folder / "small.safetensors", "--report", folder / "no" / "c.html"
    )
    assert code == 1
    assert "no folder" in err


@pytest.mark.parametrize("gradients", [True, False])
def test_the_note_on_maps_names_the_gradient_where_there_is_one(gradients: bool) -> None:
    report = ScoreReport(judged=True)
    report.add(ScoreRow(path="a.png", bits_per_dim=1.0, verdict="typical"))
    page = report.page(ReportFacts(name="small", card=(), gradients=gradients), 0.01, lambda row: b"")
    assert b"the bits of each scale" in page
    assert (b"changes with each pixel" in page) == gradients
