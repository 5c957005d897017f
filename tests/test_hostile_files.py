"""Files of ill will: each is refused with its one-line reason, at once and in little memory, and nothing is run."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from nvp_studio.checkpoints import CheckpointError, load, peek
from tests.hostile.data_files import DATA_FILES
from tests.hostile.model_files import MODEL_FILES, write_sound

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="pipes, devices and limits of Linux")

SECONDS = 1.0
"""Of computing, for each file: waiting for a busy machine does not count."""
KILOBYTES = 200_000


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory, small_model: Path) -> Iterator[dict[str, tuple[float, int, str]]]:
    """What a process of its own says of every file, by the file's name in its table."""
    folder = tmp_path_factory.mktemp("hostile")
    sound = write_sound(folder / "sound")
    Image.new("L", (8, 8)).save(folder / "sound.png")
    files: dict[str, tuple[str, Path]] = {}
    for number, (name, (build, _)) in enumerate(MODEL_FILES.items()):
        files[name] = ("model", folder / f"{number}.safetensors")
        build(files[name][1], sound)
    for name, (kind, build_data, _) in DATA_FILES.items():
        place = folder / f"d-{name}"
        place.mkdir()
        files[name] = (kind, place / name)
        build_data(files[name][1])
    lines = "".join(json.dumps([kind, str(path)]) + "\n" for kind, path in files.values())
    ended = subprocess.run(
        [sys.executable, "-m", "tests.hostile.child", str(small_model), str(folder / "sound.png")],
        input=lines,
        capture_output=True,
        text=True,
        check=False,
    )
    said = [json.loads(line) for line in ended.stdout.splitlines()]
    if len(said) < len(files):
        pytest.fail(f"the reader ended with {ended.returncode} at {list(files)[len(said)]!r}: {ended.stderr[-2000:]}")
    yield dict(zip(files, map(tuple, said), strict=True))
    assert not list(Path.cwd().rglob("intruded")) + list(folder.rglob("intruded"))


def test_there_are_enough_of_them() -> None:
    assert len(MODEL_FILES) >= 60
    assert not MODEL_FILES.keys() & DATA_FILES.keys()


@pytest.mark.parametrize("name", [*MODEL_FILES, *DATA_FILES])
def test_it_is_refused_at_once_in_one_line(reports: dict[str, tuple[float, int, str]], name: str) -> None:
    words = MODEL_FILES[name][1] if name in MODEL_FILES else DATA_FILES[name][2]
    seconds, kilobytes, reason = reports[name]
    assert re.search(words, reason), reason or "it was taken"
    assert reason.isprintable()
    assert len(reason) < 600
    assert seconds < SECONDS
    assert kilobytes < KILOBYTES


def test_the_file_that_they_are_made_from_is_sound(tmp_path: Path) -> None:
    write_sound(tmp_path / "sound")
    assert load(tmp_path / "sound").config.image_shape == (1, 4, 4)


def test_a_glance_takes_no_more_than_reading(tmp_path: Path) -> None:
    """`peek` looks at the information alone; what that glance meets is refused as well."""
    sound = write_sound(tmp_path / "sound")
    reasons: list[str] = []
    for number, (build, _) in enumerate(MODEL_FILES.values()):
        path = tmp_path / str(number)
        build(path, sound)
        try:
            peek(path)
        except CheckpointError as error:
            reasons.append(str(error))
    assert len(reasons) > 60
    assert all(reason.isprintable() for reason in reasons)
