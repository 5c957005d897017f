"""In which number format the networks s and t compute while a flow is trained; everything else keeps the flow's own."""

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
        """What the network says of `seen` (N, inputs, H, W): (N, outputs, H, W) in the same type."""
        if self.precision is None or not self.training:
            numbers: Tensor = self.network(seen)
            return numbers
        # Without the cache of rounded weights: each is used once, and constant memory asks with and without gradients.
        with torch.autocast(seen.device.type, self.precision, cache_enabled=False):
            numbers = self.network(seen)
        return numbers.to(seen.dtype)
