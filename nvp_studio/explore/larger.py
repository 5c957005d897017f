"""Pictures larger than those that a model was trained on: the paper's extrapolation."""

from dataclasses import replace

import numpy as np
import torch

from nvp_studio.explore.model import OpenedModel
from nvp_studio.flow.engine.inference import Inference
from nvp_studio.flow.enlarging import enlarged
from nvp_studio.recipe import Recipe, can_be_enlarged


def at_size(model: OpenedModel, recipe: Recipe) -> OpenedModel:
    """The model at the size of `recipe`'s picture: itself, or with the same weights on sides several times as long.

    A larger one has no directions and no reference, which are those of the trained size. Raises `ValueError` with a
    one-line reason where the recipe cannot have that size.
    """
    factor = recipe.enlarged
    if factor == model.enlargement:
        return model
    if model.enlargement != 1:
        raise ValueError("pictures of several sizes cannot be drawn together")
    if recipe.offsets or recipe.moves or recipe.locked:
        raise ValueError("directions are those of the trained size; a larger picture cannot be moved along them")
    if not can_be_enlarged(recipe):
        raise ValueError("a picture larger than trained begins from noise of its size; this recipe has an image in it")
    if factor not in model.larger:
        with torch.inference_mode(False):  # the weights, which are shared, may be used with gradients later
            flow = Inference(enlarged(model.flow.flow, factor))
        model.larger.clear()
        model.larger[factor] = replace(
            model, flow=flow, directions=None, reference=np.empty(0), base_latents={}, enlargement=factor, larger={}
        )
    return model.larger[factor]


def require_own_size(recipe: Recipe) -> None:
    """Raise `ValueError` for the recipe of a picture larger than trained."""
    if recipe.enlarged != 1:
        raise ValueError("this is possible for pictures of the trained size alone, not for larger ones")
