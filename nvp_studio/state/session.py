"""Sessions of Explore: kept from one start to the next, and saved to files and opened from them."""

from pathlib import Path

from msgspec.structs import replace
from PySide6.QtCore import QObject, Signal

from nvp_studio.recipe import Recipe
from nvp_studio.resources import INCLUDED_MODELS
from nvp_studio.state.animation import AnimationState
from nvp_studio.state.blend import BlendState
from nvp_studio.state.compare import CompareState
from nvp_studio.state.corners import CornersState
from nvp_studio.state.history import HistoryState
from nvp_studio.state.other_model import fits_model
from nvp_studio.state.paths import is_of_run
from nvp_studio.state.redraw import RedrawState
from nvp_studio.state.stored_session import (
    Arrangement,
    Session,
    StoredStep,
    bounded,
    for_model,
    read_session,
    write_session,
)
from nvp_studio.text import error_line
from nvp_studio.worker.messages import ModelInfo

_FIRST_MODEL = next(iter(INCLUDED_MODELS))


class SessionState(QObject):
    """Takes and restores sessions. The one of the last start comes back with the first picture of its model."""

    restored = Signal(str, object)
    """(tool that is to be open, empty: none; `Arrangement` of the page)."""
    told = Signal(str)
    """What became of a session, where all is not as it was."""
    failed = Signal(str)

    def __init__(
        self,
        history: HistoryState,
        blend: BlendState,
        corners: CornersState,
        compare: CompareState,
        redraw: RedrawState,
        animation: AnimationState,
        path: Path,
    ) -> None:
        """`path` is the file of the session from one start to the next."""
        explore = history.explore
        super().__init__(explore)
        self._explore, self._history, self._blend, self._corners, self._path = explore, history, blend, corners, path
        self._compare, self._redraw, self._animation = compare, redraw, animation
        self._waiting: tuple[str, Session] | None = None
        """Name and content of a file whose model is being opened."""
        self._last_is_read = False
        explore.picture_changed.connect(self._restore_last)
        explore.engine.model_opened.connect(self._on_model_opened)
        explore.engine.model_failed.connect(self._on_model_failed)

    def take(self, tool: str, arrangement: Arrangement) -> Session | None:
        """The present session, in which `tool` is open; None while no model is."""
        explore, model = self._explore, self._explore.model
        if model is None:
            return None
        stored = [StoredStep.of(step.title, step.recipe) for step in self._history.steps]
        steps, current = bounded(stored, self._history.current)
        blend, corners, compared = self._blend.ends, self._corners.ends, self._compare.pictures
        session = Session(
            model=explore.engine.model_path,
            model_name=model.name,
            digest=model.digest,
            step=model.step,
            steps=steps,
            current=current,
            blend=(blend[0], blend[1]),
            corners=(corners[0], corners[1], corners[2], corners[3]),
            tool=tool,
            compared=(_step(compared[0]), _step(compared[1])),
            locked_scales=tuple(sorted(explore.locked)),
            drawn=tuple(explore.drawn.items()),
            region=self._redraw.stored,
            animation=self._animation.animation,
            arrangement=arrangement,
        )
        return for_model(session, model.digest)  # a run may have been followed

    def keep(self, tool: str, arrangement: Arrangement) -> None:
        """Write the session for the next start; the one before stays where it was not restored yet."""
        session = self.take(tool, arrangement)
        if session is not None and self._last_is_read:
            try:
                write_session(self._path, replace(session, animation=None))  # which has a file of its own
            except OSError as error:
                self._explore.lost.emit(self.tr("The session cannot be kept: {0}").format(error_line(error)))

    def open(self, path: Path) -> None:
        """Restore a session from a file, after its model was opened where another one is open."""
        try:
            session = read_session(path)
        except (OSError, ValueError) as error:
            self.failed.emit(self.tr("{0} cannot be opened as a session: {1}").format(path.name, error_line(error)))
            return
        explore = self._explore
        if explore.model is not None and explore.model.digest == session.digest:
            self._restore(path.name, session)
            return
        model = session.model or _FIRST_MODEL
        if model not in INCLUDED_MODELS and not Path(model).exists():
            text = self.tr("{0} was made with the model {1}, which is not there any more: {2}")
            self.failed.emit(text.format(path.name, session.model_name, model))
            return
        self._set_waiting((path.name, session))
        explore.engine.open_model(session.model)

    def _set_waiting(self, waiting: tuple[str, Session] | None) -> None:
        self._waiting = waiting
        self._blend.ends_follow = self._corners.ends_follow = waiting is not None

    def _on_model_opened(self, model: ModelInfo) -> None:
        waiting = self._waiting
        self._set_waiting(None)
        if waiting is not None:
            self._restore(*waiting)

    def _on_model_failed(self) -> None:
        waiting = self._waiting
        self._set_waiting(None)
        if waiting is not None:
            text = self.tr("{0} was made with the model {1}, which cannot be opened.")
            self.failed.emit(text.format(waiting[0], waiting[1].model_name))

    def _restore(self, name: str, session: Session) -> None:
        """Put the steps of the session after the present ones, so that undo leads back to those too."""
        model = self._explore.model
        if model is None or not _fits(session, model):
            text = self.tr("{0} was made with the model {1} when that had another size.")
            if not session.model_name:
                text = self.tr("{0} was made with a model of another size.")
            self.failed.emit(text.format(name, session.model_name))
            return
        if model.digest != session.digest:
            text = self.tr("The model {1} has other weights than when {0} was saved: its pictures are other ones now.")
            self.told.emit(text.format(name, model.name))
        self._put_back(session, self.tr("opening {0}").format(name))

    def _restore_last(self) -> None:
        """Bring back the last session once the first picture is there, unless something was done since."""
        if self._last_is_read:
            return
        self._last_is_read = True
        explore, model = self._explore, self._explore.model
        try:
            session = read_session(self._path)
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            self._explore.lost.emit(self.tr("The last session cannot be read: {0}").format(error_line(error)))
            return
        if model is None or explore.undo.count():
            return
        if model.digest == session.digest:
            if session.recipe == explore.recipe and _fits(session, model):
                self._put_back(session, "")
            return
        same = session.model == explore.engine.model_path
        goes_on = same and _fits(session, model) and _has_directions(session, model)
        if goes_on:  # a run that went on, as one that was followed
            self._put_back(session, "")
        if len(session.steps) > 1 and not (goes_on and _same_pictures(session, model)):
            text = self.tr("The last session was of the model {0}, which is not open: its history is left out.")
            if goes_on and is_of_run(session.model):
                text = self.tr("The run {0} went on since the last session: its newer weights give other pictures.")
            elif goes_on:
                text = self.tr("The model {0} has other weights than in the last session: its pictures are other ones.")
            elif same:
                text = self.tr("The model {0} is another one than in the last session, whose history is left out.")
            self.told.emit(text.format(session.model_name))

    def _put_back(self, session: Session, title: str) -> None:
        """`title` is that of the edit that undo leads back from; empty where the session is that of the last start."""
        explore, model = self._explore, self._explore.model
        assert model is not None
        session = for_model(session, model.digest)
        if session.animation is not None:  # the tool says itself which keyframes do not fit
            self._animation.restore(session.animation, title)
        unfit = [] if self._redraw.restore(session.region, title) else [self.tr("the painted region")]
        steps = session.steps
        explore.restore([step.recipe for step in steps], [step.title for step in steps], session.current, title)
        explore.restore_choices(session.locked_scales, dict(session.drawn))
        self._blend.restore_ends(session.blend)
        self._corners.restore_ends(session.corners)
        compared = [one if one is not None and fits_model(one.recipe, model) else None for one in session.compared]
        if tuple(compared) != session.compared:
            unfit.append(self.tr("pictures that were compared"))
        self._compare.restore([(one.recipe, one.title) if one is not None else None for one in compared])
        if unfit:
            text = self.tr("The model {0} is of another size than these, which are left out: {1}.")
            self.told.emit(text.format(model.name, ", ".join(unfit)))
        self.restored.emit(session.tool, session.arrangement)


def _step(picture: tuple[Recipe, str] | None) -> StoredStep | None:
    return StoredStep.of(picture[1], picture[0]) if picture is not None else None


def _fits(session: Session, model: ModelInfo) -> bool:
    """Whether the model can draw all pictures of the session."""
    return all(fits_model(step.recipe, model) for step in session.steps)


def _same_pictures(session: Session, model: ModelInfo) -> bool:
    """Whether the model's file was written again at the same step of its run, as when the run ends.

    The weights are the same then; directions are not where only one of the files has its own.
    """
    moved = any(step.recipe.offsets for step in session.steps)
    return is_of_run(session.model) and session.step == model.step and not moved


def _has_directions(session: Session, model: ModelInfo) -> bool:
    """Whether the model has all directions that pictures of the session are moved along."""
    directions = {direction for step in session.steps for direction, _ in step.recipe.offsets}
    return max(directions, default=-1) < len(model.direction_names)
