"""Experiments of the page Lab in a worker process."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from nvp_studio.lab.experiment import Experiment
from nvp_studio.lab.settings import MAX_POINTS, LabSettings
from nvp_studio.lab.stages import Points, Stages
from nvp_studio.recipe import Recipe, Seed
from nvp_studio.worker.lab_messages import (
    DATA_HALF,
    LabBuild,
    LabBuilt,
    LabLook,
    LabPoints,
    LabPush,
    LabPushed,
    LabRead,
    LabTrain,
    LabView,
)
from nvp_studio.worker.laboratory import Laboratory, cell_middles
from nvp_studio.worker.messages import Ask, Cancel, Cancelled, Failed, Picture, Render
from tests.worker.process import WorkerProcess

SMALL = LabSettings(couplings=2, width=8, law="affine")


def build(worker: WorkerProcess, number: int, settings: LabSettings = SMALL, points: Points | None = None) -> LabBuilt:
    worker.send(Ask("lab", number, LabBuild(experiment=number, settings=settings, points=points or Points())))
    return worker.expect(LabBuilt)


def train(worker: WorkerProcess, request_id: int, request: LabTrain) -> LabView:
    worker.send(Ask("lab", request_id, request))
    return worker.expect(LabView)


def test_an_experiment_is_built_trained_and_looked_at(shared_worker: WorkerProcess) -> None:
    built = build(shared_worker, 1)
    assert built.layers == ("normalization", "coupling 1: y changes", "coupling 2: x changes")
    assert built.parameters > 0
    assert len(built.data.array()) == 2000
    look = LabLook(samples=100, density=40, grid=10)
    view = train(shared_worker, 2, LabTrain(experiment=1, steps=7, milliseconds=5000, look=look))
    assert view.steps == len(view.losses) == 7
    again = train(shared_worker, 3, LabTrain(experiment=1, steps=0, look=look))
    assert again.steps == 7
    assert again.losses == ()
    alone = Experiment(SMALL)
    losses = [alone.step() for _ in range(7)]
    assert view.losses == pytest.approx(losses, rel=1e-4)
    np.testing.assert_allclose(view.samples.array(), alone.samples(100), atol=1e-3)
    density = np.frombuffer(view.density, np.float32)
    np.testing.assert_allclose(density, alone.log_density(cell_middles(DATA_HALF, 40)), atol=1e-2)
    assert view.grid is not None
    assert view.cloud is not None
    assert view.cloud.arrays()[0].shape == (4, 500, 2)
    assert view.grid.arrays()[0].shape == (4, 121, 2)


def test_training_for_a_time_takes_at_least_one_step(shared_worker: WorkerProcess) -> None:
    build(shared_worker, 10)
    view = train(
        shared_worker, 11, LabTrain(experiment=10, milliseconds=0, look=LabLook(density=0, grid=0, samples=0, cloud=0))
    )
    assert view.steps == 1
    assert view.grid is None
    assert view.cloud is None


def test_pictures_are_drawn_between_the_steps_of_training(shared_worker: WorkerProcess) -> None:
    build(shared_worker, 20)
    long = LabTrain(experiment=20, milliseconds=5000, steps=10_000)
    shared_worker.send(Ask("lab", 21, long))
    shared_worker.send(Ask("render", 1, Render(Recipe(checkpoint="", base=Seed(1)))))
    shared_worker.expect(Picture)
    shared_worker.send(Cancel("lab"))
    shared_worker.expect(Cancelled)
    view = train(shared_worker, 22, LabTrain(experiment=20, steps=1))
    assert view.steps < 10_000
    assert len(view.losses) == view.steps


def test_points_are_led_through_the_layers_both_ways(shared_worker: WorkerProcess) -> None:
    build(shared_worker, 30)
    train(shared_worker, 31, LabTrain(experiment=30, steps=30, milliseconds=5000))
    points = np.array([(0.5, -0.25), (1.0, 1.0)])
    shared_worker.send(Ask("push", 1, LabPush(experiment=30, points=Points.of(points))))
    there = shared_worker.expect(LabPushed)
    places, log_dets, _ = there.stages.arrays()
    np.testing.assert_array_equal(places[0], points)
    latents = places[-1].astype(np.float64)
    prior = -np.log(2 * np.pi) - (latents**2).sum(1) / 2
    np.testing.assert_allclose(there.log_density, prior + log_dets[-1], atol=1e-5)
    shared_worker.send(Ask("push", 2, LabPush(experiment=30, points=Points.of(places[2]), stage=2)))
    back = shared_worker.expect(LabPushed)
    assert back.stages.origin == 2
    again, back_log_dets, _ = back.stages.arrays()
    np.testing.assert_allclose(again, places, atol=1e-5)
    np.testing.assert_allclose(back_log_dets, log_dets - log_dets[2], atol=1e-5)


@pytest.mark.parametrize(
    "request_",
    [
        LabTrain(experiment=999),
        LabPush(experiment=999, points=Points()),
        LabPush(experiment=40, points=Points(), stage=17),
        LabBuild(experiment=41, settings=LabSettings(data="points")),
        LabRead("/no/such/file.csv"),
        LabRead("/dev/zero"),
        LabRead("/no/such/picture.png"),
    ],
)
def test_what_cannot_be_done_fails_with_a_reason(
    shared_worker: WorkerProcess, request_: LabTrain | LabPush | LabBuild | LabRead
) -> None:
    build(shared_worker, 40)
    shared_worker.send(Ask("other lab", 1000, request_))
    failed = shared_worker.expect(Failed)
    assert failed.reason
    assert "Traceback" not in failed.reason
    assert train(shared_worker, 42, LabTrain(experiment=40, steps=1)).steps == 1


def test_points_are_read_from_files(shared_worker: WorkerProcess, tmp_path: Path) -> None:
    table = tmp_path / "points.csv"
    table.write_text("x,y\n" + "".join(f"{number},{number * number}\n" for number in range(50)) + "inf,1\nno,no\n")
    shared_worker.send(Ask("read", 1, LabRead(str(table))))
    read = shared_worker.expect(LabPoints)
    assert read.points.array().shape == (50, 2)
    assert "1 line without two numbers" in read.note
    assert "1 of 51 points" in read.note
    picture = tmp_path / "picture.png"
    pixels = np.full((64, 64), 255, np.uint8)
    pixels[:, :32] = 0
    PIL.Image.fromarray(pixels).save(picture)
    shared_worker.send(Ask("read", 2, LabRead(str(picture))))
    points = shared_worker.expect(LabPoints).points.array()
    assert points[:, 0].max() < 0.1
    assert len(build(shared_worker, 50, LabSettings(data="points", width=8), Points.of(points)).data.array()) == 2000


def test_of_a_table_with_many_points_some_are_read(tmp_path: Path) -> None:
    table = tmp_path / "points.csv"
    np.savetxt(table, np.random.default_rng(0).standard_normal((MAX_POINTS + 5, 2)), fmt="%.2f", delimiter=",")
    answers = list(Laboratory().steps(LabRead(str(table))))
    assert len(answers) > 5  # other requests are served between them
    read = answers[-1]
    assert isinstance(read, LabPoints)
    assert len(read.points.array()) == MAX_POINTS
    assert "100,000 of 100,005" in read.note


def test_determinants_between_layers_are_those_of_the_path() -> None:
    settings = LabSettings(couplings=3, width=8, mask="mixed", law="spline")
    experiment = Experiment(settings)
    for _ in range(30):
        experiment.step()
    corner = np.array([(0, 0), (1, 0), (1, 1), (0, 1)]) * 1e-3
    middles = experiment.data(20, np.random.default_rng(0))
    for origin in (0, 4, 7):
        starts = experiment.through(middles, 0).arrays()[0][origin].astype(np.float64)
        squares = experiment.through((starts[:, None] + corner - corner.mean(0)).reshape(-1, 2), origin)
        centres = experiment.through(starts, origin)
        for position in (0.0, 0.3, 1.5, 2.5, 5.75, 6.5, 7.0):
            quads = squares.at(position)[0].reshape(20, 4, 2).astype(np.float64)
            first, second = quads[:, 2] - quads[:, 0], quads[:, 3] - quads[:, 1]
            areas = np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) / 2
            off = np.abs(areas / 1e-6 / np.exp(centres.at(position)[1]) - 1)
            assert np.median(off) < 0.02, (origin, position)


def test_parts_of_stages_that_do_not_fit_together_are_refused() -> None:
    with pytest.raises(ValueError, match="do not fit together"):
        Stages(layers=1, origin=0, places=Points(bytes(32)), log_dets=bytes(16), traces=bytes(4), signs=(1,))
    with pytest.raises(ValueError, match="no stage 2"):
        Stages(layers=1, origin=2, places=Points(bytes(16)), log_dets=bytes(8), traces=bytes(4), signs=(1,))
    with pytest.raises(ValueError, match="bytes"):
        Points(bytes(9))
