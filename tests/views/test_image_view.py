"""The large picture: zoom about the pointer, moving it, its pixels told by pointer and by keys."""

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QNativeGestureEvent, QPointingDevice, QWheelEvent
from PySide6.QtWidgets import QApplication

from nvp_studio.image_batch import ImageBatch
from nvp_studio.state.qimages import qimage
from nvp_studio.views.widgets.image_status import ImageStatus
from nvp_studio.views.widgets.image_view import ImageView
from nvp_studio.views.widgets.viewport import Viewport
from tests.qt import Bot

VALUES = np.arange(16 * 16, dtype=np.uint8).reshape(1, 16, 16, 1)


def shown(qtbot: Bot, viewport: Viewport | None = None) -> ImageView:
    view = ImageView(viewport)
    qtbot.addWidget(view)
    view.resize(330, 330)
    view.show()
    view.show_image(qimage(ImageBatch(VALUES.shape, VALUES.tobytes())))
    return view


def turn_wheel(view: ImageView, place: QPointF, delta: int) -> None:
    no_buttons, no_keys = Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier
    where = view.mapToGlobal(place)
    phase = Qt.ScrollPhase.NoScrollPhase
    event = QWheelEvent(place, where, QPoint(), QPoint(0, delta), no_buttons, no_keys, phase, False)
    QApplication.sendEvent(view, event)


def pixel_under(view: ImageView, place: QPointF) -> QPointF:
    """Where `place` lies in the image, in its pixels."""
    rect = view.image_rect()
    return QPointF((place.x() - rect.left()) * 16 / rect.width(), (place.y() - rect.top()) * 16 / rect.height())


def test_the_wheel_zooms_about_the_pointer_by_whole_screen_pixels(qtbot: Bot) -> None:
    view = shown(qtbot)
    assert view.image_rect().width() == 320
    place = QPointF(100, 240)
    before = pixel_under(view, place)
    for _ in range(4):
        turn_wheel(view, place, 60)  # half a notch
    assert view.viewport.zoom == 45
    assert view.image_rect().width() == 16 * 45
    after = pixel_under(view, place)
    assert abs(after.x() - before.x()) < 0.1
    assert abs(after.y() - before.y()) < 0.1
    grabbed = view.grab().toImage()
    assert grabbed.pixelColor(100, 240).red() == VALUES[0, int(after.y()), int(after.x()), 0]
    for _ in range(30):
        turn_wheel(view, place, 120)
    assert view.pixel_rect(QPoint(0, 0)).width() <= 330 / 4 + 1, "some pixels are always seen"
    for _ in range(30):
        turn_wheel(view, place, -120)
    assert view.viewport.zoom == 0


def test_the_zoomed_picture_is_dragged_to_its_edges_and_not_beyond(qtbot: Bot) -> None:
    view = shown(qtbot)
    qtbot.mouseDrag(view, QPoint(100, 100), QPoint(160, 160))
    assert view.image_rect().left() == 5, "it fits, so it stays"
    qtbot.keyClicks(view, "++")
    left = view.image_rect().left()
    qtbot.mouseDrag(view, QPoint(100, 100), QPoint(130, 90))
    assert view.image_rect().left() == left + 30
    qtbot.mouseDrag(view, QPoint(10, 10), QPoint(320, 320))
    qtbot.mouseDrag(view, QPoint(10, 10), QPoint(320, 320))
    assert view.image_rect().topLeft() == QPointF(0, 0)
    qtbot.keyClick(view, Qt.Key.Key_Right)
    assert view.image_rect().left() < 0
    view.resize(600, 600)
    assert view.image_rect().contains(QPointF(590, 590))
    qtbot.mouseDClick(view, Qt.MouseButton.LeftButton, pos=QPoint(50, 50))
    assert (view.viewport.zoom, view.image_rect().width()) == (0, 16 * 37)


def test_pixels_are_told_by_pointer_and_by_keys(qtbot: Bot) -> None:
    view = shown(qtbot)
    status = ImageStatus(view)
    qtbot.addWidget(status)
    qtbot.mouseMove(view, QPoint(5 + 20 * 3 + 10, 5 + 20 * 2 + 10))
    assert status.text() == "x 3, y 2: 35"
    QApplication.sendEvent(view, QEvent(QEvent.Type.Leave))
    assert status.text() == ""
    qtbot.keyClick(view, Qt.Key.Key_Left)
    qtbot.keyClick(view, Qt.Key.Key_Left)
    assert status.text() == view.accessibleDescription() == "x 7, y 8: 135"
    qtbot.keyClicks(view, "++")
    for _ in range(20):
        qtbot.keyClick(view, Qt.Key.Key_Down, Qt.KeyboardModifier.ShiftModifier)
    assert status.text() == "x 7, y 15: 247  ·  45×"
    assert view.rect().contains(view.pixel_rect(QPoint(7, 15)).toAlignedRect())
    qtbot.keyClick(view, Qt.Key.Key_Escape)
    qtbot.keyClick(view, Qt.Key.Key_0)
    assert status.text() == ""
    color = np.array([[[[1, 2, 3]]]], np.uint8)
    view.show_image(qimage(ImageBatch(color.shape, color.tobytes())))
    qtbot.mouseMove(view, QPoint(160, 160))
    assert status.text() == "x 0, y 0: R 1 G 2 B 3"


def test_two_pictures_move_together_and_their_zoom_stays_with_other_images(qtbot: Bot) -> None:
    viewport = Viewport()
    one, other = shown(qtbot, viewport), shown(qtbot, viewport)
    other.show_image(qimage(ImageBatch(VALUES.shape, (255 - VALUES).tobytes())))
    status = ImageStatus(one, other)
    qtbot.addWidget(status)
    turn_wheel(one, QPointF(20, 20), 240)
    assert one.image_rect() == other.image_rect()
    qtbot.mouseMove(other, QPoint(1, 1))
    assert status.text() == "x 0, y 0: 0 | 255  ·  45×"
    place = one.image_rect()
    one.show_image(qimage(ImageBatch(VALUES.shape, VALUES[::-1].tobytes())))
    assert one.image_rect() == place
    one.show_image(qimage(ImageBatch((1, 8, 8, 1), bytes(64))))
    assert viewport.zoom == 0, "an image of another size is shown as a whole"


@pytest.mark.parametrize(("factor", "zoom"), [(0.3, 26), (-0.5, 0)])
def test_pinching_zooms(qtbot: Bot, factor: float, zoom: int) -> None:
    view = shown(qtbot)
    pointer = QPointingDevice.primaryPointingDevice()
    place = QPointF(165, 165)
    pinch = Qt.NativeGestureType.ZoomNativeGesture
    event = QNativeGestureEvent(pinch, pointer, 2, place, place, view.mapToGlobal(place), factor, QPointF())
    QApplication.sendEvent(view, event)
    assert view.viewport.zoom == zoom
