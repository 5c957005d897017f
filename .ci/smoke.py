"""The real window on a real X server: it starts, a slider changes the picture, every page shows something, it quits."""

import sys
import time

from benchmarks.studio import Studio, open_studio

START_SECONDS = 90
QUIT_SECONDS = 15
FEWEST_COLOURS = 30
"""A screenshot with fewer colours is a blank window; text alone has more, by its smooth edges."""


def main() -> None:
    """Run all checks; an assertion or a `TimeoutError` says which failed."""
    with open_studio() as studio:
        from PySide6.QtGui import QGuiApplication

        assert QGuiApplication.platformName() == "xcb", QGuiApplication.platformName()
        print(f"first picture after {studio.wait_ready(START_SECONDS):.1f} s")
        studio.spin(1)
        move_a_slider(studio)
        for key in studio.page_keys:
            studio.window.show_page(key)
            studio.spin(1)
            colours = screenshot_colours(studio)
            print(f"page {key}: {colours} colours on screen")
            assert colours >= FEWEST_COLOURS, f"the page {key} is blank"
        began = time.perf_counter()
        studio.close(QUIT_SECONDS)
        print(f"quit in {time.perf_counter() - began:.1f} s")


def move_a_slider(studio: Studio) -> None:
    """Press the first slider of Explore near its right end and expect another picture."""
    from PySide6.QtCore import QPoint, Qt
    from PySide6.QtTest import QTest

    from nvp_studio.views.widgets.sliders import MarkedSlider

    studio.window.show_page("explore")
    slider = next(s for s in studio.window.page("explore").findChildren(MarkedSlider) if s.isVisible())
    before = studio.explore.picture
    QTest.mouseClick(slider, Qt.MouseButton.LeftButton, pos=QPoint(slider.width() - 12, slider.height() // 2))
    took = studio.wait(lambda: studio.explore.picture is not before, 20, "new picture")
    after = studio.explore.picture
    assert before is not None
    assert after is not None
    assert before.image.pixels != after.image.pixels, "the slider did not change the picture"
    print(f"a slider changed the picture within {1000 * took:.0f} ms")


def screenshot_colours(studio: Studio) -> int:
    """Number of colours in what the X server shows of the window."""
    image = studio.window.screen().grabWindow(0).toImage().copy(studio.window.frameGeometry())
    return len({image.pixel(x, y) for x in range(0, image.width(), 2) for y in range(0, image.height(), 2)})


if __name__ == "__main__":
    main()
    sys.exit(0)
