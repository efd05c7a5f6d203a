"""What of this machine's /tmp a container sees, which has a /tmp of its own: its program, and what that is made of."""

import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import anyio
import pytest

from lifecycle.kube import Container, EnvVar, Pod
from lifecycle.rehearse import Journal, Kind, LocalOptions, PodClock, play
from lifecycle.rehearse._recipe import Recipe
from lifecycle.rehearse._seen import seen_in_tmp
from tests.rehearse.test_local import ALLOWED, HANGS
from tests.support.clock import flowing

ELSEWHERE = Path("/usr")


@pytest.fixture
def tops() -> Iterator[list[Path]]:
    """Folders directly below /tmp: in what pytest gives, all of them have the same top."""
    folders = [Path(tempfile.mkdtemp(prefix=f"seen-{name}-", dir="/tmp")) for name in "abc"]
    yield folders
    for folder in folders:
        shutil.rmtree(folder)


def seen(
    *argv: str, folder: Path = ELSEWHERE, env: Mapping[str, str] = MappingProxyType({})
) -> list[str]:
    return seen_in_tmp(Recipe(argv=argv, env=env, cwd=str(folder)), folder)


def test_the_folder_the_program_and_the_files_of_its_command_are_seen(tops: list[Path]) -> None:
    here, program, files = tops
    (program / "run").touch(mode=0o755)
    (files / "settings.toml").touch()
    command = (str(program / "run"), f"--config={files}/settings.toml", f"--data={files}/new")
    assert seen(*command, folder=here) == [*map(str, tops)]
    assert seen("/bin/sh", "-c", f"ls {files}") == []


@pytest.mark.parametrize("variable", ["PATH", "PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH"])
def test_folders_in_which_programs_look_for_their_parts_are_seen(
    tops: list[Path], variable: str
) -> None:
    one, two, _ = tops
    assert seen("/bin/sh", env={variable: f"{one}/bin:/usr/bin:{two}"}) == [str(one), str(two)]
    assert seen("/bin/sh", env={"CACHE": f"{one}/cache"}) == []


def test_what_an_environment_and_a_first_line_point_to_is_seen(tops: list[Path]) -> None:
    environment, project, interpreter = tops
    (environment / "bin").mkdir()
    program = environment / "bin" / "serve"
    program.write_text(f"#!{interpreter}/bin/python\n")
    program.chmod(0o755)
    packages = environment / "lib" / "python3.13" / "site-packages"
    packages.mkdir(parents=True)
    (packages / "project.pth").write_text(f"{project}/src\n")
    assert seen(str(program)) == [*map(str, tops)]


@pytest.mark.process
@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
async def test_a_program_in_tmp_finds_its_library_in_another_folder_of_it(
    tops: list[Path],
) -> None:
    if not ALLOWED:
        pytest.skip("no namespaces for this user")
    project, library, other = tops
    (library / "greeting.py").write_text("WORD = 'found'")
    (project / "app.py").write_text(
        f"import greeting, os; print(greeting.WORD, os.path.exists({str(other)!r}))"
    )
    container = Container(
        name="app",
        command=(sys.executable, "app.py"),
        env=(EnvVar(name="PYTHONPATH", value=str(library)),),
    )
    pod = Pod(containers=(container,), restart_policy="Never")
    with flowing():
        clock = PodClock(4)
        journal = Journal(clock)
        options = LocalOptions(cwd=project, isolation="namespaces")
        async with play(pod, name="app-0", clock=clock, journal=journal, options=options) as worker:
            with anyio.fail_after(HANGS):
                await worker.ended.wait()
    told = {event.kind: event.detail for event in journal.events}
    assert told[Kind.LOG] == "found False"
    assert f"of this machine's it sees {project}, {library} alone" in told[Kind.NOTE]
