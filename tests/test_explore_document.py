"""The Python and the command lines of docs/explore.md run, on the included models."""

import os
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from nvp_studio.cli import main
from nvp_studio.data.catalogue import load_data

DOCUMENT = (Path(__file__).parents[1] / "docs" / "explore.md").read_text("utf-8")
PYTHON = re.findall(r"^```python\n(.+?)^```", DOCUMENT, re.DOTALL | re.MULTILINE)
COMMANDS = re.findall(r"^    (nvp-studio .+)$", DOCUMENT, re.MULTILINE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the document names, with test images of Peeps in them; the present folder of these tests."""
    folder = tmp_path_factory.mktemp("explore")
    data = load_data("peeps")
    assert data.test is not None
    assert data.test.attributes is not None
    glasses = data.test.attributes[:, [attribute.name for attribute in data.attributes].index("glasses")] > 0
    for name, chosen in (("without", ~glasses), ("with", glasses)):
        (folder / name).mkdir()
        for number in np.flatnonzero(chosen)[:3]:
            PIL.Image.fromarray(data.test.images[number]).save(folder / name / f"{number}.png")
    for number, name in enumerate(("picture", "one", "two", "three", "four")):
        PIL.Image.fromarray(data.test.images[number]).save(folder / f"{name}.png")
    return folder


@pytest.mark.slow
def test_the_python_of_the_document_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    names: dict[str, Any] = {}
    for code in PYTHON:
        exec(code, names)
    assert names["picture"].images.shape == (1, 32, 32, 3)
    assert names["picture"].squared_lengths.shape == (1, 4)
    assert len(names["near"].distances) == 8
    assert names["made"].places.shape == (1000, 2)
    assert {"corners.png", "grid.png", "kept.png", "film.gif"} <= set(os.listdir())


@pytest.mark.slow
def test_the_command_lines_of_the_document_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In their order: some begin from what those before wrote."""
    monkeypatch.chdir(folder)
    assert len(COMMANDS) >= 18
    for line in COMMANDS:
        _, *words = shlex.split(line)
        output = Path(words[words.index("-o") + 1]) if "-o" in words else None
        if output is not None:
            output.unlink(missing_ok=True)
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 0, line
        assert output is None or output.stat().st_size > 0, line


def test_the_pictures_of_the_document_show_every_tool() -> None:
    from docs.explore_screenshots import TOOLS

    shown = re.findall(r"screenshots/explore-(\w+)-(?:light|dark)-1280x800\.png", DOCUMENT)
    assert sorted(shown) == sorted(TOOLS)
