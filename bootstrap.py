"""Set up `.venv` in this checkout and start from it: `python3 bootstrap.py run` (or `make run`).

Needs nothing but a Python with its standard library, which may be too old for the program itself: it looks for a
suitable one. A second start finds the environment as it left it and is immediate.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "installed.json"
OLDEST = (3, 11)
TESTED = ((3, 11), (3, 12), (3, 13))
"""Newer ones are expected to work."""
HEADLESS = "train, resume, sample, encode, decode, score and info"
_LIBRARIES = runpy.run_path(str(ROOT / "nvp_studio" / "qt_libraries.py"))
QT_LIBRARIES, XCB_LIBRARIES = _LIBRARIES["QT_LIBRARIES"], _LIBRARIES["XCB_LIBRARIES"]


def run(arguments: list[str]) -> int:
    """Open the window."""
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        fail(
            "no display (neither DISPLAY nor WAYLAND_DISPLAY is set), so no window can open; without one use "
            f"`make setup`, then `.venv/bin/nvp-studio --help` ({HEADLESS})"
        )
    require_libraries({**QT_LIBRARIES, **XCB_LIBRARIES})
    install(dev=False)
    return call([str(VENV_PYTHON), str(ROOT / "main.py"), *arguments])


def test(arguments: list[str]) -> int:
    """Run the tests without a screen, all but the long ones."""
    return _pytest(["-m", "not slow", *arguments])


def test_long(arguments: list[str]) -> int:
    """Run the long tests, which are marked `slow`."""
    return _pytest(["-m", "slow", *arguments])


def _pytest(arguments: list[str]) -> int:
    _prepare_tests()
    workers = str(min(8, os.cpu_count() or 1))
    # Each process begins with a range of files of its own, so that most fixtures are made in one process alone.
    return call([str(VENV_PYTHON), "-m", "pytest", "-n", workers, "--dist", "worksteal", *arguments])


def matrix(arguments: list[str]) -> int:
    """Run all tests under several settings of processor, threads and Python (tests/matrix.py)."""
    _prepare_tests()
    return call([str(VENV_PYTHON), "-m", "tests.matrix", *arguments])


def check(arguments: list[str]) -> int:
    """Linter, formatting, types and which packages may import which."""
    install(dev=True)
    tools = VENV_PYTHON.parent
    types = [["mypy", *platform] for platform in ([], ["--platform", "win32"], ["--platform", "darwin"])]
    commands = [["ruff", "check"], ["ruff", "format", "--check"], *types, ["lint-imports"]]
    return max(call([str(tools / command[0]), *command[1:], *arguments]) for command in commands)


def setup(arguments: list[str]) -> int:
    """Install what the command line and the window need from Python's side."""
    install(dev="--dev" in arguments)
    say("ready: .venv/bin/nvp-studio --help")
    return 0


def libraries(arguments: list[str]) -> int:
    """Name or install the system libraries of the window alone."""
    require_libraries({**QT_LIBRARIES, **XCB_LIBRARIES})
    return 0


def install(dev: bool) -> None:
    """Bring `.venv` to the tested set of packages, unless the stamp says that it is there already."""
    wanted = {"digest": _digest(), "dev": dev}
    found = _stamp()
    if found.get("digest") == wanted["digest"] and (found.get("dev") or not dev) and VENV_PYTHON.exists():
        return
    if not _venv_works():
        python = suitable_python()
        say("creating .venv with " + python)
        _must([python, "-m", "venv", "--clear", str(VENV)], "could not create .venv")
    say("installing the Python packages into .venv (once; torch and Qt are large, this takes some minutes)")
    _pip("install", "-c", str(ROOT / "constraints.txt"), "-e", str(ROOT) + ("[dev]" if dev else ""))
    STAMP.write_text(json.dumps(wanted))


def suitable_python() -> str:
    """The first Python that is new enough and can make virtual environments."""
    seen = []
    for name in (sys.executable, "python3", *("python{}.{}".format(*version) for version in reversed(TESTED))):
        version = _version(name)
        if version is None:
            continue
        seen.append("{}.{}".format(*version))
        if version >= OLDEST:
            _require_venv(name, version)
            if version not in TESTED:
                newest = "{}.{}".format(*TESTED[-1])
                say(f"Python {seen[-1]} is newer than the newest that was tested ({newest}); it is expected to work")
            return name
    oldest = "{}.{}".format(*OLDEST)
    fail(f"needs Python {oldest} or newer, found only {', '.join(dict.fromkeys(seen)) or 'none'}")
    raise AssertionError("unreachable")


def require_libraries(needed: dict[str, str]) -> None:
    """Name the system libraries that Qt would miss; as root on Debian and Ubuntu, install them."""
    if sys.platform != "linux":
        return
    missing = {file: package for file, package in needed.items() if not _LIBRARIES["loads"](file)}
    if not missing:
        return
    if not shutil.which("apt-get"):
        fail(f"missing system libraries: {', '.join(missing)}; install them with your system's package manager")
    apt_install(sorted(set(missing.values())), "system libraries for the window")


def apt_install(packages: list[str], purpose: str) -> None:
    """Install Debian packages as root; otherwise say the command that does."""
    command = "apt-get install -y --no-install-recommends " + " ".join(packages)
    if os.geteuid() != 0:
        fail(f"missing {purpose}; install them with: sudo {command}")
    say(f"installing {purpose}: {' '.join(packages)}")
    os.environ.update(DEBIAN_FRONTEND="noninteractive", DEBCONF_NOWARNINGS="yes")
    subprocess.run(["apt-get", "update", "-qq"], stdin=subprocess.DEVNULL, check=False)
    _must([*command.split(), "-qq"], f"could not install {purpose}; try: {command}")


def call(command: list[str]) -> int:
    """Run `command` in the checkout and return its exit code; Ctrl+C is the command's to handle."""
    process = subprocess.Popen(command, cwd=str(ROOT))
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


def say(text: str) -> None:
    """One line of progress."""
    print("nvp-studio:", text, flush=True)


def fail(text: str) -> None:
    """One line on stderr and exit 1."""
    sys.stdout.flush()
    sys.exit("nvp-studio: " + text)


def _prepare_tests() -> None:
    """Install what the tests need; one thread in each test process, since there is one process per core."""
    require_libraries(QT_LIBRARIES)
    install(dev=True)
    os.environ.update(QT_QPA_PLATFORM="offscreen")
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def _digest() -> str:
    """Changes whenever the installed packages would: the requirements, the place, the Python of this environment."""
    parts = [(ROOT / name).read_text(encoding="utf-8") for name in ("pyproject.toml", "constraints.txt")]
    return hashlib.sha256("\0".join([*parts, str(ROOT)]).encode()).hexdigest()


def _stamp() -> dict[str, object]:
    try:
        return dict(json.loads(STAMP.read_text()))
    except (OSError, ValueError):
        return {}


def _venv_works() -> bool:
    """Whether `.venv` holds a supported Python with pip that still runs (a folder that was moved does not)."""
    version = _version(str(VENV_PYTHON))
    return version is not None and version >= OLDEST and _quiet([str(VENV_PYTHON), "-m", "pip", "--version"])


def _version(python: str) -> tuple[int, ...] | None:
    code = "import sys; print(*sys.version_info[:2])"
    try:
        answer = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return tuple(int(number) for number in answer.split())


def _require_venv(python: str, version: tuple[int, ...]) -> None:
    """Debian keeps `venv` apart from Python: name or install the package that has it."""
    if _quiet([python, "-c", "import venv, ensurepip"]):
        return
    package = "python{}.{}-venv".format(*version)
    if shutil.which("apt-get"):
        apt_install([package], "Python's venv module (Debian's package " + package + ")")
    if not _quiet([python, "-c", "import venv, ensurepip"]):
        fail(f"{python} cannot make virtual environments: its modules venv and ensurepip are missing")


def _pip(*arguments: str) -> None:
    """Run pip, showing only the large downloads; on failure the end of what it said."""
    command = [str(VENV_PYTHON), "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
    lines = []
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        for line in process.stdout or ():
            lines.append(line.rstrip())
            large = re.match(r"\s*Downloading (\S+?)-\d\S* \((\d\d+(?:\.\d+)? MB|[\d.]+ GB)\)", line)
            if large:
                say("  downloading {} ({})".format(*large.groups()))
            elif line.startswith("Installing collected packages"):
                say("  unpacking {} packages".format(line.count(",") + 1))
    if process.returncode:
        print("\n".join(lines[-15:]), file=sys.stderr)
        fail("pip could not install the packages; its last lines are above")


def _quiet(command: list[str]) -> bool:
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _must(command: list[str], complaint: str) -> None:
    if subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False).returncode:
        fail(complaint)


if __name__ == "__main__":
    tasks = {
        "run": run,
        "test": test,
        "test-long": test_long,
        "matrix": matrix,
        "check": check,
        "setup": setup,
        "libraries": libraries,
    }
    if len(sys.argv) < 2 or sys.argv[1] not in tasks:
        sys.exit("usage: python3 bootstrap.py " + " | ".join(tasks) + " [arguments]")
    sys.exit(tasks[sys.argv[1]](sys.argv[2:]))
