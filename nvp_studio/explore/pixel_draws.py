"""A region of a picture drawn from a flow of mixtures over grey levels, given the pixels around it.

The flow gives each pixel a distribution given coarser ones, so pixels of the region can be drawn in its order, while
all others stay. Such a draw ignores what the pixels that stay say of it; Metropolis' test of their probabilities makes
up for that, and leaves the flow's exact conditional distribution of the region as it is (Hastings 1970).
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from nvp_studio.flow.bijection import Bijection, Chain
from nvp_studio.flow.coupling import Coupling
from nvp_studio.flow.engine.folding import folded
from nvp_studio.flow.engine.inference import Inference
from nvp_studio.flow.multiscale import factored_out

CANDIDATES = 16
"""Draws of the whole region, of which the first is chosen by how well the pixels that stay fit it."""
_REACHES = (0, 1, 2, 3, 5, 8, 16)
"""How many pixels a block may reach to each side."""


class PixelDraws:
    """Draws blocks of a region of one picture x (1, C, H, W) in [0, 1] anew; pixels around the region never change."""

    def __init__(self, flow: Inference, x: Tensor, area: Tensor, generator: torch.Generator) -> None:
        """`area`: bool (H, W), the region."""
        self._generator, self._area = generator, area
        with torch.inference_mode(False), torch.no_grad():
            self._body = folded(flow.flow.body, torch.empty(0, dtype=flow.latent_dtype, device=flow.device))
        self.x = x
        self.steps = 0
        self.accepted = 0
        """How many of the `steps` passed the test."""

    @torch.no_grad()
    def begin(self) -> None:
        """Draw the whole region `CANDIDATES` times, and choose one with the chance that makes up for the rest."""
        redrawn = self._redrawn(self._area, None)
        drawn = self._drawn(redrawn, CANDIDATES)
        chances = torch.softmax(self._rest(drawn, redrawn).double().cpu(), 0)
        chosen = int(torch.multinomial(chances, 1, generator=self._generator))
        self.x = drawn[chosen : chosen + 1]

    @torch.no_grad()
    def step(self) -> bool:
        """Draw a block anew, from some coupling's pixels on to the finest; returns whether it passed the test."""
        redrawn = self._redrawn(self._block(), self._chance())
        drawn = self._drawn(redrawn, 1)
        before, after = self._rest(torch.cat((self.x, drawn)), redrawn).tolist()
        chance = torch.rand(1, generator=self._generator, dtype=torch.float64)
        passed = bool(chance.log() < after - before)
        self.x = drawn if passed else self.x
        self.steps += 1
        self.accepted += passed
        return passed

    def _chance(self) -> float:
        return float(torch.rand(1, generator=self._generator, dtype=torch.float64))

    def _block(self) -> Tensor:
        """A square part of the region around one of its pixels, bool (H, W)."""
        rows, columns = self._area.nonzero(as_tuple=True)
        center = int(self._chance() * len(rows))
        reach = _REACHES[int(self._chance() * len(_REACHES))]
        near_rows = (torch.arange(self._area.shape[0], device=rows.device) - rows[center]).abs() <= reach
        near_columns = (torch.arange(self._area.shape[1], device=rows.device) - columns[center]).abs() <= reach
        return self._area & near_rows[:, None] & near_columns

    def _redrawn(self, area: Tensor, share: float | None) -> list[Tensor]:
        """For each coupling, finest first, which of the values that it transforms are redrawn: those in `area`.

        With a `share` in [0, 1) only those of the finest of the couplings that have some there, so many of them.
        """
        places = area.expand_as(self.x).to(self.x.dtype)
        redrawn = []
        for scale, latent in zip(self._body.scales, self._body.latents, strict=True):
            for layer in _layers(scale):
                if isinstance(layer, Coupling):
                    redrawn.append(layer.mask.split(places)[1] > 0)
                else:
                    places = layer(places)[0]
            places, _ = factored_out(places, latent)
        if share is not None:
            having = [index for index, places in enumerate(redrawn) if places.any()]
            last = having[int(share * len(having))]
            redrawn = [places & (index <= last) for index, places in enumerate(redrawn)]
        return redrawn

    def _drawn(self, redrawn: Sequence[Tensor], count: int) -> Tensor:
        """The picture `count` times, (count, C, H, W), with the values of `redrawn` drawn anew."""
        staying = [values for values, _ in self._coupled(self.x)]
        noise = torch.randn(count, self.x[0].numel(), generator=self._generator, dtype=torch.float64).to(self.x)
        index = len(redrawn)
        x = noise[:, :0]
        for scale, latent in zip(reversed(self._body.scales), reversed(self._body.latents), strict=True):
            out = noise[:, latent.start : latent.stop].reshape(count, *latent.shape)
            x = out if latent is self._body.latents[-1] else torch.cat((x, out), 1)
            for layer in reversed(_layers(scale)):
                if not isinstance(layer, Coupling):
                    x = layer.inverse(x)
                    continue
                index -= 1
                y1, y2 = layer.mask.split(x)
                values = staying[index].expand_as(y2)
                if redrawn[index].any():
                    drawn = layer.law.inverse(y2, layer.params(y1)).clamp(0, 1)
                    values = torch.where(redrawn[index], drawn, values)
                x = layer.mask.merge(y1, values)
        return x

    def _rest(self, x: Tensor, redrawn: Sequence[Tensor]) -> Tensor:
        """Log-probability, but for a constant, of the values of pictures x (N, C, H, W) that are not redrawn, (N,)."""
        terms = [
            torch.where(places, torch.zeros_like(own), own).flatten(1).sum(1)
            for places, (_, own) in zip(redrawn, self._coupled(x), strict=True)
        ]
        return torch.stack(terms).sum(0)

    def _coupled(self, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        """For each coupling, finest first, its values and the log-density of each, but for a constant."""
        found = []
        for scale, latent in zip(self._body.scales, self._body.latents, strict=True):
            for layer in _layers(scale):
                if not isinstance(layer, Coupling):
                    x = layer(x)[0]
                    continue
                x1, x2 = layer.mask.split(x)
                y2, log_derivative = layer.law(x2, layer.params(x1))
                found.append((x2, layer.mask.only_changing(log_derivative - 0.5 * y2.square())))
                x = layer.mask.merge(x1, y2)
            x, _ = factored_out(x, latent)
        return found


def _layers(scale: object) -> list[Bijection]:
    assert isinstance(scale, Chain)
    return list(scale)
