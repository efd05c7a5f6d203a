"""The hooks and probes of a stanza: how the kubelet reaches the application."""

import math
from collections.abc import Iterator
from typing import Final

from lifecycle.kube._commented import Field
from lifecycle.kube._plan import Plan

START_PATIENCE: Final = 60
"""Seconds that a start may take where the application names no limit of its own."""
START_SLACK: Final = 5
"""Seconds that Python takes for the imports, before the application's own limit begins to count."""
SUPERVISOR_FOLDER: Final = "/var/run/wrapper"
SUPERVISOR: Final = f"{SUPERVISOR_FOLDER}/supervisor"


def hooks(plan: Plan) -> Iterator[Field]:
    if plan.settings.post_start_file is not None:
        yield _post_start(plan, str(plan.settings.post_start_file))
    if plan.hooks is not None:
        yield _pre_stop(plan)


def _post_start(plan: Plan, file: str) -> Field:
    command = plan.wishes.post_start
    why = "The application is not ready before this has written the file."
    if not command:
        why += " What has to succeed first stands behind it: --, ./warm-up, --all."
    program = SUPERVISOR if plan.wishes.supervisor else "lifecycle"
    behind = ("--", *command) if command else ()
    return _handler(plan, "postStart", _exec(program, "trigger", file, *behind), why)


def _pre_stop(plan: Plan) -> Field:
    path = plan.app.endpoints.shutdown
    if plan.hooks == "http":
        get = _get(plan, path or "/")
        why = "The kubelet calls the pod's address: the server must listen there, not on 127.0.0.1 alone."
        return _handler(plan, "preStop", Field("httpGet", get), why)
    why = "Returns when the application has stopped; SIGTERM finds it gone."
    if plan.wishes.supervisor:
        return _handler(plan, "preStop", _exec(SUPERVISOR, "stop"), why)
    address = (
        ("--port", str(plan.wishes.port))
        if path == "/shutdown"
        else ("--url", f"http://127.0.0.1:{plan.wishes.port}{path}")
    )
    return _handler(plan, "preStop", _exec("lifecycle", "stop", *address), why)


def probes(plan: Plan) -> Iterator[Field]:
    paths = plan.app.endpoints
    if not plan.app.serves:
        return
    limit = plan.settings.startup_timeout
    patience = START_PATIENCE if limit is None else math.ceil(limit) + START_SLACK
    # Liveness says the same while the application starts, as soon as somebody listens.
    started = paths.startupz or paths.livez
    if started is not None:
        why = (
            "As long as the slowest start takes."
            if limit is None
            else f"The application gives up by itself after {limit:g} s."
        )
        yield _probe(plan, "startupProbe", started, why, period=1, failures=patience)
    if paths.livez is not None:
        why = "Only what is stuck is killed: it answers in every phase."
        yield _probe(plan, "livenessProbe", paths.livez, why, timeout=5)
    if paths.readyz is not None:
        yield _probe(plan, "readinessProbe", paths.readyz, "", period=1)


def _probe(
    plan: Plan,
    name: str,
    path: str,
    why: str,
    *,
    period: int = 10,
    timeout: int = 1,
    failures: int = 3,
) -> Field:
    get = Field("httpGet", _get(plan, path))
    numbers = {
        # Defaults are written too: a patch leaves other numbers where they stand.
        "periodSeconds": period,
        "timeoutSeconds": timeout,
        "failureThreshold": failures,
    }
    fields = [Field(key, number) for key, number in numbers.items()]
    return _handler(plan, name, get, why, *fields)


def _get(plan: Plan, path: str) -> list[Field]:
    scheme = [Field("scheme", "HTTPS")] if plan.wishes.https else []
    return [Field("path", path), Field("port", plan.wishes.port), *scheme]


def _handler(plan: Plan, name: str, how: Field, why: str, *more: Field) -> Field:
    # Merged with a handler of another kind, it would have two, which the API server refuses.
    replace = [Field("$patch", "replace")] if plan.wishes.patch is not None else []
    return Field(name, [*replace, how, *more], why)


def _exec(*command: str) -> Field:
    return Field("exec", [Field("command", command)])
