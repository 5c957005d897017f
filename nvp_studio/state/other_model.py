"""What becomes of a picture that was kept with one model when another is open."""

from collections.abc import Iterable

from nvp_studio.recipe import Image, Recipe, fits, sources
from nvp_studio.worker.messages import ModelInfo


def fits_model(recipe: Recipe, model: ModelInfo) -> bool:
    """Whether the model has images of the recipe's size, and as many scales."""
    scales = len(model.latent_shapes)
    bases = (recipe.base, *(base for _, base in recipe.scales))
    images = [source for base in bases for source in sources(base) if isinstance(source, Image)]
    counts = (len(recipe.temperatures), *(len(image.temperatures) for image in images))
    return (
        all(fits(base, model.image_shape) for base in bases)
        and all(count in (0, scales) for count in counts)
        and all(number < scales for number, _ in recipe.scales)
    )


def changes_with_model(recipe: Recipe) -> bool:
    """Whether another model of the same size gives another picture: not of an image that nothing was done to."""
    base = recipe.base
    if not isinstance(base, Image):
        return True
    plain = Recipe(checkpoint=recipe.checkpoint, base=base)
    return recipe != plain.with_temperatures(base.temperatures)


def other_pictures(recipes: Iterable[Recipe], model: ModelInfo) -> int:
    """How many of the recipes were made with other weights, and give other pictures with those of `model`."""
    return sum(
        changes_with_model(recipe) and bool(recipe.checkpoint) and recipe.checkpoint != model.digest
        for recipe in recipes
    )
