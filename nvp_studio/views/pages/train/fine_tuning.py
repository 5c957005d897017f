"""Fine-tuning: puts a model into the form, for a run to begin from."""

from PySide6.QtCore import QObject

from nvp_studio.flow.config import FlowConfig
from nvp_studio.resources import included_model
from nvp_studio.state.paths import model_name
from nvp_studio.views import notify
from nvp_studio.views.context import WindowContext
from nvp_studio.views.widgets.train_form import TrainForm


class FineTuning(QObject):
    """The action for the model that is open, and what another page asks for."""

    def __init__(self, context: WindowContext, form: TrainForm, parent: QObject) -> None:
        super().__init__(parent)
        self._context = context
        self._form = form
        tip = self.tr("Begin a run from the weights of the model open in Explore, on data of your choice")
        text = self.tr("Fi&ne-tune the open model")
        self._action = context.registry.add("run.fine-tune", text, self._fine_tune, icon="repeat", tip=tip)
        context.engine.model_opened.connect(self._refresh)
        context.engine.host_changed.connect(self._refresh)
        context.fine_tune_requested.connect(self.begin_from)
        self._refresh()

    def begin_from(self, path: str, preset: str, flow: FlowConfig | None) -> None:
        """Let the next run begin from the model at `path`, which has this flow."""
        self._context.page_requested.emit("train")
        self._form.begin_from(path, preset, flow)
        text = self.tr("The next run begins from {0}: choose data and start.")
        notify.info(text.format(model_name(path)), topic="fine-tune")

    def _fine_tune(self) -> None:
        model = self._context.engine.model
        if model is not None:
            self.begin_from(included_model(model.path) or model.path, model.preset, model.flow)

    def _refresh(self) -> None:
        engine = self._context.engine
        self._action.setEnabled(engine.model is not None and not engine.trainer_host)
