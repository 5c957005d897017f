"""The command line, in which the second of several processes is killed in its first life once the run has finished."""

import os
import signal
import sys
import time
from pathlib import Path

from nvp_studio.cli import main
from nvp_studio.ranks import Ranks
from nvp_studio.training.runs import open_run

_close = Ranks.close


def dying(self: Ranks) -> None:
    """Part from the others, unless nobody was killed yet."""
    marker, run = Path(sys.argv[1]), Path(sys.argv[2])
    if self.rank == 1 and not marker.exists():
        marker.touch()
        while open_run(run).state != "finished":
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGKILL)
    _close(self)


Ranks.close = dying  # type: ignore[method-assign]
main(sys.argv[3:])
