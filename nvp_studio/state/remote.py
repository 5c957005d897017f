"""Workers on another machine: the command that starts one over ssh, and the reason why one ended."""

import os
import shlex
from collections.abc import Sequence

DEFAULT_COMMAND = "nvp-studio worker"
"""The shell command that starts a worker there."""
_CANNOT_CONNECT = 255
_NOT_FOUND = 127


def remote_program(host: str, command: str = DEFAULT_COMMAND) -> list[str]:
    """The local command whose stdin and stdout are those of the worker on `host` (as ssh takes it: ``user@gpu-box``).

    ssh asks no questions, for it has no terminal, and notices a lost connection within a minute. The environment
    variable NVP_STUDIO_SSH names another program with ssh's arguments. Raises `ValueError` for what is no host.
    """
    if not host or host.startswith("-") or any(character.isspace() for character in host):
        raise ValueError(f"{host!r} is not the name of a machine; give one that ssh knows, such as user@gpu-box")
    ssh = shlex.split(os.environ.get("NVP_STUDIO_SSH", "")) or ["ssh"]
    options = ["BatchMode=yes", "ConnectTimeout=15", "ServerAliveInterval=15", "ServerAliveCountMax=4"]
    return [*ssh, "-T", *(word for option in options for word in ("-o", option)), host, command]


def remote_reason(host: str, exit_code: int | None, damaged: bool, stderr_tail: Sequence[str]) -> str:
    """Why the worker on `host` ended, in one line for a person; a `damaged` stream held no messages."""
    last = f" ({stderr_tail[-1]})" if stderr_tail else ""
    if exit_code == _CANNOT_CONNECT:
        return f"cannot connect to {host}{last}; `ssh {host}` in a terminal must work without a question"
    if exit_code == _NOT_FOUND:
        return f"there is no nvp-studio on {host}{last}; install it there, or give the command with its whole path"
    if damaged:
        return f"{host} sent something that is no message; its shell's start-up files must print nothing"
    return f"the engine on {host} ended{f' with code {exit_code}' if exit_code is not None else ''}{last}"
