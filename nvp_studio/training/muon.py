"""Muon: steps of orthogonal matrices for the convolutions of the networks s and t (Jordan et al. 2024).

Adam divides each number's gradient by its size. A matrix that maps feature maps to feature maps has directions that
all images push and others that hardly any does; Muon takes the momentum's polar factor, which goes equally far in all.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, cast

import torch
from torch import Tensor, nn

from nvp_studio.flow.networks import Convolution

MOMENTUM = 0.95
_ITERATIONS = 5
_A, _B, _C = 3.4445, -4.7750, 2.0315
"""A quintic whose iterates send singular values of 0.003 to 1 to between 0.68 and 1.21 in five steps."""
SIZE = 0.5
"""Root mean square of a step's entries in learning rates. Adam's usually is 0.2, which Liu et al. (2025, section 2.2)
take; this is what `docs/ablation.md` found."""


class Muon(torch.optim.Optimizer):
    """Steps of -lr * SIZE * sqrt(max(rows, columns)) * orthogonal(momentum) for each parameter.

    A parameter of shape (outputs, ...) counts as a matrix of `outputs` rows. The momentum is the moving average
    `exp_avg` of the gradients, looked ahead by one (Nesterov). Parameters of one shape are computed together.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float) -> None:
        super().__init__(parameters, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override] # torch returns a closure's loss
        """Take a step with the present gradients; a closure is not supported."""
        assert closure is None
        for group in self.param_groups:
            alike: dict[torch.Size, list[nn.Parameter]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    alike[parameter.shape].append(parameter)
            for parameters in alike.values():
                self._step(parameters, group["lr"])

    def _step(self, parameters: list[nn.Parameter], rate: float) -> None:
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        for parameter in parameters:
            if not self.state[parameter]:
                self.state[parameter]["exp_avg"] = torch.zeros_like(parameter)
        averages = [self.state[parameter]["exp_avg"] for parameter in parameters]
        torch._foreach_lerp_(averages, gradients, 1 - MOMENTUM)
        ahead = torch._foreach_lerp(gradients, averages, MOMENTUM)
        steps = orthogonal(torch.stack([each.flatten(1) for each in ahead]))
        size = -rate * SIZE * max(steps.shape[1:]) ** 0.5
        changes = [step.view_as(parameter) for step, parameter in zip(steps, parameters, strict=True)]
        torch._foreach_add_([*parameters], changes, alpha=size)


def orthogonal(matrices: Tensor) -> Tensor:
    """Approximate polar factor U V' of each matrix U S V' (N, rows, columns), of singular values from 0.68 to 1.21.

    By a Newton-Schulz iteration, without a decomposition; singular values below a thousandth of the norm stay small.
    """
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / torch.linalg.matrix_norm(x, keepdim=True).clamp_min(1e-12)
    for _ in range(_ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=_B, alpha=_C), x, beta=_A)
    return x.mT.contiguous() if tall else x.contiguous()


def matrices_of(module: nn.Module) -> list[nn.Parameter]:
    """The weights that map feature maps to feature maps: of linear maps, and of full convolutions as they are.

    Not those with weight normalization, which have lengths beside directions, nor the last one of a network: it starts
    at zero, and steps of constant length keep it from converging; the ReLUs of its network then tend to stay at zero.
    """
    return [
        cast(nn.Parameter, part.weight)
        for name, part in module.named_modules()
        if (isinstance(part, nn.Linear) or (isinstance(part, Convolution) and part.groups == 1 and part.length is None))
        and not name.endswith("leave")
    ]
