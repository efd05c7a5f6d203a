"""What is run before a change is merged: `nox -s lint typing docs tests`. What there is to see: `nox -s demo bench`."""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "typing", "docs", "tests"]

PYPROJECT = nox.project.load_toml("pyproject.toml")
SUPPORTED = nox.project.python_versions(PYPROJECT)


def starts(python: str) -> bool:
    command = [python, "-c", ""]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0  # noqa: S603 - interpreters of this machine


def found(version: str) -> Path | None:
    """The folder of a `python3.x` that really starts: a pyenv shim may name a version and then refuse it."""
    folders = [
        Path(sys.executable).parent,
        *sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin"), reverse=True),
        *(Path(folder) for folder in os.get_exec_path()),
    ]
    for folder in folders:
        python = shutil.which(f"python{version}", path=folder)
        if python and starts(python):
            return folder
    return None


FOUND = {version: folder for version in SUPPORTED if (folder := found(version))}
MISSING = [version for version in SUPPORTED if version not in FOUND]
if not FOUND:
    sys.exit(f"No supported Python here: install one of {', '.join(SUPPORTED)}")
# nox looks for interpreters on the PATH and nowhere else.
os.environ["PATH"] = os.pathsep.join([*map(str, FOUND.values()), os.environ["PATH"]])
# Containers like to forbid bytecode: then each of a thousand children compiles all of us, and each worker all tests.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ["VIRTUALENV_NO_PERIODIC_UPDATE"] = "1"


# Much of what is installed is never imported: bytecode of the rest is made when it is.
INSTALL = ("--quiet", "--no-compile")


def install(session: nox.Session, *groups: str) -> None:
    session.install(
        *INSTALL, "--editable", ".[kube]", *nox.project.dependency_groups(PYPROJECT, *groups)
    )


def compile_installed(session: nox.Session) -> None:
    """On all cores, which pip does on one: no child for which warnings are errors shall be the first to compile a dependency."""
    folder = str(Path(session.virtualenv.location) / "lib")
    command = ["python", "-W", "ignore", "-m", "compileall", "-qq", "-j", "0", folder]
    session.run(*command, success_codes=[0, 1])  # 1: somebody's template is no Python


def forget_coverage() -> None:
    """A run that was broken off leaves its files behind."""
    for file in Path().glob(".coverage.*"):
        file.unlink()


@nox.session
def lint(session: nox.Session) -> None:
    """Style, and its excuses."""
    session.install(*INSTALL, *nox.project.dependency_groups(PYPROJECT, "lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def typing(session: nox.Session) -> None:
    """Both checkers, side by side: users have either."""
    install(session, "typing")
    with ThreadPoolExecutor() as pool:
        # A list, because only who asks for a result hears of its failure.
        list(pool.map(session.run, ("mypy", "pyright")))


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation. `tests` runs the samples in it."""
    install(session, "docs")
    session.run("sphinx-build", "-qW", "--keep-going", "docs", "build/docs")
    print(f"Read {Path('build/docs/index.html').absolute().as_uri()}")


# What the static executable is made with; it is CPython 3.11, because that is what Debian has as an archive.
STATIC_PACKAGES = (
    "gcc",
    "libc6-dev",
    "libexpat1-dev",
    "libpython3.11-dev",
    "python3.11",
    "zlib1g-dev",
)
CROSS_PACKAGES = ("gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross")
# What its tests and its benchmark run it beside.
PEER_PACKAGES = ("busybox-static", "dumb-init", "haproxy", "supervisor", "tini", "wrk")


def install_packages(session: nox.Session, *names: str) -> None:
    """From Debian, what is not there yet."""
    known = shutil.which("dpkg-query")
    missing = [
        name
        for name in names
        if known
        and not Path(f"/var/lib/dpkg/info/{name}.list").exists()
        and not Path(f"/var/lib/dpkg/info/{name}:amd64.list").exists()
    ]
    if missing and shutil.which("apt-get"):
        sudo = [] if os.getuid() == 0 else ["sudo"]
        environment = {"DEBIAN_FRONTEND": "noninteractive"}
        session.run(*sudo, "apt-get", "update", "-qq", external=True)
        session.run(
            *sudo,
            "apt-get",
            "install",
            "-qq",
            "--yes",
            "--no-install-recommends",
            *missing,
            env=environment,
            external=True,
            silent=True,
        )


@nox.session
def supervisor(session: nox.Session) -> None:
    """Build `dist/supervisor`, which needs nothing (and `.aarch64`), and `dist/supervisor.pyz`, which needs a Python."""
    install_packages(session, *STATIC_PACKAGES)
    pythons = [
        f"--python={shutil.which(f'python{version}', path=FOUND[version])}" for version in FOUND
    ]
    session.run("python", "supervisor/build.py", *pythons, *session.posargs)
    if os.uname().machine == "x86_64" and shutil.which("apt-get"):
        install_packages(session, *CROSS_PACKAGES)
        session.run("python", "supervisor/build.py", "--aarch64")
    session.run("sh", "-c", "cd dist && cat supervisor.sha256", external=True)


def failed_before() -> bool:
    """Whether the run that has just ended left failures behind."""
    kept = Path(".pytest_cache/v/cache/lastfailed")
    return kept.exists() and kept.read_text().strip() not in {"", "{}"}


def install_oldest(session: nox.Session, name: str) -> str:
    """A folder with the oldest version of a dependency that is supported: some tests run beside the newest with it."""
    bounds = PYPROJECT["project"]["dependencies"]
    bound = next(bound for bound in bounds if bound.startswith(f"{name}>="))
    folder = str(Path(session.virtualenv.location) / "oldest")
    version = bound.replace(">=", "==")
    session.install("--quiet", "--no-deps", "--upgrade", "--target", folder, version)
    return folder


@nox.session(python=list(FOUND))
def tests(session: nox.Session) -> None:
    """The tests, under every supported Python that this machine has, and what they reach under the oldest."""
    if MISSING:
        session.warn(f"Not tested, because not found: Python {', '.join(MISSING)}")
    install(session, "tests")
    compile_installed(session)
    oldest = install_oldest(session, "uvicorn")
    pytest = ["python", "-m", "pytest"]
    if session.python == next(iter(FOUND)):
        forget_coverage()
        session.notify("coverage")
        pytest[2:2] = ["coverage", "run", "-m"]
    # More workers than cores: what takes its time are real processes that wait for real signals.
    workers = ["-n", "4", "--dist", "worksteal"]
    session.env["OLDEST_UVICORN"] = oldest
    session.run(*pytest, *workers, *session.posargs, success_codes=[0, 1])
    if failed_before():
        # On a busy machine they may have been in each other's way. What failed is named above, and has to work alone.
        session.run(*pytest, "--last-failed", "--last-failed-no-failures=none")


@nox.session(python=next(iter(FOUND)))
def lowest(session: nox.Session) -> None:
    """The oldest Python with the oldest versions of what we depend on: the bounds are true."""
    project = PYPROJECT["project"]
    bounds = [*project["dependencies"], *project["optional-dependencies"]["kube"]]
    session.install(
        "--quiet",
        *(bound.replace(">=", "==") for bound in bounds),
        "--editable",
        ".[kube]",
        *nox.project.dependency_groups(PYPROJECT, "tests"),
    )
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """What all processes together have run. `tests` asks for it."""
    session.install(*INSTALL, "coverage")
    session.run("python", "-m", "coverage", "combine", "--quiet", success_codes=[0, 1])
    session.run(
        "python", "-m", "coverage", "report", success_codes=[0, 1]
    )  # 1: a run of few tests has nothing to report


@nox.session(python=next(iter(FOUND)))
def report(session: nox.Session) -> None:
    """The report of a rehearsal in a real browser: Chromium is fetched from Debian, some 80 MB."""
    if not (shutil.which("chromium") or shutil.which("google-chrome")):
        install_packages(session, "chromium")
    install(session, "tests")
    session.run("python", "-m", "pytest", "-q", "tests/report", *session.posargs)


@nox.session
def demo(session: nox.Session) -> None:
    """A pod's life, played with real processes: under uvicorn, `lifecycle serve`, and the same with two workers."""
    install(session, "examples")
    for server in session.posargs or ("image", "serve", "workers"):
        session.run("python", "-m", "examples.random_generator.demo", server)


@nox.session
def rehearse(session: nox.Session) -> None:
    """Two pods, rehearsed by our kubelet: plain, and with the library beside it. `-- app` or `-- plain` is one of them."""
    install(session, "examples")
    Path("build").mkdir(exist_ok=True)
    # What the plain one loses is what there is to see.
    manifests = {"plain": ("plain.yaml", 1), "app": ("pod.yaml", 0)}
    chosen = session.posargs or [*manifests]
    for app in chosen:
        file, status = manifests[app]
        page = Path(f"build/rehearsal-{app}.html")
        beside: list[str] = []
        if app == "app" and "plain" in chosen:
            page = Path("build/rehearsal.html")
            beside = ["--baseline=build/rehearsal-plain.json"]
        session.run(
            "lifecycle",
            "rehearse",
            f"examples/random_generator/{file}",
            "--folder=examples/random_generator",
            f"--run=uvicorn {app}:app --host 0.0.0.0 --port 8080 --no-access-log",
            "--ws=/ws",
            "--sse=/events",
            f"--json=build/rehearsal-{app}.json",
            f"--html={page}",
            *beside,
            success_codes=[status],
        )
        print(f"Read {page.absolute().as_uri()}")


@nox.session(python=next(iter(FOUND)))
def sweep(session: nox.Session) -> None:
    """SIGTERM at some hundreds of moments of a server's life, and 10,000 connections at its end. Takes minutes."""
    install(session, "tests")
    runs = {"SWEEP_RUNS": "300"}
    files = ["tests/process/test_sweep.py", "tests/process/test_serve_faults.py"]
    session.run("python", "-m", "pytest", "-q", *files, *session.posargs, env=runs)


@nox.session
def wrapped(session: nox.Session) -> None:
    """A pod's life around a program that nobody can change, in a root with nothing but busybox and two files."""
    install_packages(session, *STATIC_PACKAGES, "busybox-static")
    session.run("python", "examples/supervisor/demo.py")


@nox.session
def bench(session: nox.Session) -> None:
    """What it costs."""
    install_packages(session, *STATIC_PACKAGES, *PEER_PACKAGES)
    install(session, "tests")
    session.run("python", "-m", "benchmarks", *session.posargs)
    session.run("python", "supervisor/build.py")
    session.run("python", "-m", "benchmarks.supervisor")
