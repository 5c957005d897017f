"""A flow made fast for training."""

from typing import Literal

import torch

from nvp_studio.flow.bijection import Chain
from nvp_studio.flow.coupling import Coupling
from nvp_studio.flow.engine.fused_spline import FusedSplineTransform
from nvp_studio.flow.engine.precision import run_in
from nvp_studio.flow.engine.reversible import ReversibleChain
from nvp_studio.flow.flow import Flow
from nvp_studio.flow.transforms import SplineTransform


def accelerate(flow: Flow, memory: Literal["fast", "constant"] = "fast", precision: torch.dtype | None = None) -> Flow:
    """Replace the plain arithmetic within `flow` by that of the engine, and return it.

    A `Flow` as it is built computes by the plain modules of `nvp_studio.flow`, with autograd. This puts others in their
    places that share their parameters, names and state: fused spline transforms (`fused_spline`); for `constant`
    memory, chains that recompute activations instead of keeping them (`reversible`); and networks that compute in
    `precision` (`precision`; None: in the type of their weights). Values and gradients agree up to rounding. It may be
    called again with other settings.
    """
    for module in list(flow.modules()):
        if isinstance(module, Coupling):
            module.run_network = run_in(precision)
            if isinstance(module.law, SplineTransform):
                module.law = FusedSplineTransform.of(module.law)
    for index, chain in enumerate(flow.body.scales):
        assert isinstance(chain, Chain)
        replacement = ReversibleChain(chain, precision) if memory == "constant" else Chain(chain)
        flow.body.scales[index] = replacement.train(chain.training)
    return flow
