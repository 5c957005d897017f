"""The best model of a run: the averaged weights with the lowest validation score, in memory and in their file."""

import copy
import shlex
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import torch
from torch import Tensor

from nvp_studio.checkpoints import Checkpoint, CheckpointInfo, read_checkpoint
from nvp_studio.data.dataset import DataSet
from nvp_studio.flow.engine.inference import Inference
from nvp_studio.training.checkpoint_folder import BEST
from nvp_studio.training.context import LoopContext
from nvp_studio.training.evaluation import chosen_images, finite, measure_speed, scores
from nvp_studio.training.events import RunState
from nvp_studio.training.reference import contrasts, principal_directions
from nvp_studio.training.scoring_budget import MAX_DIRECTION_IMAGES, MIN_DIRECTION_SECONDS, direction_seconds

REFERENCE_IMAGES = 2000
"""Most validation scores that a checkpoint holds."""

KeepGoing = Callable[[], bool]


class BestModel:
    """Keeps the best weights and writes ``best.safetensors``, with directions and reference scores.

    `value` and `step` are those of the file of an earlier session of the run, if there is one.
    """

    def __init__(self, context: LoopContext, value: float | None = None, step: int | None = None) -> None:
        self.value = value
        """Lowest validation, in bits/dim."""
        self.step = step
        self.saved_value = value
        self.saved_step = step
        self.pending = False
        """Whether the file is older than the weights in memory, or lacks something."""
        self._context = context
        self._info: CheckpointInfo | None = None
        self._weights: dict[str, Tensor] = {}
        self._scores = torch.empty(0, dtype=torch.float64)
        self._directions: dict[str, Tensor] = {}
        self.written = True
        """Whether the last attempt to write the file succeeded."""

    def offer(self, info: CheckpointInfo, weights: Mapping[str, Tensor], bits: Tensor) -> None:
        """Keep a copy of `weights` if `info.validation` is the lowest so far; `bits` (N,) are its scores."""
        if info.validation is None or (self.value is not None and info.validation >= self.value):
            return
        self.value, self.step, self.pending = info.validation, info.step, True
        self._info = info
        self._weights = {name: tensor.detach().clone() for name, tensor in weights.items()}
        self._scores = bits

    def save(self, keep_going: KeepGoing, *, images: int = REFERENCE_IMAGES, seconds: float = 5.0) -> None:
        """Write the file, without directions when `keep_going` ends their computation."""
        if self._info is None:
            return
        self._directions = explorer_tensors(self._flow(), self._context.data, self._scores, keep_going, images, seconds)
        self.write()

    def write(self) -> bool:
        """Write the file with the directions computed last; False when it could not be written."""
        assert self._info is not None
        tensors = {f"average.{name}": tensor for name, tensor in self._weights.items()} | self._directions
        checkpoint = Checkpoint(self._context.state.averaged_flow.config, self._info, tensors)
        self.written = self._context.publisher.checkpoint("best", self._info.step, lambda: checkpoint)
        if self.written:
            self.saved_value, self.saved_step = self.value, self.step
            self.pending = "directions.mean" not in self._directions
        return self.written

    def finish(
        self, keep_going: KeepGoing, keep_going_alone: KeepGoing, *, step: int, seconds: float
    ) -> CheckpointInfo | None:
        """Score the best model on validation and test images, write it, and return its information.

        How many are scored follows from the `seconds` that the `step` steps of the run took; fewer where a person
        skips the scoring.
        None when there is none, when `keep_going` returned False, and on all ranks but the first. The first rank has
        the best weights; all score them together, and it writes the file while the others wait: meanwhile
        `keep_going_alone` is asked, which is no collective.
        """
        data, ranks, publisher = self._context.data, self._context.ranks, self._context.publisher
        known = self._info is not None or (ranks.first and self._recall())
        if not ranks.broadcast(known)[0]:
            return None
        self._weights = ranks.broadcast_tensors(self._weights)
        flow = self._flow()
        config, validation, budget = self._context.config, data.validation.images, self._context.scoring
        test_images = data.test.images if data.test is not None else validation[:0]
        if not budget.measured and config.scoring_share < 1 and len(validation):
            measure_speed(flow, validation, budget, ranks)
        validated = 0 if self._info is None else self._info.validation_images
        validated, scored, *counts = map(
            int, ranks.broadcast(validated, len(self._scores), *budget.final_counts(step, seconds))
        )
        more = counts[0] >= 2 * validated or counts[0] == len(validation)  # hardly more images would say no more
        unscored = chosen_images(validation, counts[0] if more else validated, scored)
        test_images = chosen_images(test_images, counts[1])
        last = direction_seconds(config, seconds)
        count = publisher.counter(
            "scoring the best model",
            len(unscored) + len(test_images),
            left=lambda images: images / budget.speeds(step, seconds).scored + last,
        )
        requests = self._context.requests
        settings: dict[str, Any] = {
            "ranks": ranks,
            "budget": budget,
            "enough": lambda: requests.skips_scoring,
            "has_news": requests.has_news,
        }
        bits = scores(flow, unscored, keep_going, count=count if len(unscored) else None, **settings)
        tested = None
        if bits is not None:
            tested = scores(flow, test_images, keep_going, count=lambda done: count(len(unscored) + done), **settings)
        if bits is None or tested is None or self._info is None:
            return None
        bits = torch.cat((self._scores, bits))
        if len(bits) < self._info.validation_images:  # cut short; the scores in the file are of more images
            return self._info
        self._scores = bits
        self._info = msgspec.structs.replace(
            self._info, validation=finite(bits.mean().item()), validation_images=len(bits)
        )
        if len(tested) >= self._info.test_images:
            self._info = msgspec.structs.replace(self._info, test=finite(tested.mean().item()), test_images=len(tested))
        if len(tested) < (total := len(data.test.images) if data.test is not None else 0):
            run = shlex.quote(str(publisher.folder))
            publisher.notice(
                "info",
                f"{len(tested):,} of {total:,} test images were scored. To score all, choose Score all images in the "
                f"window, or nvp-studio resume {run} --scoring-share 1",
            )
        last = MIN_DIRECTION_SECONDS if requests.skips_scoring else last
        publisher.report(RunState("training", "finding the directions of the best model", seconds_left=last))
        self.save(keep_going_alone, images=MAX_DIRECTION_IMAGES, seconds=last)
        return self._info

    def _recall(self) -> bool:
        """Read the best model of an earlier session from its file."""
        if self.value is None:
            return False
        checkpoint = read_checkpoint(self._context.publisher.folder / "checkpoints" / BEST)
        named = msgspec.structs.replace(checkpoint.info.data, contrasts=tuple(contrasts(self._context.data)))
        self._info = msgspec.structs.replace(checkpoint.info, data=named)
        self._weights = checkpoint.group("average")
        return True

    def _flow(self) -> Inference:
        flow = copy.deepcopy(self._context.state.averaged_flow)
        flow.load_state_dict(self._weights)
        inference = Inference(flow)
        inference.compile()
        return inference


def explorer_tensors(
    flow: Inference, data: DataSet, bits: Tensor, keep_going: KeepGoing, images: int, seconds: float
) -> dict[str, Tensor]:
    """The tensors for exploring: directions among the latents and, if there are any, the sorted scores `bits` (N,)."""
    directions = principal_directions(
        flow, data.train.images, contrasts(data), most=images, seconds=seconds, keep_going=keep_going
    )
    tensors = {f"directions.{name}": tensor for name, tensor in (directions or {}).items()}
    finite = bits[torch.isfinite(bits)][:REFERENCE_IMAGES]
    if len(finite):
        tensors["reference.bits_per_dim"] = finite.sort().values
    return tensors
