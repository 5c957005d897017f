"""The models that ship with the program keep what their cards say."""

import math

import pytest
import torch

from nvp_studio.checkpoints import find_checkpoint, read_checkpoint
from nvp_studio.data.catalogue import load_data
from nvp_studio.explore.model import open_model
from nvp_studio.explore.references import sample_temperatures
from nvp_studio.flow.dequantization import images_from_unit
from nvp_studio.resources import INCLUDED_MODELS
from nvp_studio.scores.temperatures import SAMPLES
from nvp_studio.training.evaluation import HALF_A_LEVEL, inverse_error, noise_inverse_error


def test_they_are_small_together() -> None:
    assert sum(find_checkpoint(name).stat().st_size for name in INCLUDED_MODELS) <= 12e6


@pytest.mark.slow_repeats
@pytest.mark.parametrize("name", INCLUDED_MODELS)
def test_scores_are_those_of_the_card(name: str) -> None:
    model = open_model(name)
    data = load_data(name)
    assert model.info.data.digest == data.digest
    assert data.test is not None
    assert model.info.test is not None
    scores = model.flow.bits_per_dim(data.test.images[:120])
    error = scores.std().item() / math.sqrt(len(scores))
    assert abs(scores.mean().item() - model.info.test) < 5 * error
    assert len(model.reference) >= 1000


@pytest.mark.slow_repeats
@pytest.mark.parametrize("name", INCLUDED_MODELS)
def test_new_samples_are_about_as_likely_as_images(name: str) -> None:
    """At the temperatures that the window begins with."""
    model = open_model(name)
    images = images_from_unit(model.flow.sample(SAMPLES, sample_temperatures(model))).numpy()
    percentile = model.percentile(model.flow.bits_per_dim(images).median().item())
    assert percentile is not None
    assert 25 <= percentile <= 75


@pytest.mark.slow
@pytest.mark.parametrize("name", INCLUDED_MODELS)
def test_they_can_be_inverted_to_half_a_grey_level(name: str) -> None:
    """On images of the test set, samples and images of noise, in float32."""
    model = open_model(name)
    for temperature in (0.5, 0.8):
        x = model.flow.sample(50, temperature, seed=1)
        assert (model.flow.decode(model.flow.encode(x)[0]) - x).abs().max() < HALF_A_LEVEL
    data = load_data(name)
    assert data.test is not None
    assert inverse_error(model.flow, data.test.images[:16], seed=0) < HALF_A_LEVEL
    assert noise_inverse_error(model.flow, 16, seed=0) < HALF_A_LEVEL


@pytest.mark.slow_repeats
@pytest.mark.parametrize("name", INCLUDED_MODELS)
def test_what_was_encoded_in_a_batch_is_decoded_in_the_same_batch_exactly(name: str) -> None:
    """The networks see the same float32 inputs twice, except where a value lies in the middle between two of them."""
    flow = open_model(name).flow
    x = flow.sample(40, 0.8, seed=2)
    errors = (flow.decode(flow.encode(x)[0]) - x).abs().amax((1, 2, 3))
    assert errors.max() < HALF_A_LEVEL
    assert (errors < 1e-6).sum() > 30


@pytest.mark.slow_repeats
@pytest.mark.parametrize("name", INCLUDED_MODELS)
def test_what_was_encoded_in_a_batch_is_decoded_alone_to_half_a_grey_level(name: str) -> None:
    """Kernels may sum in another order for another batch size, so that only the 8-bit images are the same."""
    flow = open_model(name).flow
    x = flow.sample(40, 0.8, seed=2)
    alone = torch.cat([flow.decode(z) for z in flow.encode(x)[0].split(1)])
    assert (alone - x).abs().max() < HALF_A_LEVEL


@pytest.mark.slow
def test_named_directions_of_peeps_do_what_they_say() -> None:
    """Along "glasses", faces that have them lie beyond those that do not."""
    model = open_model("peeps")
    data = load_data("peeps")
    assert model.directions is not None
    named = dict(zip(model.directions.names, range(len(model.directions)), strict=True))
    assert {"glasses", "beard", "mask", "hair colour: blond"} <= named.keys()
    assert data.test is not None
    assert data.test.attributes is not None
    x = torch.from_numpy(data.test.images[:300]).permute(0, 3, 1, 2).float().add(0.5).div(256)
    z = model.flow.encode(x)[0]
    for column, name in enumerate(("glasses", "beard", "mask")):
        has = torch.from_numpy(data.test.attributes[:300, column] > 0)
        along = (z - model.directions.mean) @ model.directions.components[named[name]]
        right = (along[has].unsqueeze(1) > along[~has]).float().mean().item()
        assert right > 0.8, f"{name} orders only {right:.0%} of the pairs rightly"


def test_resume_is_left_out() -> None:
    assert not any(read_checkpoint(find_checkpoint(name)).resume for name in INCLUDED_MODELS)
