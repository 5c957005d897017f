"""The schedule: newest of each view, short before long, scores last, nothing lost on the way."""

import threading

from hypothesis import given
from hypothesis import strategies as st

from nvp_studio.recipe import Recipe, Seed
from nvp_studio.worker.messages import OpenModel, Render, RenderSheet, ResumeRun, Score
from nvp_studio.worker.schedule import Schedule, Task

_RECIPE = Recipe(checkpoint="", base=Seed(0))


def _taken(schedule: Schedule) -> Task:
    task = schedule.take()
    assert isinstance(task, Task)
    return task


def test_requests_come_out_in_order() -> None:
    schedule = Schedule()
    requests = [OpenModel("model", 1), Render("explore", 2, _RECIPE), Score("score", 3, ())]
    for request in requests:
        schedule.put(request)
    assert [_taken(schedule).request for _ in requests] == requests


def test_a_newer_request_takes_the_place_of_one_that_waits() -> None:
    schedule = Schedule()
    for stamp in range(5):
        schedule.put(Render("explore", stamp, _RECIPE))
    schedule.put(Render("other", 9, _RECIPE))
    assert [_taken(schedule).request.stamp for _ in range(2)] == [4, 9]


def test_a_newer_request_gives_up_the_one_under_way() -> None:
    schedule = Schedule()
    schedule.put(Score("score", 1, ()))
    task = _taken(schedule)
    schedule.put(Render("explore", 1, _RECIPE))
    assert not task.cancelled
    schedule.put(Score("score", 2, ()))
    assert task.cancelled


def test_scores_wait_for_everything_else() -> None:
    schedule = Schedule()
    schedule.put(Score("score", 1, ()))
    schedule.put(RenderSheet("sheet", 2, ()))
    score, sheet = _taken(schedule), _taken(schedule)
    assert [_taken(schedule) for _ in range(3)] == [sheet] * 3
    schedule.put(Render("explore", 3, _RECIPE))
    render = _taken(schedule)
    assert render.request.stamp == 3
    schedule.finish(render)
    schedule.finish(sheet)
    assert _taken(schedule) is score


def test_long_tasks_of_a_kind_take_turns() -> None:
    schedule = Schedule()
    schedule.put(Score("a", 1, ()))
    schedule.put(Score("b", 2, ()))
    a, b = _taken(schedule), _taken(schedule)
    assert [_taken(schedule) for _ in range(4)] == [a, b, a, b]


def test_cancelling() -> None:
    schedule = Schedule()
    schedule.put(Score("score", 1, ()))
    task = _taken(schedule)
    waiting = Render("explore", 1, _RECIPE)
    schedule.put(waiting)
    assert schedule.cancel("nobody") is None
    assert schedule.cancel("explore") == waiting
    assert schedule.cancel("score") is None
    assert task.cancelled
    assert schedule.take() is task  # for its last step


def test_closing_wakes_who_waits_and_gives_up_the_rest() -> None:
    schedule = Schedule()
    schedule.put(Score("score", 1, ()))
    task = _taken(schedule)
    schedule.finish(task)
    taken: list[object] = []
    waiting = threading.Thread(target=lambda: taken.append(schedule.take()))
    waiting.start()
    schedule.close()
    waiting.join(60)
    assert taken == [None]
    schedule.put(Render("explore", 1, _RECIPE))
    assert schedule.take() is None


def test_a_run_is_never_displaced() -> None:
    schedule = Schedule()
    schedule.put(ResumeRun("a"))
    schedule.put(Render("explore", 1, _RECIPE))
    assert schedule.take() == ResumeRun("a")


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=40))
def test_the_newest_of_every_view_is_served_and_the_others_are_not(steps: list[tuple[str, bool]]) -> None:
    """However puts and takes alternate: each view's last request comes out, and in the order of their stamps."""
    schedule = Schedule()
    newest: dict[str, int] = {}
    waiting: set[str] = set()
    served: list[tuple[str, int]] = []

    def serve() -> None:
        task = _taken(schedule)
        served.append((task.request.view, task.request.stamp))
        waiting.discard(task.request.view)
        schedule.finish(task)

    for stamp, (view, take) in enumerate(steps):
        schedule.put(Render(view, stamp, _RECIPE))
        newest[view] = stamp
        waiting.add(view)
        if take:
            serve()
    while waiting:
        serve()
    assert set(newest.items()) <= set(served)
    for view in newest:
        stamps = [stamp for other, stamp in served if other == view]
        assert stamps == sorted(set(stamps))
