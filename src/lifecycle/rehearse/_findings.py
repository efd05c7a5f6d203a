"""What may be found in a rehearsal: one row each, with what it means and what to write instead."""

from typing import Final

from lifecycle.rehearse._events import Kind
from lifecycle.rehearse._find_lives import (
    loopback,
    never_ready,
    no_end,
    nobody,
    not_back,
    restarted,
)
from lifecycle.rehearse._find_lost import (
    cut_off,
    refused,
    server_errors,
    streams,
    unanswered,
    wrong_path,
)
from lifecycle.rehearse._find_stops import (
    abandoned,
    by_itself,
    exit_status,
    hook_failed,
    ignored,
    killed,
    late,
    little_left,
    pre_stop_took_all,
)
from lifecycle.rehearse._finding import Rule
from lifecycle.rehearse._result import Severity

FINDINGS: Final = (
    Rule(
        id="never-ready",
        severity=Severity.ERROR,
        means="The pod did not get ready in the time that it was given, or exited before.",
        fix="read what its containers said (--logs); allow more time with --start-within",
        find=never_ready,
    ),
    Rule(
        id="listens-on-loopback",
        severity=Severity.ERROR,
        means="The server listens on 127.0.0.1, where neither the kubelet nor a Service can reach it.",
        fix="listen on all addresses: --host 0.0.0.0",
        find=loopback,
    ),
    Rule(
        id="ended-by-itself",
        severity=Severity.ERROR,
        means="A container's process ended although nobody had asked it to.",
        fix="see what it said (--logs); a pod's containers run until they are told to stop, and what ends by itself is a Job",
        find=by_itself,
    ),
    Rule(
        id="restarted",
        severity=Severity.ERROR,
        means="A container was started again, though nobody asked for it.",
        fix=(
            "give the start the time that it takes: a startupProbe with failureThreshold x periodSeconds above it,"
            " and no liveness probe that is stricter"
        ),
        find=restarted,
    ),
    Rule(
        id="refused",
        severity=Severity.ERROR,
        means="Connections were refused while routers still led to the pod: it had closed its port.",
        fix=(
            "serve on for at least {lag} s after the stop signal: a preStop hook `sleep: {{seconds: {lag}}}`, or a"
            " shutdown delay in the application (LIFECYCLE_SHUTDOWN_DELAY={lag}); where it was at a start, add a readinessProbe"
        ),
        find=refused,
    ),
    Rule(
        id="cut-off",
        severity=Severity.ERROR,
        means="Requests that had been sent were not answered, or not to their end: the process left too early.",
        fix=(
            "finish what is in flight before the process ends, and answer with `Connection: close` from the stop on,"
            " so that kept connections are given back"
        ),
        find=cut_off,
    ),
    Rule(
        id="server-errors",
        severity=Severity.ERROR,
        means="Requests were answered with 5xx, while routers still led to the pod.",
        fix="serve on until the routes are gone: {lag} s or more after the stop signal (LIFECYCLE_SHUTDOWN_DELAY={lag})",
        find=server_errors,
    ),
    Rule(
        id="unanswered",
        severity=Severity.ERROR,
        means="Requests got no answer within a client's patience.",
        fix="see what the application waits for; a process that is frozen or starved answers nobody",
        find=unanswered,
    ),
    Rule(
        id="streams-cut-off",
        severity=Severity.ERROR,
        means="WebSockets or event streams broke off, or were closed with a code that says failure.",
        fix="close WebSockets with 1001 or 1012, and end streams, before the process ends",
        find=streams,
    ),
    Rule(
        id="nobody-routed",
        severity=Severity.ERROR,
        means="There was a time in which the Service led to no pod at all.",
        fix="maxUnavailable: 0 with maxSurge: 1, a readinessProbe that tells the truth, and minReadySeconds above the endpoint lag",
        find=nobody,
    ),
    Rule(
        id="signal-ignored",
        severity=Severity.ERROR,
        means="PID 1 of a container has no default action for a signal: without a handler it is dropped.",
        fix=(
            "write the command as a list without a shell (or `exec` in it), handle SIGTERM in the program, before it"
            " loads anything else, or run it below an init: lifecycle supervise -- COMMAND"
        ),
        find=ignored,
    ),
    Rule(
        id="killed",
        severity=Severity.ERROR,
        means="A container was still there when its grace period was over: SIGKILL.",
        fix="raise terminationGracePeriodSeconds above what preStop, drain and hooks need together, or shorten one of them",
        find=killed,
    ),
    Rule(
        id="exit-status",
        severity=Severity.ERROR,
        means="A container ended with an exit status that is not 0: its pod is shown as failed.",
        fix="handle the stop signal and end with 0; its log (--logs) and its termination message say what happened",
        find=exit_status,
    ),
    Rule(
        id="post-start-failed",
        severity=Severity.ERROR,
        means="A postStart hook failed: the kubelet kills the container, with its preStop hook.",
        fix="let the hook wait for what it needs (it starts beside the process, perhaps before it), and succeed when run again",
        find=hook_failed(Kind.POST_START_ENDED, "postStart"),
    ),
    Rule(
        id="pre-stop-failed",
        severity=Severity.ERROR,
        means="A preStop hook failed: the stop signal follows at once.",
        fix="check that its binary is in the image, or that its port listens on the pod's address; `sleep:` needs neither",
        find=hook_failed(Kind.PRE_STOP_ENDED, "preStop"),
    ),
    Rule(
        id="not-back",
        severity=Severity.ERROR,
        means="After its restart a container did not become ready again.",
        fix="see what is left over from its first life: files in an emptyDir, locks, a trigger that is not written again",
        find=not_back,
    ),
    Rule(
        id="no-end",
        severity=Severity.ERROR,
        means="The scenario did not come to its end: a rollout makes no progress, or a stop waits for ever.",
        fix="see the last events; a postStart hook that hangs holds up everything, the pod's own deletion too",
        find=no_end,
    ),
    Rule(
        id="pre-stop-took-it-all",
        severity=Severity.WARNING,
        means="The preStop hook left nothing of the grace period: after the stop signal there are two seconds.",
        fix="raise terminationGracePeriodSeconds, or shorten the hook: it is paid from the same purse as the drain",
        find=pre_stop_took_all,
    ),
    Rule(
        id="little-left",
        severity=Severity.WARNING,
        means="A container ended just in time: less than a tenth of its grace period was left.",
        fix="raise terminationGracePeriodSeconds: production is busier than this machine",
        find=little_left,
    ),
    Rule(
        id="work-abandoned",
        severity=Severity.WARNING,
        means="The application's own report names work that it had to cut off.",
        fix="raise the grace period (and LIFECYCLE_GRACE_PERIOD with it), or let this work be ended by a policy",
        find=abandoned,
    ),
    Rule(
        id="came-late",
        severity=Severity.WARNING,
        means="The application's own report says that requests came after its lame duck.",
        fix="a shutdown delay that is {more} s longer",
        find=late,
    ),
    Rule(
        id="wrong-path",
        severity=Severity.NOTE,
        means="Every answer to a path was a client error: the load tells little.",
        fix="ask for what the application serves: --path /",
        find=wrong_path,
    ),
)
"""In the order in which they matter: what comes first is often the cause of what follows."""
