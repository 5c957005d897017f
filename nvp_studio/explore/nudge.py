"""One step up or down the gradient of the log-density, in latents or in pixels."""

import msgspec
import torch
from torch import Tensor

from nvp_studio.explore.larger import require_own_size
from nvp_studio.explore.model import OpenedModel
from nvp_studio.explore.rendering import draw, latent
from nvp_studio.flow.dequantization import images_from_unit, unit_from_images
from nvp_studio.flow.prior import standard_normal_log_prob
from nvp_studio.recipe import Image, Recipe, Space, by_pixels

STEP_Z = 0.05
"""Length of a step in z, as a fraction of |z|."""
STEP_X = 4.0
"""Length of a step in x, in grey levels: the root of the mean square over the values of the picture."""


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

    The step has the direction of the gradient of log p(x), up or down, with respect to z (`STEP_Z`) or to x
    (`STEP_X`). The picture is rounded to 8 bits, so the recipe holds exactly what is seen. Raises `ValueError` where
    the gradient is not finite or is zero.
    """
    require_own_size(recipe)
    sign = 1.0 if up else -1.0
    if space == "z":
        z = latent(model, recipe)
        gradient = _direction(gradient_z(model, z))
        with torch.inference_mode():
            x = model.flow.decode(z + sign * STEP_Z * z.norm() * gradient)
    else:
        pixels = torch.from_numpy(draw(model, [recipe]).images)
        start = unit_from_images(pixels, 0.5).to(model.flow.device, model.flow.dtype)
        gradient = _direction(gradient_x(model, start))
        x = start + sign * STEP_X / 256 * start.numel() ** 0.5 * gradient
    if not torch.isfinite(x).all():
        raise ValueError("the step leads too far out for the model to decode")
    image = images_from_unit(x.clamp(0, 1)).cpu().numpy()[0]
    base = Image(model.pixel_shape, image.tobytes(), f"step in {space}")
    return by_pixels(msgspec.structs.replace(recipe, checkpoint=model.digest), base, len(model.flow.scales))


def _direction(gradient: Tensor) -> Tensor:
    length = gradient.norm()
    if not torch.isfinite(length) or not float(length) > 0:
        raise ValueError("the gradient of the density is zero or not finite here")
    result: Tensor = gradient / length
    return result
