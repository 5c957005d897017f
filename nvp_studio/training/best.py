"""The best model of a run so far: the averaged weights with the lowest validation, in memory and in their file."""

import copy
from collections.abc import Callable, Mapping

import msgspec
import torch
from torch import Tensor

from nvp_studio.checkpoints import Checkpoint, CheckpointInfo, read_checkpoint
from nvp_studio.data.dataset import DataSet
from nvp_studio.flow.flow import Flow
from nvp_studio.ranks import ALONE, Ranks
from nvp_studio.training.evaluation import scores
from nvp_studio.training.events import RunState
from nvp_studio.training.publisher import Publisher
from nvp_studio.training.reference import contrasts, principal_directions

REFERENCE_IMAGES = 2000
"""Validation scores that a checkpoint carries at most."""

Proceed = Callable[[], bool]


class BestModel:
    """Keeps the best weights and writes ``best.safetensors``, complete with directions and reference scores.

    `value` and `step` say what the file of an earlier stretch of the run holds, if there is one. `flow` is a flow of
    the run's architecture, which is copied.
    """

    def __init__(
        self, flow: Flow, data: DataSet, publisher: Publisher, value: float | None = None, step: int | None = None
    ) -> None:
        self.value = value
        """Lowest validation, in bits/dim."""
        self.step = step
        self.saved_value = value
        self.saved_step = step
        self.pending = False
        """Whether the file is older than the weights in memory, or lacks something."""
        self._blank = flow
        self._data = data
        self._publisher = publisher
        self._info: CheckpointInfo | None = None
        self._weights: dict[str, Tensor] = {}
        self._scores = torch.empty(0, dtype=torch.float64)
        self._directions: dict[str, Tensor] = {}
        self.written = True
        """Whether the disk took the file the last time."""

    def offer(self, info: CheckpointInfo, weights: Mapping[str, Tensor], found: Tensor) -> None:
        """Keep a copy of `weights` if `info.validation` is the lowest so far; `found` are its scores."""
        if info.validation is None or (self.value is not None and info.validation >= self.value):
            return
        self.value, self.step, self.pending = info.validation, info.step, True
        self._info = info
        self._weights = {name: tensor.detach().clone() for name, tensor in weights.items()}
        self._scores = found

    def save(self, proceed: Proceed, *, images: int = REFERENCE_IMAGES, seconds: float = 5.0) -> None:
        """Write the file; its directions are left out when `proceed` ends their computation."""
        if self._info is None:
            return
        self._directions = explorer_tensors(self._flow(), self._data, self._scores, proceed, images, seconds)
        self.write()

    def write(self) -> bool:
        """Write the file with the directions computed last; False when the disk refused."""
        assert self._info is not None
        tensors = {f"average.{name}": tensor for name, tensor in self._weights.items()} | self._directions
        checkpoint = Checkpoint(self._blank.config, self._info, tensors)
        self.written = self._publisher.checkpoint("best", "best", self._info.step, lambda: checkpoint)
        if self.written:
            self.saved_value, self.saved_step = self.value, self.step
            self.pending = "directions.mean" not in self._directions
        return self.written

    def finish(self, proceed: Proceed, proceed_alone: Proceed, ranks: Ranks = ALONE) -> CheckpointInfo | None:
        """Score the best model on all validation and test images, write it for good, and return its information.

        None when there is none, or `proceed` ended it before its time, and on all ranks but the first. That one knows
        the best, which all score together, and writes it while the others wait, for which `proceed_alone` is asked.
        """
        known = self._info is not None or (ranks.first and self._recall())
        if not ranks.of_first(known)[0]:
            return None
        self._weights = ranks.send_tensors(self._weights)
        flow = self._flow()
        validation = self._data.validation.images
        test_images = self._data.test.images if self._data.test is not None else validation[:0]
        found: Tensor | None = self._scores
        unscored = len(validation) if ranks.of_first(len(self._scores) != len(validation))[0] else 0
        count = self._publisher.counter("scoring the best model", unscored + len(test_images))
        if unscored:
            found = scores(flow, validation, proceed, ranks=ranks, count=count)
        tested = None
        if found is not None:
            tested = scores(flow, test_images, proceed, ranks=ranks, count=lambda done: count(unscored + done))
        if found is None or tested is None or self._info is None:
            return None
        self._scores = found
        self._info = msgspec.structs.replace(
            self._info,
            validation=_finite_mean(found),
            validation_images=len(found),
            test=_finite_mean(tested),
            test_images=len(tested),
        )
        self._publisher.report(RunState("training", "finding the directions of the best model"))
        self.save(proceed_alone, images=4000, seconds=30.0)
        return self._info

    def _recall(self) -> bool:
        """Take the best of an earlier stretch back from its file."""
        if self.value is None:
            return False
        checkpoint = read_checkpoint(self._publisher.folder / "checkpoints" / "best.safetensors")
        named = msgspec.structs.replace(checkpoint.info.data, contrasts=tuple(contrasts(self._data)))
        self._info = msgspec.structs.replace(checkpoint.info, data=named)
        self._weights = checkpoint.group("average")
        return True

    def _flow(self) -> Flow:
        flow = copy.deepcopy(self._blank)
        flow.load_state_dict(self._weights)
        return flow.eval()


def explorer_tensors(
    flow: Flow, data: DataSet, found: Tensor, proceed: Proceed, images: int, seconds: float
) -> dict[str, Tensor]:
    """What exploring wants beside the weights: directions among the latents and, if there are any, sorted scores."""
    directions = principal_directions(
        flow, data.train.images, contrasts(data), most=images, seconds=seconds, proceed=proceed
    )
    tensors = {f"directions.{name}": tensor for name, tensor in (directions or {}).items()}
    finite = found[torch.isfinite(found)][:REFERENCE_IMAGES]
    if len(finite):
        tensors["reference.bits_per_dim"] = finite.sort().values
    return tensors


def _finite_mean(found: Tensor) -> float | None:
    mean = found.mean().item() if len(found) else float("nan")
    return mean if mean - mean == 0 else None
