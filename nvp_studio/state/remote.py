"""Workers on another machine: the command that starts one over ssh, and the reason why one ended."""

import os
import re
import shlex
from collections.abc import Sequence

DEFAULT_COMMAND = "nvp-studio worker"
"""The shell command that starts a worker there."""
_CANNOT_CONNECT = 255
_NOT_FOUND = 127
_WORKER = re.compile(r"nvp[-_]studio[ .]worker(?![\w./-])")
"""The worker in a shell command: `nvp-studio worker`, or a module of Python."""


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


def with_option(command: str, option: str) -> str:
    """The shell command with an option for the worker: behind its name, as in ``bash -lc 'nvp-studio worker'``.

    A command that does not name the worker gets the option at its end, such as a script that hands on its arguments.
    """
    end = max((match.end() for match in _WORKER.finditer(command)), default=len(command))
    return f"{command[:end]} {option}{command[end:]}"


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
