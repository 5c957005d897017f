"""Channels: the newest request counts, and its answers are told to who asked, whatever becomes of the worker."""

from collections.abc import Iterator

import pytest
from PySide6.QtCore import QObject

from nvp_studio.image_batch import ImageBatch
from nvp_studio.recipe import Recipe, Seed
from nvp_studio.worker.channel import Channel
from nvp_studio.worker.messages import (
    Answer,
    Ask,
    Cancel,
    Cancelled,
    Failed,
    Picture,
    PictureScored,
    Render,
    Reply,
)
from nvp_studio.worker.score_messages import Score, ScoreDone, ScoreRows

_RENDER = Render(Recipe(checkpoint="", base=Seed(0)))
_RENDERED = Picture(image=ImageBatch((1, 1, 1, 1), b"\0"), base_coordinates=())
_ROWS = ScoreRows((), 0, 0, False)
_DONE = ScoreDone(0.0)


class Wire:
    """In the place of a client: keeps what is sent, and tells answers as a client does."""

    def __init__(self) -> None:
        self.accepts = True
        self.sent: list[Ask | Cancel] = []
        self.told: list[tuple[str, object]] = []

    def send(self, message: Ask | Cancel) -> bool:
        if self.accepts:
            self.sent.append(message)
        return self.accepts

    def ask(self, channel: Channel, request: Render | Score, name: str) -> bool:
        return channel.ask(request, lambda answer: self.told.append((name, answer)))

    def reply(self, channel: Channel, request_id: int, answer: Answer) -> None:
        channel.receive(Reply(channel.name, request_id, answer))


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def channel(qapp: object, wire: Wire) -> Iterator[Channel]:
    parent = QObject()
    yield Channel("picture", wire.send, parent)
    parent.deleteLater()


def test_of_requests_asked_meanwhile_the_newest_alone_is_sent(wire: Wire, channel: Channel) -> None:
    for name in "abc":
        assert wire.ask(channel, _RENDER, name)
    assert wire.sent == [Ask("picture", 1, _RENDER)]
    wire.reply(channel, 1, _RENDERED)
    assert wire.sent == [Ask("picture", 1, _RENDER), Ask("picture", 3, _RENDER)]
    wire.reply(channel, 3, _RENDERED)
    assert wire.told == [("a", _RENDERED), ("c", _RENDERED)]
    assert not channel.asking


def test_the_score_that_follows_a_picture_is_told_to_who_asked_for_that_picture(wire: Wire, channel: Channel) -> None:
    wire.ask(channel, _RENDER, "a")
    wire.reply(channel, 1, _RENDERED)
    assert not channel.asking
    wire.ask(channel, _RENDER, "b")
    wire.reply(channel, 1, PictureScored(3.0))
    wire.reply(channel, 2, _RENDERED)
    wire.reply(channel, 1, PictureScored(4.0))
    assert wire.told == [("a", _RENDERED), ("a", PictureScored(3.0)), ("b", _RENDERED)], "1 is past after the second"


def test_a_stream_ends_with_its_last_answer(wire: Wire, channel: Channel) -> None:
    wire.ask(channel, Score(("x",)), "a")
    wire.ask(channel, Score(("y",)), "b")
    for answer in (_ROWS, _ROWS, _DONE):
        assert len(wire.sent) == 1
        wire.reply(channel, 1, answer)
    assert wire.sent[-1] == Ask("picture", 2, Score(("y",)))
    assert wire.told == [("a", _ROWS), ("a", _ROWS), ("a", _DONE)]


def test_nothing_is_told_after_a_cancel(wire: Wire, channel: Channel) -> None:
    wire.ask(channel, Score(("x",)), "a")
    wire.reply(channel, 1, _ROWS)
    wire.ask(channel, Score(("y",)), "b")
    channel.cancel()
    channel.cancel()
    assert wire.sent[1:] == [Cancel("picture")]
    wire.ask(channel, Score(("z",)), "c")
    wire.reply(channel, 1, _ROWS)
    assert channel.asking
    wire.reply(channel, 1, Cancelled())
    assert wire.sent[-1] == Ask("picture", 3, Score(("z",)))
    wire.reply(channel, 3, _DONE)
    assert wire.told == [("a", _ROWS), ("c", _DONE)]


def test_a_cancel_after_the_picture_leaves_out_its_score(wire: Wire, channel: Channel) -> None:
    wire.ask(channel, _RENDER, "a")
    wire.reply(channel, 1, _RENDERED)
    channel.cancel()
    wire.reply(channel, 1, PictureScored(3.0))
    assert wire.told == [("a", _RENDERED)]
    assert len(wire.sent) == 1


@pytest.mark.parametrize("last", [Failed("no"), Cancelled()])
def test_what_the_worker_cannot_do_frees_the_channel(wire: Wire, channel: Channel, last: Answer) -> None:
    wire.ask(channel, _RENDER, "a")
    wire.reply(channel, 1, last)
    assert wire.told == [("a", last)]
    assert not channel.asking


def test_a_late_answer_is_told_to_nobody(wire: Wire, channel: Channel) -> None:
    wire.ask(channel, _RENDER, "a")
    wire.reply(channel, 7, _RENDERED)
    assert wire.told == []
    assert channel.asking


def test_a_lost_worker_leaves_a_free_channel_and_tells_of_all_that_was_asked(wire: Wire, channel: Channel) -> None:
    wire.ask(channel, _RENDER, "a")
    wire.ask(channel, _RENDER, "b")
    assert [question.ask.request_id for question in channel.lose()] == [1, 2]
    assert not channel.asking
    wire.reply(channel, 1, _RENDERED)
    assert wire.told == []
    wire.accepts = False
    assert not wire.ask(channel, _RENDER, "c")
    assert not channel.asking
