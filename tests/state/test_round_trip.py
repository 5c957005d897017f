"""Every kind of recipe from Explore's picture through its PNG, `nvp-studio render` and *Copy as Python* and back.

On an included model, with processes as a person starts them; the pixels are the same to the bit each time.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import PIL.Image
import pytest
from msgspec import inspect

from nvp_studio.recipe import Blend, Corners, Image, Kept, Move, Recipe, Seed
from nvp_studio.resources import resource_path
from nvp_studio.state.engine import Engine
from nvp_studio.state.explore import ExploreState
from tests.qt import Bot, delete_now, is_asking
from tests.small_model import random_images

SIDE, SIZE = 28, 28 * 28
"""Of the included model of Fashion-MNIST."""


def image(number: int) -> Image:
    return Image((SIDE, SIDE, 1), random_images(6, (1, SIDE, SIDE))[number].tobytes(), f"image {number}")


def move(name: str, seed: int, offset: float, *, locked: bool) -> Move:
    vector = np.random.default_rng(seed).normal(0, 0.3, SIZE).astype("<f2")
    return Move(name, vector.tobytes(), offset, locked)


def examples() -> dict[str, Recipe]:
    """Together they hold every kind of structure and a value of every field."""
    recipes: dict[str, dict[str, Any]] = {
        "sample": {"base": Seed(5), "temperatures": (0.7, 0.8, 0.9), "offsets": ((0, 1.5), (20, -1.0)), "locked": (2,)},
        "image": {
            "base": msgspec.structs.replace(image(1), temperatures=(0.5, 0.6, 0.7)),
            "temperatures": (0.5, 0.6, 0.8),
        },
        "blend": {"base": Blend(image(0), Seed(3), 0.3), "moves": (move("mine", 1, 1.5, locked=True),)},
        "corners": {
            "base": Corners((Seed(1), image(2), Seed(3), image(4)), 0.3, 0.7),
            "scales": ((0, Blend(Seed(6), image(5), 0.8)), (2, Seed(9))),
            "kept": Kept(0.5, 7, 0.6),
            "keep_length": True,
            "offsets": ((1, 2.0),),
        },
        "larger": {"base": Seed(4), "enlarged": 2, "kept": Kept(0.25, 3, 0.9)},
    }
    return {name: Recipe(checkpoint="", **fields) for name, fields in recipes.items()}


Kinds = set[tuple[str, str]]


def kinds(of: inspect.Type) -> Kinds:
    """(structure, field) of all that a value of this type can hold."""
    found: Kinds = set()
    waiting = [of]
    while waiting:
        match waiting.pop():
            case inspect.StructType(cls=cls, fields=fields):
                if not any(name == cls.__name__ for name, _ in found):
                    found |= {(cls.__name__, field.name) for field in fields}
                    waiting += [field.type for field in fields]
            case inspect.UnionType(types=types) | inspect.TupleType(item_types=types):
                waiting += types
            case (
                inspect.VarTupleType(item_type=item)
                | inspect.ListType(item_type=item)
                | inspect.SetType(item_type=item)
            ):
                waiting.append(item)
            case inspect.DictType(key_type=key, value_type=value):
                waiting += [key, value]
    return found


def held(value: object) -> Kinds:
    """(structure, field) of all that `value` holds with another value than the field's default."""
    if isinstance(value, tuple):
        return set().union(*map(held, value))
    if not isinstance(value, msgspec.Struct):
        return set()
    found: Kinds = set()
    for field in msgspec.structs.fields(value):
        of_field = getattr(value, field.name)
        if of_field != field.default:
            found |= {(type(value).__name__, field.name)} | held(of_field)
    return found


def test_the_examples_hold_all_that_a_recipe_can_hold() -> None:
    """A structure or field that is new needs an example."""
    possible = kinds(inspect.type_info(Recipe))
    assert ("Corners", "phi_prime") in possible
    assert set().union(*map(held, examples().values())) == possible


@pytest.fixture
def state(shared_engine: Engine, qtbot: Bot) -> Iterator[ExploreState]:
    """Explore with the included model of Fashion-MNIST."""
    state = ExploreState(shared_engine)
    shared_engine.open_model(str(resource_path("models/fashion-mnist.safetensors")))
    qtbot.waitUntil(lambda: not shared_engine.opening and settled(state))
    yield state
    state.deleteLater()
    delete_now()


def settled(state: ExploreState) -> bool:
    shown = state.picture_recipe == state.recipe and state.bits_per_dim is not None
    return shown and not is_asking(state.engine.explorer)


def run(*words: str | Path) -> str:
    done = subprocess.run([sys.executable, *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", examples())
def test_a_picture_comes_back_to_the_bit_from_png_command_line_and_python(
    name: str, state: ExploreState, qtbot: Bot, tmp_path: Path
) -> None:
    assert state.model is not None
    state.show(examples()[name], "example")
    qtbot.waitUntil(lambda: settled(state))
    with qtbot.waitSignal(state.saved):
        state.save_picture(tmp_path / "picture.png", 1)  # of the compiled model, which is waited for
    qtbot.waitUntil(lambda: settled(state))
    assert state.picture is not None
    shown, recipe = state.picture.image, state.recipe
    assert recipe == msgspec.structs.replace(examples()[name], checkpoint=state.model.digest)
    pixels = np.frombuffer(shown.pixels, np.uint8).reshape(shown.shape[1:3])

    run("-m", "nvp_studio", "render", tmp_path / "picture.png", "-m", state.model.path, "-o", tmp_path / "again.png")
    for file in ("picture.png", "again.png"):
        with PIL.Image.open(tmp_path / file) as opened:
            assert np.array_equal(np.asarray(opened), pixels), file
            assert Recipe.from_json(str(opened.text["nvp-studio-recipe"])) == recipe, file

    program = tmp_path / "copied.py"
    program.write_text(
        state.python_code() + f"open({str(tmp_path / 'pixels')!r}, 'wb').write(rendering.images.tobytes())"
    )
    assert f"{state.bits_per_dim:.6f}"[:-2] in run(program)
    assert (tmp_path / "pixels").read_bytes() == shown.pixels

    state.show(Recipe(checkpoint="", base=Seed(99)), "another picture")
    state.open_image(tmp_path / "again.png")
    qtbot.waitUntil(lambda: state.recipe == recipe and settled(state))
    assert state.picture.image == shown
