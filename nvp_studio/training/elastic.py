"""Restarts by the launcher: after a process was lost, torchrun starts the same command again, which then goes on."""

import os
import platform
from pathlib import Path

from nvp_studio.training.errors import RunError
from nvp_studio.training.runs import list_runs, read_record


def launch_key() -> str:
    """A name of this launch that outlives restarts of its processes; empty without torch's launcher.

    The id given to the rendezvous where there is one, else the launcher's process.
    """
    identity = os.environ.get("TORCHELASTIC_RUN_ID")
    if identity is None:
        return ""
    return identity if identity != "none" else f"{platform.node()}:{os.getppid()}:{_start_of(os.getppid())}"


def earlier_run(runs_folder: Path) -> Path | None:
    """The run under `runs_folder` that this launch trained in before its processes were restarted, if it saved one."""
    if int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) == 0:
        return None
    key = launch_key()
    for summary in list_runs(runs_folder):
        folder = Path(summary.folder)
        try:
            if read_record(folder).launch == key and (folder / "checkpoints" / "last.safetensors").exists():
                return folder
        except RunError:
            continue
    return None


def _start_of(process: int) -> str:
    """When a process began, in the system's ticks, for numbers of processes are used again; empty if it is not told."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
