"""The command line called from tests, and a small model for it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from nvp_studio.cli import main
from tests.small_model import write_small_model

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command line in this process; gives exit code, stdout and stderr."""

    def call(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        out, err = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, out, err

    return call


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small flow for grey images of 8x8 pixels, as a checkpoint file."""
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    write_small_model(path)
    return path
