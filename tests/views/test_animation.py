"""Animations on the Explore page, on a real engine."""

from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageSequence
import pytest
from msgspec.structs import replace
from PySide6.QtCore import QPoint, Qt
from typer.testing import CliRunner

from nvp_studio.cli import app
from nvp_studio.explore.animation import Animation
from nvp_studio.explore.animation_files import read_animation
from nvp_studio.recipe import Blend, Corners, Image, Recipe, Seed
from nvp_studio.state import animation_player, value_edit
from nvp_studio.state.animation import AnimationState
from nvp_studio.state.engine import Engine
from nvp_studio.views.pages.explore.page import ExplorePage
from tests.qt import WAIT_SECONDS, Bot, drop, is_asking, open_window, stop_engine
from tests.views.explore_page import settled, shown_page


@pytest.fixture
def page(shared_engine: Engine, qtbot: Bot, small_model: Path, tmp_path: Path) -> ExplorePage:
    """The page in a shown window, with its first picture."""
    return shown_page(shared_engine, qtbot, small_model, tmp_path)


def state_of(page: ExplorePage) -> AnimationState:
    return page.animation.state


def add_keyframes(page: ExplorePage, qtbot: Bot, *seeds: int) -> None:
    """Add samples by the key."""
    for seed in seeds:
        page.state.new_sample(seed)
        qtbot.waitUntil(lambda: settled(page))
        qtbot.keyClick(page, Qt.Key.Key_Y, Qt.KeyboardModifier.AltModifier)
    qtbot.waitUntil(lambda: len(state_of(page).pictures) == len(state_of(page).animation.keyframes))


def seeds_of(page: ExplorePage) -> list[int]:
    return [recipe.base.seed for recipe in state_of(page).animation.keyframes]


def pixels_on(page: ExplorePage) -> np.ndarray:
    """The grey levels that the view shows."""
    image = page.pictures.view.image
    return np.array([[image.pixelColor(x, y).red() for x in range(image.width())] for y in range(image.height())])


def test_keyframes_are_added_moved_deleted_and_all_of_it_is_undone(page: ExplorePage, qtbot: Bot) -> None:
    panel, undo = page.animation.panel, page.window().registry["edit.undo"]
    qtbot.keyClick(page, Qt.Key.Key_Y)
    assert panel.isVisible()
    assert "Add keyframes" in panel.empty.text()
    assert not page.context.registry["explore.animate-play"].isEnabled()
    add_keyframes(page, qtbot, 3, 5, 7)
    assert seeds_of(page) == [3, 5, 7]
    assert panel.list.count() == 3
    panel.list.setFocus()
    panel.list.setCurrentRow(2)
    qtbot.keyClick(panel.list, Qt.Key.Key_Left, Qt.KeyboardModifier.AltModifier)
    assert seeds_of(page) == [3, 7, 5]
    panel.list.setCurrentRow(0)
    qtbot.keyClick(panel.list, Qt.Key.Key_Delete)
    assert seeds_of(page) == [7, 5]
    for wanted in ([3, 7, 5], [3, 5, 7]):
        undo.trigger()
        assert seeds_of(page) == wanted


def test_the_tray_is_animated_without_what_does_not_fit(page: ExplorePage, qtbot: Bot) -> None:
    qtbot.keyClick(page, Qt.Key.Key_Y, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier)
    assert not state_of(page).animation.keyframes
    for seed in (3, 5):
        page.state.new_sample(seed)
        qtbot.waitUntil(lambda: settled(page))
        qtbot.keyClick(page, Qt.Key.Key_K)
    large = Recipe(checkpoint="other", base=Image((16, 16, 3), bytes(768)))
    more_scales = replace(page.state.recipe, checkpoint="other", temperatures=(1.0,) * 5)
    others = [replace(page.tray.pictures[0], recipe=recipe) for recipe in (large, more_scales)]
    page.tray.pictures = (*others, *page.tray.pictures)
    with qtbot.waitSignal(state_of(page).told) as told:
        qtbot.keyClick(page, Qt.Key.Key_Y, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier)
    assert told.args[0].startswith("Left out: 2 ")
    assert seeds_of(page) == [3, 5]
    assert page.animation.panel.isVisible()


def test_it_plays_is_paused_and_gone_through_and_the_picture_comes_back(page: ExplorePage, qtbot: Bot) -> None:
    add_keyframes(page, qtbot, 3, 5)
    state, player, panel = state_of(page), state_of(page).player, page.animation.panel
    state.set(seconds=0.5, frames_per_second=20.0, loop=True)
    own = pixels_on(page)
    page.setFocus()
    qtbot.keyClick(page, Qt.Key.Key_Y, Qt.KeyboardModifier.ShiftModifier)
    assert player.playing
    qtbot.waitUntil(lambda: player.loaded == 1)
    qtbot.waitUntil(lambda: player.frame > 3)
    later = player.frame
    qtbot.waitUntil(lambda: player.frame < later, timeout=30_000)  # it begins again
    qtbot.keyClick(page, Qt.Key.Key_Y, Qt.KeyboardModifier.ShiftModifier)
    assert not player.playing
    stopped = player.frame
    qtbot.wait(150)
    assert player.frame == stopped
    assert page.panel.score.pending
    assert f"Frame {stopped + 1} of 10" in page.pictures.caption.text()

    state.set(loop=False)
    qtbot.waitUntil(lambda: player.loaded == 1)
    panel.slider.setFocus()
    qtbot.keyClick(panel.slider, Qt.Key.Key_Home)
    assert player.frame == 0
    first = pixels_on(page)
    qtbot.keyClick(panel.slider, Qt.Key.Key_End)
    assert player.frame == 9
    assert np.array_equal(pixels_on(page), own), "the last keyframe is the picture on screen"
    assert not np.array_equal(first, own)
    panel.list.setFocus()
    panel.list.setCurrentRow(0)
    qtbot.keyClick(panel.list, Qt.Key.Key_Return)
    assert player.frame == 0
    assert np.array_equal(pixels_on(page), first)
    qtbot.keyClick(page, Qt.Key.Key_Escape, Qt.KeyboardModifier.ShiftModifier)
    assert np.array_equal(pixels_on(page), own)
    assert player.shown is None
    assert "Frame" not in page.pictures.caption.text()


def test_it_stops_at_the_end_unless_it_is_a_loop_and_then_begins_again(page: ExplorePage, qtbot: Bot) -> None:
    add_keyframes(page, qtbot, 3, 5)
    state, player = state_of(page), state_of(page).player
    state.set(seconds=0.5, frames_per_second=20.0)
    own, frames = pixels_on(page), []
    player.moved.connect(lambda: frames.append(player.frame))
    player.play()
    qtbot.waitUntil(lambda: not player.playing, timeout=30_000)
    assert player.frame == 9
    assert frames == sorted(frames)
    assert np.array_equal(pixels_on(page), own), "the last keyframe is the picture on screen"
    player.play()
    assert player.playing
    assert player.frame == 0


def test_the_tray_gets_time_enough_and_its_first_small_pictures_come_first(page: ExplorePage, qtbot: Bot) -> None:
    state, panel = state_of(page), page.animation.panel
    qtbot.keyClick(page, Qt.Key.Key_K)
    kept = page.tray.pictures[0]
    page.tray.pictures = tuple(replace(kept, recipe=replace(kept.recipe, base=Seed(seed))) for seed in range(40))
    state.apply(
        Animation(
            keyframes=(replace(kept.recipe, base=Corners((Seed(1), Seed(2), Seed(3), Seed(4)), 0.0, 0.0)),),
            path="corners",
            seconds=2.2247834145,
            places=((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
        )
    )
    assert panel.seconds.lineEdit().text() == "2.22"
    counts = []
    state.changed.connect(lambda: counts.append(len(state.pictures)))
    state.take_tray()
    assert state.animation.seconds == 0.5 * 39
    qtbot.waitUntil(lambda: len(state.pictures) == 40)
    assert counts == [0, 16, 32, 40]
    assert all(not panel.list.item(row).icon().isNull() for row in range(40))
    state.set(seconds=30.0)
    state.take_tray()
    assert state.animation.seconds == 30.0, "what a person chose stays"

    page.tray.pictures = page.tray.pictures[:3]
    page.window().registry["edit.undo"].trigger()
    page.window().registry["edit.undo"].trigger()
    assert state.animation.path == "corners"
    state.take_tray()
    assert state.animation.seconds == 4.0, "not that of the recorded path"


def test_the_fields_of_an_animation_say_what_they_are_and_have_room(page: ExplorePage) -> None:
    panel = page.animation.panel
    page.tools.show_tool("animate", True)
    panel.seconds.setValue(3599.99)
    line = panel.seconds.lineEdit()
    margins = line.textMargins()
    room = line.width() - margins.left() - margins.right()
    assert line.fontMetrics().horizontalAdvance(line.text()) < room
    assert panel.seconds.toolTip().startswith("Length of the whole animation in seconds")
    assert panel.rate.toolTip().startswith("Frames a second")
    assert panel.scale.toolTip().startswith("Screen pixels for each image pixel")


def test_a_frame_becomes_the_picture_as_one_step(page: ExplorePage, qtbot: Bot) -> None:
    add_keyframes(page, qtbot, 3, 5)
    page.state.set_temperature(1.0)
    state = state_of(page)
    plain = tuple(replace(recipe, temperatures=()) for recipe in state.animation.keyframes)
    state.set(keyframes=plain, seconds=1.0, frames_per_second=5.0)
    state.player.go_to(2)
    qtbot.waitUntil(lambda: state.player.shown is not None)
    shown, steps = pixels_on(page), page.state.undo.count()
    qtbot.keyClick(page, Qt.Key.Key_Y, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    qtbot.waitUntil(lambda: settled(page))
    assert page.state.recipe.base == Blend(Seed(3), Seed(5), 0.5)
    assert np.abs(pixels_on(page) - shown).max() <= 1
    assert page.state.undo.count() == steps + 1

    state.set(path="spline", keyframes=(*plain, replace(plain[0], base=Seed(9))))
    state.player.go_to(1)
    qtbot.waitUntil(lambda: state.player.shown is not None)
    shown = pixels_on(page)
    page.context.registry["explore.animate-frame"].trigger()
    qtbot.waitUntil(lambda: settled(page))
    assert isinstance(page.state.recipe.base, Image)
    assert np.array_equal(pixels_on(page), shown)


def test_settings_are_undone_and_refused_in_words(
    page: ExplorePage, qtbot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(value_edit, "MERGE_SECONDS", WAIT_SECONDS)
    add_keyframes(page, qtbot, 3, 5)
    state, panel = state_of(page), page.animation.panel
    steps = page.state.undo.count()
    panel.path.setCurrentIndex(1)
    qtbot.mouseClick(panel.loop, Qt.MouseButton.LeftButton, pos=QPoint(10, panel.loop.height() // 2))
    for text in ("2", "3"):
        panel.seconds.lineEdit().setText(text)
        qtbot.keyClick(panel.seconds, Qt.Key.Key_Return)
    assert (state.animation.path, state.animation.loop, state.animation.seconds) == ("spline", True, 3.0)
    assert page.state.undo.count() == steps + 3, "quick changes of one setting are one step"
    with qtbot.waitSignal(page.state.failed) as failed:
        panel.seconds.lineEdit().setText("3000")
        qtbot.keyClick(panel.seconds, Qt.Key.Key_Return)
    assert "75,000 frames; the most are 10,000" in failed.args[0]
    assert panel.seconds.value() == 3.0
    assert state.animation.seconds == 3.0
    page.window().registry["edit.undo"].trigger()
    assert state.animation.seconds == 4.0


def test_a_film_is_saved_opened_again_and_made_in_python(
    page: ExplorePage, qtbot: Bot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_keyframes(page, qtbot, 3, 5)
    state = state_of(page)
    state.set(seconds=1.0, frames_per_second=12.0)
    state.player.go_to(0)
    qtbot.waitUntil(lambda: state.player.loaded == 1)
    played = np.concatenate([state.player._frames[frame].array() for frame in range(12)])
    page.animation.panel.scale.setValue(3)
    modifiers = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier
    for name in ("film.gif", "film.json"):
        monkeypatch.setattr(page.context, "ask_save", lambda *_, name=name: tmp_path / name)
        with qtbot.waitSignal(state.saved):
            qtbot.keyClick(page, Qt.Key.Key_F, modifiers)
        qtbot.waitUntil(lambda: not state.writing)
    with PIL.Image.open(tmp_path / "film.gif") as file:
        film = np.stack([np.asarray(frame.convert("L")) for frame in PIL.ImageSequence.Iterator(file)])
    assert np.array_equal(film[:, ::3, ::3], played[..., 0])
    names: dict[str, object] = {}
    exec(state.python_code(), names)
    assert np.array_equal(names["frames"], played)
    for command in ("render", "animate"):
        words = [command, str(tmp_path / "film.json"), "-m", page.state.model.path, "-o", str(tmp_path / "again.webp")]
        assert CliRunner().invoke(app, [*words, "--scale", "1"]).exit_code == 0
        with PIL.Image.open(tmp_path / "again.webp") as file:
            again = np.stack([np.asarray(frame.convert("L")) for frame in PIL.ImageSequence.Iterator(file)])
        assert np.array_equal(again, played[..., 0]), command

    for name in ("film.json", "film.gif"):
        state.apply(Animation())
        monkeypatch.setattr(page.context, "ask_files", lambda *_, name=name: [tmp_path / name])
        with qtbot.waitSignal(state.opened):
            qtbot.keyClick(page, Qt.Key.Key_F, modifiers | Qt.KeyboardModifier.ShiftModifier)
        assert state.animation == read_animation(tmp_path / name)
        assert seeds_of(page) == [3, 5]
    (tmp_path / "film.json").write_text("{}}")
    with qtbot.waitSignal(page.state.failed) as failed:
        state.open(tmp_path / "film.json")
    assert "not an animation" in failed.args[0]


def test_the_next_start_has_the_animation_even_after_a_crash(
    shared_engine: Engine, page: ExplorePage, qtbot: Bot, tmp_path: Path
) -> None:
    add_keyframes(page, qtbot, 3, 5)
    state_of(page).set(seconds=2.5, loop=True)
    animation = state_of(page).animation
    again = open_window(qtbot, shared_engine, tmp_path, page="explore").page("explore")  # nothing was closed
    qtbot.waitUntil(lambda: settled(again) and len(state_of(again).pictures) == 2)
    assert state_of(again).animation == animation
    assert not again.window().registry["edit.undo"].isEnabled()
    assert again.context.registry["explore.animate-play"].isEnabled()
    state_of(again).delete(0)
    third = open_window(qtbot, shared_engine, tmp_path, page="explore").page("explore")
    assert seeds_of(third) == [5]


def test_a_damaged_file_of_the_animation_is_told_and_put_aside(
    shared_engine: Engine, page: ExplorePage, qtbot: Bot, tmp_path: Path
) -> None:
    kept = tmp_path / "window.animation"
    assert not kept.exists()
    kept.write_text('{"keyframes": [1]}')
    again = open_window(qtbot, shared_engine, tmp_path, page="explore").page("explore")
    told = [notification.text for notification in again.window().notifications.shown]
    assert any(text.startswith("The animation cannot be read: not an animation: ") for text in told)
    qtbot.waitUntil(lambda: settled(again))
    state_of(again).add_picture()
    assert len(Animation.from_json(kept.read_bytes()).keyframes) == 1
    assert (tmp_path / "window.damaged-animation").read_text() == '{"keyframes": [1]}'


def test_files_that_are_dropped_open_as_what_they_are(page: ExplorePage, qtbot: Bot, tmp_path: Path) -> None:
    state = state_of(page)
    add_keyframes(page, qtbot, 3, 5)
    state.set(seconds=1.0, frames_per_second=5.0)
    for name in ("film.json", "film.gif", "film.png"):
        with qtbot.waitSignal(state.saved):
            state.save(tmp_path / name, 1)
        qtbot.waitUntil(lambda: not state.writing)
    animation = state.animation
    for name in ("film.json", "film.gif", "film.png"):
        state.apply(Animation())
        page.tools.show_tool("animate", False)
        with qtbot.waitSignal(state.opened):
            assert drop(page.window(), [tmp_path / name])
        assert state.animation == animation
        assert page.animation.panel.isVisible()
    page.window().registry["edit.undo"].trigger()
    assert not state.animation.keyframes

    recipe = Recipe(checkpoint="", base=Seed(11), offsets=((0, 1.0),))
    (tmp_path / "picture.json").write_text(recipe.to_json())
    assert drop(page.window(), [tmp_path / "picture.json"])
    qtbot.waitUntil(lambda: page.state.recipe.base == Seed(11) and settled(page))
    assert page.state.recipe.offsets == ((0, 1.0),)
    PIL.Image.new("L", (8, 8), 99).save(tmp_path / "plain.gif")
    assert drop(page.window(), [tmp_path / "plain.gif"])
    qtbot.waitUntil(lambda: isinstance(page.state.recipe.base, Image) and settled(page))
    assert page.state.notes[0] == "plain.gif"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("}", "not an animation: JSON is malformed"),
        ("{}", "not an animation: it has no keyframes"),
        ("[]", "not an animation: Expected"),
        ('{"keyframes": [], "seconds": 0}', "lasts more than 0"),
        ('{"keyframes": [{"checkpoint": 5}]}', "not an animation: Expected `str`"),
        ('{"base": 5}', "not a recipe: "),
        ('{"base": {"type": "image", "shape": [2, 2, 1], "pixels": "AAAAAA=="}, "checkpoint": ""}', "2x2"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(
    page: ExplorePage, qtbot: Bot, tmp_path: Path, content: str, reason: str
) -> None:
    add_keyframes(page, qtbot, 3)
    animation, recipe = state_of(page).animation, page.state.recipe
    (tmp_path / "some.json").write_text(content)
    with qtbot.waitSignal(page.state.failed) as failed:
        assert drop(page.window(), [tmp_path / "some.json"])
    assert reason in failed.args[0]
    assert state_of(page).animation == animation
    assert page.state.recipe == recipe


def test_keyframes_of_other_weights_are_told(page: ExplorePage, qtbot: Bot, tmp_path: Path) -> None:
    keyframes = tuple(Recipe(checkpoint="f" * 64, base=Seed(seed)) for seed in (1, 2))
    (tmp_path / "film.json").write_text(Animation(keyframes=keyframes).to_json())
    with qtbot.waitSignal(state_of(page).told) as told:
        page.open_paths([tmp_path / "film.json"])
    assert told.args[0].startswith("Its keyframes were made with another model")
    assert state_of(page).possible


def test_writing_is_cancelled_and_leaves_nothing(page: ExplorePage, qtbot: Bot, tmp_path: Path) -> None:
    add_keyframes(page, qtbot, 3, 5)
    state = state_of(page)
    state.set(seconds=40.0, frames_per_second=25.0)
    before = set(tmp_path.iterdir())
    state.save(tmp_path / "film.webp", 20)
    qtbot.waitUntil(lambda: state.progress[0] > 1010)
    assert page.animation.panel.progress.isVisible()
    assert set(tmp_path.iterdir()) != before, "it is being written"
    qtbot.keyClick(page, Qt.Key.Key_Escape, Qt.KeyboardModifier.ShiftModifier)
    assert not state.writing
    qtbot.waitUntil(lambda: set(tmp_path.iterdir()) == before)
    page.state.new_sample(8)
    qtbot.waitUntil(lambda: settled(page))


def test_keyframes_of_another_model_are_named_and_the_rest_is_played(
    page: ExplorePage, qtbot: Bot, other_model: Path
) -> None:
    add_keyframes(page, qtbot, 3, 5)
    state = state_of(page)
    large = Recipe(checkpoint="other", base=Image((16, 16, 3), bytes(768)))
    state.apply(replace(state.animation, keyframes=(*state.animation.keyframes, large)))
    assert state.problem == "Keyframe 3 belongs to a model of another size."
    assert not page.context.registry["explore.animate-play"].isEnabled()
    assert state.problem in page.animation.panel.status.text()
    qtbot.waitUntil(lambda: len(state.pictures) == 3)
    assert [picture is None for picture in state.pictures] == [False, False, True]
    state.delete(2)
    state.player.go_to(0)
    qtbot.waitUntil(lambda: state.player.shown is not None)
    before = pixels_on(page)
    page.context.engine.open_model(str(other_model))
    qtbot.waitUntil(lambda: not page.context.engine.opening and settled(page))
    assert state.player.shown is None
    state.player.go_to(0)
    qtbot.waitUntil(lambda: state.player.shown is not None)
    assert not np.array_equal(pixels_on(page), before)


def test_a_long_animation_keeps_as_many_frames_as_there_is_room_for(
    page: ExplorePage, qtbot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(animation_player, "MOST_BYTES", 20 * 64)
    add_keyframes(page, qtbot, 3, 5)
    state = state_of(page)
    state.set(seconds=4.0, frames_per_second=25.0)
    state.player.go_to(99)
    qtbot.waitUntil(lambda: state.player.loaded == 1)
    assert sorted(state.player._frames) == list(range(0, 100, 5))
    assert state.player.shown is state.player._frames[95]


def test_frames_are_asked_for_from_the_place_that_is_shown(page: ExplorePage, qtbot: Bot) -> None:
    add_keyframes(page, qtbot, 3, 5)
    state = state_of(page)
    state.set(seconds=160.0, frames_per_second=25.0)
    state.player.go_to(0)
    qtbot.waitUntil(lambda: state.player.shown is not None)
    state.player.go_to(3000)
    assert state.player.shown is state.player._frames[0], "the frame before stays until then"
    qtbot.waitUntil(lambda: state.player.shown is state.player._frames.get(3000))
    assert len(state.player._frames) < 3000
    page.state.new_sample(9)
    qtbot.waitUntil(lambda: page.state.picture_recipe == page.state.recipe)
    assert state.player.shown is None
    qtbot.waitUntil(lambda: not is_asking(page.state.engine.explorer))
    assert len(state.player._frames) < 4000, "the rest is not decoded before it is wanted"
    state.player.go_to(3001)
    qtbot.waitUntil(lambda: state.player.shown is state.player._frames.get(3001))


def test_the_path_of_a_drag_on_the_pad_is_recorded_and_played(page: ExplorePage, qtbot: Bot) -> None:
    qtbot.keyClick(page, Qt.Key.Key_F, Qt.KeyboardModifier.ShiftModifier)
    qtbot.waitUntil(lambda: page.corners.strip is not None and settled(page))
    pad, state = page.tools.corner_panel.pad, state_of(page)
    qtbot.keyClick(page, Qt.Key.Key_G, Qt.KeyboardModifier.ControlModifier)
    assert state.recording
    places = [pad.point_of(place).toPoint() for place in ((0.0, 0.0), (0.5, 0.25), (1.0, 1.0))]
    qtbot.mousePress(pad, Qt.MouseButton.LeftButton, pos=places[0])
    for place in places[1:]:
        qtbot.wait(120)
        qtbot.mouseMove(pad, place)
    qtbot.mouseRelease(pad, Qt.MouseButton.LeftButton, pos=places[-1])
    assert not state.recording
    assert page.animation.panel.isVisible()
    animation = state.animation
    assert animation.path == "corners"
    assert animation.places[-1][1:] == (1.0, 1.0)
    assert animation.seconds > 0.2
    still = [place[1:] for place in animation.places]
    assert still[0] == still[1], "the place stood still at first"
    state.player.go_to(animation.frames - 1)
    qtbot.waitUntil(lambda: state.player.shown is not None)
    assert np.abs(pixels_on(page) - page.state.picture.image.array()[0, :, :, 0]).max() <= 1
    page.context.registry["explore.animate-frame"].trigger()
    assert isinstance(page.state.recipe.base, Corners)
    page.window().registry["edit.undo"].trigger()
    page.window().registry["edit.undo"].trigger()
    assert not state.animation.keyframes


@pytest.mark.slow
def test_a_file_of_the_command_line_waits_for_the_model(qtbot: Bot, small_model: Path, tmp_path: Path) -> None:
    keyframes = tuple(Recipe(checkpoint="", base=Seed(seed)) for seed in (1, 2))
    (tmp_path / "walk.json").write_text(Animation(keyframes=keyframes).to_json())
    engine = Engine()
    engine.start(str(small_model))
    window = open_window(qtbot, engine, tmp_path, page="explore")
    assert engine.model is None
    window.open_paths([tmp_path / "walk.json"])  # as the program does once its window was painted
    page = window.page("explore")
    qtbot.waitUntil(lambda: len(state_of(page).pictures) == 2 and settled(page))
    assert page.animation.panel.isVisible()
    stop_engine(qtbot, engine)
