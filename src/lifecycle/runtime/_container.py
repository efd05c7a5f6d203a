"""When this container started, as the clock on the wall would say.

A file in an emptyDir outlives a restart of the container, so "is this trigger ours?" needs the start of
the container, not of this process: a worker that is replaced an hour later still belongs to the same start.
The container's entry process is the one whose parent is outside (0). PID 1 would not do: with
shareProcessNamespace that is the pause container, which is as old as the pod.
"""

import os
import time
from pathlib import Path
from typing import NamedTuple

# PROC_PID_INIT_INO: the inode of the first PID namespace is a constant of the kernel.
# https://github.com/torvalds/linux/blob/v6.12/include/linux/proc_ns.h
_HOST_NAMESPACE = "pid:[4026531836]"

_OUTSIDE_SLACK = 1.0
"""Outside a container nothing tells where a start begins: a hook may run a little before us."""

_loaded_at = time.time()


class Process(NamedTuple):
    """The two fields of /proc/PID/stat that matter here; `started` is in clock ticks since boot."""

    parent: int
    started: int


def parse_stat(line: bytes) -> Process:
    """Read one line of /proc/PID/stat.

    The second field is the program's name in parentheses, and a program may be called `a) R (b`: only
    what follows the last parenthesis can be counted off. Fields: proc_pid_stat(5).
    """
    fields = line[line.rindex(b")") + 1 :].split()
    return Process(parent=int(fields[1]), started=int(fields[19]))


def container_started_at(proc: Path = Path("/proc")) -> float:
    """Seconds since the epoch at which the container's entry process started.

    Outside a container (the host's own PID namespace, or no usable /proc) it is this process's own start
    less one second.
    """
    try:
        own = parse_stat((proc / "self/stat").read_bytes())
    except (OSError, ValueError, IndexError):
        return _loaded_at - _OUTSIDE_SLACK
    if not _in_a_container(proc):
        return _wall(own.started) - _OUTSIDE_SLACK
    return _wall(_entry(proc, own).started)


def _in_a_container(proc: Path) -> bool:
    try:
        # After `unshare --pid` without a new mount, /proc tells of a namespace that is not ours.
        ours = (proc / "self").readlink().name == str(os.getpid())
        return ours and (proc / "self/ns/pid").readlink().name != _HOST_NAMESPACE
    except OSError:
        return False


def _entry(proc: Path, process: Process) -> Process:
    while process.parent:
        try:
            process = parse_stat((proc / str(process.parent) / "stat").read_bytes())
        except (OSError, ValueError, IndexError):  # hidepid=, or the parent has just gone
            break
    return process


def _wall(ticks: int) -> float:
    # Ticks and CLOCK_BOOTTIME are shifted alike in a time namespace, and both go on during suspend.
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return time.time() - age
