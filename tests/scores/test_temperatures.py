"""The temperatures at which a model's samples are as likely as images."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nvp_studio.explore.model import OpenedModel
from nvp_studio.explore.references import sample_temperatures
from nvp_studio.flow.dequantization import images_from_unit
from nvp_studio.scores.reference import NoReferenceError, Reference
from nvp_studio.scores.reference_file import keep_reference, read_reference, write_reference
from nvp_studio.scores.temperatures import faded, fitting_temperatures, usual_temperatures

SAMPLES = 32


def scores(model: OpenedModel, temperatures: tuple[float, ...]) -> np.ndarray:
    """Bits/dim of samples as 8-bit images, sorted."""
    images = images_from_unit(model.flow.sample(SAMPLES, temperatures)).numpy()
    return np.sort(model.flow.bits_per_dim(images).numpy())


def test_usual_ones_where_samples_score_as_images_do(model: OpenedModel) -> None:
    usual = usual_temperatures(2)
    assert fitting_temperatures(model.flow, scores(model, usual), SAMPLES) == usual


def test_all_noise_where_samples_are_likelier_than_images(model: OpenedModel) -> None:
    worse = scores(model, usual_temperatures(2)) + 5
    assert fitting_temperatures(model.flow, worse, SAMPLES) == (1.0, 1.0)


def test_less_noise_at_fine_scales_first_where_samples_are_less_likely(model: OpenedModel) -> None:
    candidates = list(faded(2))
    medians = [float(np.median(scores(model, candidate))) for candidate in candidates]
    place = 4
    bits = np.full(100, medians[place] + 1e-6)  # this candidate's percentile is 0, and 100 for all that score worse
    chosen = fitting_temperatures(model.flow, bits, SAMPLES)
    assert float(np.median(scores(model, usual_temperatures(2)))) > bits[0]
    assert chosen == next(one for one, median in zip(candidates, medians, strict=True) if median < bits[0])
    assert fitting_temperatures(model.flow, bits - 100, SAMPLES) == candidates[-1], "the last where none is enough"


def test_faded_temperatures_rise_with_the_scale_and_fall_along_the_list() -> None:
    for scales in (1, 2, 3, 4, 6):
        found = list(faded(scales))
        assert found[0][-1] == 1
        assert all(one == tuple(sorted(one)) and len(one) == scales for one in found)
        for before, after in itertools.pairwise(found):
            assert (np.array(after) <= before).all()


def test_they_are_kept_with_the_models_own_reference(
    model: OpenedModel, reference: Reference, tmp_path: Path, in_a_folder_of_its_own: Path
) -> None:
    assert len(reference.temperatures) == 2
    assert sample_temperatures(model) == usual_temperatures(2), "before there is a reference"
    named = replace(reference, temperatures=(0.1, 0.7))
    keep_reference(named, model.path, beside=False)
    assert sample_temperatures(model) == (0.1, 0.7)
    keep_reference(replace(reference, temperatures=()), model.path, beside=False)
    assert sample_temperatures(model) == usual_temperatures(2), "a reference of an earlier version"


@pytest.mark.parametrize("temperatures", [(0.5,), (0.5, 0.5, 0.5), (-0.1, 0.5), (0.5, 3.0), (0.5, float("nan"))])
def test_others_than_a_models_are_refused(
    temperatures: tuple[float, ...], model: OpenedModel, reference: Reference, tmp_path: Path
) -> None:
    path = tmp_path / "a.reference"
    write_reference(path, replace(reference, temperatures=temperatures))
    with pytest.raises(NoReferenceError, match="not a usable reference"):
        read_reference(path, model.flow.config)
