"""The command line in a mount namespace of its own, in which a run's folder lies on a small or read-only tmpfs.

    python -m tests.faults.mount FOLDER full|read-only [WORD ...]

The content of FOLDER is copied to a tmpfs that takes its place, which has a page of room left, or is ``read-only``.
What the command leaves there is copied to FOLDER.after, which outlives the namespace. Exits with 77 where the system
forbids all that.
"""

import ctypes
import os
import shutil
import sys
from pathlib import Path

FORBIDDEN = 77
_NEW_NAMESPACE, _NEW_USER, _PRIVATE, _REMOUNT, _READ_ONLY, _RECURSIVE = 0x20000, 0x10000000, 0x40000, 32, 1, 0x4000
_libc = ctypes.CDLL(None, use_errno=True)


def _mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    words = [word.encode() for word in (source, target, kind)]
    if _libc.mount(*words, ctypes.c_ulong(flags), options.encode()):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def separate() -> None:
    """Take this process into a mount namespace of its own, as root of a user namespace if it must; raises `OSError`."""
    user, group = os.getuid(), os.getgid()
    if _libc.unshare(_NEW_NAMESPACE):
        if _libc.unshare(_NEW_NAMESPACE | _NEW_USER):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    _mount("none", "/", "none", _PRIVATE | _RECURSIVE)


def replace_by_tmpfs(folder: Path, room: int) -> None:
    """Mount a tmpfs at `folder` that holds its content and `room` bytes more."""
    content = folder.with_name(f"{folder.name}.before")
    shutil.copytree(folder, content)
    page = os.sysconf("SC_PAGE_SIZE")
    used = sum(-(-path.stat().st_size // page) * page for path in content.rglob("*") if path.is_file())
    _mount("none", str(folder), "tmpfs", 0, f"size={used + room}")
    shutil.copytree(content, folder, dirs_exist_ok=True)
    shutil.rmtree(content)


def run(folder: Path, trouble: str, words: list[str]) -> int:
    """Run the command line and give its exit status."""
    try:
        separate()
        replace_by_tmpfs(folder, os.sysconf("SC_PAGE_SIZE"))
        if trouble == "read-only":
            _mount("none", str(folder), "none", _REMOUNT | _READ_ONLY)
    except OSError as error:
        print(f"no mount of our own: {error}", file=sys.stderr)
        return FORBIDDEN
    from nvp_studio.cli import main
    from nvp_studio.training import publisher

    publisher._END_PAUSES = ()
    status = 0
    try:
        main(words)
    except SystemExit as ended:
        status = int(ended.code or 0)
    shutil.copytree(folder, folder.with_name(f"{folder.name}.after"))
    return status


if __name__ == "__main__":
    os._exit(run(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))
