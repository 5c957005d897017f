"""What a step changes: the flow, its optimizers and the moving average; saved, restored and rolled back together."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils import convert_conv2d_weight_memory_format
from torch.optim import Adam, Optimizer

from nvp_studio.flow.engine.acceleration import accelerate
from nvp_studio.flow.engine.inference import Inference
from nvp_studio.flow.flow import Flow
from nvp_studio.training.averaging import average_of, averaged_flow
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.errors import RunError
from nvp_studio.training.muon import Muon, matrices_of
from nvp_studio.training.precision import network_type


@dataclass(frozen=True)
class Snapshot:
    """A copy of a `TrainState`: tensors by their names in a checkpoint, and the number of updates so far."""

    tensors: Mapping[str, Tensor]
    updates: int


class TrainState:
    """A flow in training mode with its optimizers and average; `updates` counts their steps."""

    def __init__(self, flow: Flow, config: TrainConfig) -> None:
        if not any(parameter.requires_grad for parameter in flow.parameters()):
            raise RunError("this flow has nothing to learn: it has neither couplings nor normalization")
        # Convolutions of few channels are about a fifth faster with the channels innermost.
        self.flow = flow.train()
        convert_conv2d_weight_memory_format(flow, torch.channels_last)
        self.optimizers = _optimizers(flow, config)
        self._average = average_of(flow, config.ema_decay)
        accelerate(flow, config.memory, network_type(config.precision, flow.device))
        self.updates = 0

    @property
    def averaged_flow(self) -> Flow:
        """The flow with the averaged weights, in evaluation mode."""
        return averaged_flow(self._average)

    @property
    def averaged(self) -> Inference:
        """The flow with the averaged weights as they are now, computed as the model that is opened later."""
        return Inference(self.averaged_flow)

    def update(self, rate: float) -> None:
        """Take an optimizer step with the present gradients and learning rate `rate`, and update the average."""
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
        self._average.update_parameters(self.flow)
        self.updates += 1

    def capture(self) -> Snapshot:
        """A copy of the whole state, on the device."""
        tensors = {f"weights.{name}": tensor.detach().clone() for name, tensor in self.flow.state_dict().items()}
        tensors |= {f"average.{name}": tensor.clone() for name, tensor in self.averaged_flow.state_dict().items()}
        tensors |= {f"optimizer.{name}": tensor for name, tensor in self._optimizer_vectors()}
        return Snapshot(tensors, self.updates)

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
        self._average.n_averaged.fill_(snapshot.updates)
        self._restore_optimizer(groups["optimizer"], snapshot.updates)
        self.updates = snapshot.updates

    def _optimizer_vectors(self) -> Iterator[tuple[str, Tensor]]:
        """Each of the optimizers' states as one vector over all parameters, in their order; 0 where there is none."""
        states = {p: state for optimizer in self.optimizers for p, state in optimizer.state.items()}
        for name in dict.fromkeys(name for state in states.values() for name in state if name != "step"):
            parts = [
                states[p][name].flatten() if name in states.get(p, {}) else p.new_zeros(p.numel())
                for p in self.flow.parameters()
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
                    state["step"] = torch.tensor(float(updates), device=where)


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
