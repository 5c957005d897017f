"""The requests to a run, made the same on all ranks: a signal reaches each at another moment, all must act alike."""

from nvp_studio.ranks import Ranks
from nvp_studio.training.control import Control


class Agreement:
    """The requests of all ranks' controls as of the last `synchronize`."""

    def __init__(self, control: Control, ranks: Ranks) -> None:
        self._control = control
        self._ranks = ranks
        self.stop_reason: str | None = None
        """Why the run is to stop, or None; the reason of the first rank that has one."""
        self.hurry = False
        self.paused = False

    def synchronize(self) -> None:
        """Collect the requests of every rank, a collective; what one rank was asked for holds for all."""
        control, ranks = self._control, self._ranks
        reason = control.stop_reason
        from_end = 0 if reason is None else ranks.world - ranks.rank
        asked, hurry, paused = ranks.all_reduce_max(from_end, control.hurry, control.paused)
        if asked and self.stop_reason is None:
            self.stop_reason = ranks.broadcast_bytes((reason or "").encode(), ranks.world - int(asked)).decode()
        self.hurry, self.paused = bool(hurry), bool(paused)
