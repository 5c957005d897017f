"""Moves along directions of a recipe: the model's own, local ones, and which are locked."""

import dataclasses

import numpy as np
import pytest
import torch
from msgspec.structs import replace

from nvp_studio.explore.local_directions import MOST_LEVELS, find_local_directions
from nvp_studio.explore.model import OpenedModel
from nvp_studio.explore.moves import added, move_vector, vector_bytes
from nvp_studio.explore.rendering import draw, latent, render
from nvp_studio.flow.engine.jacobian import DecoderJacobian, leading
from nvp_studio.recipe import MAX_MOVES, Move, Recipe, Seed


@pytest.fixture(params=["grey", "colour"])
def opened(request: pytest.FixtureRequest, model: OpenedModel, colour_model: OpenedModel) -> OpenedModel:
    return model if request.param == "grey" else colour_model


def in_float64(model: OpenedModel) -> OpenedModel:
    return dataclasses.replace(model, flow=model.flow.double(), base_latents={})


def full_jacobian(model: OpenedModel, z: torch.Tensor) -> torch.Tensor:
    """The decoder's whole Jacobian (D, D), row by row, by autograd."""
    start = z.clone().requires_grad_()
    image = model.flow.decode(start).flatten()
    rows = [torch.autograd.grad(value, start, retain_graph=True)[0][0] for value in image]
    return torch.stack(rows)


def test_local_directions_are_the_leading_singular_vectors_of_the_whole_jacobian(model: OpenedModel) -> None:
    double = in_float64(model)
    z = latent(double, Recipe(checkpoint="", base=Seed(4), temperatures=(0.8, 0.8))).clone()
    whole = full_jacobian(double, z)
    left, values, right = torch.linalg.svd(whole)
    found = leading(double.flow, z, 6, rounds=40)  # the untrained flow's singular values lie close together
    assert torch.allclose(found.values, values[:6], rtol=1e-6)
    assert (found.right @ found.right.T - torch.eye(6)).abs().max() < 1e-9
    for number in range(6):
        assert float(abs(found.right[number] @ right[number])) == pytest.approx(1, abs=1e-5)
        assert float(abs(found.left[number] @ left[:, number])) == pytest.approx(1, abs=1e-5)
        assert torch.allclose(whole @ found.right[number], found.values[number] * found.left[number], atol=1e-5)
        assert found.left[number].sum() >= 0
    errors = [values[:6] - leading(double.flow, z, 6, rounds=rounds).values for rounds in (2, 4, 8)]
    assert all((error > -1e-9).all() for error in errors), "what is found is never larger"
    assert errors[0].sum() > errors[1].sum() > errors[2].sum()


def test_products_with_the_jacobian_are_those_of_the_whole_one_also_when_compiled(opened: OpenedModel) -> None:
    z = opened.flow.latents(1, 0.8, 3)
    generator = torch.Generator().manual_seed(5)
    vectors = torch.randn(3, z.shape[1], dtype=z.dtype, generator=generator)
    whole = full_jacobian(opened, z)
    opened.flow.compile()
    with torch.inference_mode():
        jacobian = DecoderJacobian(opened.flow, z)
        assert torch.allclose(jacobian.times(vectors), vectors @ whole.T, rtol=1e-3, atol=1e-5)
        assert torch.allclose(jacobian.transposed_times(vectors), vectors @ whole, rtol=1e-3, atol=1e-5)


def test_a_small_step_changes_the_picture_by_what_is_told_or_a_little_more(opened: OpenedModel) -> None:
    double = in_float64(opened)
    recipe = Recipe(checkpoint="", base=Seed(4), temperatures=(0.7, 0.7))
    found = find_local_directions(double, recipe, 4)
    assert list(found.singular_values) == sorted(found.singular_values, reverse=True)
    step = 1e-4
    z = latent(double, recipe)
    most = float(torch.linalg.matrix_norm(full_jacobian(double, z.clone()), 2))
    before = double.flow.decode(z)
    for move, levels, value in zip(found.moves, found.grey_levels, found.singular_values, strict=True):
        assert levels <= MOST_LEVELS * (1 + 1e-9)
        after = double.flow.decode(latent(double, recipe.with_move(replace(move, offset=step))))
        change = 256 * float((after - before).square().mean().sqrt()) / step
        assert 0.998 * levels < change < 1.002 * levels * most / value
    assert found.singular_values[0] > 0.9 * most


def test_the_same_place_has_the_same_local_directions(model: OpenedModel) -> None:
    recipe = Recipe(checkpoint="", base=Seed(2))
    assert find_local_directions(model, recipe) == find_local_directions(model, recipe)
    moved = recipe.with_move(replace(find_local_directions(model, recipe).moves[0], offset=2.0))
    assert find_local_directions(model, moved).moves != find_local_directions(model, recipe).moves


def move(seed: int, name: str = "own", size: int = 64, **more: object) -> Move:
    return Move(name, vector_bytes(0.2 * np.random.default_rng(seed).standard_normal(size)), **more)  # type: ignore[arg-type]


def test_a_recipe_with_moves_is_the_same_picture_from_its_text(model: OpenedModel) -> None:
    recipe = Recipe(checkpoint=model.digest, base=Seed(3), offsets=((1, 0.5),), locked=(0,))
    recipe = recipe.with_move(move(1, offset=1.5)).with_move(move(2, offset=-2.0)).with_move(move(3, locked=True))
    again = Recipe.from_json(recipe.to_json())
    assert again == recipe
    assert render(model, [again]).images.tobytes() == render(model, [recipe]).images.tobytes()
    plain = replace(recipe, moves=())
    z = latent(model, replace(recipe, locked=(), moves=()).with_move(move(1, offset=1.5)))
    assert torch.equal(z, latent(model, replace(plain, locked=())) + 1.5 * move_vector(move(1)))
    assert draw(model, [recipe]).images.tobytes() != draw(model, [plain]).images.tobytes()


def test_moves_are_kept_in_one_order_and_zeros_left_out() -> None:
    recipe = Recipe(checkpoint="", base=Seed(0))
    one, two = move(1, "b", offset=1.0), move(2, "a", offset=2.0)
    both = recipe.with_move(one).with_move(two)
    assert both == recipe.with_move(two).with_move(one)
    assert [kept.name for kept in both.moves] == ["a", "b"]
    assert both.with_move(replace(one, offset=0.0)).moves == (two,)
    locked = both.with_move(replace(one, offset=0.0, locked=True))
    assert len(locked.moves) == 2
    assert locked.without_moves().moves == (replace(one, offset=0.0, locked=True),)
    for number in range(MAX_MOVES):
        recipe = recipe.with_move(move(number, offset=1.0))
    with pytest.raises(ValueError, match="at most 16 directions"):
        recipe.with_move(move(MAX_MOVES, offset=1.0))


def test_moves_along_others_are_orthogonal_to_what_is_locked(model: OpenedModel) -> None:
    assert model.directions is not None
    component = model.directions.components[2]
    recipe = Recipe(checkpoint="", base=Seed(3), offsets=((4, 1.0), (5, -2.0))).with_move(move(1, offset=1.5))
    recipe = recipe.with_move(replace(move(2), locked=True))
    for offsets in (recipe.offsets, ((2, 0.7), *recipe.offsets)):
        sum_ = added(model, replace(recipe, offsets=offsets, locked=(2,)))
        own = 0.7 * model.directions.deviation[2] * component if len(offsets) == 3 else torch.zeros_like(component)
        rest = sum_ - own
        assert float(rest.norm()) > 0.1
        assert abs(float(rest @ component)) < 1e-6
        assert abs(float(rest @ move_vector(move(2)).to(rest))) < 1e-6
    twice = recipe.with_move(replace(move(2, "copy"), locked=True))
    assert torch.allclose(added(model, twice), added(model, recipe))


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"moves": (move(1, size=32, offset=1.0),)}, "another size"),
        ({"moves": (Move("a\nb", vector_bytes(np.full(64, np.inf)), 1.0),)}, "not a finite number"),
        ({"moves": (move(1, offset=float("nan")),)}, "not a finite number"),
        ({"moves": (Move("odd", b"abc", 1.0),)}, "another size"),
        ({"locked": (99,)}, "locks direction 100"),
        ({"locked": (-1,)}, "locks direction 0"),
    ],
)
def test_moves_that_do_not_fit_are_refused(model: OpenedModel, wrong: dict[str, object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        draw(model, [replace(Recipe(checkpoint="", base=Seed(0)), **wrong)])
    assert str(caught.value).isprintable()
