"""A worker with an open model, shared by tests that leave it as it was, and workers of one's own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from nvp_studio.worker.messages import Ask, ModelOpened, OpenModel
from tests.small_model import write_small_model
from tests.worker.process import WorkerProcess, worker_process


@pytest.fixture(scope="session")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    write_small_model(path)
    return path


@pytest.fixture(scope="module")
def shared_worker(tmp_path_factory: pytest.TempPathFactory, model_file: Path) -> Iterator[WorkerProcess]:
    """A greeted worker with the small model open."""
    with worker_process(tmp_path_factory.mktemp("worker"), forked=True) as process:
        process.greet()
        process.send(Ask("model", 1, OpenModel(str(model_file))))
        process.expect(ModelOpened)
        yield process


@pytest.fixture
def start_worker(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[[], WorkerProcess]]:
    """Starts workers that end with the test; in tests that may take long they are no forks."""
    forked = request.node.get_closest_marker("slow") is None
    with ExitStack() as stack:
        yield lambda: stack.enter_context(worker_process(tmp_path, forked=forked))


@pytest.fixture
def new_worker(tmp_path: Path) -> Iterator[WorkerProcess]:
    """A worker that was just started by its command line."""
    with worker_process(tmp_path) as worker:
        yield worker
