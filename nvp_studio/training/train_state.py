"""What a step changes: the flow, its optimizers and the moving average; saved, restored and rolled back together."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils import convert_conv2d_weight_memory_format
from torch.optim import Adam, Optimizer

from nvp_studio.flow.engine.acceleration import accelerate
from nvp_studio.flow.engine.inference import Inference
from nvp_studio.flow.flow import Flow
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.errors import RunError
from nvp_studio.training.muon import Muon, matrices_of

_TENSOR_CORES = (8, 0)
"""CUDA devices from this compute capability on multiply in bfloat16 themselves; older ones emulate it, slowly."""


def settled_precision(
    wanted: Literal["auto", "float32", "bfloat16"], device: torch.device
) -> Literal["float32", "bfloat16"]:
    """What the networks s and t compute in during training: `auto` is bfloat16 where the device gains by it, else
    float32. Raises `RunError` when the device has no bfloat16.
    """
    capable = device.type == "cuda" and torch.cuda.get_device_capability(device) >= _TENSOR_CORES
    if wanted == "auto":
        return "bfloat16" if capable else "float32"
    if wanted == "bfloat16" and not capable and device.type != "cpu":
        raise RunError(f"{device} does not compute in bfloat16; take precision float32")
    return wanted


@torch.no_grad()
def update_average(averages: Sequence[Tensor], values: Sequence[Tensor], decay: float, updates: int) -> None:
    """Update exponential moving averages of `values` that have had so many `updates`.

    The decay is min(`decay`, (1 + updates) / (10 + updates)), so that a short run is not dominated by its beginning,
    and 0 at first. Values that are no floating-point numbers are copied: an average of counters would be rounded to
    something else.
    """
    weight = 1 - min(decay, (1 + updates) / (10 + updates)) if updates else 1.0
    pairs = list(zip(averages, values, strict=True))
    numbers = [(mean, value) for mean, value in pairs if mean.is_floating_point()]
    torch._foreach_lerp_([mean for mean, _ in numbers], [value for _, value in numbers], weight)
    for mean, value in pairs:
        if not mean.is_floating_point():
            mean.copy_(value)


def tensors_of(module: nn.Module) -> list[Tensor]:
    """Parameters and buffers, which are changed in place from now on."""
    return [*module.parameters(), *module.buffers()]


@dataclass(frozen=True)
class Snapshot:
    """A copy of a `TrainState`: tensors by their names in a checkpoint, the number of updates so far, `sample_gap`."""

    tensors: Mapping[str, Tensor]
    updates: int
    sample_gap: Tensor = field(default_factory=lambda: torch.zeros(()))


class TrainState:
    """A flow in training mode with its optimizers and average; `updates` counts their steps."""

    def __init__(self, flow: Flow, config: TrainConfig) -> None:
        if not any(parameter.requires_grad for parameter in flow.parameters()):
            raise RunError("this flow has nothing to learn: it has neither couplings nor normalization")
        # Convolutions of few channels are about a fifth faster with the channels innermost.
        self.flow = flow.train()
        convert_conv2d_weight_memory_format(flow, torch.channels_last)
        self.optimizers = _optimizers(flow, config)
        self.averaged_flow = copy.deepcopy(flow).requires_grad_(False).eval()
        self._decay = config.ema_decay
        bfloat16 = settled_precision(config.precision, flow.device) == "bfloat16"
        accelerate(flow, config.memory, torch.bfloat16 if bfloat16 else None)
        # Listed once: going through all modules takes as long as the arithmetic of a small flow's update.
        self.parameters = list(flow.parameters())
        self._averages, self._values = tensors_of(self.averaged_flow), tensors_of(flow)
        self.updates = 0
        self.sample_gap = torch.zeros((), device=flow.device, dtype=flow.dtype)
        """How much worse own samples score than images, in bits/dim, averaged over recent steps (`own_samples`)."""

    @property
    def averaged(self) -> Inference:
        """The flow with the averaged weights as they are now, computed as the model that is opened later."""
        averaged = Inference(self.averaged_flow)
        averaged.compile()
        return averaged

    def update(self, rate: float) -> None:
        """Take an optimizer step with the present gradients and learning rate `rate`, and update the average."""
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
        update_average(self._averages, self._values, self._decay, self.updates)
        self.updates += 1

    def capture(self) -> Snapshot:
        """A copy of the whole state, on the device."""
        tensors = {f"weights.{name}": tensor.detach().clone() for name, tensor in self.flow.state_dict().items()}
        tensors |= {f"average.{name}": tensor.clone() for name, tensor in self.averaged_flow.state_dict().items()}
        tensors |= {f"optimizer.{name}": tensor for name, tensor in self._optimizer_vectors()}
        return Snapshot(tensors, self.updates, self.sample_gap.clone())

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from `snapshot`; raises `RunError` when it lacks what training needs."""
        groups: dict[str, dict[str, Tensor]] = {"weights": {}, "average": {}, "optimizer": {}}
        for name, tensor in snapshot.tensors.items():
            group, _, rest = name.partition(".")
            if group in groups:
                groups[group][rest] = tensor
        if not groups["weights"] or (snapshot.updates and not groups["optimizer"]):
            raise RunError("the checkpoint holds nothing to resume from, only a finished model")
        self.flow.load_state_dict(groups["weights"])
        self.averaged_flow.load_state_dict(groups["average"])
        self._restore_optimizer(groups["optimizer"], snapshot.updates)
        self.updates = snapshot.updates
        self.sample_gap.copy_(snapshot.sample_gap)

    def _optimizer_vectors(self) -> Iterator[tuple[str, Tensor]]:
        """Each of the optimizers' states as one vector over all parameters, in their order; 0 where there is none."""
        states = {p: state for optimizer in self.optimizers for p, state in optimizer.state.items()}
        for name in dict.fromkeys(name for state in states.values() for name in state if name != "step"):
            parts = [
                states[p][name].flatten() if name in states.get(p, {}) else p.new_zeros(p.numel())
                for p in self.parameters
            ]
            yield name, torch.cat(parts)

    def _restore_optimizer(self, vectors: Mapping[str, Tensor], updates: int) -> None:
        for optimizer in self.optimizers:
            optimizer.state.clear()
        if not updates:
            return
        parameters = list(self.flow.parameters())
        sizes = [parameter.numel() for parameter in parameters]
        parts = {
            name: dict(zip(parameters, torch.split(vector, sizes), strict=True)) for name, vector in vectors.items()
        }
        for optimizer in self.optimizers:
            for name in _STATES[type(optimizer)]:
                if name not in vectors:
                    raise RunError(f"the checkpoint lacks the optimizer's {name}; was the optimizer changed?")
            for parameter in (p for group in optimizer.param_groups for p in group["params"]):
                state = optimizer.state[parameter]
                for name in _STATES[type(optimizer)]:
                    # Laid out in memory as the parameter is, as the fused optimizers require.
                    part = parts[name][parameter].view_as(parameter)
                    state[name] = torch.empty_like(parameter, requires_grad=False).copy_(part)
                if not isinstance(optimizer, Muon):
                    where = parameter.device if optimizer.defaults.get("fused") else torch.device("cpu")
                    state["step"] = torch.full((), float(updates), device=where)  # a GPU fills it in: no copy


_STATES: dict[type[Optimizer], tuple[str, ...]] = {
    Adam: ("exp_avg", "exp_avg_sq"),
    Muon: ("exp_avg",),
}
"""What an optimizer keeps for each parameter, beside the count of its steps."""


def _optimizers(flow: Flow, config: TrainConfig) -> list[Optimizer]:
    """Adam, or Muon for matrices and Adam for all other parameters.

    `weight_decay` is on the lengths of weight-normalized filters alone (section 4.1).
    """
    matrices = matrices_of(flow) if config.optimizer == "muon" else []
    taken = set(matrices)
    named = [(name, p) for name, p in flow.named_parameters() if p not in taken]
    groups = [
        {"params": [p for name, p in named if not name.endswith(".length")], "weight_decay": 0.0},
        {"params": [p for name, p in named if name.endswith(".length")], "weight_decay": config.weight_decay},
    ]
    groups = [group for group in groups if group["params"]]
    optimizers: list[Optimizer] = [Muon(matrices, config.learning_rate)] if matrices else []
    if groups:
        optimizers.append(Adam(groups, lr=config.learning_rate, fused=flow.device.type in ("cpu", "cuda")))
    return optimizers
