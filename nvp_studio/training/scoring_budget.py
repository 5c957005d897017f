"""How many images a run scores: validations and the final scores together take a stated share of its time.

The numbers follow from the images that are trained on and not from a clock, so that two runs of the same steps score
the same images and choose the same best model.
"""

from nvp_studio.training.config import TrainConfig
from nvp_studio.training.schedule import Budget

SCORED_PER_TRAINED = 3.0
"""Images that are scored in the time in which one is trained on: without a backward pass, and in larger batches."""
MIN_IMAGES = 250
"""A mean over fewer says too little: a part of a run's time that allows fewer is exceeded."""
VALIDATION_PART, FINAL_PART, DIRECTION_PART = 0.4, 0.4, 0.2
"""Of the share: validations during the run, the final scores, and the directions of the best model."""
SAMPLES, RECONSTRUCTIONS, SCALE_IMAGES = 64, 16, 64
"""Images that each validation samples, reconstructs, and scores by scale."""
PICTURES_ENCODED = 4 * RECONSTRUCTIONS + SCALE_IMAGES
PICTURES_DECODED = SAMPLES + 5 * RECONSTRUCTIONS
"""Images besides those that are scored: for the sheets, and to see how well images, samples and noise are inverted."""
MAX_DIRECTION_IMAGES = 4000
"""Training images whose latents the directions of the best model are found in."""
_MAX_DIRECTION_SECONDS = 30.0
_MIN_DIRECTION_SECONDS = 0.5


def validation_count(config: TrainConfig, budget: Budget, steps: float) -> int:
    """Images of each validation of a run of about `steps` steps, at most `config.validation_images`."""
    if config.scoring_share >= 1:
        return config.validation_images
    allowed = _allowed(config, VALIDATION_PART, steps * config.batch_size) / budget.validations(config, steps)
    pictures = PICTURES_ENCODED + PICTURES_DECODED
    return min(config.validation_images, max(MIN_IMAGES, round(allowed) - pictures))


def final_counts(config: TrainConfig, trained: float, validation: int, test: int) -> tuple[int, int]:
    """Validation and test images that the best model is scored on after `trained` images, of as many as there are.

    Half of what is allowed for each; what one of them does not need is the other's.
    """
    if config.scoring_share >= 1:
        return validation, test
    allowed = max(2 * MIN_IMAGES, round(_allowed(config, FINAL_PART, trained)))
    scored = min(test, max(allowed // 2, allowed - validation))
    return min(validation, allowed - scored), scored


def direction_seconds(config: TrainConfig, seconds: float, most: float = _MAX_DIRECTION_SECONDS) -> float:
    """Seconds that finding the directions of a model may take after `seconds` seconds of training."""
    if config.scoring_share >= 1:
        return most
    return min(most, max(_MIN_DIRECTION_SECONDS, config.scoring_share * DIRECTION_PART * seconds))


def _allowed(config: TrainConfig, part: float, trained: float) -> float:
    return config.scoring_share * part * SCORED_PER_TRAINED * trained
