"""Points of a person: from text files and pictures, and what is said of those that cannot be used."""

import numpy as np
import pytest

from nvp_studio.lab.experiment import Experiment
from nvp_studio.lab.points import HALF_WIDTH, PointsError, centred, from_picture, read_csv, usable
from nvp_studio.lab.settings import MAX_POINTS, LabSettings


def chance() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize(
    "content",
    [
        b"1,2\n3,4\n",
        b"x,y\n1,2\n3,4\n",
        b"x;y\r\n1;2\r\n3;4\r\n",
        b"x;y\n1,0;2,0\n3,0;4,0\n",
        b"1\t2\n3\t4",
        b"# a comment\n1 2\n\n3   4\n",
        b"\xef\xbb\xbfname,x,y\nfirst,1,2\nsecond,3,4\n",
    ],
)
def test_two_columns_of_numbers_are_found(content: bytes) -> None:
    points, note = read_csv(content)
    assert points.tolist() == [[1, 2], [3, 4]]
    assert note == ""


def test_lines_of_text_are_passed_over_with_a_word() -> None:
    points, note = read_csv(b"x,y\n1,2\nnone,here\n3,4\n")
    assert points.tolist() == [[1, 2], [3, 4]]
    assert note == "passed over 1 line without two numbers"


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"the quick\nbrown fox\n", "two numbers"),
        (b"1\n2\n3\n", "two columns"),
        (b"\x89PNG\r\n\x1a\n\x00\xff", "no text file"),
    ],
)
def test_a_file_without_points_is_refused(content: bytes, word: str) -> None:
    with pytest.raises(PointsError, match=word):
        read_csv(content)


def test_points_at_infinity_are_left_out_with_a_word() -> None:
    read, _ = read_csv(b"1,2\n3,5\ninf,1\n2,nan\n1e300,0\n")
    points, note = usable(read, chance())
    assert points.tolist() == [[1, 2], [3, 5]]
    assert note == "left out 3 of 5 points, which lie at infinity or beyond 1,000,000"


def test_of_a_million_points_some_are_taken_with_a_word() -> None:
    points, note = usable(chance().standard_normal((1_000_000, 2)), chance())
    assert points.shape == (MAX_POINTS, 2)
    assert note == "took 100,000 of 1,000,000 points, chosen by chance"


@pytest.mark.parametrize(
    ("points", "word"),
    [
        ([], "there is no point"),
        ([(1.0, 2.0)], "there is one point alone"),
        ([(1.0, 2.0), (np.inf, 0.0)], "there is one point alone"),
        ([(1.0, 2.0)] * 9, "at one place"),
        ([(0.0, 1.0), (0.0, 2.0)], "parallel to an axis"),
        ([(0.0, 1.0), (1.0, 1.0)], "parallel to an axis"),
    ],
)
def test_points_without_a_density_are_refused(points: list[tuple[float, float]], word: str) -> None:
    given = np.array(points, np.float64).reshape(-1, 2)
    with pytest.raises(PointsError, match=word):
        usable(given, chance())
    with pytest.raises(PointsError, match=word):
        Experiment(LabSettings(data="points"), given)


def test_a_person_s_points_are_trained_on() -> None:
    given = centred(np.array([(100.0, 0.0), (300.0, 50.0), (200.0, 10.0)]))
    experiment = Experiment(LabSettings(data="points", couplings=2, width=8), given)
    assert {tuple(point) for point in experiment.data(50)} == {tuple(point) for point in given}
    assert np.isfinite(experiment.step())


@pytest.mark.parametrize(
    "points", [[(5.0, 7.0), (6.0, 11.0)], [(-1e-9, 0.0), (1e-9, 1e-9)], [(-1e6, 0.0), (1e6, 1.0), (np.inf, 0.0)]]
)
def test_points_are_moved_into_the_square_that_is_shown(points: list[tuple[float, float]]) -> None:
    shown = centred(np.array(points))
    assert np.abs(shown[:2]).max() == pytest.approx(HALF_WIDTH)
    assert not np.isfinite(shown[2:]).any()


def test_points_that_are_all_too_large_stay_as_they_are() -> None:
    assert centred(np.array([(1e308, -1e308)])).tolist() == [[1e308, -1e308]]


def test_points_lie_in_the_dark_pixels_of_a_picture() -> None:
    picture = np.full((4, 8, 3), 255, np.uint8)
    picture[0, 6:] = 0  # the upper right corner
    points = from_picture(picture, chance(), 1000)
    x, y = points.T
    assert (x >= 1).all()
    assert (x <= 2).all()
    assert (y >= 0.5).all()
    assert (y <= 1).all()
    assert points.std(0).min() > 0.1


def test_a_white_picture_has_no_points() -> None:
    with pytest.raises(PointsError, match="no dark pixel"):
        from_picture(np.full((4, 4, 1), 255, np.uint8), chance())
