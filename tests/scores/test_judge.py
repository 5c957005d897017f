"""Verdicts keep their rate for images like the reference's, and tell others."""

import numpy as np
import pytest
import scipy.stats

from nvp_studio.explore.model import OpenedModel
from nvp_studio.scores.gaussians import Mixture, Principal
from nvp_studio.scores.judge import VIEWS, Judgement, conformal, log_tail, statistics
from nvp_studio.scores.measures import measure
from nvp_studio.scores.reference import NoReferenceError, Reference, build_reference, divided
from tests.scores.conftest import noise_images
from tests.small_model import random_images


def _judged(model: OpenedModel, reference: Reference, images: np.ndarray, rate: float = 0.05) -> Judgement:
    return reference.judge.judge(measure(model.flow, images), images, rate)


def test_the_realized_rate_of_false_alarms_is_the_stated_one(model: OpenedModel, reference: Reference) -> None:
    """400 calibration and 1000 new images: the bounds are four standard errors away, binomial in both."""
    said = _judged(model, reference, random_images(1000, seed=8))
    error = np.sqrt(0.05 * 0.95 * (1 / 400 + 1 / 1000))
    assert np.mean(np.array(said.verdict) != "typical") == pytest.approx(0.05, abs=4 * error)
    assert np.mean(said.p_value <= 0.3) == pytest.approx(0.3, abs=4 * np.sqrt(0.21 * (1 / 400 + 1 / 1000)))
    assert np.mean(said.typicality <= 0.3) == pytest.approx(0.3, abs=4 * np.sqrt(0.21 * (1 / 400 + 1 / 1000)))


def test_images_unlike_the_reference_are_told_with_reasons(model: OpenedModel, reference: Reference) -> None:
    flat = np.full((5, 8, 8, 1), 90, np.uint8)
    for images in (noise_images(20), flat):
        said = _judged(model, reference, images)
        assert said.verdict.count("typical") <= len(images) // 10
        for verdict, reasons in zip(said.verdict, said.reasons, strict=True):
            assert bool(reasons) == (verdict != "typical")
    assert "far outside" in _judged(model, reference, noise_images(20)).verdict
    assert "much simpler than the training images" in _judged(model, reference, flat).reasons[0]


def test_an_image_that_is_the_same_when_turned_is_not_said_to_fit_better_so(
    model: OpenedModel, reference: Reference
) -> None:
    flat = np.full_like(random_images(1, model.flow.config.image_shape), 200)
    judge, measures = reference.judge, measure(model.flow, flat)
    turned = judge.view_values(measures, flat)[0, VIEWS.index("turned")]
    standard = judge.numbers.standard(statistics(measures))[0]
    assert judge._reason("turned", standard, turned) == "fits about as well turned or upside down"
    assert judge._reason("turned", standard, turned + 1) == "fits better turned or upside down"


def test_a_lower_rate_calls_fewer_images_unusual(model: OpenedModel, reference: Reference) -> None:
    images = random_images(300, seed=8)
    counts = [
        sum(one != "typical" for one in _judged(model, reference, images, rate).verdict) for rate in (0.01, 0.1, 0.5)
    ]
    assert counts == sorted(counts)
    assert counts[0] < counts[2]
    with pytest.raises(ValueError, match="between 0 and 1"):
        _judged(model, reference, images, 0.0)


def test_the_least_rate_holds_where_calibration_images_are_few(model: OpenedModel) -> None:
    images = random_images(120, seed=7)
    small = build_reference(model.flow, *divided(images), name="few", model="", source="")
    assert small.judge.least_rate == pytest.approx(1 / (48 + 1))
    noise = noise_images(10)
    assert "typical" not in _judged(model, small, noise, 1e-4).verdict
    assert any("the images of few" in reason for reason in sum(_judged(model, small, noise).reasons, ()))


def test_images_are_divided_by_their_content() -> None:
    images = random_images(50)
    known, held = divided(images)
    again = divided(images[::-1])
    assert len(known) == 20
    assert len(held) == 30
    assert np.array_equal(known, again[0])
    assert np.array_equal(held, again[1])


def test_too_few_images_are_refused(model: OpenedModel) -> None:
    with pytest.raises(NoReferenceError, match="at least 30"):
        build_reference(model.flow, random_images(40), random_images(10), name="few", model="", source="")


def test_progress_comes_to_its_total_and_may_end_the_work(model: OpenedModel) -> None:
    seen: list[tuple[int, int]] = []

    def progress(done: int, total: int) -> None:
        seen.append((done, total))

    images = random_images(60)
    build_reference(model.flow, images[:30], images[30:], name="a", model="", source="", progress=progress)
    assert seen[-1][0] == seen[-1][1]
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)

    def stop(done: int, total: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        build_reference(model.flow, images[:30], images[30:], name="a", model="", source="", progress=stop)


def test_p_values_of_ranks_and_of_tails() -> None:
    known = np.arange(1.0, 100)
    assert conformal(known, np.array([0.0, 50.0, 99.0, 200.0])) == pytest.approx([1.0, 0.51, 0.02, 0.01])
    values = np.random.default_rng(0).exponential(2.0, 20_000)
    assert log_tail(np.sort(values), np.array([20.0])) == pytest.approx(-10, rel=0.05)
    assert np.all(np.diff(log_tail(np.sort(values), np.linspace(0, 60, 500))) <= 0)


def test_gaussians_are_those_of_scipy() -> None:
    generator = np.random.default_rng(1)
    vectors = generator.normal(size=(500, 4)) @ generator.normal(size=(4, 4))
    mixture = Mixture.fit(vectors, 1)
    expected = scipy.stats.multivariate_normal(vectors.mean(0), np.cov(vectors.T)).logpdf(vectors)
    assert mixture.log_density(vectors).mean() == pytest.approx(expected.mean(), abs=0.05)
    two = np.concatenate((vectors - 20, vectors + 20))
    assert np.exp(Mixture.fit(two, 2).log_weights) == pytest.approx([0.5, 0.5], abs=0.01)
    wide = generator.normal(size=(40, 300))
    for sample in (vectors, wide):
        fitted = Principal.fit(sample, 3)
        assert fitted.components @ fitted.components.T == pytest.approx(np.eye(len(fitted.components)), abs=1e-8)
        assert np.mean(fitted.distance(sample) ** 2) == pytest.approx(sample.shape[1], rel=0.35)
