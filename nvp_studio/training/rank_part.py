"""What one rank computes of each step: its images, images of noise, and own samples of the flow."""

from collections.abc import Iterator, Sequence

from nvp_studio.ranks import Ranks
from nvp_studio.training.batches import Batches, MicroBatch, OwnSamples, Range
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.distributed import split_range
from nvp_studio.training.own_samples import own_sample_count


class RankPart:
    """This rank's part of the batches of a run; `order` is the number of returns to an earlier state."""

    def __init__(self, batches: Batches, config: TrainConfig, ranks: Ranks) -> None:
        self._batches, self._config, self._ranks = batches, config, ranks

    def micro_batches(self, step: int, order: int, ranges: Sequence[Range]) -> Iterator[MicroBatch]:
        """The images of a step at these `ranges` of its batch, each with a part of this rank's images of noise."""
        count = self._batches.noise_count if self._config.noise_share else 0
        noise = split_range(*self._ranks.own_range(0, count), len(ranges))
        return self._batches.micro_batches(step, order, ranges, noise)

    def own_samples(self, step: int, order: int, parts: int, fraction: float) -> Iterator[OwnSamples]:
        """The samples of a step at this fraction of the budget, in so many parts; nothing where none are matched."""
        count = own_sample_count(self._config, fraction)
        for places in split_range(*self._ranks.own_range(0, count), parts):
            if count:
                yield self._batches.own_samples(step, order, places)
