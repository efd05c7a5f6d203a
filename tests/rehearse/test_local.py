"""Real containers: processes with a PID 1 of their own where that is allowed, and the same promises where it is not."""

import errno
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import Mock

import anyio
import pytest

from lifecycle import RehearsalError
from lifecycle.kube import Container, EnvVar, Exec, Mount, Place, Pod, Role, Volume, Where
from lifecycle.rehearse import (
    Event,
    Journal,
    Kind,
    LocalOptions,
    PodClock,
    PodPhase,
    PodWorker,
    _link,
    play,
)
from lifecycle.rehearse._local import LocalRuntime
from tests.support.clock import flowing
from tests.support.servers import unmeasured

pytestmark = pytest.mark.process

ISOLATED = ("--pid", "--fork", "--mount-proc", "true")
USER = ("unshare", "--user", "--map-root-user")
ALLOWED = any(
    subprocess.run([*way, *ISOLATED], capture_output=True, check=False).returncode == 0
    for way in (("unshare",), USER)
)
NAMESPACES = pytest.param(
    "namespaces", marks=pytest.mark.skipif(not ALLOWED, reason="no namespaces for this user")
)
BOTH = pytest.mark.parametrize("isolation", [NAMESPACES, "none"])
ONE_BACKEND = pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
PYTHON = Path(sys.executable).name
FAST = 4.0
HANGS = 20.0
"""Seconds after which something is taken for hung."""


@pytest.fixture(autouse=True)
def _programs_are_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """By coverage, which would be started in each of their forks as well: they run no line of ours."""
    for name in os.environ.keys() - unmeasured(os.environ).keys():
        monkeypatch.delenv(name)


def python(program: str) -> tuple[str, ...]:
    return (sys.executable, "-uc", program)


LISTENS = """
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(%d))
print("up", flush=True)
while True: signal.pause()
"""


@dataclass
class Live:
    worker: PodWorker
    journal: Journal

    def events(self, kind: Kind, container: str = "app") -> list[Event]:
        return [
            event
            for event in self.journal.events
            if event.kind is kind and event.container == container
        ]

    def lines(self, container: str = "app") -> list[str]:
        return [event.detail for event in self.events(Kind.LOG, container)]

    async def until(self, happened: Callable[[], object]) -> None:
        with anyio.fail_after(HANGS):
            while not happened():  # noqa: ASYNC110 - what happens is another process's
                await anyio.sleep(0.01)

    async def printed(self, line: str, container: str = "app") -> None:
        await self.until(lambda: line in self.lines(container))

    async def end(self, grace: float | None = None) -> Event:
        self.worker.delete(grace)
        with anyio.fail_after(HANGS):
            await self.worker.ended.wait()
        return self.events(Kind.EXITED)[-1]


@asynccontextmanager
async def living(pod: Pod, isolation: str, **options: object) -> AsyncIterator[Live]:
    with flowing():
        clock = PodClock(FAST)
        journal = Journal(clock)
        local = LocalOptions(isolation=isolation, **options)  # type: ignore[arg-type]  # what a test writes
        async with play(pod, name="app-0", clock=clock, journal=journal, options=local) as worker:
            yield Live(worker, journal)


def alone(*command: str, grace: float = 10, **fields: object) -> Pod:
    container = Container(name="app", command=command, **fields)  # type: ignore[arg-type]  # what a test writes
    return Pod(containers=(container,), grace_period=grace, restart_policy="Never")


def files(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def marked(mark: str) -> list[str]:
    """Who has that in his command line, wherever he lives."""
    found: list[str] = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                command = (folder / "cmdline").read_bytes()
                state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if mark.encode() in command and state != "Z":
                found.append(command.decode(errors="replace"))
    return found


@BOTH
async def test_a_container_lives_and_dies_as_in_a_cluster(
    isolation: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "machine"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    program = LISTENS % 3 + "\n"
    tell = 'import sys; open(sys.argv[1], "w").write("goodbye")'
    pod = Pod(
        init=(
            Container(
                name="seed",
                role=Role.INIT,
                command=("sh", "-c", "echo $GREETING > /data/shared/greeting"),
                env=(
                    EnvVar(name="GREETING", value="hello $(WHO)$$"),
                    EnvVar(name="WHO", value="x"),
                ),
                mounts=(Mount(volume="v", path="/data/shared"),),
            ),
        ),
        containers=(
            Container(
                name="app",
                command=("sh", "-c", 'cat /data/shared/greeting; exec "$0" "$@"', *python(program)),
                mounts=(Mount(volume="v", path="/data/shared"),),
                pre_stop=Exec(command=(*python(tell), "/run/lc/message")),
                termination_message_path="/run/lc/message",
            ),
        ),
        volumes=(Volume(name="v"),),
        restart_policy="Never",
    )
    async with living(pod, isolation) as live:
        await live.printed("up")
        assert live.lines()[0] == "hello $(WHO)$"
        end = await live.end()
        assert end.data == {"exit_code": 3, "reason": "Error", "message": "goodbye"}
        assert live.worker.phase is PodPhase.FAILED
    assert [*folder.iterdir()] == []


async def test_it_is_pid_1_alone_and_its_files_are_its_own() -> None:
    if not ALLOWED:
        pytest.skip("no namespaces for this user")
    program = """
import os, pathlib
print(os.getpid(), os.getppid(), sorted(name for name in os.listdir("/proc") if name.isdigit()), flush=True)
print(os.listdir("/tmp/work"), os.path.exists("/tmp/before"), flush=True)
pathlib.Path("/tmp/before").touch()
for number in (0, 1, 2): print(os.readlink(f"/proc/self/fd/{number}")[:5], flush=True)
print(sorted(int(name) for name in os.listdir("/proc/self/fd"))[:-1], flush=True)
import time; time.sleep(0.2)
raise SystemExit(7)
"""
    container = Container(
        name="app", command=python(program), mounts=(Mount(volume="v", path="/tmp/work"),)
    )
    pod = Pod(containers=(container,), volumes=(Volume(name="v"),), restart_policy="OnFailure")
    async with living(pod, "namespaces") as live:
        await live.until(lambda: len(live.events(Kind.EXITED)) == 2)
        life = ["1 0 ['1']", "[] False", "/dev/", "pipe:", "pipe:", "[0, 1, 2]"]
        assert live.lines() == [*life, *life]
        assert {event.data["exit_code"] for event in live.events(Kind.EXITED)} == {7}
    assert not await anyio.Path("/tmp/before").exists()


@ONE_BACKEND
async def test_a_read_only_root_leaves_the_volumes_and_nothing_else_to_write_to(
    tmp_path: Path,
) -> None:
    if not ALLOWED:
        pytest.skip("no namespaces for this user")
    given = tmp_path / "given"
    given.mkdir()
    places = [
        *(
            "/",
            "/tmp",
            str(tmp_path),
            "/run/made",
            "/etc",
            "/etc/given",
            str(Path(sys.executable).parent),
        ),
        *("/data", "/run/made/here", "/dev/shm", "/dev"),
    ]
    program = f"""
import os, signal
can = []
for folder in {places}:
    path = os.path.join(folder, "written")
    try: os.close(os.open(path, os.O_CREAT | os.O_WRONLY)); os.unlink(path); can.append(folder)
    except OSError as error: assert error.errno == 30, (folder, error)
print(*can, flush=True)
open("/dev/termination-log", "w").write("goodbye")
signal.sigwait([signal.SIGTERM])
"""
    pod = alone(
        *python(program),
        read_only_root=True,
        working_dir=str(tmp_path),
        mounts=(
            Mount(volume="v", path="/data"),
            Mount(volume="w", path="/run/made/here"),
            Mount(volume="given", path="/etc/given", read_only=True),
        ),
        pre_stop=Exec(command=("sh", "-c", "touch /data/hook && ! touch /hook")),
    )
    pod = replace(pod, volumes=tuple(Volume(name=name) for name in ("v", "w", "given")))
    async with living(pod, "namespaces", volumes={"given": given}) as live:
        await live.until(live.lines)
        assert live.lines()[0].split() == ["/data", "/run/made/here", "/dev/shm", "/dev"]
        await live.end()
        (hook,) = live.events(Kind.PRE_STOP_ENDED)
        assert hook.data["ok"]
        (exited,) = live.events(Kind.EXITED)
        assert exited.data["message"] == "goodbye"
    assert [*given.iterdir()] == []


@BOTH
@ONE_BACKEND
@pytest.mark.parametrize(
    "command",
    [
        python("import time; print('up'); time.sleep(60)"),
        ("sh", "-c", f"{sys.executable} -uc '{LISTENS % 0}'; true"),
    ],
    ids=["no handler", "shell form"],
)
async def test_a_pid_1_without_a_handler_is_killed_when_its_grace_is_over(
    isolation: str, command: tuple[str, ...]
) -> None:
    async with living(alone(*command, grace=1), isolation) as live:
        await live.printed("up")
        end = await live.end()
        assert end.data["exit_code"] == 137
        term, kill = live.events(Kind.SIGNAL)
        assert (term.detail, term.data["ignored"], kill.detail) == ("SIGTERM", True, "SIGKILL")
        assert 1.9 < kill.at - term.at < 8


@BOTH
@ONE_BACKEND
async def test_without_a_shell_in_between_the_application_hears_of_its_end(isolation: str) -> None:
    async with living(
        alone("sh", "-c", f"exec {sys.executable} -uc '{LISTENS % 0}'"), isolation
    ) as live:
        await live.printed("up")
        end = await live.end()
        assert end.data["exit_code"] == 0
        assert live.worker.phase is PodPhase.SUCCEEDED


@BOTH
@ONE_BACKEND
async def test_a_shared_process_namespace_has_no_pid_1(isolation: str) -> None:
    command = python("import time; print('up'); time.sleep(60)")
    pod = Pod(containers=(Container(name="app", command=command),), share_process_namespace=True)
    async with living(pod, isolation) as live:
        await live.printed("up")
        assert (await live.end()).data["exit_code"] == 143


@BOTH
@ONE_BACKEND
async def test_hooks_run_inside_and_say_why_they_could_not(isolation: str) -> None:
    env = (EnvVar(name="WHERE", value="inside"),)
    hook = Exec(command=("sh", "-c", 'echo "$WHERE $(cat /proc/1/comm)"; exit 4'))
    missing = Exec(command=("no-such-program",))
    pod = alone(*python(LISTENS % 0), grace=2, env=env, post_start=hook, pre_stop=missing)
    async with living(pod, isolation) as live:
        await live.until(live.worker.ended.is_set)
        (ended,) = live.events(Kind.POST_START_ENDED)
        message = str(ended.data["message"])
        assert "exited with 4: inside" in message
        if isolation == "namespaces":
            assert message.endswith(PYTHON[:15])
        (ended,) = live.events(Kind.PRE_STOP_ENDED)
        assert ended.data["message"] == (
            "exec: 'no-such-program': executable file not found in $PATH"
        )


@BOTH
@ONE_BACKEND
async def test_a_background_child_holds_its_hook_open_and_dies_with_the_container(
    isolation: str,
) -> None:
    mark = f"61.{os.getpid()}"
    pod = alone(
        *python("import time; print('up'); time.sleep(60)"),
        grace=1,
        pre_stop=Exec(command=("sh", "-c", f"sleep {mark} & exit 0")),
    )
    async with living(pod, isolation) as live:
        await live.printed("up")
        await live.end()
        assert live.events(Kind.PRE_STOP_ABANDONED)
    assert marked(mark) == []


@BOTH
@ONE_BACKEND
async def test_who_forks_wildly_ignores_everything_and_leaves_his_session_is_gone_all_the_same(
    isolation: str,
) -> None:
    mark = f"wild-{os.getpid()}-{isolation}"
    program = f"""
import os, signal, time
mark = "{mark}"
for number in range(1, 64):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
for _ in range(6): os.fork()
if os.fork() == 0:
    os.setsid()
    if os.fork(): os._exit(0)
print("up", flush=True)
time.sleep(60)
"""
    async with living(alone(*python(program), grace=0), isolation) as live:
        await live.until(lambda: len(live.lines()) > 100)
        assert len(marked(mark)) > 100
        end = await live.end()
        assert end.data["exit_code"] == 137
    assert marked(mark) == []


@BOTH
@ONE_BACKEND
async def test_a_flood_of_output_is_contained_and_said(isolation: str) -> None:
    program = "import sys\nwhile True: sys.stdout.write('y' * 100 + chr(10))"
    async with living(alone(*python(program), grace=0), isolation) as live:
        await live.until(lambda: len(live.lines()) > 1000)
        await live.end()
        await live.until(
            lambda: any("lines are shown" in note.detail for note in live.events(Kind.NOTE))
        )
        assert len(live.lines()) == 2000


REHEARSAL = """
import sys
import anyio
from lifecycle.kube import Container, Pod
from lifecycle.rehearse import Journal, LocalOptions, PodClock, play

program, isolation = sys.argv[1:]

async def main():
    clock = PodClock()
    journal = Journal(clock)
    journal.subscribe(lambda event: print(event.kind, event.detail, flush=True))
    pod = Pod(containers=(Container(name="app", command=(sys.executable, "-uc", program)),))
    options = LocalOptions(isolation=isolation)
    async with play(pod, name="app-0", clock=clock, journal=journal, options=options):
        await anyio.sleep_forever()

anyio.run(main)
"""


@BOTH
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_when_the_rehearsal_itself_is_ended(
    tmp_path: Path, isolation: str, number: signal.Signals
) -> None:
    mark = f"left-{os.getpid()}-{isolation}-{number}"
    program = f"""
import os, signal, time
mark = "{mark}"
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.fork()
os.setsid() if os.getpid() != os.getsid(0) else None
print("up", flush=True)
time.sleep(60)
"""
    rehearsal = subprocess.Popen(
        [sys.executable, "-c", REHEARSAL, program, isolation],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert rehearsal.stdout is not None
    for line in rehearsal.stdout:
        if line.startswith("log up"):
            break
    assert len(marked(mark)) >= 2
    rehearsal.send_signal(number)
    _, errors = rehearsal.communicate(timeout=HANGS)
    assert rehearsal.returncode in (1, -number), errors
    wait_until(lambda: not [one for one in marked(mark) if "lifecycle.rehearse" not in one])
    wait_until(lambda: not [*tmp_path.iterdir()])


@pytest.mark.skipif(
    subprocess.run([*USER, *ISOLATED], capture_output=True, check=False).returncode != 0,
    reason="no namespaces for ordinary users",
)
def test_an_ordinary_user_has_a_pid_1_too() -> None:
    rehearsal = subprocess.Popen(
        [
            *USER,
            sys.executable,
            "-c",
            REHEARSAL,
            "import os; print('I am', os.getpid())",
            "namespaces",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert rehearsal.stdout is not None
    with rehearsal:
        line = next(line for line in rehearsal.stdout if line.startswith("log"))
        rehearsal.kill()
    assert line == "log I am 1\n"


@BOTH
@ONE_BACKEND
async def test_without_its_agent_a_container_does_not_live(isolation: str) -> None:
    mark = f"orphan-{os.getpid()}-{isolation}"
    command = python(f"import time; print('up'); time.sleep(60) # {mark}")
    async with living(alone(*command), isolation) as live:
        await live.printed("up")
        (started,) = live.events(Kind.STARTED)
        stat = await anyio.Path(f"/proc/{started.data['pid']}/stat").read_text()
        os.kill(int(stat.rpartition(")")[2].split()[1]), signal.SIGKILL)
        await live.until(lambda: live.events(Kind.EXITED))
        assert live.events(Kind.EXITED)[0].data["exit_code"] == 137
        await live.until(lambda: not marked(mark))


def wait_until(happened: Callable[[], bool], *, pause: float = 0.02) -> None:
    deadline = time.monotonic() + HANGS
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(pause)


WHERE = Where("pod.yaml", 7, 5)
PLACE = Place(where=WHERE)


@pytest.mark.parametrize(
    ("container", "options", "message"),
    [
        (
            Container(name="web", place=PLACE),
            {},
            (
                "pod.yaml:7:5: container 'web' runs what its image says, which a manifest does not show: "
                'say it with --run web="COMMAND ARGS…"'
            ),
        ),
        (
            Container(name="web", command=("no-such-program", "-x"), place=PLACE),
            {},
            (
                "pod.yaml:7:5: container 'web': 'no-such-program' is not on this machine: install it, "
                'or give another command with --run web="COMMAND ARGS…"'
            ),
        ),
        (
            Container(
                name="web",
                command=("sh",),
                env=(EnvVar(name="KEY", value=None, source="secretKeyRef:a/b", place=PLACE),),
            ),
            {},
            (
                "pod.yaml:7:5: KEY of container 'web' comes from secretKeyRef:a/b, which is not here: "
                "say it with --env KEY=VALUE"
            ),
        ),
        (
            Container(name="web", command=("sh",)),
            {"run": {"wbe": "sh"}},
            "there is no container 'wbe' to run a command in: the pod has web",
        ),
    ],
    ids=["image", "command", "variable", "name"],
)
@ONE_BACKEND
async def test_what_cannot_be_played_is_refused_before_anything_runs(
    container: Container, options: dict[str, object], message: str
) -> None:
    with pytest.raises(RehearsalError) as refused:
        async with living(Pod(containers=(container,)), "none", **options):
            pass
    assert str(refused.value) == message


@ONE_BACKEND
async def test_a_disk_that_is_full_is_said_to_be_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(
        RehearsalError, match=r"pod's own files cannot be made: .*No such file.*TMPDIR"
    ):
        async with living(alone("true"), "auto"):
            pass
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with monkeypatch.context() as patched:
        patched.setattr(LocalRuntime, "_fill", Mock(side_effect=full))
        pod = replace(alone("true"), volumes=(Volume(name="v"),))
        with pytest.raises(RehearsalError, match=r"cannot be made: .*No space left on device"):
            async with living(pod, "auto"):
                pass
    with monkeypatch.context() as patched:
        patched.setattr(LocalRuntime, "_own_files", Mock(side_effect=full))
        async with living(alone("true"), "auto") as live:
            await live.until(lambda: live.events(Kind.WARNING))
            assert "No space left on device" in live.events(Kind.WARNING)[0].detail
    assert files(tmp_path) == []


@ONE_BACKEND
async def test_temporary_files_may_lie_in_what_the_container_sees(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not ALLOWED:
        pytest.skip("no namespaces for this user")
    with tempfile.TemporaryDirectory(dir="/tmp") as project:
        folder = tempfile.mkdtemp(dir=project)
        monkeypatch.setattr(tempfile, "tempdir", folder)
        command = python("import os; print(os.getcwd(), os.listdir('/tmp'))")
        async with living(alone(*command), "namespaces", cwd=Path(project)) as live:
            await live.until(live.lines)
            assert live.lines() == [f"{project} ['{Path(project).name}']"]
        assert files(Path(folder)) == []


@ONE_BACKEND
async def test_an_agent_that_does_not_come_up_is_an_error_that_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_link, "AGENT", "raise SystemExit(1)")
    with pytest.raises(RehearsalError, match="the process that is to play the node ended at once"):
        async with living(alone("true"), "auto"):
            pass


@ONE_BACKEND
async def test_commands_and_variables_can_be_given() -> None:
    container = Container(
        name="app",
        image="web:1",
        env=(
            EnvVar(name="KEY", value=None, source="secretKeyRef:a/b"),
            EnvVar(name="IP", value=None, source="fieldRef:status.podIP"),
            EnvVar(name="NAME", value=None, source="fieldRef:metadata.name"),
        ),
    )
    run = {"app": "sh -c 'echo $KEY $IP $NAME $KUBERNETES_SERVICE_HOST $LIFECYCLE_GRACE_PERIOD.'"}
    pod = Pod(containers=(container,), restart_policy="Never")
    async with living(pod, "none", run=run, env={"KEY": "secret"}) as live:
        await live.until(live.worker.ended.is_set)
        assert live.lines() == ["secret 127.83.0.1 app-0 10.96.0.1 ."]


@ONE_BACKEND
async def test_replicas_may_have_the_same_port() -> None:
    if not ALLOWED:
        pytest.skip("no namespaces for this user")
    serve = "import http.server as s; s.test(s.SimpleHTTPRequestHandler, port=8765, bind='0.0.0.0')"
    pod = alone(*python(serve), grace=0, post_start=Exec(command=("sh", "-c", "sleep 0.3")))
    async with (
        living(pod, "namespaces", network="pod") as one,
        living(pod, "namespaces", network="pod") as two,
    ):
        for live in (one, two):
            await live.until(live.lines)
            stream = await live.worker.dial(8765)
            await stream.aclose()
