"""The matrix reports what passed and failed under a setting, and what could not be run."""

import sys
from pathlib import Path

import pytest

from tests import matrix


@pytest.mark.slow
def test_failures_are_counted_and_named(tmp_path: Path) -> None:
    file = tmp_path / "test_it.py"
    file.write_text(
        "import os, pytest\n"
        "def test_passes(): assert os.environ['ATEN_CPU_CAPABILITY'] == 'avx2'\n"
        "def test_fails(): assert os.environ['OMP_NUM_THREADS'] == '2'\n"
        "@pytest.mark.skip\n"
        "def test_is_skipped(): pass\n"
    )
    outcome = matrix.run(matrix.Setting("x", {"ATEN_CPU_CAPABILITY": "avx2"}), [str(file)])
    assert (outcome.passed, outcome.skipped) == (1, 1)
    assert [name.rsplit("::", 1)[1] for name in outcome.failed] == ["test_fails"]


def test_a_python_without_pytest_fails(tmp_path: Path) -> None:
    (tmp_path / "pytest.py").write_text("raise SystemExit(3)")
    outcome = matrix.run(matrix.Setting("x", {"PYTHONPATH": str(tmp_path)}), [])
    assert outcome.failed == ("pytest ended with status 3",)


def test_every_file_of_numerical_tests_is_there() -> None:
    assert [path for path in matrix.NUMERICS if not (matrix.ROOT / path).exists()] == []


def test_the_table_has_a_row_for_each_setting() -> None:
    setting = matrix.Setting("two", {"OMP_NUM_THREADS": "2"}, sys.executable)
    text = matrix.table([(setting, matrix.Outcome(5, ("tests/a.py::test_b",), 1, 2.5))])
    assert "| two | `OMP_NUM_THREADS=2` | 5 | 1 | 1 | 2.5 |" in text
    assert "two: tests/a.py::test_b" in text
