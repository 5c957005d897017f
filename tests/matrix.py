"""Run the tests once under each of several settings of processor, threads and Python: `make matrix`.

torch and oneDNN choose other kernels for other processors, which sum in other orders, so results differ in their last
digits. The settings here make one machine choose what others would. No test may depend on the difference.

Arguments that are not options of this script go to pytest:

    make matrix                                            all tests, the long ones too, under each setting
    make matrix ARGS="--numerics"                          the tests of `NUMERICS` only
    make matrix ARGS="--settings avx2 sse41 -- tests/flow" these settings, this folder

Pythons other than the one that runs this are taken from the environments `.venv-3.11`, `.venv-3.12`, ... of the
checkout, with the project installed in each (docs/testing.md), and left out where there are none. A Markdown table is
printed at the end; the exit status is 1 if any test failed or a setting could not be run.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
VERSIONS = ("3.11", "3.12", "3.13", "3.14")
NUMERICS = (
    "tests/flow",
    "tests/explore",
    "tests/test_included_models.py",
    "tests/test_earlier_files.py",
    "tests/test_dequantization.py",
    "tests/training/test_determinism.py",
    "tests/training/test_precision.py",
    "tests/training/test_resume.py",
    "tests/training/test_parts.py",
    "tests/training/test_muon.py",
    "tests/training/test_distributed.py",
)
"""Tests that compare computed numbers; a test that is added elsewhere and does so belongs here."""


@dataclass(frozen=True)
class Setting:
    """A column of the matrix: variables of the environment and the Python to run."""

    name: str
    environment: dict[str, str] = field(default_factory=dict)
    python: str = sys.executable

    @property
    def threads(self) -> int:
        return int(self.environment.get("OMP_NUM_THREADS", "1"))


@dataclass(frozen=True)
class Outcome:
    """What pytest reported for a setting."""

    passed: int
    failed: tuple[str, ...]
    skipped: int
    minutes: float


def _numba(processor: str) -> dict[str, str]:
    """What has numba compile for this processor, a name of LLVM; nothing where the machine has other instructions."""
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    return {"NUMBA_CPU_NAME": processor} if x86 else {}


def settings() -> Iterator[Setting]:
    """All settings that this machine can run."""
    yield Setting("own")
    yield Setting("threads-2", {"OMP_NUM_THREADS": "2"})
    yield Setting("aten-default", {"ATEN_CPU_CAPABILITY": "default"})
    yield Setting("aten-avx2", {"ATEN_CPU_CAPABILITY": "avx2"})
    yield Setting("sse41", {"ONEDNN_MAX_CPU_ISA": "SSE41"} | _numba("nehalem"))
    yield Setting("avx2", {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"} | _numba("haswell"))
    for version in VERSIONS:
        python = ROOT / f".venv-{version}" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        if python.exists():
            yield Setting("python-" + version, python=str(python))


def run(setting: Setting, arguments: list[str]) -> Outcome:
    """Run pytest under `setting`, as many processes at a time as fit the processor's cores."""
    processes = max(1, min(8, os.cpu_count() or 1) // setting.threads)
    environment = os.environ | {"QT_QPA_PLATFORM": "offscreen", "OMP_NUM_THREADS": "1"} | setting.environment
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [
            setting.python,
            "-m",
            "pytest",
            "-n",
            str(processes),
            "--dist",
            "worksteal",
            "-p",
            "no:cacheprovider",
        ]
        status = subprocess.run([*command, f"--junitxml={report}", *arguments], cwd=ROOT, env=environment).returncode
        minutes = (time.monotonic() - begun) / 60
        if not report.exists():
            return Outcome(0, (f"pytest ended with status {status}",), 0, minutes)
        cases = list(ElementTree.parse(report).iter("testcase"))
    failed = [name_of(case) for case in cases if case.find("failure") is not None or case.find("error") is not None]
    skipped = sum(case.find("skipped") is not None for case in cases)
    if status and not failed:
        failed.append(f"pytest ended with status {status}")
    return Outcome(len(cases) - len(failed) - skipped, tuple(failed), skipped, minutes)


def name_of(case: ElementTree.Element) -> str:
    """The test's file and name, as pytest takes them."""
    return f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name')}"


def table(outcomes: list[tuple[Setting, Outcome]]) -> str:
    """The matrix in Markdown, with the names of what failed below it."""
    lines = ["| setting | variables | passed | failed | skipped | minutes |", "|---|---|---:|---:|---:|---:|"]
    for setting, outcome in outcomes:
        variables = " ".join(f"`{name}={value}`" for name, value in setting.environment.items())
        counts = f"{outcome.passed} | {len(outcome.failed)} | {outcome.skipped} | {outcome.minutes:.1f}"
        lines.append(f"| {setting.name} | {variables} | {counts} |")
    lines += [f"\n{setting.name}: {name}" for setting, outcome in outcomes for name in outcome.failed]
    return "\n".join(lines)


def main() -> int:
    """Run what the command line asks for; the exit status."""
    available = {setting.name: setting for setting in settings()}
    parser = argparse.ArgumentParser(prog="tests.matrix", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--settings", nargs="+", choices=available, default=list(available), metavar="NAME")
    parser.add_argument("--numerics", action="store_true", help="only the tests that compare computed numbers")
    parser.add_argument("pytest", nargs="*", help="arguments for pytest, after --")
    options, more = parser.parse_known_args()
    arguments = [*more, *options.pytest, *(NUMERICS if options.numerics else ())]
    outcomes: list[tuple[Setting, Outcome]] = []
    for name in options.settings:
        print(f"\n== {name}", flush=True)
        outcomes.append((available[name], run(available[name], arguments)))
        print("\n" + table(outcomes), flush=True)
    return int(any(outcome.failed for _, outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
