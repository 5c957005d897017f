"""How files are scored: what a person may choose."""

from typing import Annotated

import msgspec

from nvp_studio.limits import PathText
from nvp_studio.score_row import MAX_SAMPLES


class ScoreOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Choices that change the scores; a table has scores of one choice."""

    samples: Annotated[int, msgspec.Meta(ge=1, le=MAX_SAMPLES)] = 1
    """Noise samples of the bound; of two and more there is a standard error."""
    weighted: bool = True
    """Whether the bound is importance-weighted; else it is the mean over the samples."""
    against: PathText = ""
    """A second model, by path or name, for the likelihood ratio; empty: none."""

    @property
    def same_scores(self) -> "ScoreOptions":
        """Options that give the same scores, the same for all that do."""
        return msgspec.structs.replace(self, weighted=True) if self.samples == 1 else self
