"""What a command does, as far as its words tell; in doubt nothing is said."""

import pytest

from lifecycle.kube import HttpGet, Port
from lifecycle.kube._commands import (
    quoted_variables,
    script_of,
    seconds,
    simple_commands,
    slept,
    words,
)
from lifecycle.kube._container import Container
from lifecycle.kube._hooks import unknown_port
from lifecycle.kube._rules_process import _keeps_the_signal
from lifecycle.kube._rules_scripts import _in_background, absent_in, endless


def sh(script: str, shell: str = "sh") -> tuple[str, ...]:
    return (shell, "-c", script)


@pytest.mark.parametrize(
    ("command", "script"),
    [
        (("sh", "-c", "a; b"), "a; b"),
        (("/bin/bash", "-euo", "pipefail", "-c", "a"), "a"),
        (("bash", "-ec", "a"), "a"),
        (("bash", "-e", "-c", "a", "x"), "a"),
        (("sh", "script.sh"), None),
        (("sh", "-c"), None),
        (("sleep", "5"), None),
        ((), None),
    ],
)
def test_a_script_is_what_a_shell_is_given(command: tuple[str, ...], script: str | None) -> None:
    assert script_of(command) == script


@pytest.mark.parametrize(
    ("script", "commands"),
    [
        ("a $(b c); d", [["a", "$"], ["b", "c"], ["d"]]),
        ("A=1 B='x y' a b && c || d\ne", [["a", "b"], ["c"], ["d"], ["e"]]),
        ("if a; then b; else c; fi", [["a"], ["b"], ["c"], ["fi"]]),
        ("while true; do a; done", [["true"], ["a"], ["done"]]),
        ("a \\\n  b", [["a", "b"]]),
        ("echo 'a; b' >/dev/null 2>&1", [["echo", "a; b", ">", "/dev/null", "2", ">&", "1"]]),
        ("echo 'never closed", []),
        ("", []),
    ],
)
def test_a_script_is_taken_apart(script: str, commands: list[list[str]]) -> None:
    assert [*simple_commands(sh(script))] == commands


def test_operators_that_stand_together_are_taken_apart() -> None:
    assert words("(a);b&&(c)>>d&>e|&f") == [
        *("(", "a", ")", ";", "b", "&&", "(", "c", ")", ">>", "d", "&>", "e", "|&", "f"),
    ]


@pytest.mark.parametrize(
    ("command", "length"),
    [
        (("sleep", "5"), 5),
        (("/bin/sleep", "1m", "1.5s"), 61.5),
        (sh("sleep 3 && kill 1; sleep 4"), 7),
        (sh('sleep "$PAUSE"'), 8),
        (sh("sleep ${PAUSE} && sleep $OTHER"), 8),
        (sh("sleep infinity"), 0),
        (sh("echo sleep 5"), 0),
    ],
)
def test_sleeps_are_added_up(command: tuple[str, ...], length: float) -> None:
    assert slept(command, {"PAUSE": "8"}) == length


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("20", 20),
        ("500ms", 0.5),
        ("2h", 7200),
        ("1d", 86400),
        ("x", None),
        ("", None),
        ("-1", None),
    ],
)
def test_a_duration_is_seconds(text: str, length: float | None) -> None:
    assert seconds(text) == length


@pytest.mark.parametrize(
    ("command", "found"),
    [
        (("notify", "$(POD)", "${NAME}", "$NAME"), ["$(POD)", "${NAME}", "$NAME"]),
        (sh("notify $NAME $(hostname) $(POD)"), ["$(POD)"]),
        (("psql", "-c", "select $1"), []),
        (("awk", "{print $NF}"), []),
        (("timeout", "5", "sh", "-c", "echo $NAME"), []),
        (("echo", "$$(POD)"), []),
    ],
)
def test_variables_that_nobody_replaces_are_found(
    command: tuple[str, ...], found: list[str]
) -> None:
    assert quoted_variables(command) == found


@pytest.mark.parametrize(
    ("command", "keeps"),
    [
        (sh("python app.py"), True),
        (sh("exec python app.py"), False),
        (sh("migrate && exec python app.py"), False),
        (sh("migrate; python app.py"), True),
        (sh("trap 'kill $!' TERM; python app.py & wait"), False),
        (sh("python app.py", "bash"), False),
        (sh("cd /srv && python app.py > log", "/bin/bash"), False),
        (sh("python app.py | tee log", "bash"), True),
        (sh("while true; do python app.py; done", "bash"), True),
        (("sh", "/entrypoint.sh"), False),
        (("python", "app.py"), False),
    ],
)
def test_a_shell_that_keeps_the_signal_is_known(command: tuple[str, ...], keeps: bool) -> None:
    assert _keeps_the_signal(command) is keeps


@pytest.mark.parametrize(
    ("script", "background"),
    [
        ("worker &", True),
        ("nohup worker > log &", True),
        ("worker 2>/dev/null &", True),
        ("worker >/dev/null 2>&1 &", False),
        ("worker &> log & true", False),
        ("(a; b) >/dev/null 2>&1 &", False),
        ("a && b", False),
        ("a 2>&1", False),
        ("curl 'http://a/?b=1&c=2'", False),
    ],
)
def test_what_goes_on_in_the_background_is_found(script: str, background: bool) -> None:
    assert _in_background(script) is background


@pytest.mark.parametrize(
    ("command", "what"),
    [
        (sh("until nc -z db 1; do sleep 1; done"), "the loop `until nc …`"),
        (sh("while [ $i -lt 9 ]; do i=$((i+1)); done"), ""),
        (sh("timeout 5 sh -c 'until a; do b; done'"), ""),
        (("timeout", "5", "tail", "-f", "x"), ""),
        (("curl", "http://a"), "`curl` without --max-time"),
        (("curl", "-sfm5", "http://a"), ""),
        (("curl", "--max-time=5", "http://a"), ""),
        (("wget", "-qO-", "http://a"), "`wget` without --timeout"),
        (("wget", "-T", "5", "http://a"), ""),
        (("sleep", "infinity"), "`sleep infinity`"),
        (sh("tail -f /log"), "`tail -f`"),
        (sh("register"), ""),
    ],
)
def test_what_may_never_end_is_found(command: tuple[str, ...], what: str) -> None:
    assert endless(command) == what


def test_a_pre_stop_that_waits_for_something_is_let_be() -> None:
    waits = sh("nginx -s quit; while pgrep nginx; do sleep 1; done")
    assert endless(waits)
    assert not endless(waits, unconditional=True)
    assert endless(sh("while true; do sleep 1; done"), unconditional=True)


@pytest.mark.parametrize(
    ("image", "program", "absent"),
    [
        ("gcr.io/distroless/python3-debian12:nonroot", "sh", True),
        ("gcr.io/distroless/base:debug", "sh", False),
        ("cgr.dev/chainguard/python:latest", "sh", True),
        ("cgr.dev/chainguard/python:latest-dev", "sh", False),
        ("busybox", "bash", True),
        ("docker.io/library/python:3.13-slim", "curl", True),
        ("python:3.13", "curl", False),
        ("registry.example/shop:1-alpine", "bash", False),
        ("nginx:1.27-alpine", "bash", True),
        ("alpine@sha256:0", "sh", False),
        ("", "sh", False),
    ],
)
def test_images_that_lack_a_program_are_known_by_name(
    image: str, program: str, absent: bool
) -> None:
    assert (program in absent_in(image)) is absent


@pytest.mark.parametrize(
    ("port", "wrong"),
    [
        ("http", ""),
        ("8080", ""),
        (8080, ""),
        ("web", "port 'web' is no port of container 'app' (named there: http)"),
        (0, "port 0 is not between 1 and 65535"),
        ("70000", "port 70000 is not between 1 and 65535"),
    ],
)
def test_a_port_is_looked_up_in_its_own_container(port: int | str, wrong: str) -> None:
    app = Container(name="app", ports=(Port(number=80, name="http"),))
    assert unknown_port(app, HttpGet(port=port).port) == wrong
