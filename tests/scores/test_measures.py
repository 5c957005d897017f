"""What is measured of images: bounds, latents, sizes of files."""

import io

import numpy as np
import PIL.Image
import pytest
import scipy.stats

from nvp_studio.explore.model import OpenedModel
from nvp_studio.scores import measures as module
from nvp_studio.scores.measures import measure
from nvp_studio.scores.separation import auroc, auroc_interval, share_interval
from tests.small_model import random_images


def test_bounds_are_those_of_the_flow(model: OpenedModel) -> None:
    images = random_images(6)
    one, many = measure(model.flow, images), measure(model.flow, images, 5, seed=2)
    assert np.array_equal(one.bound()[0], model.flow.bits_per_dim(images).numpy())
    assert np.isnan(one.bound()[1]).all()
    weighted, error = many.bound()
    assert weighted == pytest.approx(model.flow.bits_per_dim(images, 5, 2).numpy(), abs=1e-9)
    mean, mean_error = many.bound(weighted=False)
    assert (mean >= weighted).all()
    each = np.stack([module.bits_per_dim(log_prob, 64) for log_prob in many.log_probs])
    assert mean == pytest.approx(each.mean(0))
    assert mean_error == pytest.approx(scipy.stats.sem(each, 0))
    assert (error > 0).all()


def test_latent_statistics_are_those_of_the_latents(model: OpenedModel) -> None:
    from nvp_studio.flow.dequantization import unit_from_images
    from nvp_studio.flow.noise import content_noise

    images = random_images(4)
    measured = measure(model.flow, images)
    import torch

    z, log_det = model.flow.encode(
        unit_from_images(torch.from_numpy(images), torch.from_numpy(content_noise(images, 0, 0)))
    )
    assert measured.log_det == pytest.approx(log_det.numpy())
    for index, scale in enumerate(model.flow.scales):
        part = z[:, scale.start : scale.stop].numpy()
        below = scipy.stats.chi2(part.shape[1]).cdf((part**2).sum(1))
        assert measured.norm_p[:, index] == pytest.approx(2 * np.minimum(below, 1 - below), abs=1e-9)
        assert measured.kurtosis[:, index] == pytest.approx((part**4).mean(1) / (part**2).mean(1) ** 2)


def test_sizes_are_those_of_files(model: OpenedModel) -> None:
    image = random_images(1)
    measured = measure(model.flow, image)
    for kind, size, options in (("PNG", measured.png, {"optimize": True}), ("WEBP", measured.webp, {"lossless": True})):
        file = io.BytesIO()
        PIL.Image.fromarray(image[0, ..., 0]).save(file, kind, **options)
        assert size[0] == len(file.getvalue())
    assert measured.webp_bits[0] == 8 * measured.webp[0] / 64


def test_memory_that_holds_fewer_images_gives_the_same(model: OpenedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    images, whole = random_images(7), module._measure
    expected = measure(model.flow, images)

    def limited(flow: object, some: np.ndarray, *rest: int) -> module.Measures:
        if len(some) > 2:
            raise MemoryError
        return whole(flow, some, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "_measure", limited)
    found = measure(model.flow, images)
    assert found.first_bits == pytest.approx(expected.first_bits, abs=1e-6)
    assert np.array_equal(found.webp, expected.webp)


def test_auroc_counts_pairs() -> None:
    generator = np.random.default_rng(0)
    usual, unusual = generator.integers(0, 9, 40).astype(float), generator.integers(3, 12, 30).astype(float)
    pairs = (unusual[:, None] > usual).mean() + 0.5 * (unusual[:, None] == usual).mean()
    assert auroc(usual, unusual) == pytest.approx(pairs)
    found = auroc_interval(usual, unusual)
    assert found.low < found.value < found.high
    assert auroc(usual, usual) == 0.5


def test_the_interval_of_a_share_is_wilson_s() -> None:
    expected = scipy.stats.binomtest(3, 50).proportion_ci(method="wilson")
    found = share_interval(3, 50)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-6)
