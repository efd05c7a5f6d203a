"""A pod's life around a program that nobody can change, in a root that has nothing but busybox and two files.

    python examples/supervisor/demo.py [EXECUTABLE]

Needs root (for chroot and a PID namespace), busybox-static, and the executable: it is built if it is not there yet.
"""

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
EXECUTABLE = Path(sys.argv[1]) if sys.argv[1:] else ROOT / "dist" / "supervisor"
WRAPPER = "/var/run/wrapper"
BEGAN = time.monotonic()


def say(who: str, what: str) -> None:
    print(f"{time.monotonic() - BEGAN:6.2f} s  {who:10} {what}", flush=True)


def relay(stream: "subprocess.Popen[str]") -> None:
    """The container's log."""
    assert stream.stdout is not None
    for line in stream.stdout:
        say("container", line.rstrip())


def build_root(root: Path) -> None:
    """What the init container and the program's image bring."""
    busybox = shutil.which("busybox")
    if busybox is None:
        sys.exit("needs busybox: apt-get install busybox-static")
    for folder in (WRAPPER, "/tmp", "/proc", "/dev"):  # noqa: S108 - the container's own
        Path(root, folder.lstrip("/")).mkdir(parents=True)
    # What every container runtime gives: a shell cannot start anything in the background without it.
    os.mknod(root / "dev" / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    shutil.copy(busybox, root / "busybox")
    shutil.copy(HERE / "random-generator-runner", root)
    shutil.copy(EXECUTABLE, root / "image-supervisor")
    target = f"{WRAPPER}/supervisor"
    subprocess.run(["chroot", root, "/image-supervisor", "install", target], check=True)
    (root / "image-supervisor").unlink()
    say(
        "init",
        f"copied itself to {target}: {(root / target.lstrip('/')).stat().st_size / 1e6:.1f} MB",
    )


def hook(pid: int, root: Path, *words: str) -> int:
    """As the runtime runs an exec hook: inside, but not below PID 1."""
    enter: list[str | Path] = ["nsenter", "--target", str(pid), "--mount", "--pid", "chroot", root]
    command = [*enter, f"{WRAPPER}/supervisor", *words]
    return subprocess.run(command, check=False, env=ENVIRONMENT).returncode


ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "SUPERVISOR_NAME": "main",
    "SUPERVISOR_GRACE_PERIOD": "30",
    "SUPERVISOR_WAIT_FILE": "/tmp/postStart-done",  # noqa: S108 - the container's own
}


def play(root: Path) -> int:
    build_root(root)
    inside = 'mount -t proc proc "$1/proc" && exec chroot "$@"'
    container = subprocess.Popen(
        [
            "unshare",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "sh",
            "-c",
            inside,
            "sh",
            root,
            f"{WRAPPER}/supervisor",
            "/random-generator-runner",
            "--seed",
            "42",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=ENVIRONMENT,
    )
    log = threading.Thread(target=relay, args=(container,))
    log.start()
    time.sleep(0.5)
    children = Path(f"/proc/{container.pid}/task/{container.pid}/children")
    pid = int(children.read_text())
    say("kubelet", "runs the postStart hook; until it succeeds, the program does not start")
    hook(pid, root, "trigger", "--message", "Wake up!", "/tmp/postStart-done")  # noqa: S108 - the container's own
    time.sleep(2)
    say("kubelet", "runs the preStop hook: supervisor stop")
    status = hook(pid, root, "stop")
    say("kubelet", f"the hook returned {status}: the program and all it started are gone")
    if status:
        container.kill()
    container.wait()
    log.join()
    say("kubelet", f"the container exited with {container.returncode}; no SIGKILL was needed")
    record = json.loads(Path(root, WRAPPER.lstrip("/"), "state/main/record.json").read_text())
    print(
        json.dumps(
            {key: record[key] for key in ("asked", "signals", "grace", "used", "status")}, indent=2
        )
    )
    return 0 if container.returncode == 128 + 15 and status == 0 else 1


def main() -> int:
    if os.getuid() != 0:
        sys.exit("needs root, for chroot and a PID namespace")
    if not EXECUTABLE.exists():
        subprocess.run(
            [sys.executable, ROOT / "supervisor" / "build.py", "--static"], check=True, cwd=ROOT
        )
    with tempfile.TemporaryDirectory() as root:
        return play(Path(root))


if __name__ == "__main__":
    sys.exit(main())
