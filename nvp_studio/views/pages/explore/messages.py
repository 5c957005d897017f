"""What Explore tells a person: refusals that go by themselves, failures that stay, and what was done."""

from pathlib import Path

from PySide6.QtCore import QObject
from shiboken6 import isValid

from nvp_studio.state.explore import ExploreState
from nvp_studio.state.tray import TrayState
from nvp_studio.text import sentence
from nvp_studio.views import notify

_TOPIC = "explore"


class ExploreMessages(QObject):
    """Sends the messages of the page's state."""

    def __init__(self, state: ExploreState, tray: TrayState) -> None:
        super().__init__(state)
        self._state = state
        state.failed.connect(self._on_failed)
        state.lost.connect(lambda reason: notify.error(_as_sentence(reason), topic=f"{_TOPIC}-lost"))
        state.told.connect(lambda text: notify.info(text, topic=_TOPIC))
        state.saved.connect(self._on_saved)
        state.edited.connect(self._settle)
        state.undo.indexChanged.connect(self._settle)
        tray.failed.connect(self._on_failed)
        if tray.problem:
            notify.warning(self.tr("The tray cannot be read: {0}").format(tray.problem), topic="tray")

    def _settle(self) -> None:
        """Something succeeded: why something before it did not is no news any more.

        The undo stack says so too while it is deleted, at the end of the program.
        """
        if isValid(self) and isValid(notify.channel) and self._state.undrawable != self._state.recipe:
            notify.settle(_TOPIC)

    def _on_failed(self, reason: str) -> None:
        notify.refuse(_as_sentence(reason), topic=_TOPIC)

    def _on_saved(self, path: str) -> None:
        notify.withdraw(f"{_TOPIC}-lost")
        notify.success(
            self.tr("Saved {0} with its recipe; drop it here to get it back.").format(Path(path).name), topic=_TOPIC
        )


def _as_sentence(reason: str) -> str:
    return reason if reason.endswith(".") else sentence(reason)
