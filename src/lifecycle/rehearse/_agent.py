"""The node's side of a rehearsal: one process for each pod, which starts, signals and reaps what runs in it.

It is started by itself (`python -I _agent.py`), and imports nothing of ours: between it and what it starts there is
only fork and exec, so that nothing of it is left in a container. It has one thread, since only such a process may enter
a user namespace. Whoever told it what to do may be killed: then the socket ends, and everything here with it.

Requests and answers are JSON, one in a packet. `{"do": "start" | "exec" | "signal" | "kill" | "socket", "id": …}`; each
has an answer with that id, and `start` and `exec` a second one when it has ended: `{"ended": id, "code": …}`.
"""

import ctypes
import fcntl
import json
import os
import select
import shutil
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, NoReturn, cast

CLONE_NEWNS: Final = 0x00020000
CLONE_NEWUSER: Final = 0x10000000
CLONE_NEWPID: Final = 0x20000000
CLONE_NEWNET: Final = 0x40000000
MS_RDONLY: Final = 0x1
MS_NOSUID, MS_NODEV, MS_NOEXEC = 0x2, 0x4, 0x8
MS_REMOUNT: Final = 0x20
MS_BIND: Final = 0x1000
MS_REC: Final = 0x4000
MS_PRIVATE: Final = 0x40000
MNT_DETACH: Final = 2
PR_SET_PDEATHSIG: Final = 1
PR_SET_CHILD_SUBREAPER: Final = 36
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1
PACKET: Final = 2**18
"""Bytes of the longest message: an environment may be long."""
DEVICES: Final = ("full", "null", "random", "tty", "urandom", "zero")
LINKS: Final = {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}

LIBC = ctypes.CDLL(None, use_errno=True)
MARK: Final = "REHEARSED_CONTAINER"
"""In the environment of what runs without a namespace of its own."""
Request = dict[str, Any]


def call(name: str, *arguments: object) -> None:
    """
    Raises:
        OSError: It failed.
    """
    words = [word.encode() if isinstance(word, str) else word for word in arguments]
    if getattr(LIBC, name)(*words) < 0:
        number = ctypes.get_errno()
        shown = ", ".join(repr(word) for word in arguments)
        raise OSError(number, f"{os.strerror(number)}: {name}({shown})")


def mount(
    source: str, target: str, kind: str | None = None, flags: int = 0, data: str = ""
) -> None:
    call("mount", source, target, kind, ctypes.c_ulong(flags), data)


def bind(source: str, target: str) -> None:
    mount(source, target, None, MS_BIND | MS_REC)


def enter_user_namespace() -> None:
    """Everybody is there who he was, and we may do in it what else only root may."""
    user, group = os.geteuid(), os.getegid()
    call("unshare", CLONE_NEWUSER)
    with open("/proc/self/setgroups", "w") as file:
        file.write("deny")
    for kind, number in (("uid", user), ("gid", group)):
        with open(f"/proc/self/{kind}_map", "w") as file:
            file.write(f"{number} {number} 1")


def isolate(*, network: bool) -> None:
    """
    Raises:
        OSError: Not here: why, it says.
    """
    flags = CLONE_NEWNS | (CLONE_NEWNET if network else 0)
    try:
        call("unshare", flags)
    except PermissionError:
        enter_user_namespace()
        call("unshare", flags)
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    if network:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            request = b"lo".ljust(16, b"\0") + IFF_UP.to_bytes(2, sys.byteorder) + bytes(14)
            fcntl.ioctl(probe, SIOCSIFFLAGS, request)


class Root:
    """The file system of a container: this machine's, with what the pod mounts where it mounts it."""

    def __init__(self, base: str) -> None:
        self._base = base
        self._ours = {"/"}
        """Directories in which we may make mount points without leaving anything on this machine."""
        self._whole = {"/tmp", "/dev"}  # noqa: S108 - the container's own
        """And these with all that is below them."""

    def enter(self, spec: Request) -> None:
        root = f"{self._base}/root"
        mount("tmpfs", root, "tmpfs", 0, "mode=755")
        for entry in os.scandir("/"):
            if entry.name not in ("dev", "proc", "tmp"):
                self._mirror_entry(entry, f"{root}/{entry.name}")
        for name in ("dev", "proc", "tmp", ".base"):
            os.mkdir(f"{root}/{name}")
        if spec["shared"]:
            bind("/proc", f"{root}/proc")
        else:
            mount("proc", f"{root}/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
        mount(self._base, f"{root}/.base", None, MS_BIND)
        bind(spec["tmp"], f"{root}/tmp")  # noqa: S108 - the container's own
        self._fill_dev(f"{root}/dev", spec["shm"])
        for number, kept in enumerate(spec["keep"]):
            os.mkdir(f"{root}/.keep{number}")
            bind(kept, f"{root}/.keep{number}")
        os.chroot(root)
        os.chdir("/")
        self._ours |= self._whole
        for number, kept in enumerate(spec["keep"]):
            self.place(f"/.keep{number}", kept)
            call("umount2", f"/.keep{number}", MNT_DETACH)
            os.rmdir(f"/.keep{number}")
        for source, target, read_only in spec["mounts"]:
            self.place(f"/.base/{source}", target, read_only=read_only)
        call("umount2", "/.base", MNT_DETACH)
        os.rmdir("/.base")

    def _mirror_entry(self, entry: "os.DirEntry[str]", target: str) -> None:
        if entry.is_symlink():
            os.symlink(os.readlink(entry.path), target)
            return
        if entry.is_dir():
            os.mkdir(target)
        else:
            os.close(os.open(target, os.O_CREAT | os.O_WRONLY))
        with suppress(OSError):  # what cannot be shown is not there
            bind(entry.path, target)

    def _fill_dev(self, dev: str, shm: str) -> None:
        mount("tmpfs", dev, "tmpfs", MS_NOSUID, "mode=755")
        for name in DEVICES:
            with suppress(OSError):
                os.close(os.open(f"{dev}/{name}", os.O_CREAT | os.O_WRONLY))
                bind(f"/dev/{name}", f"{dev}/{name}")
        for name, target in LINKS.items():
            os.symlink(target, f"{dev}/{name}")
        for name, source in (("shm", shm), ("pts", "/dev/pts")):
            os.mkdir(f"{dev}/{name}")
            with suppress(OSError):
                bind(source, f"{dev}/{name}")

    def place(self, source: str, target: str, *, read_only: bool = False) -> None:
        """Mount `source` there. What is missing on the way is made, and not on this machine."""
        target = os.path.realpath(target)
        self._make_way(os.path.dirname(target))
        if not os.path.lexists(target):
            self._own(os.path.dirname(target))
            if os.path.isdir(source):
                os.mkdir(target)
            else:
                os.close(os.open(target, os.O_CREAT | os.O_WRONLY))
        bind(source, target)
        if read_only:
            # What it is restricted by already is locked for us, and would have to be said again.
            kept = os.statvfs(target).f_flag & (MS_NOSUID | MS_NODEV | MS_NOEXEC)
            mount(source, target, None, MS_BIND | MS_REMOUNT | MS_RDONLY | kept)

    def _make_way(self, folder: str) -> None:
        if os.path.isdir(folder):
            return
        parent = os.path.dirname(folder)
        self._make_way(parent)
        self._own(parent)
        os.mkdir(folder)

    def _own(self, folder: str) -> None:
        """Put a folder of ours in the place of this one, with the same in it."""
        if folder in self._ours or any(folder.startswith(f"{one}/") for one in self._whole):
            return
        os.mkdir("/.stage")
        bind(folder, "/.stage")
        mount("tmpfs", folder, "tmpfs", 0, "mode=755")
        for entry in os.scandir("/.stage"):
            self._mirror_entry(entry, f"{folder}/{entry.name}")
        call("umount2", "/.stage", MNT_DETACH)
        os.rmdir("/.stage")
        self._ours.add(folder)


def has_handler(pid: int, number: int) -> bool:
    """Whether it handles, or blocks, that signal: for a PID 1 there is no default action."""
    try:
        with open(f"/proc/{pid}/status") as file:
            masks = dict(line.split(":\t", 1) for line in file if line.startswith("Sig"))
    except OSError:
        return False
    known = any(int(masks[name], 16) >> (number - 1) & 1 for name in ("SigCgt", "SigBlk"))
    return known or waits_for_signals(pid)


RT_SIGTIMEDWAIT = {"x86_64": "128", "aarch64": "137"}
"""Its number, by machine: see https://man7.org/linux/man-pages/man2/sigwaitinfo.2.html"""


def waits_for_signals(pid: int) -> bool:
    """As a supervisor does. What it waits for is not shown as blocked meanwhile, and is delivered to a PID 1 all the same."""
    try:
        with open(f"/proc/{pid}/syscall") as file:
            return file.read().split()[0] == RT_SIGTIMEDWAIT.get(os.uname().machine)
    except (OSError, IndexError):
        return False


def descendants(root: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(OSError), open(f"/proc/{name}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
                if fields[0] not in "ZX":
                    children.setdefault(int(fields[1]), []).append(int(name))
    found, generation = [root], [root]
    while generation:
        generation = [child for parent in generation for child in children.get(parent, ())]
        found += generation
    return found[1:]


def belongs(pid: int, container: str) -> bool:
    """Orphans become ours, and have nothing left to tell their container by but their environment."""
    with suppress(OSError), open(f"/proc/{pid}/environ", "rb") as file:
        return f"{MARK}={container}".encode() in file.read().split(b"\0")
    return False


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
        self._alive_read, self._alive_write = os.pipe()
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
        why = self._try_isolation(network=request["network"])
        if why:
            return {"isolated": False, "why": why}
        isolate(network=request["network"])
        self._isolated = True
        return {"isolated": True, "why": ""}

    def _try_isolation(self, *, network: bool) -> str:
        """In a child: half an isolation cannot be taken back."""
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            self._report_and_exit(writing, lambda: self._trial(network=network))
        os.close(writing)
        with open(reading, "rb") as pipe:
            why = pipe.read().decode()
        os.waitpid(pid, 0)
        return why

    def _trial(self, *, network: bool) -> None:
        isolate(network=network)
        call("unshare", CLONE_NEWPID)
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            self._report_and_exit(writing, self._try_mounts)
        os.close(writing)
        with open(reading, "rb") as pipe:
            why = pipe.read().decode()
        os.waitpid(pid, 0)
        if why:
            raise OSError(0, why)

    def _try_mounts(self) -> None:
        call("unshare", CLONE_NEWNS)
        root = f"{self._base}/root"
        mount("tmpfs", root, "tmpfs", 0, "mode=755")
        os.mkdir(f"{root}/proc")
        mount("proc", f"{root}/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)

    def _report_and_exit(self, descriptor: int, work: Callable[[], object]) -> NoReturn:
        try:
            work()
        except OSError as error:
            os.write(descriptor, (error.strerror or str(error)).encode())
        except BaseException as error:  # noqa: BLE001 - a child of ours says what it died of
            os.write(descriptor, repr(error).encode())
        finally:
            os._exit(0)

    def _do_start(self, request: Request, descriptors: list[int], _: list[int]) -> Request:
        enter = None
        if self._isolated and not request["shared"]:
            enter = lambda: call("unshare", CLONE_NEWPID)  # noqa: E731 - one of two, see _do_exec
        return {"pid": self._fork(request, descriptors, enter, lambda: self._become(request))}

    def _become(self, request: Request) -> None:
        if self._isolated:
            call("unshare", CLONE_NEWNS)
            Root(self._base).enter(request)
        os.chdir(request["cwd"])

    def _do_exec(self, request: Request, descriptors: list[int], _: list[int]) -> Request:
        container = self._pids.get(request["target"])
        if container is None:
            raise ProcessLookupError(0, "container not running")
        enter = None
        namespaces: list[int] = []
        if self._isolated:
            places = ("root", "ns/mnt", "ns/pid")
            namespaces += [os.open(f"/proc/{container}/{name}", os.O_RDONLY) for name in places]
            if not request["shared"]:
                enter = lambda: call("setns", namespaces[2], CLONE_NEWPID)  # noqa: E731 - see _do_start

        def become() -> None:
            if namespaces:
                call("setns", namespaces[1], CLONE_NEWNS)
                os.fchdir(namespaces[0])
                os.chroot(".")
            os.chdir(request["cwd"])

        try:
            pid = self._fork(request, descriptors, enter, become)
        finally:
            for descriptor in namespaces:
                os.close(descriptor)
        self._containers[request["id"]] = request["target"]
        return {"pid": pid}

    def _fork(
        self,
        request: Request,
        descriptors: list[int],
        enter: Callable[[], None] | None,
        become: Callable[[], None],
    ) -> int:
        """
        Raises:
            OSError: It could not be executed.
        """
        reading, writing = os.pipe()

        def work() -> None:
            self._report_and_exit(writing, lambda: self._exec(request, descriptors, become))

        if enter is None:
            pid = os.fork()
            if pid == 0:
                work()
        else:
            pid = self._fork_into(enter, work, writing)
        os.close(writing)
        with open(reading, "rb") as pipe:
            why = pipe.read().decode()
        if why:
            if pid:
                os.waitpid(pid, 0)
            raise OSError(0, why)
        self._ids[pid] = request["id"]
        self._pids[request["id"]] = pid
        return pid

    def _fork_into(self, enter: Callable[[], None], work: Callable[[], None], report: int) -> int:
        """Through a child that enters the process namespace for its own children, and then leaves this one to us.

        Entering it ourselves would be for good: in a user namespace nobody may come back. 0 if that failed.
        """
        told, telling = os.pipe()
        waiting, going = os.pipe()
        between = os.fork()
        if between == 0:
            os.close(going)
            self._report_and_exit(report, lambda: self._step_between(enter, work, telling, waiting))
        os.close(telling)
        os.close(waiting)
        with open(told, "rb") as pipe:
            pid = int(pipe.read() or b"0")
        os.waitpid(between, 0)
        os.close(going)
        return pid

    def _step_between(
        self, enter: Callable[[], None], work: Callable[[], None], telling: int, waiting: int
    ) -> None:
        enter()
        pid = os.fork()
        if pid == 0:
            os.close(telling)
            # Until it is ours: its parent's death must not be taken for ours.
            os.read(waiting, 1)
            work()
        os.write(telling, str(pid).encode())

    def _exec(
        self, request: Request, descriptors: list[int], become: Callable[[], None]
    ) -> NoReturn:
        os.close(self._alive_write)
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if select.select([self._alive_read], [], [], 0)[0]:
            os._exit(1)  # the agent died before we asked to be told
        os.setsid()
        become()
        null = os.open("/dev/null", os.O_RDWR)
        for target, source in ((0, null), (1, descriptors[0]), (2, descriptors[-1])):
            os.dup2(source, target)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)  # an interpreter ignores these two
        argv = cast("list[str]", request["argv"])
        marks = {} if self._isolated else {MARK: request.get("target", request["id"])}
        try:
            os.execvpe(argv[0], argv, request["env"] | marks)  # noqa: S606 - what the manifest says
        except FileNotFoundError:
            raise FileNotFoundError(
                0, f"exec: {argv[0]!r}: executable file not found in $PATH"
            ) from None

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
                self._kill_tree(pid)
        return {}

    def _kill_tree(self, pid: int) -> None:
        """The children first, for as long as there are new ones: an orphan would become ours, and nobody's."""
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
        while family := descendants(pid):
            for member in family:
                with suppress(ProcessLookupError):
                    os.kill(member, signal.SIGKILL)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

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
                self._kill_tree(pid)
        if not self._isolated:
            while strays := [pid for pid in descendants(self._me) if belongs(pid, name)]:
                for pid in strays:
                    self._kill_tree(pid)

    def end(self) -> None:
        """Nothing is left: no process, and no file."""
        while family := descendants(self._me):
            for member in family:
                with suppress(ProcessLookupError):
                    os.kill(member, signal.SIGKILL)
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


if __name__ == "__main__":
    main()
