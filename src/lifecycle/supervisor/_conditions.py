"""What is waited for, each in a worker process: plain loops, because nobody is kept waiting by them.

A worker answers with its exit status, and with one line in its pipe that says why.
"""

from time import monotonic, sleep, time

from . import _markers, _state
from ._loop import Answer
from ._specs import STATES, Condition, statuses
from ._statuses import SKIPPED, UNAVAILABLE
from ._system import posix

MET = 0
# inotify is no faster in practice, misses late directories, and is not in the standard library.
FILE_PERIOD = 0.02
# What may take as long as the pod lives is looked at less often.
WATCH_PERIOD = 0.1
PORT_PERIOD = 0.1
PORT_TIMEOUT = 1.0
# How long a dependent may take to hear of the stop that we have heard of already.
HEARING = 1.0


def wait(condition: Condition, base: str, period: float = FILE_PERIOD) -> Answer:
    if condition.kind == "name":
        return wait_for_name(base, condition.target, condition.state, period)
    if condition.kind == "file":
        return wait_for_file(condition, period)
    if condition.kind == "tombstone":
        return wait_for_tombstone(condition, base, period)
    if condition.kind == "heartbeat":
        from ._argo import wait_for_heartbeat

        return wait_for_heartbeat(condition.target)
    return wait_for_answer(condition)


def wait_for_file(condition: Condition, period: float) -> Answer:
    while not _markers.is_there(condition.target, content=bool(condition.state)):
        if condition.state and _markers.is_folder(condition.target):
            return Answer(UNAVAILABLE, f"{condition.target} is a directory, without content")
        sleep(period)
    return Answer(MET)


def wait_for_answer(condition: Condition) -> Answer:
    """From a port, or from a URL."""
    from . import _network

    while True:
        try:
            if condition.kind == "tcp":
                _network.open_port(condition.target, PORT_TIMEOUT)
                return Answer(MET)
            if 200 <= _network.request("GET", condition.target, PORT_TIMEOUT) < 300:
                return Answer(MET)
        except OSError:
            pass  # Not yet: that is what we are here for.
        sleep(PORT_PERIOD)


def wait_for_name(base: str, name: str, wanted: str, period: float) -> Answer:
    while True:
        neighbour = _state.look_at(base, name)
        answer = judge(neighbour, name, wanted)
        if answer is not None:
            return answer
        if neighbour.alive and wanted not in ("started", "ready"):
            _state.await_death(base, name)
            if not _state.look_at(base, name).unknown:
                continue
        sleep(period)


def wait_for_tombstone(condition: Condition, base: str, period: float) -> Answer:
    """For a neighbour under kubexit itself, which keeps no state but a file: `Born`, and in the end `Died`.

    One of ours writes tombstones, too. Its lock tells more, so as soon as there is one the tombstone is not looked at.
    """
    name = _markers.name(condition.target)
    while _state.look_at(base, name).unknown:
        lines = [
            line.partition(b":") for line in (_markers.read(condition.target) or b"").splitlines()
        ]
        told = {key for key, _, value in lines if value.strip() not in (b"", b"null")}
        if b"Died" in told:
            return Answer(MET if condition.state == "exited" else SKIPPED, f"{name} has died")
        if b"Born" in told and condition.state != "exited":
            return Answer(MET)
        sleep(period)
    return wait_for_name(base, name, condition.state, period)


def judge(neighbour: _state.Neighbour, name: str, wanted: str) -> Answer | None:
    """Whether what is wanted of a neighbour is so, can no longer become so, or is still open."""
    if neighbour.unknown:
        return None
    code = neighbour.ended
    if neighbour.vanished:
        if wanted == "exited":
            return Answer(MET, f"{name} was killed without a word")
        return Answer(UNAVAILABLE, f"{name} was killed without a word")
    if code is None:
        if (wanted == "started" and neighbour.started) or (wanted == "ready" and neighbour.ready):
            return Answer(MET)
        return None
    if wanted == "exited" or (wanted in ("started", "ready", "success") and code == 0):
        return Answer(MET, f"{name} ended with {code}")
    if wanted not in STATES and code in statuses(wanted):
        return Answer(MET, f"{name} ended with {code}")
    return Answer(SKIPPED, f"{name} ended with {code}")


def wait_for_files(
    paths: list[str], *, content: bool, since: float, go_on_after_failure: bool = False
) -> Answer:
    """Each in turn; the content of the last one. `since` is when a file counts as fresh."""
    message = b""
    for path in paths:
        while not _markers.is_there(path, content=content) or written(path) < since:
            if _markers.is_there(path + _markers.FAILED):
                if go_on_after_failure:
                    break
                return Answer(SKIPPED, f"{path}{_markers.FAILED} says that its writer failed")
            if _state.is_locked(path + _markers.LIVING) is False and not _any(path):
                return Answer(UNAVAILABLE, f"the writer of {path} was killed without a word")
            if _markers.is_folder(path):
                return Answer(UNAVAILABLE, f"{path} is a directory, where a file was expected")
            sleep(FILE_PERIOD)
        message = _markers.read(path) or b""
    return Answer(MET, message.decode("utf-8", "surrogateescape"))


def _any(path: str) -> bool:
    """What is written before the lock is given up is there once it was seen to be free."""
    return _markers.is_there(path) or _markers.is_there(path + _markers.FAILED)


def written(path: str) -> float:
    try:
        return posix.stat(path).st_mtime
    except OSError:
        return 0.0


def dependents(base: str, name: str) -> list[_state.Neighbour]:
    """Who lives, and came after us because it needs us."""
    neighbours = [_state.look_at(base, other) for other in _state.names(base) if other != name]
    return [each for each in neighbours if each.alive and name in each.predecessors]


def wait_for_dependents(base: str, name: str) -> Answer:
    """Until those that need us are gone: as long as they are on their way out, too.

    The kubelet tells all containers of a pod at once; a liveness restart tells us alone. So a dependent that has
    heard of no stop a second after us is not stopping, and is not waited for.
    """
    began = monotonic()
    while any(each.stopping or monotonic() - began < HEARING for each in dependents(base, name)):
        sleep(FILE_PERIOD)
    return Answer(MET)


def started_at(process: int | str = "self") -> float:
    """When a process began, by the clock that files are dated with."""
    stat = _markers.read(f"/proc/{process}/stat")
    uptime = _markers.read("/proc/uptime")
    if not stat or not uptime:
        return time()
    ticks = int(stat[stat.rindex(b")") + 2 :].split()[19])
    # Files are dated by the kernel's tick: a hundredth of a second on the safe side.
    return time() - (float(uptime.split()[0]) - ticks / posix.sysconf("SC_CLK_TCK")) - 0.02
