"""Another machine for tests: a stand-in for ssh that runs the command here, with runs of its own."""

import sys
from pathlib import Path

import pytest

STAND_IN = """
import os, sys
words = sys.argv[1:]
while words[0].startswith("-"):
    words = words[2:] if words[0] == "-o" else words[1:]
host, command = words
if host == "nowhere":
    print("ssh: connect to host nowhere port 22: No route to host", file=sys.stderr)
    sys.exit(255)
os.environ["NVP_STUDIO_RUNS"] = os.environ["RUNS_THERE"]
os.execvp("sh", ["sh", "-c", command])
"""
WORKER = f"exec {sys.executable} -P -m nvp_studio.worker"


def stand_in_for_ssh(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on ssh leads to a machine whose runs are in `folder`/there; models from it come to `folder`/models."""
    stand_in = folder / "ssh.py"
    stand_in.write_text(STAND_IN)
    monkeypatch.setenv("NVP_STUDIO_SSH", f"{sys.executable} {stand_in}")
    monkeypatch.setenv("RUNS_THERE", str(folder / "there"))
    monkeypatch.setenv("NVP_STUDIO_MODELS", str(folder / "models"))
