"""Every numbered example does what its docstring says there is to see."""

import http.client
import re
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from lifecycle.core import FAREWELL
from tests.examples.program import EXAMPLES, Program, docstring, example
from tests.support.servers import Waiting

pytestmark = pytest.mark.process

NUMBERED = sorted(EXAMPLES.glob("[0-9][0-9]_*.py"))
LISTENING = "Uvicorn running"


def ask(program: Program, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", program.port, timeout=15)
    try:
        connection.request("GET", path, headers=dict(headers or {}))
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("path", NUMBERED, ids=lambda path: path.stem)
def test_each_example_says_what_to_see_and_is_short(path: Path) -> None:
    assert "\nWhat to see: " in docstring(path)
    assert len(path.read_text().splitlines()) < 60
    assert f'"{path.stem}"' in Path(__file__).read_text(), "no test runs it"


def test_the_numbers_have_no_gap() -> None:
    numbers = [int(path.stem.partition("_")[0]) for path in NUMBERED]
    assert numbers == list(range(1, len(NUMBERED) + 1))


def test_hooks_are_undone_in_reverse() -> None:
    with example("01_hooks") as program:
        program.until("working")
        program.send(signal.SIGINT)
        assert program.end() == 0
    assert program.lines == [
        "configuration read",
        "pool opened",
        "caches warm, with connection 1",
        "working",
        "worked enough",
        "goodbye, with connection 1",
        "pool closed",
    ]


def test_three_lines_in_fastapi_save_a_slow_request() -> None:
    with example("02_fastapi") as program:
        program.until(LISTENING)
        assert ask(program, "/readyz") == (200, b"serving\n")
        slow = http.client.HTTPConnection("127.0.0.1", program.port, timeout=15)
        slow.request("GET", "/slow?seconds=0.8")
        # Answered after the slow one has arrived.
        assert ask(program, "/slow?seconds=0")[0] == 200
        program.send(signal.SIGTERM)
        assert slow.getresponse().read() == b'"at last"'
        slow.close()
        assert program.end() == 0


def test_the_trigger_is_waited_for(tmp_path: Path) -> None:
    trigger = tmp_path / "postStart_done"
    with example("03_post_start_trigger", replace={"/tmp/postStart_done": str(trigger)}) as program:
        program.until("prepared")
        trigger.write_text("Wake up!\n")
        assert program.end() == 0
    assert program.lines == [
        f"prepared; waiting for {trigger}",
        "woken up by postStart_done: Wake up!",
        "ready: working",
    ]


def test_the_second_request_to_stop_joins_the_first() -> None:
    with example("04_asked_twice") as program:
        program.until(LISTENING)
        answer = Waiting(lambda: ask(program, "/shutdown"))
        program.until("asked by endpoint")
        program.send(signal.SIGTERM)
        program.send(signal.SIGTERM)
        status, body = answer.result()
        assert program.end() == 0
    assert status == 200
    assert b'"exit_status":0' in body
    said = [line for line in program.lines if not line.startswith("INFO:")]
    assert said == ["asked by endpoint: GET /shutdown (preStop)", "closed"]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_what_is_taken_is_acknowledged(backend: str) -> None:
    with example("05_queue_consumer", replace={"asyncio": backend}) as program:
        program.until("job 2 taken")
        program.send(signal.SIGTERM)
        assert program.end() == 0
    *jobs, last = program.lines
    assert jobs == [f"job {n} {what}" for n in (1, 2) for what in ("taken", "acknowledged")]
    assert re.fullmatch(r"stopped; 2\d\.\d s would have been left", last)


def test_only_an_essential_task_stops_the_process() -> None:
    with example("06_background_tasks") as program:
        assert program.end() == 6
    said = [line for line in program.lines if re.match("poll|closed|because", line)]
    assert said[:2] == ["polling", "polling"]
    assert said[-3:-1] == ["polled for the last time", "closed"]
    assert said[-1].endswith("crashed: ConnectionError: nobody hears the heartbeat")
    assert "ConnectionError: the cache cannot be refreshed" in program.lines


def test_streams_and_websockets_end_by_the_rules() -> None:
    with example("07_streams") as program:
        program.until(LISTENING)
        streams = {
            path: Waiting(lambda path=path: ask(program, path))  # type: ignore[misc] # mypy cannot infer a default
            for path in ("/events", "/feed", "/download")
        }
        with connect(f"ws://127.0.0.1:{program.port}/ws") as socket:
            socket.send("hello")
            assert socket.recv(timeout=5) == "hello"
            program.until("GET /download")
            program.send(signal.SIGTERM)
            with pytest.raises(ConnectionClosed) as closed:
                socket.recv(timeout=5)
        bodies = {path: stream.result()[1] for path, stream in streams.items()}
        assert program.end() == 0
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1012, "service restart")
    assert bodies["/events"].startswith(b"data: tick\n\n")
    assert bodies["/events"].endswith(b"data: tick\n\n" + FAREWELL)
    assert bodies["/feed"].startswith(b"tick\n")
    assert bodies["/feed"].endswith(b"tick\ngoodbye\n")
    assert bodies["/download"] == b"part\n" * 10


def test_work_in_tasks_and_threads_is_waited_for() -> None:
    with example("08_in_flight") as program:
        assert program.end() == 0
    assert program.lines == [
        "nothing more to do",
        "letter 2 printed",
        "letter 1 sent",
        "archive closed",
        "2 works finished, 0 abandoned",
    ]


def test_sighup_reloads_and_the_service_goes_on() -> None:
    with example("09_reload") as program:
        program.until("ready")
        for version in (2, 3):
            program.send(signal.SIGHUP)
            program.until(f"configuration {version}")
        program.send(signal.SIGTERM)
        assert program.end() == 0
    assert program.lines == ["ready", "configuration 2", "configuration 3"]


def test_a_hook_that_hangs_is_named() -> None:
    with example("10_slow_hook") as program:
        assert program.end() == 5
    assert "pool closed" in program.lines
    report = "\n".join(program.lines)
    assert re.search(
        r"timed out   on_shutdown leave_cluster 0\.[5-9]\d s  \S+10_slow_hook\.py:\d+", report
    )
    assert re.search(r"ok          on_shutdown close_pool 0\.0\d s", report)


def test_only_who_knows_the_token_may_stop_it() -> None:
    with example("11_token") as program:
        program.until(LISTENING)
        assert ask(program, "/shutdown") == (403, b"forbidden\n")
        assert ask(program, "/readyz") == (200, b"serving\n")
        status, body = ask(program, "/shutdown", {"X-Lifecycle-Token": "open-sesame"})
        assert program.end() == 0
    assert status == 200
    assert b'"exit_status":0' in body


def test_a_failed_start_is_undone() -> None:
    with example("12_failed_start") as program:
        assert program.end() == 3
    said = [line for line in program.lines if re.match("pool|never|because", line)]
    assert said[:2] == ["pool opened", "pool closed"]
    assert said[2].startswith("because the start failed: on_startup hook 'cache'")
    assert said[2].endswith("ConnectionError: no cache at 10.0.0.7")
    assert len(said) == 3


def test_the_phases_go_by() -> None:
    with example("13_phases") as program:
        program.until(LISTENING)
        program.send(signal.SIGTERM)
        assert program.end() == 0
    changes = [re.fullmatch(r" +(\d\.\d\d) s  (.+)", line) for line in program.lines]
    seen = [(float(change[1]), change[2]) for change in changes if change]
    assert [what for _, what in seen] == [
        "starting -> ready (started)",
        "ready -> lame duck (stop requested)",
        "lame duck -> draining (routes withdrawn)",
        "draining -> stopping (drained)",
        "stopping -> stopped (shut down)",
    ]
    assert 0.9 < seen[2][0] - seen[1][0] < 2


def test_faults_are_found_in_a_manifest() -> None:
    with example("14_check") as program:
        assert program.end() == 0
    found = [line.split(":", 3)[0:3] for line in program.lines if line.startswith("pod.yaml")]
    assert [(place[1], place[2].split()[1]) for place in found] == [
        ("11", "LC201"),
        ("15", "LC701"),
        ("17", "LC101"),
    ]
