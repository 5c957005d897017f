"""What learns: the flow, its optimizer and the moving average, which are saved, restored and put back together."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils import convert_conv2d_weight_memory_format

from nvp_studio.flow.flow import Flow
from nvp_studio.training.averaging import average_of, averaged_flow
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.errors import RunError
from nvp_studio.training.precision import network_type


@dataclass(frozen=True)
class Snapshot:
    """The state of a `Learner`: tensors by their names in a checkpoint, and how many updates led there."""

    tensors: Mapping[str, Tensor]
    updates: int


class Learner:
    """A flow in training mode with its optimizer and average; `updates` counts the optimizer's steps."""

    def __init__(self, flow: Flow, config: TrainConfig) -> None:
        if not any(parameter.requires_grad for parameter in flow.parameters()):
            raise RunError("this flow has nothing to learn: it has neither couplings nor normalization")
        # Convolutions of few channels are about a fifth faster with the channels innermost.
        self.flow = flow.train()
        convert_conv2d_weight_memory_format(flow, torch.channels_last)
        self.optimizer = _optimizer(flow, config)
        self._average = average_of(flow, config.ema_decay)
        flow.set_memory(config.memory)  # once the average is made, which takes no gradients
        flow.set_precision(network_type(config.precision, flow.device))
        self.updates = 0

    @property
    def averaged(self) -> Flow:
        """The flow with the averaged weights, in evaluation mode."""
        return averaged_flow(self._average)

    def update(self, rate: float) -> None:
        """Take an optimizer step with the gradients at hand and learning rate `rate`, and average the weights."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self._average.update_parameters(self.flow)
        self.updates += 1

    def capture(self) -> Snapshot:
        """A copy of the whole state, on the device."""
        tensors = {f"weights.{name}": tensor.detach().clone() for name, tensor in self.flow.state_dict().items()}
        tensors |= {f"average.{name}": tensor.clone() for name, tensor in self.averaged.state_dict().items()}
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
        self.averaged.load_state_dict(groups["average"])
        self._average.n_averaged.fill_(snapshot.updates)
        self._restore_optimizer(groups["optimizer"], snapshot.updates)
        self.updates = snapshot.updates

    def _optimizer_vectors(self) -> Iterator[tuple[str, Tensor]]:
        """Each of the optimizer's states as one vector over all parameters, in their order."""
        if not self.optimizer.state:
            return
        parameters = list(self.flow.parameters())
        for name in self._state_names():
            parts = [
                self.optimizer.state[p][name].flatten() if p in self.optimizer.state else p.new_zeros(p.numel())
                for p in parameters
            ]
            yield name, torch.cat(parts)

    def _restore_optimizer(self, vectors: Mapping[str, Tensor], updates: int) -> None:
        self.optimizer.state.clear()
        if not updates:
            return
        missing = [name for name in self._state_names() if name not in vectors]
        if missing:
            raise RunError(f"the checkpoint lacks the optimizer's {missing[0]}; was the optimizer changed?")
        parameters = list(self.flow.parameters())
        sizes = [parameter.numel() for parameter in parameters]
        for name in self._state_names():
            for parameter, part in zip(parameters, torch.split(vectors[name], sizes), strict=True):
                state = self.optimizer.state[parameter]
                # Laid out in memory as the parameter is, which the fused optimizers take for granted.
                state[name] = torch.empty_like(parameter, requires_grad=False).copy_(part.view_as(parameter))
                where = parameter.device if self.optimizer.defaults.get("fused") else torch.device("cpu")
                state["step"] = torch.tensor(float(updates), device=where)

    def _state_names(self) -> tuple[str, str]:
        return ("exp_avg", "exp_inf") if isinstance(self.optimizer, torch.optim.Adamax) else ("exp_avg", "exp_avg_sq")


def _optimizer(flow: Flow, config: TrainConfig) -> torch.optim.Optimizer:
    """The optimizer; `weight_decay` is on the lengths of weight-normalized filters alone (section 4.1)."""
    named = list(flow.named_parameters())
    groups = [
        {"params": [p for name, p in named if not name.endswith(".length")], "weight_decay": 0.0},
        {"params": [p for name, p in named if name.endswith(".length")], "weight_decay": config.weight_decay},
    ]
    groups = [group for group in groups if group["params"]]
    if config.optimizer == "adamax":
        return torch.optim.Adamax(groups, lr=config.learning_rate)
    return torch.optim.Adam(groups, lr=config.learning_rate, fused=flow.device.type in ("cpu", "cuda"))
