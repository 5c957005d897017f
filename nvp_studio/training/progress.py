"""How far a run is, as it is reported between steps."""

from nvp_studio.training.best import BestModel
from nvp_studio.training.clock import Clock
from nvp_studio.training.context import LoopContext
from nvp_studio.training.events import RunProgress


def progress_of(step: int, fraction: float, context: LoopContext, clock: Clock, best: BestModel) -> RunProgress:
    """The progress after `step` steps and `fraction` of the budget, 0 to 1."""
    budget, seconds = context.budget, clock.seconds()
    left = budget.seconds_left(step, seconds, clock)
    if left is not None and step:
        left += context.scoring.seconds_after_training(step, seconds)
    return RunProgress(
        step=step,
        fraction=fraction,
        epoch=budget.epoch(step),
        seconds=seconds,
        images_per_second=clock.images_per_second,
        seconds_left=left,
        best=best.value,
        best_step=best.step,
    )
