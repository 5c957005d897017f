"""The dialog that changes the configuration of a flow, and the form that shows the result."""

from pathlib import Path

import pytest
from msgspec.structs import replace
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QComboBox

from nvp_studio.data.report import DataReport
from nvp_studio.flow.config import PRESETS, FlowConfig, preset_config
from nvp_studio.flow.settings import changed
from nvp_studio.state.engine import Engine
from nvp_studio.training.config import TrainConfig
from nvp_studio.views.flow_dialog import FlowDialog
from nvp_studio.views.main_window import MainWindow
from nvp_studio.views.pages.train.page import TrainPage
from nvp_studio.views.widgets.flow_choice import differences, field_names, value_names
from nvp_studio.views.widgets.number_field import NumberField
from nvp_studio.worker.messages import Failed
from tests.qt import Bot, open_window

SHAPE = (1, 28, 28)


@pytest.fixture
def page(shared_engine: Engine, qtbot: Bot, tmp_path: Path) -> TrainPage:
    def give_up(window: MainWindow) -> None:
        window.page("train").estimator.cancel()

    window = open_window(qtbot, shared_engine, tmp_path, tmp_path / "runs", "train", before_close=give_up)
    page = window.page("train")
    assert isinstance(page, TrainPage)
    return page


def opened(page: TrainPage, qtbot: Bot) -> FlowDialog:
    qtbot.mouseClick(page.form.flow.button, Qt.MouseButton.LeftButton)
    dialog = page.window().findChild(FlowDialog)
    assert dialog is not None
    return dialog


def whole(dialog: FlowDialog, key: str) -> NumberField:
    field = dialog.fields[key]
    assert isinstance(field, NumberField)
    return field


def choose(dialog: FlowDialog, key: str, value: str) -> None:
    field = dialog.fields[key]
    assert isinstance(field, QComboBox)
    field.setCurrentIndex(field.findData(value))


@pytest.mark.usefixtures("qapp")
@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("shape", [SHAPE, (3, 64, 64)])
def test_every_flow_comes_back_as_it_was_shown(name: str, shape: tuple[int, int, int], qtbot: Bot) -> None:
    flow = preset_config(name, shape)
    dialog = FlowDialog(flow, flow)
    qtbot.addWidget(dialog)
    assert dialog.config == flow


@pytest.mark.usefixtures("qapp")
def test_every_setting_of_a_flow_has_a_field_and_every_choice_a_name(qtbot: Bot) -> None:
    flow = preset_config("studio", SHAPE)
    dialog = FlowDialog(flow, flow)
    qtbot.addWidget(dialog)
    assert {*dialog.fields, "image_shape"} == set(FlowConfig.__struct_fields__) == {*field_names(), "image_shape"}
    entries = [
        field.itemText(place)
        for field in dialog.fields.values()
        if isinstance(field, QComboBox)
        for place in range(field.count())
    ]
    assert set(entries) == set(value_names().values())


@pytest.mark.usefixtures("qapp")
def test_the_dialog_describes_a_flow_or_why_it_is_impossible(qtbot: Bot) -> None:
    flow = preset_config("studio", SHAPE)
    dialog = FlowDialog(flow, flow)
    qtbot.addWidget(dialog)
    assert dialog.description.text() == (
        "26 couplings take images of 1x28x28 to latents of 2x14x14, 4x7x7, 4x7x7 (channels, height, width)."
    )
    whole(dialog, "scales").setValue(4)
    assert dialog.description.text() == "4 scales need sides divisible by 8, not 28x28; 24 or 32x24 or 32 would fit."
    assert not dialog.ok.isEnabled()
    dialog.as_preset.click()
    assert dialog.ok.isEnabled()
    assert dialog.config == flow
    choose(dialog, "law", "affine")
    assert not dialog.fields["pieces"].isEnabled()


@pytest.mark.usefixtures("qapp")
def test_the_last_scale_mixes_only_where_it_has_checkerboards_and_something_to_mix_by(qtbot: Bot) -> None:
    flow = preset_config("studio", SHAPE)
    dialog = FlowDialog(flow, flow)
    qtbot.addWidget(dialog)
    assert dialog.fields["final_mixing"].isEnabled()
    choose(dialog, "final_mask", "channel")
    assert not dialog.fields["final_mixing"].isEnabled()
    choose(dialog, "final_mask", "checkerboard")
    choose(dialog, "mixing", "none")
    assert not dialog.fields["final_mixing"].isEnabled()


@pytest.mark.usefixtures("qapp")
def test_choosing_mixtures_sets_what_they_need_and_choosing_back_restores_it(qtbot: Bot) -> None:
    flow = preset_config("studio", SHAPE)
    dialog = FlowDialog(flow, flow)
    qtbot.addWidget(dialog)
    choose(dialog, "law", "levels")
    assert dialog.ok.isEnabled()
    assert dialog.config == changed(flow, {"law": "levels"})
    assert not dialog.fields["mixing"].isEnabled()
    assert not dialog.fields["logit_alpha"].isEnabled()
    assert dialog.fields["pieces"].isEnabled()
    choose(dialog, "network", "residual")
    assert dialog.description.text() == "Network must be depthwise or gated with law=levels."
    choose(dialog, "network", "depthwise")
    choose(dialog, "law", "spline")
    assert dialog.config == flow
    dialog.show_flow(preset_config("pyramid", SHAPE))
    choose(dialog, "law", "spline")
    assert dialog.config.couplings == 16
    assert dialog.fields["final_couplings"].isEnabled()
    dialog.as_preset.click()
    assert dialog.config == flow


def test_a_changed_flow_is_described_and_trained_until_another_preset(page: TrainPage, qtbot: Bot) -> None:
    form = page.form
    assert form.flow.note.isHidden()
    dialog = opened(page, qtbot)
    whole(dialog, "width").setValue(96)
    choose(dialog, "network", "gated")
    double = dialog.fields["doubling"]
    assert isinstance(double, QCheckBox)
    double.setChecked(True)
    dialog.accept()
    assert form.flow.note.text() == "Networks: gated, Width: 96, Double the width at each scale: yes"
    assert form.config is not None
    studio = preset_config("studio", SHAPE)
    assert form.config.flow == replace(studio, width=96, network="gated", doubling=True)

    dialog = opened(page, qtbot)
    assert whole(dialog, "width").value() == 96
    dialog.as_preset.click()
    dialog.accept()
    assert form.flow.note.isHidden()
    assert form.config.flow is None

    form.flow.show_flow(replace(studio, width=96))
    form.preset.setCurrentIndex(form.preset.findData("quick"))
    form.preset.activated.emit(form.preset.currentIndex())
    assert form.config.flow is None


def test_changes_are_kept_for_images_of_another_size(page: TrainPage, qtbot: Bot) -> None:
    form = page.form
    form.flow.show_flow(replace(preset_config("studio", SHAPE), width=96))
    form.show_data("peeps")
    assert form.config is not None
    assert form.config.flow == replace(preset_config("studio", (3, 32, 32)), width=96)
    form.show_data("fashion-mnist")
    assert form.config.flow == replace(preset_config("studio", SHAPE), width=96)
    form.show_data("peeps")
    form.fields["image_size"].setValue(16)
    assert form.config.flow == replace(preset_config("studio", (3, 16, 16)), width=96)
    form.flow.show_flow(replace(preset_config("studio", (3, 16, 16)), scales=3))
    form.fields["image_size"].setValue(18)
    assert form.config is None
    assert form.problem.startswith("3 scales need sides divisible by 4")
    assert page.estimate.text().startswith("3 scales need")
    opened(page, qtbot).accept()
    assert form.config is not None
    assert form.config.flow is None, "the preset's own number of scales fits"


def test_data_of_unknown_size_must_be_chosen_first(page: TrainPage, tmp_path: Path, qtbot: Bot) -> None:
    (tmp_path / "set.npz").write_bytes(b"")
    page.form.show_data(str(tmp_path / "set.npz"))
    surveyor = page.data_choice.surveyor
    for answer, words in (
        (None, "still being looked at"),
        (Failed(reason="it is empty"), "set image size and colours"),
        (DataReport(title="set", unread=True), "set image size and colours"),
    ):
        if answer is not None:
            surveyor._on_answer(answer)
        qtbot.mouseClick(page.form.flow.button, Qt.MouseButton.LeftButton)
        assert page.window().findChild(FlowDialog) is None
        assert words in page.window().notifications.shown[-1].text
    assert page.estimator.lacks_shape
    surveyor._on_answer(DataReport(title="set", image_shape=(1, 8, 12)))
    assert not page.estimator.lacks_shape
    opened(page, qtbot).reject()


def test_images_too_large_for_any_flow_are_reported(page: TrainPage) -> None:
    page.form.fields["image_size"].setValue(2000)
    assert page.form.problem == "Image size: must be at most 1024, not 2000"
    assert not page.start_button.isEnabled()


def test_a_flow_of_a_run_is_shown_as_its_changes() -> None:
    studio = preset_config("studio", SHAPE)
    assert differences(studio, studio) == {}
    assert differences(studio, replace(studio, width=12, mixing="none")) == {"width": 12, "mixing": "none"}
    assert TrainConfig(steps=1, flow=studio).flow == studio


def test_the_flow_is_changed_by_a_command_from_any_page(page: TrainPage) -> None:
    page.window().show_page("score")
    page.window().registry["run.flow"].trigger()
    assert page.window().current_page is page
    assert page.window().findChild(FlowDialog) is not None
