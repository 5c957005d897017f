"""How far a run is, as it is reported between steps."""

from nvp_studio.training.best import BestModel
from nvp_studio.training.clock import Clock
from nvp_studio.training.events import RunProgress
from nvp_studio.training.schedule import Budget


def progress_of(step: int, fraction: float, budget: Budget, clock: Clock, best: BestModel) -> RunProgress:
    """The progress after `step` steps and `fraction` of the budget, 0 to 1."""
    seconds = clock.seconds()
    return RunProgress(
        step=step,
        fraction=fraction,
        epoch=budget.epoch(step),
        seconds=seconds,
        images_per_second=clock.images_per_second,
        seconds_left=budget.seconds_left(step, seconds, clock),
        best=best.value,
        best_step=best.step,
    )
