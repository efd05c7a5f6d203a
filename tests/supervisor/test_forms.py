"""The two files that are copied into images: they start there, copy themselves, and come out the same each time."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.supervisor.conftest import BUILD
from tests.supervisor.running import Form, is_namespace_allowed, read_json, wait_until

pytestmark = pytest.mark.process
SCRIPTS = Path(sys.executable).parent  # where pip puts what `project.scripts` names
BUSYBOX = shutil.which("busybox")


@pytest.fixture
def empty_root(executable: Path, tmp_path: Path) -> Path:
    """Nothing but the supervisor, and busybox to have something to run."""
    if os.getuid() != 0 or BUSYBOX is None or not is_namespace_allowed():
        pytest.skip("needs root, namespaces and busybox-static")
    root = tmp_path / "root"
    root.mkdir()
    shutil.copy(executable, root / "supervisor")
    shutil.copy(BUSYBOX, root / "busybox")
    return root


def chrooted(root: Path, *words: str, prefix: tuple[str, ...] = ()) -> tuple[int, str, str]:
    done = subprocess.run(
        [*prefix, "/usr/sbin/chroot", root, "/supervisor", *words],
        capture_output=True,
        text=True,
        check=False,
        env={},
    )
    return done.returncode, done.stdout, done.stderr


def test_the_executable_needs_nothing_but_itself(empty_root: Path) -> None:
    assert chrooted(
        empty_root, "/busybox", "sh", "-c", "echo $$; exit 7", prefix=("/usr/bin/unshare", "-pf")
    ) == (
        7,
        "2\n",
        "",
    )
    program = "trap '' TERM; /busybox sleep 30 & kill -TERM 1; wait; wait; wait; /busybox sleep 30"
    status, _, errors = chrooted(
        empty_root,
        "--grace-period",
        "1",
        "/busybox",
        "sh",
        "-c",
        program,
        prefix=("/usr/bin/unshare", "-pf"),
    )
    assert (status, "unknown without /proc" in errors) == (137, True)
    assert chrooted(empty_root, "--help")[0] == 0


def test_the_executable_keeps_state_and_resolves_names_in_an_empty_root(empty_root: Path) -> None:
    words = (
        "--name",
        "a",
        "--state-dir",
        "/state",
        "--wait-timeout",
        "1",
        "--retry",
        "1",
        "--retry-delay",
        "0",
    )
    status, _, errors = chrooted(empty_root, *words, "/busybox", "false")
    assert (status, "retry 1 of 1" in errors) == (1, True)
    assert (empty_root / "state/a/exitcode").read_text() == "1\n"
    status, _, _ = chrooted(
        empty_root, "--after", "http://localhost:1/", "--wait-timeout", "300ms", "/busybox", "true"
    )
    assert status == 69


def test_it_installs_itself_whole_executable_and_atomically(form: Form, tmp_path: Path) -> None:
    if form.name == "module":
        status, _, errors = form.run("install", tmp_path)
        assert (status, "cannot be copied as one file" in errors) == (74, True)
        form.end()
        return
    source = Path(form.argv[-1])
    target = tmp_path / "supervisor"
    for old in (b"", b"x" * 20_000_000):
        target.write_bytes(old)
        assert form.run("install", tmp_path)[0] == 0
        assert (
            hashlib.sha256(target.read_bytes()).digest()
            == hashlib.sha256(source.read_bytes()).digest()
        )
        assert target.stat().st_mode & 0o777 == 0o755
    assert [path.name for path in tmp_path.iterdir()] == ["supervisor"]
    copy = Form(form.name, [*form.argv[:-1], str(target)])
    running = copy.start("sleep", "5")
    assert copy.run("install", target)[0] == 0, "while the old one runs"
    running.send(15)
    assert running.status() == 143
    copy.end()
    form.end()


def test_it_refuses_a_noexec_volume_with_the_reason(form: Form, tmp_path: Path) -> None:
    if form.name == "module" or not is_namespace_allowed():
        pytest.skip("a package is not copied; or no namespaces")
    script = f'mount -t tmpfs -o noexec none {tmp_path}; exec "$@"'
    argv = ["unshare", "--mount", "sh", "-c", script, "sh", *form.argv, "install", str(tmp_path)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, "is mounted noexec" in done.stderr) == (77, True)


def test_a_copy_that_fails_leaves_the_old_one_as_it_is(form: Form, tmp_path: Path) -> None:
    if form.name == "module" or not is_namespace_allowed():
        pytest.skip("a package is not copied; or no namespaces")
    check = f"ls -A {tmp_path}; cat {tmp_path}/supervisor"
    script = f'mount -t tmpfs -o size=8k none {tmp_path}; echo old > {tmp_path}/supervisor; "$@"; echo $?; {check}'
    argv = ["unshare", "--mount", "sh", "-c", script, "sh", *form.argv, "install", str(tmp_path)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.stdout == "74\nsupervisor\nold\n"
    assert f"cannot install to {tmp_path}/supervisor: No space left on device" in done.stderr


def test_it_installs_itself_over_files_and_nothing_else(form: Form, tmp_path: Path) -> None:
    if form.name == "module":
        pytest.skip("a package is not copied")
    os.mkfifo(tmp_path / "pipe")
    for target, reason in (
        (tmp_path / "pipe", "Is no regular file"),
        (tmp_path / "none/supervisor", "No such file or directory"),
    ):
        status, _, errors = form.run("install", target)
        assert (status, errors) == (74, f"supervisor: cannot install to {target}: {reason}\n")
    assert (tmp_path / "pipe").is_fifo()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    assert form.run("install", tmp_path / "link")[0] == 0
    assert not (tmp_path / "link").is_symlink(), "replaced, as everywhere"
    form.end()


def test_the_same_input_gives_the_same_bytes(
    executable: Path, zipapp: Path, tmp_path: Path
) -> None:
    subprocess.run(
        [sys.executable, BUILD, "--output", tmp_path], check=True, capture_output=True, cwd="/"
    )
    for built in (executable, zipapp):
        assert (tmp_path / built.name).read_bytes() == built.read_bytes()
        for folder in (
            f"{tempfile.gettempdir()}/{tempfile.gettempprefix()}",
            f"{BUILD.parents[1]}",
        ):
            assert os.fsencode(folder) not in built.read_bytes(), "the same bytes elsewhere, too"
    sums = (tmp_path / "supervisor.sha256").read_text()
    assert f"{hashlib.sha256(executable.read_bytes()).hexdigest()}  supervisor\n" in sums
    assert "PYTHON SOFTWARE FOUNDATION LICENSE" in (tmp_path / "supervisor.LICENSES").read_text()


def test_the_executable_stays_small(executable: Path) -> None:
    assert executable.stat().st_size < 9_500_000


def test_the_zipapp_isolates_itself_and_loses_no_signal(zipapp: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('a stranger in PID 1')")
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    show = "grep SigBlk /proc/self/status; env | grep -c SUPERVISOR"
    done = subprocess.run(
        [zipapp, "sh", "-c", show], capture_output=True, text=True, check=False, env=env
    )
    # The stranger is met once, by the interpreter that `#!` starts; never by the one that stays.
    assert done.stdout.count("a stranger") == 1
    assert done.stdout.count("0000000000000000") == 1
    assert done.stdout.endswith("\n0\n")


def test_the_zipapp_tells_an_old_python_what_is_wrong(zipapp: Path) -> None:
    found = [path for path in Path.home().glob(".pyenv/versions/*/bin/python") if _is_old(path)]
    if not found:
        pytest.skip("no old Python here")
    for python in found:
        done = subprocess.run([python, zipapp, "true"], capture_output=True, text=True, check=False)
        assert done.returncode == 72
        assert "needs Python 3.11 or newer" in done.stderr


def test_the_zipapp_without_any_python_is_a_program_that_is_not_found(
    zipapp: Path, tmp_path: Path
) -> None:
    """Its first line asks `env` for python3: what there is to say without one, `env` says."""
    done = subprocess.run(
        ["/usr/bin/env", "-i", f"PATH={tmp_path}", zipapp, "true"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 127
    assert "python3" in done.stderr


def _is_old(python: Path) -> bool:
    major, minor = python.parent.parent.name.split(".")[:2]
    return (int(major), int(minor)) < (3, 11)


@pytest.mark.parametrize(
    "argv",
    [
        [sys.executable, "-m", "lifecycle", "supervise"],
        [sys.executable, "-m", "lifecycle.supervisor"],
        [SCRIPTS / "lifecycle", "supervise"],
        [SCRIPTS / "lifecycle-supervisor"],
    ],
)
def test_the_package_has_four_ways_in(argv: list[str | Path]) -> None:
    env = {**os.environ, "PYTHONPATH": str(BUILD.parents[1] / "src")}
    command = [*argv, "--remap", "3=4", "sh", "-c", "exit 3"]
    assert subprocess.run(command, check=False, env=env).returncode == 4


def test_a_stranger_who_imports_us_keeps_his_signals() -> None:
    program = (
        "import signal, lifecycle.supervisor, lifecycle.supervisor._supervise\n"
        "print(signal.pthread_sigmask(signal.SIG_BLOCK, []), signal.getsignal(signal.SIGTERM))"
    )
    env = {**os.environ, "PYTHONPATH": str(BUILD.parents[1] / "src")}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=env
    )
    assert done.stdout == "set() 0\n"


class Container:
    """In a real runtime, in a root with nothing but the supervisor and busybox."""

    def __init__(self, runtime: str, bundle: Path, executable: Path, *words: str) -> None:
        program = shutil.which(runtime)
        if os.getuid() != 0 or program is None or BUSYBOX is None:
            pytest.skip(f"needs root, {runtime} and busybox-static")
        self.name = f"supervisor-{os.getpid()}-{bundle.name}"
        self._argv: list[str | Path] = [program, "--root", bundle / "state"]
        if runtime == "crun":
            # It knows no machine with both versions of cgroups.
            self._argv.append("--cgroup-manager=disabled")
        root = bundle / "rootfs"
        root.mkdir()
        shutil.copy(executable, root / "supervisor")
        shutil.copy(BUSYBOX, root / "busybox")
        subprocess.run([program, "spec"], cwd=bundle, check=True)
        configuration = json.loads((bundle / "config.json").read_text())
        configuration["root"]["readonly"] = False
        configuration["process"].update(terminal=False, args=["/supervisor", *words])
        (bundle / "config.json").write_text(json.dumps(configuration))
        self.root = root
        self.process = subprocess.Popen(
            [*self._argv, "run", "--bundle", bundle, self.name],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def until(self, line: str) -> None:
        assert self.process.stdout is not None
        if self.process.stdout.readline() != f"{line}\n":
            pytest.skip(f"it does not work on this machine: {self.process.communicate()[1][-200:]}")

    def kill(self) -> None:
        subprocess.run([*self._argv, "kill", self.name, "TERM"], check=True)

    def hook(self, *words: str) -> int:
        """As the kubelet runs an exec hook."""
        return subprocess.run(
            [*self._argv, "exec", self.name, "/supervisor", *words], check=False
        ).returncode

    def finish(self) -> tuple[int, str, str]:
        out, errors = self.process.communicate(timeout=20)
        return self.process.returncode, out, errors


@pytest.mark.parametrize("runtime", ["runc", "crun"])
def test_it_runs_under_a_real_runtime(executable: Path, tmp_path: Path, runtime: str) -> None:
    """Those of containerd and of CRI-O: PID 1, an empty root, the signal from outside."""
    program = 'trap "echo got TERM; exit 9" TERM; echo ready; while :; do /busybox sleep 0.1; done'
    words = ("--verbose", "/busybox", "sh", "-c", program)
    container = Container(runtime, tmp_path, executable, *words)
    container.until("ready")
    container.kill()
    status, out, errors = container.finish()
    assert (status, out) == (9, "got TERM\n")
    assert "SIGTERM from the kubelet or the container runtime" in errors


@pytest.mark.parametrize("runtime", ["runc", "crun"])
def test_hooks_and_probes_run_in_a_real_container(
    executable: Path, tmp_path: Path, runtime: str
) -> None:
    program = 'echo warming; while [ ! -e /go ]; do /busybox sleep 0.05; done; trap "exit 9" TERM; echo ready; while :; do /busybox sleep 0.1; done'
    order = ("--name", "app", "--state-dir", "/state", "--ready-when", "file:/go")
    files = ("--ready-file", "/run/ready", "--pause-before", "/tmp/done")
    words = (*order, *files, "/busybox", "sh", "-c", program)
    container = Container(runtime, tmp_path, executable, *words)
    status = container.root / "state/app/status.json"
    wait_until(lambda: status.exists() or container.process.poll() is not None)
    if container.process.poll() is not None:
        pytest.skip(f"it does not work on this machine: {container.finish()[2][-200:]}")
    assert container.hook("trigger", "/tmp/done", "--", "/busybox", "true") == 0
    container.until("warming")
    probe = ("wait", "--timeout", "100ms", "file:/run/ready")
    assert container.hook(*probe) == 69
    (container.root / "go").touch()
    container.until("ready")
    assert container.hook("wait", "--timeout", "10s", "file:/run/ready") == 0
    assert container.hook("stop") == 0
    assert container.finish()[0] == 9
    record = read_json(container.root / "state/app/record.json")
    assert record["asked"][0]["by"].endswith("(/supervisor stop)")
