"""Metrics for other programs, comparisons, and films of a run's samples."""

import csv
from pathlib import Path

import pytest
from msgspec.structs import replace
from PIL import Image

from nvp_studio.image_batch import ImageBatch
from nvp_studio.runs.compare import comparison_csv, differences, open_for_comparison, scores_along
from nvp_studio.runs.event_files import FOLDER, EventFollower
from nvp_studio.runs.export import export_run
from nvp_studio.runs.snapshots import nearest_snapshot, snapshots
from nvp_studio.runs.timelapse import thinned, write_film
from nvp_studio.training.errors import RunError
from nvp_studio.training.events import RunImages, RunStarted
from nvp_studio.training.lock import run_lock
from nvp_studio.training.runs import read_record, write_record
from tests.hostile.data_files import png
from tests.runs.folders import make_run, make_trained_run
from tests.runs.test_history import step, write


def test_csv_has_a_row_for_each_step_and_a_column_for_each_scale(tmp_path: Path) -> None:
    run = make_run(tmp_path / "one")
    write(run, [step(1), replace(step(2, validation=3.5), scale_bits=(2.0, 1.5))])
    path = export_run(run, "csv")
    assert path == run / "metrics.csv"
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert [row["step"] for row in rows] == ["1", "2"]
    assert [row["validation"] for row in rows] == ["", "3.5"]
    assert (rows[1]["scale_0_bits"], rows[1]["scale_1_bits"], rows[0]["scale_1_bits"]) == ("2.0", "1.5", "")


def test_a_run_without_metrics_is_said(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no metrics"):
        export_run(make_run(tmp_path / "one"), "csv")


def test_parquet_holds_the_metrics_and_the_record(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    run = make_trained_run(tmp_path / "one")
    table = parquet.read_table(export_run(run, "parquet", tmp_path / "out" / "one.parquet"))
    assert table.column("step").to_pylist() == list(range(1, 101))
    assert table.column("validation").null_count == 96
    assert table.schema.metadata[b"nvp-studio.run"] == (run / "run.json").read_bytes()


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0})
    events.Reload()
    found = {tag: [(one.step, one.value) for one in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    return found | {tag: [(one.step, one.width) for one in events.Images(tag)] for tag in events.Tags()["images"]}


@pytest.mark.filterwarnings("ignore")
def test_event_files_are_read_by_tensorboard(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    run = make_trained_run(tmp_path / "one")
    for _ in range(2):  # a second export takes the place of the first
        folder = export_run(run, "tensorboard")
    found = scalars(folder)
    assert [place for place, _ in found["bits_per_dim/train"]] == list(range(1, 101))
    assert found["bits_per_dim/validation"] == [(25, 3.75), (50, 3.5), (75, 3.25), (100, 3.0)]
    assert found["time/images_per_second"][-1][1] == 8.0
    assert found["samples"] == found["reconstructions"] == [(25, 64), (50, 64), (75, 64), (100, 64)]


def test_the_event_files_of_a_run_that_goes_are_left_alone(tmp_path: Path) -> None:
    run = make_trained_run(tmp_path / "one")
    live = run / FOLDER / "events.out.tfevents.1.here"
    live.parent.mkdir()
    live.touch()
    with run_lock(run), pytest.raises(RunError, match="one is being trained"):
        export_run(run, "tensorboard")
    assert live.exists()


@pytest.mark.filterwarnings("ignore")
def test_a_run_that_goes_is_exported_elsewhere_without_files_that_are_no_sheets(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    run = make_trained_run(tmp_path / "one")
    (run / "samples" / "step-00000110.png").write_bytes(b"short")
    (run / "samples" / "step-\u00b2.png").touch()
    with run_lock(run):
        folder = export_run(run, "tensorboard", tmp_path / "logs")
    assert scalars(folder)["samples"] == [(25, 64), (50, 64), (75, 64), (100, 64)]


@pytest.mark.filterwarnings("ignore")
def test_event_files_written_live_purge_the_steps_taken_again(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    run = make_trained_run(tmp_path / "one")
    record = read_record(run)
    begun = RunStarted(
        folder=str(run),
        name="one",
        config=record.config,
        device="cpu",
        parameters=1,
        train_images=80,
        validation_images=5,
        steps_per_epoch=10,
        step=0,
        total_steps=100,
        data_title="Toys",
    )
    sheet = RunImages(kind="samples", step=25, images=ImageBatch((1, 8, 8, 1), bytes(64)))
    for start, train in ((0, 4.0), (20, 2.0)):
        follower = EventFollower()
        follower.report(replace(begun, step=start))
        for number in range(start + 1, 31):
            follower.report(step(number, train=train))
        follower.report(sheet)
        follower.close()
    found = scalars(run / "tensorboard")
    assert found["bits_per_dim/train"] == [(n, 4.0) for n in range(1, 21)] + [(n, 2.0) for n in range(21, 31)]


def test_a_missing_extra_is_said_with_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    run = make_trained_run(tmp_path / "one")
    modules = {"parquet": "pyarrow", "tensorboard": "tensorboard.summary.writer.event_file_writer"}
    for form, module in modules.items():
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(RunError, match=rf"nvp-studio\[{form}\]"):
            export_run(run, form)  # type: ignore[arg-type]


def test_a_comparison_tells_where_settings_differ(tmp_path: Path) -> None:
    one, two = (make_trained_run(tmp_path / name, level=level) for name, level in (("one", 3.0), ("two", 2.0)))
    record = read_record(two)
    flow = record.config.flow
    assert flow is not None
    config = replace(record.config, learning_rate=0.5, flow=replace(flow, width=12))
    write_record(two, replace(record, config=config))
    runs = [open_for_comparison(folder) for folder in (one, two)]
    found = dict(differences([run.record for run in runs]))
    assert set(found) == {"learning_rate", "flow.width"}
    assert found["flow.width"] == [flow.width, 12]
    along = scores_along([run.history for run in runs], "steps")
    assert along[-1] == (100.0, [3.0, 2.0])
    assert along[0] == (12.5, [None, None])
    assert along[1] == (25.0, [3.75, 2.75])
    assert comparison_csv(runs, "epochs", "validation").splitlines()[1] == "one,1,2.5,3.75"


def test_snapshots_are_those_of_both_kinds_by_step(tmp_path: Path) -> None:
    run = make_trained_run(tmp_path / "one")
    (run / "samples" / "step-00000060.png").write_bytes((run / "samples" / "step-00000050.png").read_bytes())
    (run / "samples" / "step-none.png").touch()
    (run / "samples" / "step-\u00b2.png").touch()
    (run / "samples" / "step-00000061.png").mkdir()
    shots = snapshots(run)
    assert [shot.step for shot in shots] == [25, 50, 60, 75, 100]
    assert shots[2].path("reconstructions") is None
    assert [nearest_snapshot(shots, place) for place in (0, 25, 49, 70, 999)] == [0, 0, 0, 2, 4]
    assert nearest_snapshot([], 5) == -1
    assert [shot.step for shot in thinned(shots, 3)] == [25, 60, 100]
    assert snapshots(tmp_path / "nowhere") == []


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_a_film_has_a_frame_for_each_snapshot(tmp_path: Path, suffix: str) -> None:
    run = make_trained_run(tmp_path / "one")
    (run / "samples" / "step-00000075.png").write_bytes(b"not a picture")
    path = tmp_path / f"film{suffix}"
    assert write_film(run, path) == 3
    with Image.open(path) as film:
        assert film.n_frames == 3
        assert film.size == (448, 116)
        greys = []
        for frame in range(3):
            film.seek(frame)
            greys.append(film.convert("L").getpixel((5, 5)))
    assert greys == pytest.approx([50, 100, 200], abs=2)


def test_a_film_reads_sheets_with_the_care_that_any_image_gets(tmp_path: Path) -> None:
    run = make_trained_run(tmp_path / "one")
    Image.new("RGB", (64, 16)).save(run / "samples" / "step-00000050.png", "PCX")  # none of the formats that are read
    (run / "samples" / "step-00000075.png").write_bytes(png(20_000, 20_000))
    assert write_film(run, tmp_path / "film.gif") == 2
    for path in (run / "samples").glob("step-*.png"):
        Image.new("L", (2, 300)).save(path)
    assert write_film(run, tmp_path / "tall.gif") == 4
    with Image.open(tmp_path / "tall.gif") as film:
        assert film.size == (2, 304)


def test_a_film_that_cannot_be_is_said(tmp_path: Path) -> None:
    run = make_trained_run(tmp_path / "one")
    with pytest.raises(RunError, match="gif"):
        write_film(run, tmp_path / "film.mp4")
    with pytest.raises(RunError, match="no samples yet"):
        write_film(make_run(tmp_path / "two"), tmp_path / "film.gif")
    assert not (tmp_path / "film.gif").exists()
