"""How data are read is decided when a run starts, and holds when it is resumed and when its model scores files."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

from nvp_studio.data import load_data
from nvp_studio.data.reading import UNDECIDED, Reading
from nvp_studio.explore.model import open_model
from nvp_studio.explore.score import score_files
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.errors import DataChangedError
from nvp_studio.training.events import RunEvent, RunNotice
from nvp_studio.training.resume import resume_run
from nvp_studio.training.runs import RunRecord, read_record, write_record
from nvp_studio.training.start import start_run
from tests.training.conftest import TINY


def deep_images(folder: Path, high: int) -> Path:
    folder.mkdir()
    slope = np.add.outer(np.arange(8), np.arange(8)) / 14
    for number in range(12):
        Image.fromarray(np.rint(slope * high * (number + 1) / 12).astype(np.uint16)).save(folder / f"{number:02}.png")
    return folder


def train(tmp_path: Path, data: Path, reading: Reading = UNDECIDED) -> tuple[Path, list[RunEvent]]:
    events: list[RunEvent] = []
    config = TrainConfig(data=str(data), preset="quick", steps=2, batch_size=4, device="cpu", reading=reading)
    return start_run(config, tmp_path / "runs", report=events.append), events


def test_run_stores_the_reading_and_goes_on_with_it(tmp_path: Path) -> None:
    data = deep_images(tmp_path / "scans", 4000)
    folder, events = train(tmp_path, data)
    warnings = [event.text for event in events if isinstance(event, RunNotice) and event.level == "warning"]
    assert any("12 of 16 bits in use" in text and "--values type" in text for text in warnings)
    record = read_record(folder)
    assert record.config.reading == Reading(values="16-bit:0..4095")
    resume_run(folder, steps=3)
    assert read_record(folder).config.reading == record.config.reading
    assert read_record(folder).data.digest == record.data.digest

    # The darkest image would be judged as one of 10 bits by itself.
    model = open_model(folder)
    assert model.reading == record.config.reading
    (row,) = score_files(model, [data / "00.png"])
    assert row.pixels is not None
    assert row.pixels.array().max() == round(333 * 255 / 4095)


def as_earlier(folder: Path, digest: str) -> RunRecord:
    """Write the record of a run as a version did that knew no reading."""
    record = read_record(folder)
    config = msgspec.structs.replace(record.config, reading=Reading())
    data = msgspec.structs.replace(record.data, digest=digest)
    write_record(folder, msgspec.structs.replace(record, config=config, data=data))
    return record


def test_run_of_an_earlier_version_goes_on_with_the_whole_range_of_the_type(tmp_path: Path) -> None:
    deep_images(tmp_path / "scans", 4000)
    data = tmp_path / "parts"
    for number, path in enumerate(sorted((tmp_path / "scans").iterdir())):
        place = data / ("masks", "test", "train")[number % 3]  # of which this version leaves the masks out
        place.mkdir(parents=True, exist_ok=True)
        path.rename(place / path.name)
    folder, _ = train(tmp_path, data, Reading(values="type", earlier_layout=True))
    record = as_earlier(folder, read_record(folder).data.digest)
    resume_run(folder, steps=3)
    decided = Reading(values="16-bit:0..65535", axes="N", pages="first", earlier_layout=True)
    assert read_record(folder).config.reading == decided
    assert read_record(folder).data.digest == record.data.digest
    assert load_data(str(data), reading=Reading(values="type")).digest != record.data.digest
    as_earlier(folder, "other")
    with pytest.raises(DataChangedError, match="have changed"):
        resume_run(folder, steps=4)


@pytest.mark.slow
def test_a_run_on_a_set_of_the_catalogue_goes_on_as_it_was_read(tmp_path: Path) -> None:
    flow = msgspec.structs.replace(TINY, image_shape=(3, 32, 32))
    config = TrainConfig(data="peeps", flow=flow, steps=1, validation_images=5, device="cpu", threads=1)
    folder = start_run(config, tmp_path)
    before = read_record(folder).config.reading
    events: list[RunEvent] = []
    resume_run(folder, steps=2, report=events.append)
    assert read_record(folder).config.reading == before
    assert not [event for event in events if isinstance(event, RunNotice) and "differ" in event.text]
