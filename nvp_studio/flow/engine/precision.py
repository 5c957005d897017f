"""The number formats that a flow computes in: the networks s and t, and the values that pass through the couplings."""

import functools
from collections.abc import Callable

import torch
from torch import Tensor, nn

from nvp_studio.flow.coupling import run_network


def run_in(precision: torch.dtype | None) -> Callable[[nn.Module, Tensor], Tensor]:
    """A `Coupling.run_network` that computes a network in training mode in `precision`; None for its own type.

    Inputs and weights of the network's products are rounded to `precision` by autocast. The output comes in the type of
    x1, so that the transform, log-determinants, densities, gradients of the weights and the weights themselves are
    never less exact. In evaluation mode nothing is rounded: an input that differs in its last digit may round to
    another number, 2^-9 of its size away, and the networks of a decoding would then not give what those of the encoding
    gave.
    """
    return run_network if precision is None else functools.partial(_run_rounded, precision)


def _run_rounded(precision: torch.dtype, network: nn.Module, x1: Tensor) -> Tensor:
    if not network.training:
        return run_network(network, x1)
    # No cache of rounded weights: each is used once, and constant memory runs networks with and without gradients.
    with torch.autocast(x1.device.type, precision, cache_enabled=False):
        output = run_network(network, x1)
    return output.to(x1.dtype)


def run_in_own_type(network: nn.Module, x1: Tensor) -> Tensor:
    """A `Coupling.run_network` that rounds x1 to the type of the network's weights, which the output then has."""
    return run_network(network, x1.to(next(network.parameters()).dtype))


def wide_type(dtype: torch.dtype, device: torch.device) -> torch.dtype:
    """The type of values in inference when weights are of `dtype`: float64, where the device has it.

    Kept in float32, the input of a network comes back to the decoding with its last digit changed. The network's output
    then differs a little, and couplings that together stretch by a thousand make grey levels of that. Kept in float64,
    it rounds to the same float32 again, and the network, which takes most of the time and stays in float32, gives the
    same output for the same batch.
    """
    return dtype if device.type == "mps" else torch.promote_types(dtype, torch.float64)
