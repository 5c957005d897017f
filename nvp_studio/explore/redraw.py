"""A region of a picture drawn anew, given the pixels around it.

A search finds a start, and Langevin steps with Metropolis' test (MALA) follow, whose stationary distribution is the
flow's exact conditional density of the region. All of it happens in the flow's preprocessed space y, where the pixels
around the region stay at the middle of their grey levels. A flow of mixtures over grey levels has no gradients: blocks
of its pixels are drawn instead, with the same test (`pixel_draws`).
"""

import math
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nvp_studio.explore.larger import require_own_size
from nvp_studio.explore.model import OpenedModel
from nvp_studio.explore.pixel_draws import PixelDraws
from nvp_studio.explore.rendering import draw
from nvp_studio.flow.dequantization import images_from_unit, unit_from_images
from nvp_studio.flow.prior import standard_normal_log_prob
from nvp_studio.recipe import Image, Recipe, by_pixels, name_from

SEARCH_STEPS = 120
LANGEVIN_STEPS = 24
"""Each takes about as long as five steps of the search."""
_FIRST_SHARE, _LAST_SHARE = 1.0, 0.02
_TESTED_BELOW = 0.5
"""Share of noise below which a step of the search must pass Metropolis' test on the density."""
_NOISE_TEMPERATURE = 0.7
_FIRST_STEP = 0.1
_WANTED_RATE = 0.574
"""The share of accepted steps at which MALA moves fastest (Roberts and Rosenthal 1998)."""
_FLOOR = 0.5
"""Added to the mean square of the gradient: where the density is flat, a step is no longer than about its root's
inverse."""

Density = Callable[[Tensor], tuple[Tensor, Tensor]]
"""From values (N, ...) to log densities (N,) and their gradients (N, ...)."""


class MaskedMala:
    """Langevin steps with Metropolis' test on the values of y (N, ...) where `mask` is set; the others never change.

    The covariance of a step is diagonal: the inverse of a running mean of the squared gradient, times `size` squared.
    Both adapt while `adapting` is set. Afterwards they are fixed, so that the chain is reversible with respect to the
    density within the bounds (Roberts and Tweedie 1996).
    """

    def __init__(
        self, density: Density, y: Tensor, mask: Tensor, bounds: tuple[Tensor, Tensor], generator: torch.Generator
    ) -> None:
        """`mask` has the shape of one y, `bounds` are the least and greatest y, of a shape that broadcasts to y."""
        self._density, self._bounds, self._generator = density, bounds, generator
        self.mask = mask.expand_as(y)
        self.y = y
        self.log_prob, self._gradient = density(y)
        self._square = self._gradient.square()
        self._sizes = torch.full((len(y),), _FIRST_STEP, dtype=y.dtype, device=y.device)
        self.adapting = True
        self.steps = 0
        self.accepted = torch.zeros(len(y), device=y.device)
        """How many of the `steps` that were taken since `adapting` ended were accepted, for each y."""

    def step(self) -> Tensor:
        """Propose a step for every y; returns which were accepted, (N,)."""
        variance = self._per_value(self._sizes.square()) / (self._square + _FLOOR)
        noise = torch.randn(self.y.shape, generator=self._generator, dtype=torch.float64).to(self.y)
        mean = self.y + variance / 2 * self._gradient
        proposed = torch.where(self.mask, mean + variance.sqrt() * noise, self.y)
        inside = ((proposed >= self._bounds[0]) & (proposed <= self._bounds[1])).flatten(1).all(1)
        log_prob, gradient = self._density(torch.where(self._per_value(inside), proposed, self.y))
        back = proposed + variance / 2 * gradient
        ratio = (
            log_prob - self.log_prob + self._log_step(self.y, back, variance) - self._log_step(proposed, mean, variance)
        )
        ratio = torch.where(inside & torch.isfinite(ratio), ratio, -math.inf)
        chance = torch.rand(len(self.y), generator=self._generator, dtype=torch.float64).to(ratio)
        accepted = chance.log() < ratio
        self.y = torch.where(self._per_value(accepted), proposed, self.y)
        self.log_prob = torch.where(accepted, log_prob, self.log_prob)
        self._gradient = torch.where(self._per_value(accepted), gradient, self._gradient)
        if self.adapting:
            self._sizes = self._sizes * torch.exp(0.5 * (ratio.clamp(max=0).exp() - _WANTED_RATE))
            self._square = 0.8 * self._square + 0.2 * self._gradient.square()
        else:
            self.steps += 1
            self.accepted += accepted
        return accepted

    def _log_step(self, end: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        """Log density of a step that ends at `end`, but for a constant."""
        terms = torch.where(self.mask, -(end - mean).square() / (2 * variance), 0.0)
        return terms.flatten(1).sum(1)

    def _per_value(self, values: Tensor) -> Tensor:
        """(N,) in a shape that broadcasts to y."""
        return values.view(-1, *(1,) * (self.y.ndim - 1))


def density_of(model: OpenedModel) -> Density:
    """The flow's log density of preprocessed images y (N, C, H, W), (N,), with its gradient."""

    def density(y: Tensor) -> tuple[Tensor, Tensor]:
        with torch.inference_mode(False), torch.enable_grad():
            y = y.detach().clone().requires_grad_()
            z, log_det = model.flow.body(y)
            log_prob = standard_normal_log_prob(z) + log_det
            return log_prob.detach(), torch.autograd.grad(log_prob.sum(), y)[0]

    return density


@dataclass(frozen=True)
class RedrawStep:
    """The picture after a step of `redrawing`."""

    done: int
    total: int
    image: npt.NDArray[np.uint8]
    """(1, H, W, C)."""


@dataclass(frozen=True)
class Redrawn:
    """A picture with a region drawn anew."""

    recipe: Recipe
    """Its base is the picture, rounded to 8 bits; temperatures are those of the picture it began from."""
    before: float
    """Bits/dim of the picture it began from."""
    after: float
    accepted: float
    """The share of Langevin steps that passed Metropolis' test, of those with a fixed step size; of a flow without
    gradients that of all blocks of pixels that were drawn."""


def redrawing(
    model: OpenedModel,
    recipe: Recipe,
    mask: npt.NDArray[np.bool_],
    seed: int = 0,
    search: int = SEARCH_STEPS,
    langevin: int = LANGEVIN_STEPS,
) -> Iterator[RedrawStep | Redrawn]:
    """Draw the pixels of `recipe`'s picture anew where `mask` (H, W) is set: every step, then `Redrawn`.

    The search begins with grey levels at random. In each of its steps the latent of the picture is mixed with noise, of
    a share that falls from 1 to 0.02, and decoded, and the pixels outside of the region are put back; steps of small
    shares must pass Metropolis' test on the density. It leads to a probable region and has no exact distribution. The
    Langevin steps that follow (`MaskedMala`) keep the exact one; they adapt in their first half. Of a flow without
    gradients all steps, as many, draw blocks of pixels and keep the exact distribution; the first begins anew.

    Pixels outside of the region keep their grey levels. The same seed gives the same picture on the same machine.
    Raises `ValueError` where the mask is empty or of another size.
    """
    require_own_size(recipe)
    height, width, _ = model.pixel_shape
    if mask.shape != (height, width):
        raise ValueError(f"the region is given for {mask.shape[1]} x {mask.shape[0]} pixels, not {width} x {height}")
    if not mask.any():
        raise ValueError("the region that is to be redrawn is empty")
    return _redrawing(model, recipe, mask, seed, search, langevin)


def redraw_region(model: OpenedModel, recipe: Recipe, mask: npt.NDArray[np.bool_], seed: int = 0) -> Recipe:
    """The recipe of the picture with the region `mask` (H, W) drawn anew; see `redrawing`."""
    *_, last = redrawing(model, recipe, mask, seed)
    assert isinstance(last, Redrawn)
    return last.recipe


def _redrawing(
    model: OpenedModel, recipe: Recipe, mask: npt.NDArray[np.bool_], seed: int, search: int, langevin: int
) -> Iterator[RedrawStep | Redrawn]:
    before = draw(model, [recipe]).images
    area = torch.from_numpy(mask.copy())
    canvas = _Canvas(model, torch.from_numpy(before), area)
    generator = torch.Generator().manual_seed(seed)
    total = search + langevin
    if not model.flow.config.has_gradients:
        after, accepted = yield from _drawing_pixels(model, canvas, area, generator, total)
        yield _redrawn(model, recipe, before, after, accepted)
        return
    y = canvas.with_noise(generator)
    yield RedrawStep(0, total, canvas.image(y))
    for step, found in enumerate(_searching(model, canvas, y, search, generator)):
        y = found
        yield RedrawStep(step + 1, total, canvas.image(y))
    chain = MaskedMala(density_of(model), y, canvas.mask, canvas.bounds, generator)
    for step in range(langevin):
        chain.adapting = step < langevin // 2
        chain.step()
        yield RedrawStep(search + step + 1, total, canvas.image(chain.y))
    accepted = float(chain.accepted.mean()) / max(1, chain.steps)
    yield _redrawn(model, recipe, before, canvas.image(chain.y), accepted)


def _redrawn(
    model: OpenedModel, recipe: Recipe, before: npt.NDArray[np.uint8], after: npt.NDArray[np.uint8], accepted: float
) -> Redrawn:
    height, width, channels = model.pixel_shape
    image = Image((height, width, channels), after.tobytes(), name_from("redrawn region", recipe.base))
    redrawn = by_pixels(msgspec.structs.replace(recipe, checkpoint=model.digest), image, len(model.flow.scales))
    scores = model.flow.bits_per_dim(np.concatenate([before, after])).tolist()
    return Redrawn(redrawn, scores[0], scores[1], accepted)


def _drawing_pixels(
    model: OpenedModel, canvas: "_Canvas", area: Tensor, generator: torch.Generator, total: int
) -> Generator[RedrawStep, None, tuple[npt.NDArray[np.uint8], float]]:
    """The steps of a flow without gradients; returns the last picture, and the share of blocks that were accepted."""
    start = canvas.with_noise(generator)
    yield RedrawStep(0, total, canvas.image(start))
    chain = PixelDraws(model.flow, start, area.to(model.flow.device), generator)
    for step in range(total):
        if step:
            chain.step()
        else:
            chain.begin()
        yield RedrawStep(step + 1, total, canvas.image(chain.x))
    return canvas.image(chain.x), chain.accepted / max(1, chain.steps)


def _searching(
    model: OpenedModel, canvas: "_Canvas", y: Tensor, steps: int, generator: torch.Generator
) -> Iterator[Tensor]:
    log_prob, z = _log_prob(model, y)
    for step in range(steps):
        share = _FIRST_SHARE * (_LAST_SHARE / _FIRST_SHARE) ** (step / max(1, steps - 1))
        noise = torch.randn(z.shape, generator=generator, dtype=torch.float64).to(z)
        chance = float(torch.rand(1, generator=generator, dtype=torch.float64))
        mixed = math.sqrt(1 - share**2) * z + share * _NOISE_TEMPERATURE * noise
        with torch.inference_mode(False), torch.no_grad():
            decoded = model.flow.body.inverse(mixed)
        if torch.isfinite(decoded).all():
            proposed = canvas.put(decoded)
            new_log_prob, new_z = _log_prob(model, proposed)
            passes = chance == 0 or math.log(chance) < float(new_log_prob - log_prob)
            if torch.isfinite(new_log_prob) and (share >= _TESTED_BELOW or passes):
                y, log_prob, z = proposed, new_log_prob, new_z
        yield y


def _log_prob(model: OpenedModel, y: Tensor) -> tuple[Tensor, Tensor]:
    with torch.inference_mode(False), torch.no_grad():
        z, log_det = model.flow.body(y)
        return standard_normal_log_prob(z) + log_det, z


class _Canvas:
    """A picture in the preprocessed space, of which one region changes."""

    def __init__(self, model: OpenedModel, image: Tensor, area: Tensor) -> None:
        """`image`: uint8 (1, H, W, C); `area`: bool (H, W)."""
        flow = model.flow
        self._flow, self._image = flow, image
        self._area = area.to(flow.device)
        self._start = self._preprocessed(unit_from_images(image, 0.5))
        self.mask = self._area.expand_as(self._start)
        ends = torch.stack([torch.full(model.image_shape, end) for end in (0.0, 1.0)])
        low, high = self._preprocessed(ends)
        self.bounds = low, high

    def with_noise(self, generator: torch.Generator) -> Tensor:
        """The picture with grey levels at random in the region."""
        x = torch.rand(self._start.shape, generator=generator, dtype=torch.float64)
        return self.put(self._preprocessed(x))

    def put(self, y: Tensor) -> Tensor:
        """y in the region, kept within the values of images, and the picture around it."""
        return torch.where(self.mask, torch.clamp(y, *self.bounds), self._start)

    def image(self, y: Tensor) -> npt.NDArray[np.uint8]:
        """The picture of 8 bits; outside of the region the one it began from, to the bit."""
        with torch.inference_mode(False), torch.no_grad():
            new = images_from_unit(self._flow.preprocessing.inverse(y)).cpu()
        kept = ~self._area.cpu()[None, :, :, None]
        result: npt.NDArray[np.uint8] = torch.where(kept, self._image, new).numpy()
        return result

    def _preprocessed(self, x: Tensor) -> Tensor:
        with torch.inference_mode(False), torch.no_grad():
            y: Tensor = self._flow.preprocessing(x.to(self._flow.device, self._flow.latent_dtype))[0]
        return y
