"""Restarts by the launcher: after a process was lost, torchrun runs the same command again, which resumes the run."""

import os
import platform
from pathlib import Path

import msgspec

from nvp_studio.training.config import TrainConfig
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


def started_again(launch: str) -> bool:
    """Whether this process is one that the launcher called `launch` started again after another was lost."""
    return bool(launch) and launch == launch_key() and int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0


def earlier_run(runs_folder: Path, config: TrainConfig) -> Path | None:
    """The run under `runs_folder` that this launch trained in before its processes were restarted, if it saved one.

    An id of a rendezvous may be that of an earlier launch too: the run must be one of `config`, which is settled.
    """
    key = launch_key()
    if not started_again(key):
        return None
    for summary in list_runs(runs_folder):
        folder = Path(summary.folder)
        try:
            record = read_record(folder)
            precision = "auto" if config.precision == "auto" else record.config.precision  # which a record settles
            asked = msgspec.structs.replace(
                record.config, flow=config.flow, precision=precision, reading=config.reading
            )
            same = asked == config
            if record.launch == key and same and (folder / "checkpoints" / "last.safetensors").exists():
                return folder
        except RunError:
            continue
    return None


def _start_of(process: int) -> str:
    """When a process began, in the system's ticks, as process ids are reused; empty where the system does not say."""
    try:
        return Path(f"/proc/{process}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
