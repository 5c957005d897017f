"""The run strip hides what has no room instead of squeezing the name of the run."""

from PySide6.QtCore import QCoreApplication

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
            score="3.812 bits/dim (best 3.799 @ 1,200)",
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
