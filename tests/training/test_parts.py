"""The parts of training on their own: batches, schedule, average, directions, evaluation, probe, device."""

import copy
import io
import math
import sys
from collections.abc import Callable

import msgspec
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from nvp_studio.checkpoints import MAX_NAME
from nvp_studio.data.dataset import Attribute, DataSet, Split
from nvp_studio.flow.dequantization import images_from_unit, unit_from_images
from nvp_studio.flow.engine.inference import Inference
from nvp_studio.flow.flow import Flow
from nvp_studio.training import reference
from nvp_studio.training.augmentation import Augmentation
from nvp_studio.training.batches import Batches
from nvp_studio.training.clock import Clock
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.evaluation import (
    HALF_A_LEVEL,
    chosen_images,
    contact_sheet,
    inverse_error,
    noise_inverse_error,
    scores,
)
from nvp_studio.training.probe import probe
from nvp_studio.training.reference import contrasts, principal_directions
from nvp_studio.training.schedule import Budget, learning_rate
from nvp_studio.training.train_state import TrainState, tensors_of, update_average
from tests.training.conftest import TINY, bars

CPU = torch.device("cpu")
MIRROR = Augmentation(mirror=True)


def numbered(count: int) -> np.ndarray:
    """Image i is grey level i throughout, so that a batch tells which images it holds."""
    return np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None, None], (count, 2, 4, 1)).copy()


def levels(batch: torch.Tensor) -> list[int]:
    return [int(image[0, 0, 0]) for image in images_from_unit(batch)]


def test_an_epoch_shows_every_image_once_whatever_the_batch_size() -> None:
    batches = Batches(numbered(25), 10, seed=1, device=CPU)
    stream = [level for step in range(5) for level in levels(batches.take(step))]
    assert sorted(stream[:25]) == sorted(stream[25:]) == list(range(25))
    assert stream[:25] != stream[25:]


def test_a_batch_depends_on_seed_order_and_step_alone() -> None:
    one, two = (Batches(numbered(25), 10, seed=1, augmentation=MIRROR, device=CPU) for _ in range(2))
    one.take(0), one.take(7)
    assert torch.equal(one.take(3), two.take(3))
    assert not torch.equal(one.take(3, order=1), two.take(3))
    assert not torch.equal(Batches(numbered(25), 10, seed=2, augmentation=MIRROR, device=CPU).take(3), two.take(3))


def test_noise_fills_the_level_and_never_leaves_it() -> None:
    x = Batches(numbered(8), 8, seed=0, device=CPU).take(0).double() * 256
    within = x - x.floor()
    assert within.min() < 0.1
    assert within.max() > 0.9
    assert len(within.unique()) > 50
    assert set(levels(x / 256)) == set(range(8))


def test_mirroring_turns_about_half_of_the_images_left_to_right() -> None:
    images = np.zeros((200, 2, 4, 1), np.uint8)
    images[:, :, 0] = 200
    batch = images_from_unit(Batches(images, 200, seed=0, augmentation=MIRROR, device=CPU).take(0)).numpy()
    left, right = batch[:, :, 0] == 200, batch[:, :, 3] == 200
    assert (left ^ right).all()
    assert 70 < right[:, 0].sum() < 130
    assert ((batch == 200).sum((1, 2, 3)) == 2).all()


def test_learning_rate_warms_up_and_falls_to_its_floor() -> None:
    config = TrainConfig(steps=1000, learning_rate=0.1, warmup_steps=50)
    rates = [learning_rate(config, step, step / 1000) for step in range(1001)]
    assert rates[0] == pytest.approx(0.1 / 50)
    assert max(rates) == pytest.approx(0.1, rel=0.02)
    assert np.argmax(rates) in range(45, 55)
    assert rates[1000] == pytest.approx(0.002)
    assert learning_rate(config, 300, 0.3, rollbacks=2) == pytest.approx(rates[300] / 4)
    constant = TrainConfig(steps=1000, learning_rate=0.1, warmup_steps=0, schedule="constant")
    assert {learning_rate(constant, step, step / 1000) for step in (0, 500, 1000)} == {0.1}


def test_warm_up_takes_a_tenth_of_a_short_run_at_most() -> None:
    config = TrainConfig(steps=100, learning_rate=0.1, warmup_steps=200, schedule="constant")
    assert learning_rate(config, 5, 0.05) == pytest.approx(0.05)
    assert learning_rate(config, 10, 0.1) == pytest.approx(0.1)


def test_budget_counts_what_it_is_given_in() -> None:
    assert Budget(TrainConfig(steps=7), 100).fraction(7, 1e9) == 1
    epochs = Budget(TrainConfig(epochs=1.5, batch_size=10), 101)
    assert (epochs.total_steps, epochs.steps_per_epoch) == (16, 11)
    minutes = Budget(TrainConfig(minutes=2), 100)
    assert minutes.total_steps is None
    assert minutes.fraction(10**9, 30) == 0.25
    assert minutes.fraction(0, 500) == 1


def test_average_is_the_weighted_sum_of_its_past() -> None:
    flow = Flow(TINY)
    average = copy.deepcopy(flow)
    expected = 0.0
    parameter = next(flow.parameters())
    for count, value in enumerate([4.0, 8.0, -2.0, 3.0, 3.5, 1.0]):
        with torch.no_grad():
            parameter.fill_(value)
        update_average(tensors_of(average), tensors_of(flow), 0.5, count)
        decay = min(0.5, (1 + count) / (10 + count)) if count else 0.0
        expected = decay * expected + (1 - decay) * value
    assert next(average.parameters()).flatten()[0].item() == pytest.approx(expected)


def test_average_copies_counters_and_permutations_unchanged() -> None:
    class Counting(Flow):
        def __init__(self) -> None:
            super().__init__(TINY)
            self.register_buffer("counter", torch.tensor(5))
            self.order = nn.Buffer(torch.tensor([2, 0, 1]))

    flow = Counting()
    average = copy.deepcopy(flow)
    for count in range(4):
        flow.counter += 1
        update_average(tensors_of(average), tensors_of(flow), 0.999, count)
    state = average.state_dict()
    assert state["counter"].item() == 9
    assert state["order"].tolist() == [2, 0, 1]
    for name, tensor in flow.state_dict().items():
        assert torch.equal(state[name], tensor), name


def test_weight_decay_is_on_the_lengths_of_filters_alone() -> None:
    flow = Flow(msgspec.structs.replace(TINY, weight_norm=True))
    (optimizer,) = TrainState(flow, TrainConfig(steps=1, weight_decay=5e-5)).optimizers
    decayed = {id(p) for group in optimizer.param_groups if group["weight_decay"] for p in group["params"]}
    assert decayed == {id(p) for name, p in flow.named_parameters() if name.endswith("length")}
    assert len(decayed) > 10
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(list(flow.parameters()))


@pytest.mark.parametrize("count", [300, 40], ids=["more images than dimensions", "fewer"])
def test_directions_are_those_of_a_singular_value_decomposition(count: int) -> None:
    torch.manual_seed(0)
    flow = Flow(TINY)
    images = bars(count, 3)
    flow.initialize(unit_from_images(torch.from_numpy(images), 0.5))
    found = principal_directions(Inference(flow), images)
    assert found is not None
    with torch.no_grad():
        latents = flow.encode(unit_from_images(torch.from_numpy(images), 0.5))[0].double()
    _, widths, right = torch.linalg.svd(latents - latents.mean(0), full_matrices=False)
    torch.testing.assert_close(found["mean"].double(), latents.mean(0), rtol=0, atol=1e-5)
    torch.testing.assert_close(found["deviation"].double(), widths[:24] / math.sqrt(count - 1), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found["shares"].double(), (widths**2 / (widths**2).sum())[:24], rtol=1e-4, atol=1e-6)
    overlaps = (found["components"].double() * right[:24]).sum(1).abs()
    assert overlaps[:5].min() > 0.999
    largest = found["components"].gather(1, found["components"].abs().argmax(1, keepdim=True))
    assert (largest > 0).all()


@pytest.mark.parametrize("count", [300, 40], ids=["more images than dimensions", "fewer"])
def test_directions_do_not_depend_on_how_much_is_computed_at_a_time(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    flow = Inference(Flow(TINY))
    images = bars(count, 3)
    masks = {"left": images[:, 0, :4].max((1, 2)) > 128}
    at_once = principal_directions(flow, images, masks)
    monkeypatch.setattr(reference, "_CHUNK_NUMBERS", 333)
    monkeypatch.setattr(reference, "_BATCH_NUMBERS", 1000)
    found = principal_directions(flow, images, masks)
    assert at_once is not None
    assert found is not None
    for name in ("mean", "deviation", "shares"):
        torch.testing.assert_close(found[name], at_once[name], rtol=1e-4, atol=1e-6)
    strong = found["deviation"] > 0.1 * found["deviation"][0]
    assert strong.sum() > 5
    torch.testing.assert_close(found["components"][strong], at_once["components"][strong], rtol=1e-4, atol=1e-4)


def test_directions_hold_no_more_latents_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, images = Inference(Flow(TINY)), bars(300, 3)
    monkeypatch.setattr(reference, "_MAX_BYTES", 100 * flow.config.dimensions * 4)
    found, fewer = principal_directions(flow, images), principal_directions(flow, images, most=100)
    assert found is not None
    assert fewer is not None
    assert torch.equal(found["mean"], fewer["mean"])


def test_directions_of_too_little_are_none() -> None:
    flow = Inference(Flow(TINY))
    assert principal_directions(flow, bars(2, 0)) is None
    assert principal_directions(flow, np.zeros((50, 8, 8, 1), np.uint8)) is None
    assert principal_directions(flow, bars(50, 0), keep_going=lambda: False) is None


def test_directions_take_fewer_images_when_time_is_short() -> None:
    asked: list[None] = []

    def keep_going() -> bool:
        asked.append(None)
        return True

    assert principal_directions(Flow(TINY).eval(), bars(1000, 0), seconds=0, keep_going=keep_going, batch_size=64)
    assert len(asked) == 2, "after the first few latents no time is left"


def test_contact_sheet_shows_every_image_in_its_place() -> None:
    images = np.arange(10, dtype=np.uint8)[:, None, None, None] * np.ones((1, 3, 5, 3), np.uint8)
    with Image.open(io.BytesIO(contact_sheet(images, 4))) as image:
        pixels = np.asarray(image)
    assert pixels.shape == (9, 20, 3)
    for index in range(12):
        row, column = divmod(index, 4)
        cell = pixels[3 * row : 3 * row + 3, 5 * column : 5 * column + 5]
        assert (cell == (index if index < 10 else 0)).all()


def test_scores_weigh_every_image_alike_and_end_when_asked() -> None:
    flow = Inference(Flow(TINY))
    images = bars(10, 0)
    found = scores(flow, images, lambda: True, batch_size=4)
    assert found is not None
    torch.testing.assert_close(found, flow.bits_per_dim(images), rtol=1e-6, atol=1e-6)
    turns = iter([True, False])
    assert scores(flow, images, lambda: next(turns), batch_size=4) is None
    assert scores(flow, images[:0], lambda: True) is not None


def test_a_batch_that_is_scored_is_abandoned_between_two_layers_and_begun_again() -> None:
    flow = Inference(Flow(TINY))
    images = bars(10, 0)
    passed: list[int] = []
    layers = list(flow.body.scales[0])
    for number, layer in enumerate(layers):
        layer.register_forward_pre_hook(lambda *_, number=number: passed.append(number))  # type: ignore[misc]
    told = [False]

    def has_news() -> bool:
        return passed == [0] and not told[0]

    def keep_going() -> bool:
        told[0] = bool(passed)
        return True

    found = scores(flow, images, keep_going, has_news=has_news)
    assert found is not None
    assert passed == [0, *range(len(layers))]
    assert torch.equal(found, flow.bits_per_dim(images))
    passed.clear()
    assert scores(flow, images, lambda: not passed, has_news=lambda: passed == [0]) is None
    assert passed == [0]


def test_clock_counts_no_pauses_and_a_window_of_speed() -> None:
    clock = Clock(100.0)
    with clock.paused():
        assert clock.seconds() == clock.seconds() >= 100
    assert clock.seconds_for(100) is None
    for _ in range(50):
        clock.stepped(1.0, 10)
    for _ in range(10):
        clock.stepped(1.0, 40)
    assert clock.images_per_second == pytest.approx(40)
    assert clock.seconds_for(400) == pytest.approx(10)


@pytest.mark.parametrize("changes", [{}, {"optimizer": "adam", "preset": "quick", "flow": None}])
def test_probe_measures_a_run(make_config: Callable[..., TrainConfig], changes: dict[str, object]) -> None:
    found = probe(make_config(**changes), (1, 8, 8), seconds=0.05)
    assert found.images_per_second > 0
    assert found.scored_per_second > 0
    assert found.decoded_per_second > 0
    assert found.memory_bytes > 10**6
    if not changes:
        assert found.parameters == sum(parameter.numel() for parameter in Flow(TINY).parameters())


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not forget a process's peak")
def test_the_memory_of_earlier_runs_is_not_that_of_a_probe(make_config: Callable[..., TrainConfig]) -> None:
    block = np.ones(2**26)
    with_block = probe(make_config(), (1, 8, 8), seconds=0.01).memory_bytes
    del block
    assert probe(make_config(), (1, 8, 8), seconds=0.01).memory_bytes < with_block - 2**28


def test_inverse_error_tells_a_sound_flow_from_one_without_a_usable_inverse() -> None:
    torch.manual_seed(0)
    flow = Inference(Flow(TINY))
    images = bars(4, 0)
    assert inverse_error(flow, images) < 1e-5
    assert noise_inverse_error(flow, 4) < 1e-5
    with torch.no_grad():
        for name, parameter in flow.flow.named_parameters():
            if name.endswith("law.scale"):
                parameter.fill_(30.0)
            elif "leave" in name:
                parameter.normal_()
    flow = Inference(flow.flow)
    assert inverse_error(flow, images) > HALF_A_LEVEL
    assert noise_inverse_error(flow, 4) > HALF_A_LEVEL


def with_attributes(images: np.ndarray, table: np.ndarray, attributes: tuple[Attribute, ...]) -> DataSet:
    split = Split(images, np.arange(len(images)) % 2, table.astype(np.uint8))
    return DataSet("toys", "Toys", split, split, None, ("even", "odd"), "", "", "", attributes=attributes)


def test_contrasts_are_classes_presence_and_few_values() -> None:
    attributes = (
        Attribute("glasses", ("none", *map(str, range(20)))),
        Attribute("hair", ("none", "red", "grey")),
        Attribute("skin", ("light", "dark", "never")),
        Attribute("style", tuple(map(str, range(20)))),
    )
    table = np.stack([np.arange(200) % count for count in (21, 3, 2, 20)], 1)
    found = contrasts(with_attributes(np.zeros((200, 2, 2, 1), np.uint8), table, attributes))
    assert list(found) == ["odd", "glasses", "hair", "hair: red", "hair: grey", "skin: light", "skin: dark"]
    assert (found["hair"] == (table[:, 1] > 0)).all()
    assert (found["skin: dark"] == (table[:, 2] == 1)).all()


def test_classes_with_long_names_or_none_get_names_that_a_checkpoint_may_hold() -> None:
    images = np.zeros((300, 2, 2, 1), np.uint8)
    split = Split(images, np.arange(300) % 4)
    names = ("x" * 200, "x" * 200 + "y", "", "plain")
    found = contrasts(DataSet("toys", "Toys", split, split, None, names, "", "", ""))
    assert len(found) == 4
    assert list(found)[2:] == ["(3)", "plain"]
    assert all(0 < len(name) <= MAX_NAME for name in found)


def test_a_named_direction_leads_from_the_others_to_those_that_have_it() -> None:
    torch.manual_seed(0)
    flow = Inference(Flow(TINY))
    bright = np.arange(300) % 3 == 0
    images = bars(300, 0) // 2 + np.where(bright, 100, 0).astype(np.uint8)[:, None, None, None]
    plain = principal_directions(flow, images)
    found = principal_directions(flow, images, {"bright": bright})
    assert plain is not None
    assert found is not None
    assert {name: len(tensor) for name, tensor in found.items() if name != "mean"} == {
        name: len(tensor) + 1 for name, tensor in plain.items() if name != "mean"
    }
    torch.testing.assert_close(found["components"][:-1], plain["components"])
    direction = found["components"][-1]
    assert direction.norm().item() == pytest.approx(1, abs=1e-5)
    latents = flow.encode(unit_from_images(torch.from_numpy(images), 0.5))[0].float()
    along = (latents - found["mean"]) @ direction
    assert along.std().item() == pytest.approx(found["deviation"][-1].item(), rel=1e-3)
    assert along[torch.from_numpy(bright)].min() > along[torch.from_numpy(~bright)].max()
    gap = latents[bright].mean(0) - latents[~bright].mean(0)
    torch.testing.assert_close(direction, gap / gap.norm(), rtol=1e-3, atol=1e-4)


def test_images_to_score_are_drawn_once_and_fewer_are_the_first_of_more() -> None:
    images = np.arange(40, dtype=np.uint8).reshape(40, 1, 1, 1)
    some, more, everything = (chosen_images(images, count) for count in (10, 25, 40))
    np.testing.assert_array_equal(some, more[:10])
    np.testing.assert_array_equal(np.concatenate((some, chosen_images(images, 25, after=10))), more)
    assert sorted(everything.ravel()) == list(range(40))
    assert sorted(some.ravel()) != list(range(10)), "files are often sorted by class"
