"""In which number formats a flow computes: the networks s and t, and the values that pass through the couplings."""

import torch
from torch import Tensor, nn


class Conditioned(nn.Module):
    """A layer whose map is conditioned by a network; `precision` is what the network computes in.

    The inputs and weights of the network's products are rounded to `precision` (None: nothing is) by autocast, and its
    numbers come out in the type of the values that it saw, so that the law, log-determinants, densities, gradients of
    the weights and the weights themselves are never of less than that. It holds in training mode alone: outside it, an
    input that differs in its last digit may round to another number, 2^-9 of its size away, and what a decoder hears
    from its networks is then not what the encoder heard.
    """

    network: nn.Module
    precision: torch.dtype | None = None

    def conditioned_on(self, seen: Tensor) -> Tensor:
        """What the network says of `seen` (N, inputs, H, W): (N, outputs, H, W)."""
        if self.precision is None or not self.training:
            return heard(self.network, seen)
        # Without the cache of rounded weights: each is used once, and constant memory asks with and without gradients.
        with torch.autocast(seen.device.type, self.precision, cache_enabled=False):
            numbers: Tensor = self.network(seen)
        return numbers.to(seen.dtype)


def heard(network: nn.Module, seen: Tensor) -> Tensor:
    """What the network says of `seen`, rounded to the type of its weights: (N, outputs, H, W) of that type."""
    numbers: Tensor = network(seen.to(next(network.parameters()).dtype))
    return numbers


def wide_type(dtype: torch.dtype, device: torch.device) -> torch.dtype:
    """In what values pass through a folded flow whose weights are of `dtype`: float64, where the device has it.

    Kept in float32, what a network sees comes back to the decoder with its last digit changed. The network says
    something slightly different of it, and couplings that together stretch by a thousand make grey levels of that. Kept
    in float64, it rounds to the same float32 again, and the network, which takes most of the time and stays in
    float32, says the same to the bit.
    """
    return dtype if device.type == "mps" else torch.promote_types(dtype, torch.float64)
