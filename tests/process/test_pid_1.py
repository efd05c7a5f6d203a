"""Every server that may be PID 1 of a container ends when it is told to."""

import subprocess

import pytest

from tests.process._support_table import SUPPORT, Support
from tests.support.servers import AS_PID_1, launched

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(
        subprocess.run([*AS_PID_1, "true"], capture_output=True, check=False).returncode != 0,
        reason="no process namespaces for this user",
    ),
]
PLAIN = "tests.process.apps.plain:app"
TRIO = [support for support in SUPPORT if "trio" in support.command]


@pytest.mark.parametrize("support", TRIO, ids=lambda support: support.server)
def test_a_server_without_a_handler_of_its_own_is_not_held_by_ours(support: Support) -> None:
    """hypercorn on trio handles no SIGTERM, and the kernel drops it for PID 1: all that there is is our handler."""
    with launched(support.words, PLAIN, inside=AS_PID_1) as server:
        server.wait_for("started")
        server.wait_until_answering()
        server.terminate()
        assert server.wait(10) == 0, server.output
        assert {note.pid for note in server.journal("shut down")} == {1}
