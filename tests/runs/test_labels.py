"""Names, notes and tags on runs, the list that finds and sorts them, and the trash."""

from pathlib import Path

import pytest

from nvp_studio.runs.labels import LABELS, Labels, change_labels, read_labels, tidy_tags
from nvp_studio.runs.listing import find_run, list_labelled
from nvp_studio.runs.trash import TRASH, delete_for_good, discard_run, discarded_runs, restore_run
from nvp_studio.training.errors import RunError
from tests.runs.folders import make_run


def test_labels_are_changed_one_by_one_and_tidied(tmp_path: Path) -> None:
    run = make_run(tmp_path / "one")
    assert read_labels(run) == Labels()
    change_labels(run, name="  a   better name ")
    change_labels(run, tags=["good ", "good", " ", "big"])
    change_labels(run, note="line one\nline two\n")
    assert read_labels(run) == Labels(name="a better name", note="line one\nline two", tags=("good", "big"))
    assert change_labels(run, name="").name == ""


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({"name": "x" * 81}, "80"),
        ({"note": "x" * 10_001}, "10000"),
        ({"tags": ["a,b"]}, "comma"),
        ({"tags": map(str, range(31))}, "30"),
    ],
)
def test_labels_that_are_too_long_are_refused(tmp_path: Path, labels: dict[str, object], words: str) -> None:
    run = make_run(tmp_path / "one")
    with pytest.raises(RunError, match=words):
        change_labels(run, **labels)  # type: ignore[arg-type]
    assert not (run / LABELS).exists()


@pytest.mark.parametrize("content", [b"{", b'{"tags": 3}', b"[" * 100_000, b" " * 200_001 + b"{}"])
def test_a_damaged_file_of_labels_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / LABELS).write_bytes(content)
    assert read_labels(tmp_path) == Labels()


def test_tags_are_written_with_commas() -> None:
    assert tidy_tags(["good", " paper ", "", " good"]) == ("good", "paper")


def test_runs_are_found_by_folder_and_by_the_name_they_were_given(tmp_path: Path) -> None:
    one, two = make_run(tmp_path / "one"), make_run(tmp_path / "two")
    change_labels(one, name="photos")
    assert find_run(Path("one"), tmp_path) == find_run(Path("photos"), tmp_path) == find_run(one) == one
    change_labels(two, name="photos")
    with pytest.raises(RunError, match="one"):
        find_run(Path("photos"), tmp_path)
    with pytest.raises(RunError, match="no run three"):
        find_run(Path("three"), tmp_path)


def test_the_list_is_sorted_and_filtered(tmp_path: Path) -> None:
    make_run(tmp_path / "a", "2026-01-03T10:00:00+00:00", best=3.5, seconds=10)
    make_run(tmp_path / "b", "2026-01-02T10:00:00+00:00", best=2.5, seconds=30)
    make_run(tmp_path / "c", "2026-01-01T10:00:00+00:00", seconds=20)
    change_labels(tmp_path / "c", name="Aardvark", tags=["good"], note="remember the milk")

    def names(**options: str) -> list[str]:
        return [Path(run.folder).name for run in list_labelled(tmp_path, **options)]

    assert names() == ["a", "b", "c"]
    assert names(sort="best") == ["b", "a", "c"]
    assert names(sort="time") == ["b", "c", "a"]
    assert names(sort="name") == ["a", "c", "b"]
    assert names(tag="good") == ["c"]
    (run,) = list_labelled(tmp_path, tag="good")
    assert run.matches("MILK toys")
    assert not run.matches("milk honey")


def test_discarded_runs_are_listed_restored_and_deleted(tmp_path: Path) -> None:
    run = make_run(tmp_path / "one")
    with pytest.raises(RunError, match="not a run in the trash"):
        delete_for_good(run)
    place = discard_run(run)
    assert [one.name for one in discarded_runs(tmp_path)] == ["one"]
    restore_run(place, run)
    delete_for_good(discard_run(run))
    assert list((tmp_path / TRASH).iterdir()) == []
