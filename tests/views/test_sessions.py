"""Sessions of Explore: restored at the next start, saved to files and opened from them, on a real engine."""

import dataclasses
import json
import shutil
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from PySide6.QtCore import Qt

from nvp_studio.checkpoints import read_checkpoint, write_checkpoint
from nvp_studio.explore.animation import Animation
from nvp_studio.recipe import Image, Recipe, Seed
from nvp_studio.state.engine import Engine
from nvp_studio.state.stored_session import (
    Arrangement,
    Session,
    StoredRegion,
    StoredStep,
    bounded,
    read_session,
    write_session,
)
from nvp_studio.views.pages.explore.page import ExplorePage
from tests.qt import Bot, drop, open_window
from tests.views.explore_page import settled, shown_page


@pytest.fixture
def page(shared_engine: Engine, qtbot: Bot, small_model: Path, tmp_path: Path) -> ExplorePage:
    """The page in a shown window, with its first picture."""
    return shown_page(shared_engine, qtbot, small_model, tmp_path)


def sample(page: ExplorePage, qtbot: Bot, seed: int) -> None:
    page.state.new_sample(seed)
    qtbot.waitUntil(lambda: settled(page))


def saved(page: ExplorePage, qtbot: Bot, monkeypatch: pytest.MonkeyPatch, path: Path) -> Path:
    """Save the session by its key."""
    monkeypatch.setattr(type(page.context), "ask_save", lambda *_: path)
    qtbot.keyClick(page, Qt.Key.Key_S, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier)
    qtbot.waitUntil(path.exists)
    return path


def test_the_next_start_has_history_ends_and_tool(
    shared_engine: Engine, page: ExplorePage, qtbot: Bot, tmp_path: Path
) -> None:
    sample(page, qtbot, 4)
    page.blend.take_picture(0)
    qtbot.keyClick(page, Qt.Key.Key_F)
    page.state.set_temperature(0.5)
    page.state.new_sample(5)
    page.state.undo.undo()
    qtbot.waitUntil(lambda: settled(page))
    recipe, ends, image = page.state.recipe, page.blend.ends, page.state.picture.image
    page.window().close()

    window = open_window(qtbot, shared_engine, tmp_path, page="explore")
    again = window.page("explore")
    qtbot.waitUntil(lambda: again.state.undo.count() > 0 and settled(again))
    assert again.state.recipe == recipe
    assert again.state.picture.image == image
    assert [step.title for step in again.history.steps] == ["", "new sample", "temperature", "new sample"]
    assert again.history.current == 2
    assert again.blend.ends == ends
    assert again.tools.shown == "corners"
    window.registry["edit.redo"].trigger()
    assert again.state.recipe.base == Seed(5)
    for _ in range(3):
        window.registry["edit.undo"].trigger()
    assert again.state.recipe.base == Seed(0)
    assert not window.registry["edit.undo"].isEnabled()


def set_much(page: ExplorePage, qtbot: Bot) -> None:
    """Set what is not part of the picture."""
    sample(page, qtbot, 4)
    page.compare.state.choose_shown("a")
    sample(page, qtbot, 5)
    page.compare.state.choose_shown("b")
    page.state.set_locked(1, True)
    page.directions.state.lock(2, True)
    page.state.randomize()
    page.paint.state.stroke((1.5, 1.5), (4.5, 1.5), 1.0, erase=False)
    page.animation.state.add_picture()
    page.animation.state.set(seconds=3.0)
    sample(page, qtbot, 6)
    page.animation.state.add_picture()
    qtbot.keyClick(page, Qt.Key.Key_J, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    qtbot.keyClick(page, Qt.Key.Key_O)
    page.context.registry["explore.sort-effect"].trigger()
    qtbot.waitUntil(lambda: bool(page.previews.state.effects))
    page.panel.latents.panel.search.setText("1")
    qtbot.waitUntil(lambda: settled(page))


def what_was_set(page: ExplorePage) -> dict[str, object]:
    registry, panel = page.context.registry, page.panel.latents.panel
    return {
        "compared": page.compare.state.pictures,
        "locked": (page.state.locked, page.state.recipe.locked),
        "drawn": page.state.drawn,
        "region": page.paint.state.region.tolist(),
        "animation": page.animation.state.animation,
        "checked": [registry[f"explore.{key}"].isChecked() for key in ("previews", "original", "compare")],
        "order": [registry[f"explore.sort-{key}"].isChecked() for key in ("names", "variance", "effect")],
        "shown": (panel.kind, panel.search.text(), panel.shown._order, page.tools.shown),
    }


def test_the_next_start_has_all_that_was_set(
    shared_engine: Engine, page: ExplorePage, qtbot: Bot, tmp_path: Path
) -> None:
    nothing = what_was_set(page)
    set_much(page, qtbot)
    expected = what_was_set(page)
    differing = {key for key in expected if expected[key] != nothing[key]}
    assert differing == set(expected), "each of them was set"
    page.window().close()

    again = open_window(qtbot, shared_engine, tmp_path, page="explore").page("explore")
    qtbot.waitUntil(lambda: again.state.undo.count() > 0 and settled(again) and bool(again.previews.state.effects))
    assert what_was_set(again) == expected
    a, b = again.compare.state.a, again.compare.state.b
    qtbot.waitUntil(lambda: settled(again))
    again.context.registry["explore.compare"].trigger()
    qtbot.waitUntil(lambda: a.image is not None and b.image is not None)
    assert a.image != b.image


def test_the_next_start_has_the_history_of_a_run_that_went_on(
    shared_engine: Engine, page: ExplorePage, qtbot: Bot, small_model: Path, other_model: Path, tmp_path: Path
) -> None:
    model = run_with(small_model, tmp_path)
    page.context.engine.open_model(str(model))
    qtbot.waitUntil(lambda: not page.context.engine.opening and settled(page))
    sample(page, qtbot, 4)
    sample(page, qtbot, 5)
    page.window().close()
    shutil.copy(other_model, model)
    rewrite(model, 1)
    shared_engine.open_model(str(model))
    qtbot.waitUntil(lambda: not shared_engine.opening)

    again = open_window(qtbot, shared_engine, tmp_path, page="explore").page("explore")
    qtbot.waitUntil(lambda: again.state.undo.count() > 0 and settled(again))
    told = [notification.text for notification in again.window().notifications.shown]
    text = f"The run {again.state.model.name} went on since the last session: its newer weights give other pictures."
    assert text in told
    assert [step.recipe.base for step in again.history.steps][-2:] == [Seed(4), Seed(5)]
    assert {step.recipe.checkpoint for step in again.history.steps} == {again.state.model.digest}
    again.state.undo.undo()
    qtbot.waitUntil(lambda: settled(again))
    assert again.state.recipe.base == Seed(4)


def test_nothing_is_told_of_a_run_that_wrote_the_same_weights_again(
    shared_engine: Engine, page: ExplorePage, qtbot: Bot, small_model: Path, tmp_path: Path
) -> None:
    model = run_with(small_model, tmp_path)
    page.context.engine.open_model(str(model))
    qtbot.waitUntil(lambda: not page.context.engine.opening and settled(page))
    sample(page, qtbot, 4)
    sample(page, qtbot, 5)
    digest = page.state.model.digest
    page.window().close()
    rewrite(model)
    shared_engine.open_model(str(model))
    qtbot.waitUntil(lambda: not shared_engine.opening and shared_engine.model.digest != digest)

    again = open_window(qtbot, shared_engine, tmp_path, page="explore").page("explore")
    qtbot.waitUntil(lambda: again.state.undo.count() > 0 and settled(again))
    assert [step.recipe.base for step in again.history.steps][-2:] == [Seed(4), Seed(5)]
    assert not [one.text for one in again.window().notifications.shown if "last session" in one.text]


def run_with(model: Path, folder: Path) -> Path:
    """A copy of the model as the last checkpoint of a run."""
    copy = folder / "my-run" / "checkpoints" / "last.safetensors"
    copy.parent.mkdir(parents=True)
    (copy.parent.parent / "run.json").write_text("{}")
    shutil.copy(model, copy)
    return copy


def rewrite(model: Path, steps: int = 0) -> None:
    """Write the file again, so many steps later."""
    checkpoint = read_checkpoint(model)
    info = replace(checkpoint.info, seconds=checkpoint.info.seconds + 1, step=checkpoint.info.step + steps)
    write_checkpoint(model, dataclasses.replace(checkpoint, info=info))


def test_a_file_brings_back_all_that_was_set_and_undo_leads_back(
    page: ExplorePage, qtbot: Bot, monkeypatch: pytest.MonkeyPatch, other_model: Path, tmp_path: Path
) -> None:
    set_much(page, qtbot)
    page.context.registry["explore.compare"].trigger()
    qtbot.keyClick(page, Qt.Key.Key_Y)
    assert page.tools.shown == "animate"
    expected = what_was_set(page)
    path = saved(page, qtbot, monkeypatch, tmp_path / "mine.nvps")
    page.context.engine.open_model(str(other_model))
    qtbot.waitUntil(lambda: not page.context.engine.opening and settled(page))
    page.animation.state.set(seconds=9.0)
    page.paint.state.clear()
    before = what_was_set(page)
    page.open_paths([path])
    qtbot.waitUntil(lambda: page.state.undo.count() > 3 and settled(page) and bool(page.previews.state.effects))
    assert what_was_set(page) == expected
    while page.state.undo.canUndo():
        page.state.undo.undo()
    assert page.animation.state.animation.keyframes == before["animation"].keyframes
    assert not page.paint.state.region.any()


def test_a_file_of_before_leaves_what_it_does_not_hold(page: ExplorePage, qtbot: Bot, tmp_path: Path) -> None:
    page.paint.state.stroke((1.5, 1.5), (4.5, 1.5), 1.0, erase=False)
    page.animation.state.add_picture()
    region, animation = page.paint.state.region.tolist(), page.animation.state.animation
    steps = [{"title": "", "recipe": {"checkpoint": "", "base": {"type": "seed", "seed": 3}}}]
    path = tmp_path / "old.nvps"
    path.write_text(json.dumps({"nvp_studio_session": 1, "digest": page.state.model.digest, "steps": steps}))
    page.open_paths([path])
    qtbot.waitUntil(lambda: page.state.recipe.base == Seed(3) and settled(page))
    assert page.paint.state.region.tolist() == region
    assert page.animation.state.animation == animation


def test_what_does_not_fit_the_model_is_named_and_left_out(page: ExplorePage, qtbot: Bot, tmp_path: Path) -> None:
    told: list[str] = []
    page.session.state.told.connect(told.append)
    large = Recipe(checkpoint="x", base=Image((4, 4, 1), bytes(16)))
    session = Session(
        digest=page.state.model.digest,
        steps=(StoredStep("", Recipe(checkpoint="x", base=Seed(1))),),
        compared=(StoredStep("large", large), None),
        region=StoredRegion((3, 5), b"\xff\xfe"),
        locked_scales=(0, 63),
        drawn=((0, 1.0), (4000, 2.0)),
        animation=Animation(keyframes=(large, large)),
        arrangement=Arrangement(order="effect", search="?"),
    )
    path = tmp_path / "mine.nvps"
    write_session(path, session)
    page.open_paths([path])
    qtbot.waitUntil(lambda: page.state.recipe.base == Seed(1) and settled(page))
    (text,) = told
    assert text.endswith("which are left out: the painted region, pictures that were compared.")
    assert page.compare.state.pictures == (None, None)
    assert not page.paint.state.region.any()
    assert (page.state.locked, page.state.drawn) == ({0}, {0: 1.0})
    assert page.animation.state.problem == "Keyframe 1 belongs to a model of another size."


@pytest.mark.parametrize(
    "fields",
    [
        {"region": {"shape": [2, 2], "bits": ""}},
        {"region": {"shape": [0, 2], "bits": ""}},
        {"region": {"shape": [10**6, 10**6], "bits": "AAAA"}},
        {"region": {"shape": [8, 8], "bits": 5}},
        {"compared": [None]},
        {"compared": [5, None]},
        {"compared": [{"title": "a"}, None]},
        {"locked_scales": [-1]},
        {"locked_scales": [1e9]},
        {"drawn": [[0, "far"]]},
        {"drawn": [[10**30, 1.0]]},
        {"animation": {"keyframes": [], "seconds": -1}},
        {"animation": {"keyframes": [5]}},
        {"arrangement": {"order": "colour"}},
        {"arrangement": {"previews": "yes"}},
        {"arrangement": {"search": "a" * 10_000}},
        {"arrangement": []},
    ],
)
def test_parts_out_of_bounds_are_refused_in_one_line(fields: dict[str, object], tmp_path: Path) -> None:
    step = {"title": "", "recipe": {"checkpoint": "", "base": {"type": "seed", "seed": 1}}}
    path = tmp_path / "some.nvps"
    known = {"nvp_studio_session": 1, "digest": "a", "steps": [step]}
    path.write_text(json.dumps(known))
    read_session(path)
    path.write_text(json.dumps(known | fields))
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z"):
        read_session(path)


def test_long_names_are_cut_so_that_the_session_can_be_read(tmp_path: Path) -> None:
    recipe = Recipe(checkpoint="", base=Seed(1))
    write_session(tmp_path / "a.nvps", Session(digest="a", steps=(StoredStep.of("long" * 100, recipe),)))
    assert read_session(tmp_path / "a.nvps").steps[0].title == ("long" * 100)[:200]


def test_a_file_brings_back_a_session_behind_the_present_one(
    page: ExplorePage, qtbot: Bot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sample(page, qtbot, 4)
    sample(page, qtbot, 5)
    path, recipe = saved(page, qtbot, monkeypatch, tmp_path / "mine.nvps"), page.state.recipe
    while page.state.undo.canUndo():
        page.state.undo.undo()
    sample(page, qtbot, 8)
    other = page.state.recipe
    assert drop(page.window(), [path])
    qtbot.waitUntil(lambda: page.state.recipe == recipe and settled(page))
    titles = [step.title for step in page.history.steps]
    assert titles == ["", "new sample", "opening mine.nvps", "new sample", "new sample"]
    page.history.go(1)
    assert page.state.recipe == other
    text = json.loads(path.read_text())
    assert text["nvp_studio_session"] == 1
    assert text["digest"] == page.state.model.digest


def test_a_session_of_another_model_opens_it_first(
    page: ExplorePage, qtbot: Bot, other_model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sample(page, qtbot, 4)
    page.corners.take_seed(0, 4)
    path, recipe = saved(page, qtbot, monkeypatch, tmp_path / "mine.nvps"), page.state.recipe
    page.context.engine.open_model(str(other_model))
    qtbot.waitUntil(lambda: not page.context.engine.opening and settled(page))
    page.corners.take_seed(0, 5)
    told: list[str] = []
    page.state.told.connect(told.append)
    page.open_paths([path])
    qtbot.waitUntil(lambda: page.state.recipe == recipe and settled(page))
    assert page.state.model.digest == recipe.checkpoint
    assert page.corners.ends[0] == Seed(4)
    assert not told, "the corners are those of the session"
    page.context.engine.open_model(str(other_model))
    qtbot.waitUntil(lambda: not page.context.engine.opening and settled(page))
    assert told == ["With this model these samples are other pictures than before: corner 1."]


def test_a_model_that_is_gone_or_has_other_weights_is_told(
    page: ExplorePage, qtbot: Bot, small_model: Path, other_model: Path, tmp_path: Path
) -> None:
    model = tmp_path / "moved.safetensors"
    told: list[str] = []
    page.session.state.failed.connect(told.append)
    page.session.state.told.connect(told.append)
    steps = (
        StoredStep("", Recipe(checkpoint="x", base=Seed(1))),
        StoredStep("a", Recipe(checkpoint="x", base=Seed(2))),
    )
    session = Session(model=str(model), model_name="moved", digest="0" * 64, steps=steps, current=1)
    path, before = tmp_path / "mine.nvps", page.state.recipe
    write_session(path, session)
    page.open_paths([path])
    assert told == [f"mine.nvps was made with the model moved, which is not there any more: {model}"]
    assert page.state.recipe == before

    model.write_bytes(b"no model")
    page.open_paths([path])
    qtbot.waitUntil(lambda: len(told) == 2)
    assert told[1] == "mine.nvps was made with the model moved, which cannot be opened."
    assert page.state.recipe == before

    shutil.copy(other_model, model)
    page.open_paths([path])
    qtbot.waitUntil(lambda: page.state.recipe.base == Seed(2) and settled(page))
    assert "has other weights than when mine.nvps was saved" in told[2]
    assert {step.recipe.checkpoint for step in page.history.steps[1:]} == {page.state.model.digest}

    large = StoredStep("", Recipe(checkpoint="x", base=Image((4, 4, 1), bytes(16))))
    write_session(path, replace(session, steps=(large,), current=0, digest=page.state.model.digest))
    page.open_paths([path])
    assert told[3] == "mine.nvps was made with the model moved when that had another size."


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"nvp_studio_session": 2, "digest": "a", "steps": []}',
        b'{"nvp_studio_session": 1, "digest": "a", "steps": []}',
        b'{"nvp_studio_session": 1, "digest": "a", "current": 1, "steps": [{"title": "", "recipe": '
        b'{"checkpoint": "", "base": {"type": "seed", "seed": 1}}}]}',
        b'{"nvp_studio_session": 1, "digest": "a", "steps": [{"title": "", "recipe": '
        b'{"checkpoint": "", "base": {"type": "seed", "seed": 99999999999999999999999}}}]}',
        b'{"nvp_studio_session": 1, "digest": "a", "steps": ' + b"[" * 50_000,
        b"\xff\xfe",
    ],
)
def test_a_file_that_is_no_session_is_refused_in_one_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "some.nvps"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z"):
        read_session(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"base": {"type": "seed", "seed": -5}},
        {"base": {"type": "seed", "seed": 2**62}},
        {"offsets": [[9999, 1.0]]},
        {"offsets": [[-1, 1e300]]},
        {"scales": [[99, {"type": "seed", "seed": 1}]]},
    ],
)
def test_pictures_that_the_model_cannot_draw_leave_the_one_on_screen(
    page: ExplorePage, qtbot: Bot, tmp_path: Path, changes: dict[str, object]
) -> None:
    recipe = {"checkpoint": "", "base": {"type": "seed", "seed": 1}, **changes}
    content = {
        "nvp_studio_session": 1,
        "digest": page.state.model.digest,
        "steps": [{"title": "", "recipe": recipe}],
        "tool": "nothing of the kind",
    }
    path = tmp_path / "some.nvps"
    path.write_bytes(msgspec.json.encode(content))
    page.open_paths([path])
    qtbot.waitUntil(lambda: not page.state._pictures.asking)
    assert page.tools.shown == ""
    page.state.undo.undo()
    qtbot.waitUntil(lambda: settled(page))
    assert page.state.recipe.base == Seed(0)


def test_a_long_history_is_cut_at_its_beginning() -> None:
    steps = [StoredStep(f"{place}", Recipe(checkpoint="", base=Seed(place))) for place in range(600)]
    kept, current = bounded(steps, 599)
    assert (len(kept), current) == (500, 499)
    assert kept[-1] == steps[-1]
    kept, current = bounded(steps, 20)
    assert kept[current] == steps[20]
    assert len(kept) == 500
    size = len(msgspec.json.encode(steps[-1]))
    kept, current = bounded(steps[:50], 49, 10 * size)
    assert len(kept) == 10
    assert kept[current] == steps[49]
