"""Where images live and when a batch is made change no bit of it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from nvp_studio.training import batches as module
from nvp_studio.training.augmentation import Augmentation
from nvp_studio.training.batches import Batches, Draw, Prefetcher
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.resume import resume_run
from nvp_studio.training.start import start_run
from tests.gpu import DEVICES, needs_cuda
from tests.training.conftest import bars
from tests.training.test_resume import assert_same_run, start_until

MakeConfig = Callable[..., TrainConfig]
CPU = torch.device("cpu")
CHANGES = Augmentation(mirror=True, shift=2)
COURSE: list[tuple[int, int, tuple[int, int] | None]] = [
    (0, 0, None),
    (1, 0, None),
    (2, 0, (0, 4)),  # in parts from here on
    (2, 0, (4, 10)),
    (3, 0, (0, 4)),
    (3, 0, (4, 10)),
    (4, 1, (0, 4)),  # after a return to an earlier state
    (4, 1, (0, 4)),  # taken again, as when memory ran out
    (4, 1, (4, 10)),
    (9, 1, None),
]


def made(device: str = "cpu") -> list[torch.Tensor]:
    """Images and noise of a course through training that goes wrong in every way."""
    batches = Batches(bars(25, 0), 10, seed=1, augmentation=CHANGES, device=torch.device(device))
    found = []
    for step, order, places in COURSE:
        found += [*batches.micro_batch(step, order, places or (0, 10), (0, batches.noise_count))]
    return [one.cpu() for one in found]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("resident", [False, True])
@pytest.mark.parametrize("prefetch", [False, True])
def test_neither_place_nor_time_changes_a_batch(
    device: str, resident: bool, prefetch: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = made()
    monkeypatch.setattr(module, "_fits", lambda images, device: resident)
    monkeypatch.setattr(module, "_gains_by_a_thread", lambda device: prefetch)
    for found, expected in zip(made(device), plain, strict=True):
        assert torch.equal(found, expected)


def test_resident_images_are_sent_once_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PIECE", 7)
    images = bars(25, 0)
    monkeypatch.setattr(module, "_fits", lambda images, device: True)
    batches = Batches(images, 10, seed=1, device=CPU)
    expected = Batches(images.copy(), 10, seed=1, device=CPU).take(3)
    images[:] = 0
    assert torch.equal(batches.take(3), expected)


@pytest.mark.parametrize(("free", "resident"), [(4 * 25 * 64, True), (4 * 25 * 64 - 4, False)])
def test_images_live_on_a_gpu_that_has_room_for_four_times_as_many(
    free: int, resident: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 10 * free))
    assert module._fits(bars(25, 0), torch.device("cuda")) == resident
    assert not module._fits(bars(25, 0), CPU)


def test_the_next_draw_is_made_before_it_is_asked_for() -> None:
    drawn: list[Draw] = []

    def draw(wanted: Draw) -> list[torch.Tensor]:
        drawn.append(wanted)
        return [torch.tensor(wanted.step)]

    first = Draw(0, 0, (0, 4), (0, 1))
    prefetcher = Prefetcher(draw)
    assert [prefetcher(first._replace(step=step))[0].item() for step in range(5)] == [0, 1, 2, 3, 4]
    prefetcher._thread.shutdown()
    assert sorted(drawn) == [first._replace(step=step) for step in range(6)], "each once, and one more"


def test_what_goes_wrong_in_the_thread_is_told_where_the_batch_is_asked_for() -> None:
    def draw(wanted: Draw) -> list[torch.Tensor]:
        if wanted.step == 1:
            raise MemoryError
        return [torch.tensor(wanted.step)]

    first = Draw(0, 0, (0, 4), (0, 1))
    prefetcher = Prefetcher(draw)
    prefetcher(first)
    with pytest.raises(MemoryError):
        prefetcher(first._replace(step=1))
    assert prefetcher(first._replace(step=2))[0].item() == 2


def test_a_run_that_prefetches_is_the_same_run(
    tmp_path: Path, make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make_config(steps=6, accumulate=3, random_shift=1)
    whole = start_run(config, tmp_path, "whole")
    monkeypatch.setattr(module, "_gains_by_a_thread", lambda device: True)
    monkeypatch.setattr(module, "_fits", lambda images, device: True)
    parts = start_until(3, config, tmp_path)
    resume_run(parts)
    assert_same_run(whole, parts)


@needs_cuda
def test_a_gpu_fetches_from_pinned_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_fits", lambda images, device: False)
    batches = Batches(bars(25, 0), 10, seed=1, device=torch.device("cuda"))
    parts = batches._drawn(Draw(0, 0, (0, 10), (0, 1)))
    assert all(part.is_pinned() for part in parts)
    assert isinstance(np.asarray(parts[0]), np.ndarray)
