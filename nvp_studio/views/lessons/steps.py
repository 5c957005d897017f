"""The steps of the lessons: for each the page it is on, the state that the page is put into, and when it is done.

A step is a generator. It is resumed at each change of its page, and some times a second; it yields what it still waits
for that a person cannot do (empty: for the one thing to do), and ends when that was done.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, cast

import numpy as np
from PySide6.QtCore import QCoreApplication, SignalInstance

from nvp_studio.recipe import Seed
from nvp_studio.state.bent_map import STRAIGHT
from nvp_studio.views.page import Page

if TYPE_CHECKING:
    from nvp_studio.explore.inspected import InspectedStage
    from nvp_studio.views.pages.explore.page import ExplorePage
    from nvp_studio.views.pages.inspect.page import InspectPage
    from nvp_studio.views.pages.lab.one_dimension import OneDimension
    from nvp_studio.views.pages.lab.page import LabPage
    from nvp_studio.views.pages.score.page import ScorePage

Script = Generator[str, None, None]
_NEAR_NATS = 0.05
"""How far below its maximum a log-likelihood counts as found."""
_TRAINED_STEPS = 200
"""Of the flow of two dimensions, whose map is then no longer the identity."""
_tr = partial(QCoreApplication.translate, "Lessons")


@dataclass(frozen=True)
class Step:
    """One step of the series."""

    name: str
    """Of its text (`texts.read_lesson`)."""
    page: str
    """Key of the page that it is on."""
    script: Callable[[Page], Script]


def steps() -> tuple[Step, ...]:
    """The series, in its order."""
    return (
        Step("samples", "explore", _samples),
        Step("bend", "lab", _bend),
        Step("interval", "lab", _interval),
        Step("jacobian", "lab", _jacobian),
        Step("gaussian", "lab", _gaussian),
        Step("prior", "lab", _prior),
        Step("ledger", "inspect", _ledger),
        Step("coupling", "inspect", _coupling),
        Step("inverse", "inspect", _inverse),
        Step("product", "inspect", _product),
        Step("masks", "inspect", _masks),
        Step("scales", "explore", _scales),
        Step("directions", "inspect", _directions),
        Step("likelihood", "score", _likelihood),
    )


def changes(page: Page) -> tuple[SignalInstance, ...]:
    """The signals of a page that tell of what a step may wait for; what no signal tells is found a little later."""
    match page.key:
        case "explore":
            return (cast("ExplorePage", page).state.recipe_changed,)
        case "inspect":
            inspect = cast("InspectPage", page)
            return inspect.state.moved, inspect.aspect.currentIndexChanged
        case _:
            return ()


def _samples(page: Page) -> Script:
    explore = cast("ExplorePage", page)
    yield from _shown(explore)
    before = explore.state.recipe.base
    while explore.state.recipe.base == before or not isinstance(explore.state.recipe.base, Seed):
        yield ""
    yield from _shown(explore)


def _bend(page: Page) -> Script:
    lab = _in_one_dimension(page, "change-of-variables")
    lab.bent.straighten()
    while lab.bent.held or lab.bent.value.knots == STRAIGHT:
        yield ""


def _interval(page: Page) -> Script:
    lab = _in_one_dimension(page, "change-of-variables")
    before = lab.bent.value.interval
    while lab.bent.held or lab.bent.value.interval == before:
        yield ""


def _gaussian(page: Page) -> Script:
    lab = _in_one_dimension(page, "likelihood")
    lab.fit.begin_again()
    while True:
        fitted, best = lab.fit.value, lab.fit.value.largest
        if best is not None and not lab.fit.held and fitted.log_likelihood > best.log_likelihood - _NEAR_NATS:
            return
        yield lab.fit.why_no_maximum()


def _jacobian(page: Page) -> Script:
    lab = cast("LabPage", page).two_dimensions
    yield from _trained(page)
    lab.state.clear_probe()
    lab.views.move_to(lab.state.layers)
    while lab.state.led is None or lab.state.probe is None or len(lab.state.probe[0]) == 1:  # nothing drawn, or a point
        yield ""


def _prior(page: Page) -> Script:
    lab = cast("LabPage", page).two_dimensions
    yield from _trained(page)
    lab.views.move_to(0)
    while lab.state.layers == 0 or lab.views.position < lab.state.layers:
        yield ""


def _trained(page: Page) -> Script:
    """Show two dimensions, and train the flow for some steps where it was not."""
    lab, registry = cast("LabPage", page), page.context.registry
    lab.show_part("two-dimensions")
    state = lab.two_dimensions.state
    if registry["lab.draw"].isChecked():
        registry["lab.draw"].trigger()  # else the mouse draws points
    state.show_grid_of(noise=False)
    try:
        while len(state.losses) < _TRAINED_STEPS:
            if state.settings.data == "points" and not len(state.points):
                yield _tr("There are no points to train on. Choose other data on the page.")
                continue
            if state.built is not None and state.pace == "paused":
                state.set_pace("playing")
            yield state.problem or _tr("A flow is trained on the points…")
    finally:  # also where the step is left
        state.set_pace("paused")


def _in_one_dimension(page: Page, view: str) -> "OneDimension":
    lab = cast("LabPage", page)
    lab.show_part("one-dimension")
    lab.one_dimension.show_view(view)
    return lab.one_dimension


def _scales(page: Page) -> Script:
    explore = cast("ExplorePage", page)
    yield from _shown(explore)
    while explore.state.scales < 2:
        yield _tr("This model has one scale. Open the included Peeps model, in the menu File.")
    yield from _shown(explore)
    before = explore.state.recipe
    while True:
        recipe = explore.state.recipe
        if recipe.base != before.base:
            before = recipe  # another picture: its scales are what one of them is compared with
        elif any(base not in (recipe.base, before.base_of(scale)) for scale, base in recipe.scales):
            break
        yield ""
    yield from _shown(explore)


def _shown(explore: "ExplorePage") -> Script:
    """Wait for the picture that is wanted."""
    while explore.state.picture is None or explore.state.picture_recipe != explore.state.recipe:
        yield _tr("The picture is on its way…")


def _ledger(page: Page) -> Script:
    inspect = cast("InspectPage", page)
    yield from _inspected(inspect)
    inspect.state.move_to(0)
    while inspect.state.inspection is None or inspect.state.position != inspect.state.last:
        yield ""


def _coupling(page: Page) -> Script:
    inspect = cast("InspectPage", page)
    yield from _at_coupling(inspect)
    for aspect in ("log-derivatives", "shifts"):
        yield from _aspect(inspect, aspect)


def _inverse(page: Page) -> Script:
    inspect = cast("InspectPage", page)
    yield from _at_coupling(inspect)
    yield from _aspect(inspect, "inputs")


def _product(page: Page) -> Script:
    inspect = cast("InspectPage", page)
    yield from _at_coupling(inspect)
    start = inspect.state.position
    while inspect.state.position <= start or not _is_coupling(inspect.state.stage):
        yield ""


def _masks(page: Page) -> Script:
    inspect = cast("InspectPage", page)
    yield from _at_coupling(inspect, "channels")
    yield from _at_coupling(inspect, "checkerboard")
    for mask in ("checkerboard", "channels"):
        yield from _aspect(inspect, "mask", mask)


def _directions(page: Page) -> Script:
    inspect = cast("InspectPage", page)
    yield from _inspected(inspect)
    inspect.state.move_to(inspect.state.last)
    playing = inspect.context.registry["inspect.play-back"]
    while True:
        while not playing.isChecked():
            yield ""
        while playing.isChecked() and inspect.state.position > 0:
            yield ""
        if inspect.state.position == 0 and inspect.state.inspection is not None:
            return


def _inspected(inspect: "InspectPage") -> Script:
    """Wait for a picture on Inspect; where none was chosen, for a sample."""
    state = inspect.state
    while state.inspection is None:
        if not state.busy and state.engine.model is not None and state.engine.explorer.state == "ready":
            state.show_sample(0)
        yield _tr("The picture is on its way…")


def _at_coupling(inspect: "InspectPage", mask: str = "") -> Script:
    """Show the values at the first coupling, or the first of this mask."""
    while True:
        yield from _inspected(inspect)
        assert inspect.state.inspection is not None
        stages = enumerate(inspect.state.inspection.stages)
        found = [position for position, stage in stages if _is_coupling(stage, mask)]
        if found:
            inspect.state.move_to(found[0])
            inspect.aspect.setCurrentIndex(inspect.aspect.findData("values"))
            return
        yield _tr("This model has no such layer. Open the included Fashion-MNIST model, in the menu File.")


def _aspect(inspect: "InspectPage", aspect: str, mask: str = "") -> Script:
    """Wait until this aspect of a coupling is on screen."""
    while not _is_coupling(inspect.state.stage, mask) or inspect.aspect.currentData() != aspect:
        yield ""


def _is_coupling(stage: "InspectedStage | None", mask: str = "") -> bool:
    return stage is not None and stage.coupling >= 0 and (not mask or stage.mask == mask)


def _likelihood(page: Page) -> Script:
    score = cast("ScorePage", page)
    state = score.state
    while state.engine.model is None or state.busy:
        yield _tr("The model is on its way…") if state.engine.model is None else _tr("Files are scored…")
    before = _scored(score)
    while state.busy or _scored(score) <= before:
        before = min(before, _scored(score))  # the table may be cleared first
        yield ""


def _scored(score: "ScorePage") -> int:
    """How many files of the table have a score."""
    return int(np.isfinite(score.state.rows.scores).sum())
