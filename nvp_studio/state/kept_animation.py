"""The animation on Explore from one start of the program to the next: a file that is written at each change."""

from contextlib import suppress
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from nvp_studio.explore.animation import MOST_BYTES, Animation
from nvp_studio.files import read_regular, write_whole
from nvp_studio.state.animation import AnimationState
from nvp_studio.text import error_line


class KeptAnimation(QObject):
    """Brings back the animation of the last start, and keeps the present one."""

    failed = Signal(str)

    def __init__(self, state: AnimationState, path: Path) -> None:
        """`path` is the file; one that cannot be read is renamed, with another suffix, before it is replaced."""
        super().__init__(state)
        self.problem = ""
        """Why the file could not be read; empty where it was, or where there is none."""
        self._state, self._path = state, path
        with suppress(FileNotFoundError):
            try:
                state.apply(Animation.from_json(read_regular(path, MOST_BYTES)))
            except FileNotFoundError:
                raise
            except (OSError, ValueError) as error:
                self.problem = error_line(error)
        self._kept = state.animation
        state.changed.connect(self._keep)

    def _keep(self) -> None:
        if self._state.animation is self._kept:
            return
        self._kept = self._state.animation
        try:
            if self.problem:
                with suppress(FileNotFoundError):
                    self._path.replace(self._path.with_suffix(".damaged-animation"))
                self.problem = ""
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self._path, self._kept.to_json().encode())
        except OSError as error:
            self.failed.emit(self.tr("The animation cannot be kept: {0}").format(error_line(error)))
