"""The agent: what it is asked for on its socket, and what it tells of those that ended."""

import json
import os
import select
import shutil
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from ._fork import forked
from ._namespaces import isolate, why_not
from ._processes import MARK, belongs, descendants, has_handler, kill, kill_tree
from ._program import Lifeline, become
from ._root import Root
from ._system import CLONE_NEWNS, CLONE_NEWPID, LIBC, PR_SET_CHILD_SUBREAPER, call

PACKET: Final = 2**18
"""Bytes of the longest message: an environment may be long."""
Request = dict[str, Any]


def _look(_: int, __: object) -> None:
    """There has to be a handler for the wake-up to come."""


class Agent:
    """Serves one socket."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._isolated = False
        self._base = ""
        self._ids: dict[int, str] = {}
        """Of everything that is ours to wait for, by process id."""
        self._pids: dict[str, int] = {}
        """The other way round."""
        self._containers: dict[str, str] = {}
        """Of commands that were executed inside: the id of the container."""
        self._lifeline = Lifeline()
        self._me = os.getpid()

    def tell(self, message: Request, *descriptors: int) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):
            data = json.dumps(message).encode()
            if descriptors:
                socket.send_fds(self._channel, [data], descriptors)
            else:
                self._channel.send(data)

    def run(self) -> None:
        LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        os.set_blocking(reading, False)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _look)
        poll = select.poll()
        poll.register(self._channel, select.POLLIN)
        poll.register(reading, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in poll.poll()}
            if reading in ready:
                with suppress(BlockingIOError):
                    os.read(reading, 4096)
            self._reap()
            if self._channel.fileno() in ready and not self._serve():
                return

    def _serve(self) -> bool:
        try:
            data, descriptors, _, _ = socket.recv_fds(self._channel, PACKET, 2)
        except ConnectionResetError:
            return False
        if not data:
            return False
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)  # noqa: FBT003 - its signature
        request: Request = json.loads(data)
        answer: Request = {"id": request["id"]}
        sockets: list[int] = []
        try:
            answer["result"] = getattr(self, f"_do_{request['do']}")(request, descriptors, sockets)
        except OSError as error:
            answer["error"] = error.strerror or str(error)
        self.tell(answer, *sockets)
        for descriptor in (*descriptors, *sockets):
            os.close(descriptor)
        return True

    def _do_begin(self, request: Request, _: list[int], __: list[int]) -> Request:
        """Say what can be had here."""
        self._base = request["base"]
        if request["isolation"] == "none":
            return {"isolated": False, "why": "as asked for"}
        if why := why_not(self._base, network=request["network"]):
            return {"isolated": False, "why": why}
        isolate(network=request["network"])
        self._isolated = True
        return {"isolated": True, "why": ""}

    def _do_start(self, request: Request, descriptors: list[int], _: list[int]) -> Request:
        def enter() -> None:
            if self._isolated:
                call("unshare", CLONE_NEWNS)
                Root(self._base).enter(request)
            os.chdir(request["cwd"])

        def enter_processes() -> None:
            call("unshare", CLONE_NEWPID)

        return self._run(request, descriptors, enter, enter_processes)

    def _do_exec(self, request: Request, descriptors: list[int], _: list[int]) -> Request:
        container = self._pids.get(request["target"])
        if container is None:
            raise ProcessLookupError(0, "container not running")
        namespaces: list[int] = []
        if self._isolated:
            places = ("root", "ns/mnt", "ns/pid")
            namespaces += [os.open(f"/proc/{container}/{name}", os.O_RDONLY) for name in places]

        def enter() -> None:
            if namespaces:
                call("setns", namespaces[1], CLONE_NEWNS)
                os.fchdir(namespaces[0])
                os.chroot(".")
            os.chdir(request["cwd"])

        def enter_processes() -> None:
            call("setns", namespaces[2], CLONE_NEWPID)

        try:
            result = self._run(request, descriptors, enter, enter_processes)
        finally:
            for descriptor in namespaces:
                os.close(descriptor)
        self._containers[request["id"]] = request["target"]
        return result

    def _run(
        self,
        request: Request,
        output: list[int],
        enter: Callable[[], None],
        enter_processes: Callable[[], None],
    ) -> Request:
        own_processes = self._isolated and not request["shared"]
        marks = {} if self._isolated else {MARK: request.get("target", request["id"])}
        env = request["env"] | marks
        pid = forked(
            lambda: become(request["argv"], env, output, self._lifeline, enter),
            enter_processes if own_processes else None,
        )
        self._ids[pid] = request["id"]
        self._pids[request["id"]] = pid
        return {"pid": pid}

    def _do_signal(self, request: Request, _: list[int], __: list[int]) -> Request:
        """To the first process alone. Where it is no PID 1, its lack of a default action is played."""
        pid = self._pids.get(request["target"])
        number = request["number"]
        if pid is None:
            return {"heard": False}
        heard = request["shared"] or has_handler(pid, number)
        if heard or self._isolated:
            os.kill(pid, number)
        return {"heard": heard}

    def _do_kill(self, request: Request, _: list[int], __: list[int]) -> Request:
        if pid := self._pids.get(request["target"]):
            if self._isolated and not request["shared"]:
                os.kill(pid, signal.SIGKILL)
            else:
                kill_tree(pid)
        return {}

    def _do_socket(self, _: Request, __: list[int], sockets: list[int]) -> Request:
        """One of this pod's network: a socket belongs to the namespace in which it was made."""
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sockets.append(made.detach())
        return {}

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if name := self._ids.pop(pid, None):
                del self._pids[name]
                self._leave_nothing(name)
                code = os.waitstatus_to_exitcode(status)
                self.tell({"ended": name, "code": code if code >= 0 else 128 - code})

    def _leave_nothing(self, name: str) -> None:
        """A container ends with its first process. A namespace sees to that by itself."""
        self._containers.pop(name, None)
        for command, container in [*self._containers.items()]:
            if container == name and (pid := self._pids.get(command)):
                kill_tree(pid)
        if not self._isolated:
            while strays := [pid for pid in descendants(self._me) if belongs(pid, name)]:
                for pid in strays:
                    kill_tree(pid)

    def end(self) -> None:
        """Nothing is left: no process, and no file."""
        while family := descendants(self._me):
            for member in family:
                kill(member)
            with suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
        if self._base:
            shutil.rmtree(self._base, ignore_errors=True)


def main() -> None:
    channel = socket.socket(fileno=int(sys.argv[1]))
    channel.set_inheritable(False)
    agent = Agent(channel)
    try:
        agent.run()
    finally:
        agent.end()
