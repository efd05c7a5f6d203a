"""The fixtures play real pods, and a test that fails says what was lost, when, and where the whole report is."""

import sys

import pytest

pytestmark = pytest.mark.process

APP = """
import anyio
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from lifecycle import Lifecycle, LifecycleMiddleware

async def hello(request):
    await anyio.sleep(0.05)
    return PlainTextResponse("hello")

plain = Starlette(routes=[Route("/", hello)])
app = LifecycleMiddleware(plain, Lifecycle())
"""
MANIFEST = """
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  terminationGracePeriodSeconds: 10
  containers:
  - name: web
    image: example
    ports: [{containerPort: 18473}]
    readinessProbe: {periodSeconds: 1, httpGet: {path: /, port: 18473}}
"""
TESTS = f"""
import sys
import pytest
from lifecycle import LifecycleError
from lifecycle.rehearse import assert_inside_budget, assert_kept, assert_nothing_lost

UVICORN = "{sys.executable} -m uvicorn --host 0.0.0.0 --port "

def test_kept(rehearse_command):
    result = rehearse_command(UVICORN + "{{port}} app:app", pre_stop="/shutdown", lag=0.5, env={{"LIFECYCLE_SHUTDOWN_DELAY": "2"}})
    assert_kept(result)
    assert_nothing_lost(result)
    assert_inside_budget(result, spare=10)

def test_lost(rehearse_pod):
    result = rehearse_pod("pod.yaml", run={{"web": UVICORN + "18473 app:plain"}}, lag=3)
    assert_nothing_lost(result)

def test_unknown(rehearse_pod):
    with pytest.raises(LifecycleError, match=r"workload='Deployment/web' for example: there are Pod/web"):
        rehearse_pod("pod.yaml", workload="Deployment/other")
"""


def test_a_pod_is_played_and_what_was_lost_is_told(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(app=APP, test_pod=TESTS)
    pytester.path.joinpath("pod.yaml").write_text(MANIFEST)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:randomly")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        [
            "*Pod/web, delete: * of * were lost",
            "*refused, new connection, /: sent +* s to +* s from the stop signal*",
            "*Fix: *",
            "*web *SIGTERM",
            "*the report of Pod/web, delete: *rehearsal-1.html",
        ]
    )


def test_who_does_not_use_it_pays_nothing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_light():
            loaded = {"anyio", "h11", "rich", "starlette", "uvicorn", "yaml", "lifecycle.core"} & {*sys.modules}
            assert "lifecycle.pytest_plugin" in sys.modules
            assert loaded == set()
        """
    )
    # Other plugins of this environment import what they like.
    result = pytester.runpytest_subprocess(
        "-p", "no:anyio", "-p", "no:hypothesispytest", "-p", "no:cacheprovider"
    )
    result.assert_outcomes(passed=1)


def test_the_fixtures_say_what_they_are_for(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_inprocess("--fixtures", "-q")
    result.stdout.fnmatch_lines(["rehearse_pod*", "*Play a manifest's pod*", "rehearse_command*"])
