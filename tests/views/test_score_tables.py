"""Continuing from a table of scores in the window, on a real engine."""

import csv
import math
from pathlib import Path

import pytest
from PIL import Image

from nvp_studio.data.archive_paths import Archives
from nvp_studio.explore import open_model
from nvp_studio.explore.score_tables import read_table
from nvp_studio.runs.score_tables import write_table
from nvp_studio.score_row import ScoreRow
from nvp_studio.state.engine import Engine
from nvp_studio.views.main_window import MainWindow
from nvp_studio.views.pages.score.page import ScorePage
from tests.cli.conftest import Run
from tests.cli.conftest import run as run
from tests.qt import Bot
from tests.score_page import open_score, score_page, write_images
from tests.small_model import random_images


@pytest.fixture
def page(shared_engine: Engine, qtbot: Bot, tmp_path: Path) -> ScorePage:
    return score_page(open_score(qtbot, shared_engine, tmp_path))


@pytest.fixture
def files(tmp_path: Path) -> Path:
    return write_images(tmp_path / "files", 5)


def score(page: ScorePage, paths: list[Path], total: int, qtbot: Bot) -> None:
    page.state.add(paths)
    qtbot.waitUntil(lambda: page.state.rows.total == total and not page.state.busy)


def continue_from(page: ScorePage, table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page.context, "ask_files", lambda *_: [table])
    page.context.registry["score.continue-from"].trigger()


def said(page: ScorePage) -> list[str]:
    window = page.window()
    assert isinstance(window, MainWindow)
    return [one.text for one in window.notifications.shown]


def test_files_of_an_exported_table_are_not_scored_again(
    page: ScorePage, files: Path, tmp_path: Path, qtbot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    score(page, [files / "0.png", files / "1.png"], 2, qtbot)
    model = page.state.model
    assert model is not None
    wanted = {row.path: row for row in page.state.rows.all_files()}
    changed = [
        row if row.path.endswith("0.png") else ScoreRow(path=row.path, bits_per_dim=77.5) for row in wanted.values()
    ]
    write_table(tmp_path / "scores.csv", changed, model.name, model.digest)
    page.state.clear()
    continue_from(page, tmp_path / "scores.csv", monkeypatch)
    qtbot.waitUntil(lambda: any("2 scores are taken" in text for text in said(page)))
    assert page.table.isVisible()
    score(page, [files], 5, qtbot)
    rows = {row.path: row for row in page.state.rows.all_files()}
    assert rows[str(files / "1.png")].bits_per_dim == 77.5, "as the table says: it was not scored again"
    first, before = rows[str(files / "0.png")], wanted[str(files / "0.png")]
    assert first.bits_per_dim == pytest.approx(before.bits_per_dim, abs=1e-5)
    assert (first.label_name, first.verdict, first.reasons) == (before.label_name, before.verdict, before.reasons)
    assert first.numbers is not None
    assert before.numbers is not None
    assert first.numbers.squares == pytest.approx(before.numbers.squares, rel=1e-4)
    assert page.state.done == 5, "what is passed over counts as done"
    page.state.score_again()
    qtbot.waitUntil(lambda: page.state.rows.total == 5 and not page.state.busy)
    assert page.state.done == 5, "each file once, although the table and the folder have it"
    assert max(page.state.rows.scores) < 77


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_tables_of_the_window_and_of_the_command_line_are_one_kind(
    page: ScorePage,
    run: Run,
    small_model: Path,
    files: Path,
    tmp_path: Path,
    qtbot: Bot,
    monkeypatch: pytest.MonkeyPatch,
    form: str,
) -> None:
    if form == "parquet":
        pytest.importorskip("pyarrow")
    ours, theirs = tmp_path / f"ours.{form}", tmp_path / f"theirs.{form}"
    score(page, [files / "0.png", files / "1.png"], 2, qtbot)
    before = {row.path: row for row in page.state.rows.all_files()}
    monkeypatch.setattr(page.context, "ask_save", lambda *_: ours)
    page.context.registry["score.export"].trigger()
    qtbot.waitUntil(lambda: ours.exists() and any("Wrote ours" in text for text in said(page)))
    code, _, err = run("score", files, "-m", small_model, "--reference", "none", f"--{form}", ours, "--resume")
    assert code == 0, err
    assert "2 are scored already" in err
    assert "3 scored" in err
    run("score", files, "-m", small_model, "--reference", "none", f"--{form}", theirs, "--details")
    for table in (ours, theirs):
        Image.fromarray(random_images(1, seed=9)[0, :, :, 0]).save(files / "4.png")  # which is left out therefore
        page.state.clear()
        continue_from(page, table, monkeypatch)
        qtbot.waitUntil(lambda: page.state.rows.total == 4 and not page.state.busy)
        qtbot.waitUntil(lambda: any("4 scores are taken" in text for text in said(page)))
        for row in page.state.rows.all_files():
            known = before.get(row.path)
            assert row.content
            assert row.numbers is not None
            assert known is None or row.bits_per_dim == pytest.approx(known.bits_per_dim, abs=1e-5)
            assert known is None or row.content == known.content
            assert row.label_name == "files"


def test_a_table_of_another_model_or_of_no_scores_is_refused(
    page: ScorePage, files: Path, tmp_path: Path, qtbot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_table(tmp_path / "theirs.csv", [ScoreRow(path="a.png", bits_per_dim=1.0)], "theirs", "0" * 64)
    continue_from(page, tmp_path / "theirs.csv", monkeypatch)
    qtbot.waitUntil(lambda: any("theirs.csv has scores by theirs" in text for text in said(page)))
    (tmp_path / "prices.csv").write_text("name,price\nshoe,3\n")
    continue_from(page, tmp_path / "prices.csv", monkeypatch)
    qtbot.waitUntil(lambda: any("prices.csv is no table of scores" in text for text in said(page)))
    assert page.state.rows.total == 0


def test_continuing_after_a_cancel_passes_over_what_has_a_score(page: ScorePage, files: Path, qtbot: Bot) -> None:
    score(page, [files / "0.png", files / "1.png"], 2, qtbot)
    page.state.add([files])
    page.state.cancel()
    assert page.state.can_resume
    first = page.state.rows.row_of(str(files / "0.png"))
    page.state.rows.add([ScoreRow(path=str(files / "0.png"), bits_per_dim=77.5)])
    page.state.resume()
    qtbot.waitUntil(lambda: page.state.rows.total == 5 and not page.state.busy)
    assert page.state.rows.file(first).bits_per_dim == 77.5
    score(page, [files], 5, qtbot)
    qtbot.waitUntil(lambda: page.state.rows.file(first).bits_per_dim != 77.5, timeout=10_000)


def test_a_table_of_the_command_line_is_read_without_changed_files_and_damaged_lines(
    run: Run, small_model: Path, files: Path, tmp_path: Path
) -> None:
    (files / "4.png").write_bytes(b"no image")
    table = tmp_path / "scores.csv"
    run("score", files, "-m", small_model, "--reference", "none", "--csv", table)
    with open(table, newline="", encoding="utf-8") as file:
        before = {row["path"]: float(row["bits_per_dim"] or "nan") for row in csv.DictReader(file)}
    Image.fromarray(random_images(1, seed=9)[0, :, :, 0]).save(files / "1.png")
    lines = table.read_text("utf-8").splitlines(keepends=True)
    lines[3] = lines[3].replace(f"{before[str(files / '2.png')]:.6f}", "high")
    table.write_text("".join(lines) + lines[1].rstrip()[:-3], "utf-8")
    with Archives() as archives:
        rows = list(read_table(str(table), open_model(small_model).digest, archives))
    assert [row and row.path for row in rows] == [str(files / "0.png"), None, None, str(files / "3.png"), None]
    assert rows[0] is not None
    assert rows[0].bits_per_dim == before[str(files / "0.png")]


def test_verdicts_of_a_table_follow_the_rate_by_their_p_values(tmp_path: Path) -> None:
    rows = [
        ScoreRow(path="typical.png", bits_per_dim=1.0, p_value=0.4, verdict="typical"),
        ScoreRow(path="=odd.png", bits_per_dim=2.0, p_value=0.005, verdict="unusual", reasons=("a", "b")),
        ScoreRow(path="far.png", bits_per_dim=math.pi, p_value=0.001, verdict="far outside", reasons=("c",)),
    ]
    write_table(tmp_path / "scores.csv", rows, "m", "d")
    with Archives() as archives:
        read = [row for row in read_table(str(tmp_path / "scores.csv"), "d", archives) if row is not None]
    assert [row.path for row in read] == ["typical.png", "=odd.png", "far.png"]
    at_one = [row.judged(0.01) for row in read]
    assert [(row.verdict, row.reasons) for row in at_one] == [(row.verdict, row.reasons) for row in rows]
    assert [row.judged(0.002).verdict for row in read] == ["typical", "typical", "far outside"]
