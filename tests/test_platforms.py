"""What other systems than Linux need, as far as it can be tested on any: imports, consoles, files that are open."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nvp_studio import files
from nvp_studio.files import write_whole

ROOT = Path(__file__).resolve().parent.parent

IMPORT_ALL = """
import builtins, importlib, pkgutil
import nvp_studio

UNIX_ONLY = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}
ordinary = builtins.__import__

def without_unix(name, globals=None, locals=None, fromlist=(), level=0):
    importer = (globals or {}).get("__name__") or ""
    if level == 0 and name in UNIX_ONLY and importer.startswith("nvp_studio"):
        raise ImportError(f"{importer} imports {name}, which exists on Unix alone")
    return ordinary(name, globals, locals, fromlist, level)

builtins.__import__ = without_unix
try:
    exec("import fcntl", {"__name__": "nvp_studio.example"})
except ImportError:
    pass
else:
    raise SystemExit("nothing is refused")
for module in pkgutil.walk_packages(nvp_studio.__path__, "nvp_studio."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
"""


@pytest.mark.slow
def test_no_module_needs_a_module_of_unix_to_be_imported() -> None:
    ended = subprocess.run([sys.executable, "-c", IMPORT_ALL], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_console_that_lacks_characters_gets_others_for_them(encoding: str, tmp_path: Path) -> None:
    """As on Windows, where what is piped or written to a file is in the code page of the system."""
    folder = tmp_path / "朝顔 → é"
    folder.mkdir()

    def run(*words: str) -> bytes:
        ended = subprocess.run(
            [sys.executable, "-m", "nvp_studio", *words],
            cwd=ROOT,
            env=os.environ | {"PYTHONIOENCODING": encoding, "NVP_STUDIO_DATA": str(folder)},
            capture_output=True,
            check=False,
        )
        assert b"Error" not in ended.stderr
        return ended.stdout + ended.stderr

    assert b"Usage" in run("--help")
    assert b"to get it" in run("data", "info", "mnist")
    assert b"?" in run("info", str(folder / "none"))
    assert json.loads(run("data", "list", "--json").decode("ascii"))["data_folder"] == str(folder)


def test_a_file_that_another_program_has_open_is_replaced_when_it_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows, which refuses to replace an open file."""
    refusals = [PermissionError(13, "The process cannot access the file"), PermissionError(5, "Access is denied")]
    replace = os.replace

    def refuse_at_first(source: object, target: object) -> None:
        if refusals:
            raise refusals.pop()
        replace(source, target)  # type: ignore[call-overload]

    write_whole(tmp_path / "file", b"old")
    monkeypatch.setattr(os, "replace", refuse_at_first)
    with pytest.raises(PermissionError):
        write_whole(tmp_path / "file", b"new")  # what is refused elsewhere stays refused
    refusals.append(PermissionError(5, "Access is denied"))
    monkeypatch.setattr(files, "_OPEN_FILES_STAY", True)
    write_whole(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"
    assert not refusals
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
