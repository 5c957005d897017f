"""One step up or down the gradient of the log-density, in latents or in pixels."""

import msgspec
import torch
from torch import Tensor

from nvp_studio.explore.larger import require_own_size
from nvp_studio.explore.model import OpenedModel
from nvp_studio.explore.rendering import draw, latent
from nvp_studio.flow.dequantization import images_from_unit, unit_from_images
from nvp_studio.flow.flow import bits_per_dim_from_log_prob
from nvp_studio.flow.prior import standard_normal_log_prob
from nvp_studio.recipe import Image, Recipe, Space, by_pixels, name_from

STEP_Z = 0.05
"""Length of the longest step in z, as a fraction of |z|."""
STEP_X = 4.0
"""Length of the longest step in x, in grey levels: the root of the mean square over the values of the picture."""
HALVINGS = 8
"""How often a step is halved that does not change the density as it should."""


def gradient_z(model: OpenedModel, z: Tensor) -> Tensor:
    """Gradient (N, D) with respect to z of log p(x) at x = decode(z), (N, D): of log N(z) - log |det dx/dz|."""
    with torch.inference_mode(False), torch.enable_grad():
        z = z.clone().requires_grad_()
        _, log_det = model.flow.decode_with_log_det(z)
        return torch.autograd.grad((standard_normal_log_prob(z) - log_det).sum(), z)[0]


def gradient_x(model: OpenedModel, x: Tensor) -> Tensor:
    """Gradient of log p(x) with respect to images x (N, C, H, W) in [0, 1]."""
    with torch.inference_mode(False), torch.enable_grad():
        x = x.clone().requires_grad_()
        return torch.autograd.grad(model.flow.log_prob(x).sum(), x)[0]


def step_density(model: OpenedModel, recipe: Recipe, space: Space, up: bool = True) -> Recipe:
    """A recipe whose base is the picture of `recipe` after one step, at the temperatures of that.

    The step has the direction of the gradient of log p(x), up or down, with respect to z or to x. It is `STEP_Z` or
    `STEP_X` long, and is halved, up to `HALVINGS` times, until the picture after it has a higher density, or a lower
    one. The density is that of the picture rounded to 8 bits, by the score that `render` gives: the recipe holds
    exactly what is seen. Raises `ValueError` where the gradient is not finite or is zero, where no such step is found,
    and for a step in pixels of a model whose density has no gradient there.
    """
    require_own_size(recipe)
    if space == "x" and not model.flow.config.has_gradients:
        raise ValueError(
            "this model's density is constant within a grey level: it has no gradient in pixels; take a step in z"
        )
    sign = 1.0 if up else -1.0
    pixels = torch.from_numpy(draw(model, [recipe]).images)
    if space == "z":
        start = latent(model, recipe)
        step = sign * STEP_Z * start.norm() * _direction(gradient_z(model, start))
    else:
        start = unit_from_images(pixels, 0.5).to(model.flow.device, model.flow.dtype)
        step = sign * STEP_X / 256 * start.numel() ** 0.5 * _direction(gradient_x(model, start))
    before = float(model.flow.bits_per_dim(pixels)[0])
    ends: list[Tensor] = []
    for halving in range(HALVINGS + 1):
        with torch.inference_mode():
            end = start + step / 2**halving
            x = model.flow.decode(end) if space == "z" else end
        if torch.isfinite(x).all():
            ends.append(x)
            image = images_from_unit(x.clamp(0, 1)).cpu()
            if sign * (before - float(model.flow.bits_per_dim(image)[0])) > 0:
                return _stepped(model, recipe, image.numpy().tobytes(), space)
    raise ValueError(_refusal(model, model.flow.decode(start) if space == "z" else start, ends, before, up))


def _refusal(model: OpenedModel, start: Tensor, ends: list[Tensor], score: float, up: bool) -> str:
    """Why no step is taken, with the densities in bits/dim before and after rounding to 8 bits."""
    if not ends:
        return "the step leads too far out for the model to decode"
    with torch.inference_mode():
        log_prob = model.flow.log_prob(torch.cat([start, *ends]).clamp(0, 1))
        bits = bits_per_dim_from_log_prob(log_prob, start.numel()).tolist()
    way, best = ("higher", min(bits[1:])) if up else ("lower", max(bits[1:]))
    text = f"no 8-bit picture of {way} density was found along the gradient; this one has {score:.3f} bits/dim"
    if best < bits[0] if up else best > bits[0]:
        text += f". Before rounding, a step leads from {bits[0]:.3f} to {best:.3f}: rounding to 8 bits undoes that"
    return text


def _stepped(model: OpenedModel, recipe: Recipe, pixels: bytes, space: Space) -> Recipe:
    base = Image(model.pixel_shape, pixels, name_from(f"step in {space}", recipe.base))
    return by_pixels(msgspec.structs.replace(recipe, checkpoint=model.digest), base, len(model.flow.scales))


def _direction(gradient: Tensor) -> Tensor:
    length = gradient.norm()
    if not torch.isfinite(length) or not float(length) > 0:
        raise ValueError("the gradient of the density is zero or not finite here")
    result: Tensor = gradient / length
    return result
