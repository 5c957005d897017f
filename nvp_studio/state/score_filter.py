"""Which rows of the table of scores are shown."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nvp_studio.state.score_rows import RowStore

SHOWN: dict[str, tuple[int, ...]] = {
    "typical": (0,),
    "unusual": (1,),
    "far outside": (2,),
    "not typical": (1, 2),
}
"""Choices of verdicts, as indices of `VERDICTS`."""
NO_SCORE = "no score"


@dataclass(frozen=True)
class ScoreFilter:
    """What a row must be like; as it is made it lets all rows through."""

    text: str = ""
    """A part of the name, whatever its case."""
    verdict: str = ""
    """A key of `SHOWN`, or `NO_SCORE`."""
    label: str | None = None
    lowest: float = 0.0
    """Percentile; rows without one are let through only by the whole range."""
    highest: float = 100.0

    @property
    def everything(self) -> bool:
        """Whether it lets all rows through."""
        return self == ScoreFilter()

    def passed(
        self, store: RowStore, names: list[str] | None, verdicts: npt.NDArray[np.int8], first: int = 0
    ) -> npt.NDArray[np.bool_]:
        """Which rows of the store from the place `first` on pass, (n,).

        `names` are theirs in one case, needed where there is a `text`; `verdicts` (n,) are indices of `VERDICTS`, -1
        for none.
        """
        passed = np.ones(len(verdicts), np.bool_)
        if self.verdict == NO_SCORE:
            passed &= np.isnan(store.numbers("bits_per_dim", first))
        elif self.verdict:
            passed &= np.isin(verdicts, SHOWN[self.verdict])
        if self.label is not None:
            passed &= np.fromiter((label == self.label for label in store.labels[first:]), np.bool_, len(verdicts))
        if (self.lowest, self.highest) != (0.0, 100.0):
            percentiles = store.numbers("percentile", first)
            passed &= (percentiles >= self.lowest) & (percentiles <= self.highest)
        if self.text and names is not None:
            wanted = self.text.casefold()
            passed &= np.fromiter((wanted in name for name in names), np.bool_, len(verdicts))
        return passed
