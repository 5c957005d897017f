"""How well each score tells images that a model has not seen from its test images, as `benchmarks/ood.py` measured it.

The figures have one home, `resources/auroc.json`: the window and `docs/scores.md` show what stands there.
"""

from functools import cache

import msgspec

from nvp_studio.resources import resource_path

RESOURCE = "auroc.json"
SCORES = {
    "bits_per_dim": "bits/dim",
    "two_sided": "two-sided bits/dim",
    "complexity": "bits/dim minus lossless WebP's",
    "statistics_distance": "distance of the statistics",
    "coarse_distance": "distance of the coarsest latents",
    "shape": "shape",
    "turned": "turned",
    "verdict": "**verdict**",
}
"""What is compared, and its name in the documentation's table."""


class FalseAlarms(msgspec.Struct, frozen=True, kw_only=True):
    """How many test images are called unusual at a rate."""

    rate: float
    count: int
    images: int
    low: float
    high: float
    """Ends of the 95 % interval of the share."""
    expected_low: float
    expected_high: float
    """What is within sampling error of the rate, of so many test and calibration images."""


class MeasuredModel(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one model, with a value for each of the sets of images where nothing else is said."""

    model: str
    title: str
    digest: str
    """The first characters of that of the model's file."""
    images: int
    """In each set."""
    date: str
    machine: str
    sets: tuple[str, ...]
    auroc: dict[str, tuple[float, ...]]
    """For each of `SCORES`: the probability that an image of the set is more unusual than a test image."""
    low: tuple[float, ...]
    high: tuple[float, ...]
    """Ends of the verdict's 95 % interval."""
    called: tuple[float, ...]
    """Share that is called unusual or far outside at 1 %."""
    far: tuple[float, ...]
    """Share that is called far outside at 1 %."""
    calibration: int
    """Images that calibrate the verdict."""
    false_alarms: tuple[FalseAlarms, ...]

    def value(self, score: str, of: str) -> float:
        """The AUROC of a score on a set."""
        return self.auroc[score][self.sets.index(of)]


@cache
def measured_models() -> tuple[MeasuredModel, ...]:
    """All that were measured, the Fashion-MNIST model first."""
    return msgspec.json.decode(resource_path(RESOURCE).read_bytes(), type=tuple[MeasuredModel, ...])


def markdown(model: MeasuredModel) -> str:
    """The table as in `docs/scores.md`."""
    lines = [("score", *model.sets), ("---",) * (1 + len(model.sets))]
    lines += [(name, *(f"{one:.3f}" for one in model.auroc[score])) for score, name in SCORES.items()]
    ends = zip(model.low, model.high, strict=True)
    lines.append(("its 95 % interval", *(f"{low:.3f} to {high:.3f}" for low, high in ends)))
    lines.append(("called unusual or far outside at 1 %", *(f"{one:.1%}" for one in model.called)))
    lines.append(("called far outside at 1 %", *(f"{one:.1%}" for one in model.far)))
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines).replace("| --- ", "|---")


def alarms_text(alarms: FalseAlarms) -> str:
    """The realized rate of false alarms in words, as in `docs/scores.md`."""
    share = alarms.count / alarms.images
    text = (
        f"at {alarms.rate:.0%}, {alarms.count} of {alarms.images:,} test images: {share:.2%}, "
        f"95% interval {alarms.low:.2%} to {alarms.high:.2%} ({alarms.expected_low:.2%} to "
        f"{alarms.expected_high:.2%} are within sampling error)"
    )
    return text.replace("%", " %")
