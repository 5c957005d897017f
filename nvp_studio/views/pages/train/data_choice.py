"""Choosing what to train on: the dialogs, and a survey of a folder before anything starts."""

from pathlib import Path

from PySide6.QtCore import QObject

from nvp_studio.data.catalogue import CATALOGUE
from nvp_studio.flow.config import preset_config
from nvp_studio.state.estimate import image_shape_of
from nvp_studio.state.paths import DATA_SUFFIXES
from nvp_studio.state.survey import DataSurveyor
from nvp_studio.text import sentence
from nvp_studio.training.config import TrainConfig
from nvp_studio.views import notify
from nvp_studio.views.context import WindowContext
from nvp_studio.views.data_dialog import DataDialog
from nvp_studio.views.flow_dialog import FlowDialog
from nvp_studio.views.pages.train import run_text
from nvp_studio.views.widgets.train_form import TrainForm

_MAX_RECENT = 8


class DataChoice(QObject):
    """Puts the chosen data into the form, shows what they contain, and suggests a side for their images."""

    def __init__(self, context: WindowContext, form: TrainForm, parent: QObject) -> None:
        super().__init__(parent)
        self._context = context
        self._form = form
        self._chosen = ""
        """A path that was just chosen and whose survey is not finished: a side will be suggested for it."""
        self.surveyor = DataSurveyor(context.engine, self)
        self.surveyor.changed.connect(self._on_surveyed)
        context.engine.host_changed.connect(self._on_edited)
        form.choose_folder.connect(self._ask_folder)
        form.choose_file.connect(self._ask_file)
        form.flow.change_requested.connect(self._change_flow)
        context.registry.add(
            "run.flow", self.tr("Change the f&low…"), self._show_flow, icon="sliders-horizontal", place=60
        )
        form.data_card.opened.connect(self._look_closer)
        form.edited.connect(self._on_edited)
        form.data.offer([path for path in context.settings.values.recent_data if Path(path).exists()])

    def choose(self, data: str) -> None:
        """Train on `data`, a path that a person has just chosen."""
        self._chosen = data
        values = self._context.settings.values
        values.recent_data = [data, *(one for one in values.recent_data if one != data)][:_MAX_RECENT]
        self._context.settings.save()
        self._survey(data, again=True)
        self._form.show_data(data)

    def train_images(self, config: TrainConfig) -> int | None:
        """About how many training images there are, None where that is not known yet."""
        if config.data in CATALOGUE:
            return CATALOGUE[config.data].train_images
        if self.surveyor.result is None:
            return None
        return self.surveyor.result.train or None

    def _ask_folder(self) -> None:
        folder = self._context.ask_folder("data", self.tr("A folder of images, or of data files"))
        if folder is not None:
            self.choose(str(folder))

    def _ask_file(self) -> None:
        names = " ".join(f"*{ending}" for ending in (*DATA_SUFFIXES, "ubyte"))
        filters = f"{self.tr('Data files')} ({names});;{self.tr('All files')} (*)"
        title = self.tr(
            "A data file: zip or tar of images, .npz, .npy, .csv, .mat, HDF5, TIFF stack, IDX, CIFAR-10, parquet"
        )
        for path in self._context.ask_files("data", title, filters):
            self.choose(str(path))

    def _on_edited(self) -> None:
        form = self._form
        self._survey(form.data_name)
        self._show()

    def _survey(self, data: str, *, again: bool = False) -> None:
        form = self._form
        if data == form.data_name:
            self.surveyor.survey(data, again=again, image_format=form.image_format, reading=form.reading)
        else:
            self.surveyor.survey(data, again=again)

    def _look_closer(self) -> None:
        config = self._form.config
        if config is None:
            return
        dialog = DataDialog(self._context.engine, config, self._context.window)
        dialog.accepted.connect(lambda: self._form.show_reading(dialog.reading))
        dialog.open()

    def image_shape(self) -> tuple[int, int, int] | None:
        """(C, H, W) of the images that a run would see, None where that is not known before they are read."""
        size, channels = self._form.image_format
        config = TrainConfig(data=self._form.data_name, image_size=size, channels=channels, steps=1)
        return image_shape_of(config, self.surveyor.report)

    def _show_flow(self) -> None:
        self._context.page_requested.emit("train")
        self._change_flow()

    def _change_flow(self) -> None:
        if self._form.parent_field.path is not None:
            notify.info(self.tr("The flow is that of the model that the run begins from."), topic="flow")
            return
        choice, shape = self._form.flow, self.image_shape()
        if shape is None and self.surveyor.running:
            notify.info(self.tr("The images are still being looked at; try again in a moment."), topic="flow")
            return
        if shape is None:
            text = self.tr("A flow is for images of one size: set image size and colours, under Advanced, first.")
            notify.info(text, topic="flow")
            return
        try:
            preset = preset_config(choice.name, shape)
        except ValueError as error:
            notify.refuse(sentence(error), topic="flow")
            return
        try:
            flow = choice.flow or preset
        except ValueError:  # the form shows why
            flow = preset
        dialog = FlowDialog(flow, preset, self._context.window)
        dialog.accepted.connect(lambda: choice.show_flow(dialog.config))
        dialog.open()

    def _on_surveyed(self) -> None:
        if self.surveyor.result is not None and self._chosen == self.surveyor.data:
            self._chosen = ""
            self._form.suggest_side(self.surveyor.suggested_side())
        self._show()

    def _show(self) -> None:
        flow = self._form.flow
        if flow.changes:
            flow.shape = self._form.shown_shape or self.image_shape() or flow.shape
        self._form.show_data_problem(self.surveyor.problem)
        card = self._form.data_card
        card.show_report(self.surveyor.result)
        card.images.set_dimmed(self.surveyor.outdated)
        card.button.setVisible(not self._context.engine.trainer_host)
        card.note.show_text(*run_text.survey_text(self.surveyor, self._form.image_format[0]))
