"""The run strip hides what has no room instead of squeezing the name of the run."""

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QToolButton

from nvp_studio.views.theme import SPACE
from nvp_studio.views.widgets.run_strip import RunStrip, StripContent
from tests.qt import Bot


def test_name_and_state_keep_their_room_at_every_width(qtbot: Bot) -> None:
    strip = RunStrip()
    qtbot.addWidget(strip)
    strip.show_content(
        StripContent(
            name="a run whose name is long",
            state="training",
            fraction=0.4,
            epoch="epoch 12 / 40",
            score="3.812 bits/dim in validation (best 3.799 @ 1,200)",
            speed="1,234 images/s",
            remaining="12 min left",
        )
    )
    strip.show()
    seen = set()
    for width in range(320, 1100, 5):
        strip.resize(width, strip.height())
        QCoreApplication.processEvents()
        assert strip.name.width() >= min(strip.name.sizeHint().width(), 14 * SPACE), width
        assert strip.state.width() >= strip.state.sizeHint().width(), width
        seen.add(strip.speed.isVisible())
    assert seen == {True, False}


def test_in_a_small_window_buttons_lose_their_texts_before_bar_score_and_time_left_are_hidden(qtbot: Bot) -> None:
    strip = RunStrip()
    qtbot.addWidget(strip)
    for text in ("Pause", "Stop", "Change", "Sample", "Save"):
        strip.add_action(QAction(text, strip))
    strip.show_content(
        StripContent(
            name="a run whose name is long",
            state="training",
            fraction=0.4,
            score="3.812 bits/dim in validation (best 3.799 @ 1,200)",
            remaining="12 min left",
        )
    )
    strip.show()
    strip.resize(800, strip.height())
    buttons = strip.findChildren(QToolButton)
    assert all(button.toolButtonStyle() is Qt.ToolButtonStyle.ToolButtonIconOnly for button in buttons)
    assert [button.accessibleName() for button in buttons] == ["Pause", "Stop", "Change", "Sample", "Save"]
    assert all(button.toolTip() for button in buttons)
    assert all(part.isVisible() for part in (strip.bar, strip.percent, strip.score, strip.remaining))
    strip.resize(1400, strip.height())
    assert all(button.toolButtonStyle() is Qt.ToolButtonStyle.ToolButtonTextBesideIcon for button in buttons)


def test_the_figure_of_a_score_is_never_cut(qtbot: Bot) -> None:
    strip = RunStrip()
    qtbot.addWidget(strip)
    for text in ("Pause", "Stop", "Change", "Sample", "Save"):
        strip.add_action(QAction(text, strip))
    score = "3.812 bits/dim in validation (best 3.799 @ 1,200)"
    strip.show_content(
        StripContent("run", "training", "", 0.4, "epoch 12 / 40", score, "1,240 images/s", "12 min left")
    )
    strip.show()
    shown = {}
    for width in range(640, 1640, 40):
        strip.resize(width, strip.height())
        qtbot.wait(1)
        if strip.score.isVisible():
            shown[width] = strip.score.shown_text
            assert score.startswith(shown[width].removesuffix(" …")), width
            assert shown[width].startswith("3.812 bits/dim"), width
            assert not (strip.speed.isVisible() and shown[width] != score), "the speed goes first"
    assert shown[800] != score
    assert shown[1600] == score
