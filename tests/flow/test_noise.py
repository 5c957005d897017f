"""Counter-keyed noise: the same numbers for the same key, whatever came before."""

import numpy as np

from nvp_studio.flow.noise import content_noise, latent_noise, step_noise

PINNED_LATENT = [-1.4030845165252686, 0.18176139891147614, 1.1755962371826172]
PINNED_STEP = [0.5370317101478577, 0.5430685877799988, 0.2158215045928955]


def test_latent_rows_depend_on_seed_and_index_alone() -> None:
    rows = latent_noise(5, 4, 10)
    assert np.array_equal(latent_noise(5, 2, 10, first=2), rows[2:])
    assert len({tuple(row.tolist()) for row in rows}) == 4


def test_noise_is_pinned_so_that_saved_recipes_keep_their_pictures() -> None:
    assert latent_noise(0, 1, 3)[0].tolist() == PINNED_LATENT
    assert step_noise(0, 1, (3,)).tolist() == PINNED_STEP


def test_noise_has_the_right_distribution() -> None:
    normal = latent_noise(1, 50, 1000).numpy()
    assert abs(normal.mean()) < 0.02
    assert abs(normal.std() - 1) < 0.02
    uniform = step_noise(1, 7, (50, 1000))
    assert uniform.min() >= 0
    assert uniform.max() < 1
    assert abs(uniform.mean() - 0.5) < 0.01
    assert abs(uniform.var() - 1 / 12) < 0.002


def test_content_noise_follows_the_image() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 4, 4, 1), np.uint8)
    noise = content_noise(images, 0, 0)
    assert np.array_equal(content_noise(images[::-1], 0, 0)[::-1], noise)
    assert not np.array_equal(content_noise(images, 1, 0), noise)
    assert not np.array_equal(content_noise(images, 0, 1), noise)
    assert not np.array_equal(noise[0], noise[1])


def test_steps_have_noise_of_their_own() -> None:
    assert not np.array_equal(step_noise(0, 1, (8,)), step_noise(0, 2, (8,)))
    assert not np.array_equal(step_noise(0, 1, (8,)), step_noise(0, 1, (8,), salt=1))
