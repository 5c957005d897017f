"""The task queue: newest of each channel, short before long, scores last, nothing lost on the way."""

import threading

from hypothesis import given
from hypothesis import strategies as st

from nvp_studio.recipe import Recipe, Seed
from nvp_studio.worker.messages import Ask, OpenModel, Render, RenderSheet, ResumeRun
from nvp_studio.worker.score_messages import Score
from nvp_studio.worker.task_queue import Task, TaskQueue

_RECIPE = Recipe(checkpoint="", base=Seed(0))


def _taken(queue: TaskQueue) -> Task:
    task = queue.take()
    assert isinstance(task, Task)
    return task


def test_requests_come_out_in_order() -> None:
    queue = TaskQueue()
    requests = [Ask("model", 1, OpenModel()), Ask("explore", 2, Render(_RECIPE)), Ask("score", 3, Score(()))]
    for request in requests:
        queue.put(request)
    assert [_taken(queue).ask for _ in requests] == requests


def test_a_newer_request_takes_the_place_of_one_that_waits() -> None:
    queue = TaskQueue()
    for request_id in range(5):
        queue.put(Ask("explore", request_id, Render(_RECIPE)))
    queue.put(Ask("other", 9, Render(_RECIPE)))
    assert [_taken(queue).ask.request_id for _ in range(2)] == [4, 9]


def test_a_newer_request_cancels_the_one_under_way() -> None:
    queue = TaskQueue()
    queue.put(Ask("score", 1, Score(())))
    task = _taken(queue)
    queue.put(Ask("explore", 1, Render(_RECIPE)))
    assert not task.cancelled.is_set()
    queue.put(Ask("score", 2, Score(())))
    assert task.cancelled.is_set()


def test_scores_wait_for_everything_else() -> None:
    queue = TaskQueue()
    queue.put(Ask("score", 1, Score(())))
    queue.put(Ask("sheet", 2, RenderSheet(())))
    score, sheet = _taken(queue), _taken(queue)
    assert [_taken(queue) for _ in range(3)] == [sheet] * 3
    queue.put(Ask("explore", 3, Render(_RECIPE)))
    render = _taken(queue)
    assert render.ask.request_id == 3
    queue.finish(render)
    queue.finish(sheet)
    assert _taken(queue) is score


def test_long_tasks_of_a_kind_take_turns() -> None:
    queue = TaskQueue()
    queue.put(Ask("a", 1, Score(())))
    queue.put(Ask("b", 2, Score(())))
    a, b = _taken(queue), _taken(queue)
    assert [_taken(queue) for _ in range(4)] == [a, b, a, b]


def test_cancelling() -> None:
    queue = TaskQueue()
    queue.put(Ask("score", 1, Score(())))
    task = _taken(queue)
    waiting = Ask("explore", 1, Render(_RECIPE))
    queue.put(waiting)
    assert queue.cancel("nobody") is None
    assert queue.cancel("explore") == waiting
    assert queue.cancel("score") is None
    assert task.cancelled.is_set()
    assert queue.take() is task  # for its last step


def test_closing_ends_the_wait_and_cancels_the_rest() -> None:
    queue = TaskQueue()
    queue.put(Ask("score", 1, Score(())))
    task = _taken(queue)
    queue.finish(task)
    taken: list[object] = []
    waiting = threading.Thread(target=lambda: taken.append(queue.take()))
    waiting.start()
    queue.close()
    waiting.join(60)
    assert taken == [None]
    queue.put(Ask("explore", 1, Render(_RECIPE)))
    assert queue.take() is None


def test_a_run_is_never_displaced() -> None:
    queue = TaskQueue()
    queue.put(ResumeRun("a"))
    queue.put(Ask("explore", 1, Render(_RECIPE)))
    assert queue.take() == ResumeRun("a")


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=40))
def test_the_newest_of_every_channel_is_served_and_the_others_are_not(steps: list[tuple[str, bool]]) -> None:
    """However puts and takes alternate: each channel's last request comes out, and in the order of their numbers."""
    queue = TaskQueue()
    newest: dict[str, int] = {}
    waiting: set[str] = set()
    served: list[tuple[str, int]] = []

    def serve() -> None:
        task = _taken(queue)
        served.append((task.ask.channel, task.ask.request_id))
        waiting.discard(task.ask.channel)
        queue.finish(task)

    for request_id, (channel, take) in enumerate(steps):
        queue.put(Ask(channel, request_id, Render(_RECIPE)))
        newest[channel] = request_id
        waiting.add(channel)
        if take:
            serve()
    while waiting:
        serve()
    assert set(newest.items()) <= set(served)
    for channel in newest:
        ids = [request_id for other, request_id in served if other == channel]
        assert ids == sorted(set(ids))
