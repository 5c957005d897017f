"""What holds for the repository as a whole: light imports, nothing unpickled, requirements and set-up in agreement."""

import ast
import importlib
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import grimp
import PIL.Image
import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import bootstrap
import nvp_studio
from nvp_studio.cli import main
from nvp_studio.commands.run_progress import RunPrinter
from tests.runs.folders import make_run

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted((ROOT / "nvp_studio").rglob("*.py"))
README = (ROOT / "README.md").read_text("utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def run_python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize(
    ("modules", "heavy"),
    [
        (["nvp_studio"], ["torch", "PySide6", "numpy"]),
        (["nvp_studio.cli"], ["torch", "PySide6", "numpy"]),
        (["nvp_studio.app"], ["torch", "numpy"]),
        (["nvp_studio.views.main_window", "nvp_studio.views.pages.explore.page"], ["torch"]),
        (["nvp_studio.worker.messages", "nvp_studio.worker.framing", "nvp_studio.training.runs"], ["torch", "PySide6"]),
        (["nvp_studio.worker.server", "nvp_studio.training.resume", "nvp_studio.explore.score"], ["PySide6"]),
    ],
)
def test_importing_stays_light(modules: list[str], heavy: list[str]) -> None:
    code = f"import sys, {', '.join(modules)}; print([name for name in {heavy!r} if name in sys.modules])"
    ended = run_python("-c", code, QT_QPA_PLATFORM="offscreen")
    assert ended.stdout.strip() == "[]", ended.stdout + ended.stderr


def test_every_module_opens_with_a_sentence() -> None:
    assert [path for path in SOURCES if not ast.get_docstring(parsed(path))] == []


def test_no_module_has_more_than_400_lines() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in SOURCES}
    assert {path: length for path, length in lengths.items() if length > 400} == {}


def test_no_files_import_each_other_in_a_circle() -> None:
    """Imports within functions and those for types alone count as well."""
    graph = grimp.build_graph("nvp_studio", exclude_type_checking_imports=False, cache_dir=None)
    arrows = {module: graph.find_modules_directly_imported_by(module) - {module} for module in graph.modules}
    TopologicalSorter(arrows).prepare()  # raises CycleError, which names a circle


def test_no_name_of_a_package_is_that_of_a_module_in_it() -> None:
    """`from package import name` would give the module."""
    for path in (ROOT / "nvp_studio").rglob("__init__.py"):
        package = importlib.import_module(".".join(path.parent.relative_to(ROOT).parts))
        assert not {name for name in getattr(package, "__all__", ()) if (path.parent / f"{name}.py").exists()}, path


def test_nothing_is_unpickled_or_evaluated() -> None:
    assert {str(path.relative_to(ROOT)): list(_unsafe(path)) for path in SOURCES if any(_unsafe(path))} == {}


def _unsafe(path: Path) -> Iterator[str]:
    """Imports and calls in a source file that would run what a file says, or a program that reads it."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from {name.name for name in node.names} & {"pickle", "dill", "shelve", "marshal"}
        if isinstance(node, ast.ImportFrom) and node.module in ("pickle", "dill", "shelve", "marshal"):
            yield node.module
        if isinstance(node, ast.Call):
            call = ast.unparse(node)
            if re.match(r"(torch\.(load|save)|eval|exec)\(", call):
                yield call
            if re.match(r"(PIL\.)?Image\.open\(", call) and "formats=" not in call:
                yield call
            if re.match(r"(np|numpy)\.load\(", call) and "allow_pickle=False" not in call:
                yield call


def test_no_reason_for_a_person_is_the_name_of_a_class() -> None:
    """`memory` tells one error by its name, as its class is torch's."""
    named = re.compile(r"type\(\w+\)\.__name__|__class__\.__name__|__qualname__")
    found = [path.name for path in SOURCES if named.search(path.read_text("utf-8"))]
    assert found == ["memory.py"]


def test_commands_print_through_the_printers_that_escape_control_characters() -> None:
    printers = ROOT / "nvp_studio" / "commands" / "console.py"
    commands = [path for path in SOURCES if path.parent == printers.parent and path != printers]
    found = {path.name: calls for path in (*commands, ROOT / "nvp_studio" / "cli.py") if (calls := _prints(path))}
    assert found == {}
    assert len(_prints(printers)) > 4


def _prints(path: Path) -> list[str]:
    """The calls and imports in a source file that write to the terminal by themselves."""
    direct = re.compile(
        r"(typer|click)\.(echo|secho|confirm|prompt)\(|(\w+\.)?print\(|\w+\.(log|rule)\(|Console\(|"
        r"sys\.__?std|sys\.std(out|err)\.write|csv_writer\(sys\.|from rich.* import .*TextColumn"
    )
    nodes = [ast.unparse(node) for node in ast.walk(parsed(path)) if isinstance(node, ast.Call | ast.ImportFrom)]
    return [node for node in nodes if direct.match(node)]


def test_the_version_is_the_same_everywhere() -> None:
    assert nvp_studio.__version__ == PROJECT["version"]
    assert run_python("-m", "nvp_studio", "--version").stdout.split() == ["nvp-studio", PROJECT["version"]]


def test_the_tested_set_is_pinned_and_within_the_ranges() -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    names = {pin.name.lower().replace("_", "-"): Version(next(iter(pin.specifier)).version) for pin in pins}
    wanted = PROJECT["dependencies"] + [line for group in PROJECT["optional-dependencies"].values() for line in group]
    for requirement in map(Requirement, wanted):
        assert names[requirement.name.lower()] in requirement.specifier, requirement


def test_the_command_lines_document_names_every_extra_and_every_figure_of_a_run(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "command-line.md").read_text("utf-8")
    extras = PROJECT["optional-dependencies"].keys() - {"dev"}
    assert [extra for extra in sorted(extras) if f"nvp-studio[{extra}]" not in text] == []
    paragraph = text.split("`train --json` prints", 1)[1].split("\n- ", 1)[0].split("\n\n", 1)[0]
    assert re.findall(r"`(\w+)`", paragraph) == list(RunPrinter().result(make_run(tmp_path / "run")))


def test_the_command_lines_in_the_documents_are_valid(capsys: pytest.CaptureFixture[str]) -> None:
    lines = re.findall(r"^    (nvp-studio .+)$", README, re.MULTILINE)
    assert len(lines) == 11
    for line in lines:
        with pytest.raises(SystemExit) as ended:
            main([*shlex.split(line)[1:], "--help"])
        assert ended.value.code == 0, line


def test_the_python_in_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = re.search(r"```python\n(.+?)```", README, re.DOTALL)
    assert code
    *lines, training = code[1].strip().splitlines()
    assert "start_run(TrainConfig(" in training
    monkeypatch.chdir(tmp_path)
    PIL.Image.new("RGB", (60, 40), "teal").save("face.png")
    names: dict[str, Any] = {}
    exec("\n".join(lines), names)
    assert names["z"].shape == (16, 3072)
    assert names["log_prob"].shape == names["log_det"].shape == (16,)
    assert names["bits"].shape == (1,)
    assert names["x"].shape == (16, 3, 32, 32)
    eval(training.split("=", 1)[1].replace("start_run(", "(").replace(', "runs")', ")"), names)


@pytest.mark.parametrize("document", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda p: p.name)
def test_links_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)", document.read_text("utf-8"))
    missing = [link for link in links if "://" not in link and not (document.parent / link).exists()]
    assert missing == []


def test_the_set_up_supports_the_pythons_that_the_project_names() -> None:
    supported = Requirement(f"python{PROJECT['requires-python']}").specifier
    assert next(f"3.{minor}" for minor in range(5, 40) if f"3.{minor}.5" in supported) == "{}.{}".format(
        *bootstrap.OLDEST
    )
    named = [line.rsplit(" ", 1)[1] for line in PROJECT["classifiers"] if line.startswith("Programming Language ::")]
    assert [version for version in named if "." in version] == ["{}.{}".format(*tested) for tested in bootstrap.TESTED]


def test_a_python_newer_than_those_tested_is_taken_with_a_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bootstrap, "_version", lambda name: (3, 20))
    monkeypatch.setattr(bootstrap, "_require_venv", lambda name, version: None)
    assert bootstrap.suitable_python() == sys.executable
    assert "Python 3.20 is newer" in capsys.readouterr().out


def test_a_python_too_old_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "_version", lambda name: (3, 10))
    with pytest.raises(SystemExit, match=r"needs Python 3.11 or newer, found only 3.10"):
        bootstrap.suitable_python()


def test_without_a_display_the_window_is_refused_before_anything_is_installed() -> None:
    if sys.platform != "linux":
        pytest.skip("other systems always have a display")
    ended = run_python("bootstrap.py", "run", DISPLAY="", WAYLAND_DISPLAY="")
    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 1
    assert "no display" in ended.stderr
    assert "train" in ended.stderr
    assert "installing" not in ended.stdout


def test_the_set_up_needs_no_installed_package_and_tells_its_usage() -> None:
    ended = run_python("-S", "bootstrap.py", "nonsense")
    assert ended.returncode == 1
    assert ended.stderr.startswith("usage: python3 bootstrap.py run")
