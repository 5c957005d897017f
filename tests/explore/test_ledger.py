"""The ledger of an image adds up to its score for every preset, and values lie at the pixels that they came from."""

import math
from itertools import pairwise

import msgspec
import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from nvp_studio.checkpoints import CheckpointInfo, DataInfo
from nvp_studio.explore.inspection import inspect_picture
from nvp_studio.explore.ledger import ROUNDING, WEIGHTING, dequantized, ledger
from nvp_studio.explore.ledger_rows import LedgerRow, cumulative
from nvp_studio.explore.model import OpenedModel
from nvp_studio.flow.config import PRESETS, FlowConfig, preset_config
from nvp_studio.flow.coupling import Coupling
from nvp_studio.flow.engine.inference import Inference
from nvp_studio.flow.engine.walk import Walk
from tests.small_model import moved_flow, random_images, small_config


def opened(config: FlowConfig, dtype: torch.dtype = torch.float32) -> OpenedModel:
    """`moved_flow` as if it had been read from a file."""
    flow = moved_flow(config)
    info = CheckpointInfo(
        name="moved",
        preset="",
        data=DataInfo(name="random", title="Random images", digest=""),
        step=0,
        epoch=0.0,
        seconds=0.0,
        images=0,
        seed=0,
    )
    return OpenedModel(Inference(flow.to(dtype)), "", "", info, None, np.empty(0))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("preset", PRESETS)
def test_the_rows_of_every_preset_add_up_to_the_score(preset: str, dtype: torch.dtype) -> None:
    shape = (3, 16, 16)
    model = opened(msgspec.structs.replace(preset_config(preset, shape), width=8), dtype)
    image = random_images(1, shape, seed=5)
    made = ledger(model, image[0], seed=3)
    assert made.bits_per_dim == float(model.flow.bits_per_dim(image, 1, 3)[0])
    assert math.fsum(row.nats for row in made.rows) == pytest.approx(made.nats, abs=1e-9)
    *layers, rounding = made.rows
    assert rounding.layer == ROUNDING
    assert abs(rounding.bits_per_dim) < (1e-12 if dtype == torch.float64 else 1e-5)
    assert made.nats == pytest.approx(-made.bits_per_dim * 768 * math.log(2))
    couplings = [row for row in layers if row.layer.startswith("coupling")]
    assert len(couplings) == model.flow.config.couplings
    assert all(row.nats for row in couplings)
    assert len({row.layer for row in layers}) == len(layers)


def test_several_samples_add_up_to_their_bound() -> None:
    model, image = opened(small_config()), random_images(1)
    made = ledger(model, image[0], samples=4, seed=2)
    assert made.bits_per_dim == float(model.flow.bits_per_dim(image, 4, 2)[0])
    assert math.fsum(row.nats for row in made.rows) == pytest.approx(made.nats, abs=1e-9)
    by_name = {row.layer: row for row in made.rows}
    assert by_name[WEIGHTING].nats < 0
    assert abs(by_name[ROUNDING].bits_per_dim) < 1e-5
    with pytest.raises(ValueError, match="samples must be at least 1"):
        ledger(model, image[0], samples=0)


def test_values_lie_at_the_pixels_that_they_came_from() -> None:
    model = opened(small_config((3, 8, 8)), torch.float64)
    stages = list(Walk(model.flow).stages(dequantized(model.flow, random_images(2, (3, 8, 8)), 0, 0)))
    logit = next(stage for stage in stages if stage.kind == "logit").values
    assert {stage.values.shape for stage in stages} == {logit.shape}
    for stage in stages:
        if stage.kind in ("squeeze", "unsqueeze") and stage.scale == 1:
            before = stages[stages.index(stage) - 1]
            assert torch.equal(stage.values, before.values)
    last = stages[-1].values.flatten(1).sort(1).values
    z = model.flow.flow.encode(dequantized(model.flow, random_images(2, (3, 8, 8)), 0, 0))[0]
    assert torch.allclose(last, z.sort(1).values)


@pytest.mark.parametrize("checkerboard", ["masked", "packed"])
def test_the_mask_says_what_a_coupling_leaves_as_it_is(checkerboard: str) -> None:
    config = msgspec.structs.replace(small_config((1, 16, 16)), checkerboard=checkerboard, scales=3)
    model = opened(config)
    stages = list(Walk(model.flow).stages(dequantized(model.flow, random_images(1, (1, 16, 16)), 0, 0)))
    for before, stage in pairwise(stages):
        if stage.parameters is None:
            continue
        stays = stage.parameters.stays
        fixed = stage.values == before.values
        assert fixed[stays == 1].all()
        assert fixed[stays.isnan()].all()
        assert not fixed[stays == 0].any()
        assert (stays == 1).sum() == (stays == 0).sum() == 128 / 2 ** (stage.scale - 1)
        assert not stage.parameters.log_derivative[stays == 1].any()
        assert float(stage.parameters.log_derivative.sum()) == pytest.approx(float(stage.nats))


def test_the_first_layer_that_is_not_finite_is_named() -> None:
    model = opened(small_config())
    parameters = dict(model.flow.flow.named_parameters())
    with torch.no_grad():
        next(value for name, value in parameters.items() if name.startswith("body.scales.1") and "network" in name)[
            0
        ] = math.nan
    with pytest.raises(ValueError, match=r"no finite number.* coupling 1 of scale 2"):
        ledger(model, random_images(1)[0])


def test_rows_that_are_shown_add_up_to_the_last_digit() -> None:
    rows = tuple(LedgerRow("layer", 0.0, 0.00049, None) for _ in range(100))
    shown = cumulative(rows, 3)
    assert shown[-1][1] == 0.049
    assert sum(round(1000 * value) for value, _ in shown) == 49


def test_the_operations_of_a_layer_are_those_that_torch_counts() -> None:
    model = opened(small_config((3, 16, 16)))
    counted = {}
    for stage in inspect_picture(model, random_images(1, (3, 16, 16))[0]).stages:
        counted[stage.layer] = stage.flops
    for stage in Walk(model.flow).stages(torch.full((1, 3, 16, 16), 0.5)):
        if stage.kind == "coupling":
            assert isinstance(stage.layer, Coupling)
            with FlopCounterMode(display=False) as counter:
                stage.layer.network(torch.zeros(2, *stage.layer.mask.network_shape))
            assert 2 * counted[stage.name] == counter.get_total_flops() > 0
