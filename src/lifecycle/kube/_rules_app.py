"""LC6: what the manifest and the application say of the same thing, where the application's name is known."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lifecycle.core import SETTINGS, TERMINATION_LOG, SettingsError
from lifecycle.kube._app import stands_in_code
from lifecycle.kube._app_place import containers_of, environment_in
from lifecycle.kube._app_seen import seen_in
from lifecycle.kube._commands import script_of, whole_command
from lifecycle.kube._handlers import Exec
from lifecycle.kube._hooks import pre_stop_seconds
from lifecycle.kube._rule import Found, Rule, Severity, Subject

VARIABLES: Final = frozenset(setting.variable for setting in SETTINGS)
TERMINATION: Final = (
    "https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination"
)
HOOKS: Final = "https://kubernetes.io/docs/concepts/containers/container-lifecycle-hooks/"
PROBES: Final = (
    "https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/"
)


def _refuses(subject: Subject) -> Iterator[Found]:
    if subject.app is None:
        return
    for container in containers_of(subject.workload, subject.manifest, subject.app):
        try:
            subject.app.settings(environment_in(container))
        except SettingsError as error:
            # The variable that the message names, where it stands in the manifest.
            places = [
                one.place.where
                for one in container.env
                if one.name in VARIABLES and one.name in str(error)
            ]
            yield Found(
                places[0] if places else container.place.at("env", "name"),
                f"{subject.app.target} would not start in {container.name!r}: {error}",
            )


def _plans_with_more(subject: Subject) -> Iterator[Found]:
    for seen in seen_in(subject):
        planned, grace = seen.settings.grace_period, seen.pod.grace_period
        # What the manifest itself says is another rule's.
        if planned > grace and not seen.has("LIFECYCLE_GRACE_PERIOD"):
            which = (
                "its code says"
                if stands_in_code(seen.settings, "grace_period")
                else "it takes as nobody tells it"
            )
            yield Found(
                seen.pod.place.at("terminationGracePeriodSeconds", "containers"),
                f"{seen.app.target} plans with {planned:g} s, which {which}, and is killed after {grace:g} s",
                f"set terminationGracePeriodSeconds to {planned:g}, or LIFECYCLE_GRACE_PERIOD to {grace:g}"
                if not stands_in_code(seen.settings, "grace_period")
                else f"set terminationGracePeriodSeconds to {planned:g}, or change grace_period in the code",
            )


def _hook_is_paid_first(subject: Subject) -> Iterator[Found]:
    for seen in seen_in(subject):
        slept = pre_stop_seconds(seen.container)
        budget, grace = seen.settings.budget, seen.pod.grace_period
        if (
            slept
            and slept < grace
            and seen.settings.grace_period <= grace < slept + budget.deadline
        ):
            yield Found(
                seen.hook_at(),
                f"preStop sleeps {slept:g} s, and then {seen.app.target} plans with {budget.deadline:g} s from SIGTERM on"
                f" (lame duck {budget.delay:g}, drain {budget.drain:g}, shutdown hooks {budget.hooks:g}): {grace - slept:g} s"
                " are left",
                "leave the sleep out: the lame duck is the same, and ends when the routers have let go;"
                f" or set terminationGracePeriodSeconds to {slept + seen.settings.grace_period:g}",
            )


def _plans_with_less(subject: Subject) -> Iterator[Found]:
    for seen in seen_in(subject):
        planned, grace = seen.settings.grace_period, seen.pod.grace_period
        if planned + pre_stop_seconds(seen.container) + 1 <= grace:
            variables = [
                one.place for one in seen.container.env if one.name == "LIFECYCLE_GRACE_PERIOD"
            ]
            yield Found(
                variables[0].at("value")
                if variables
                else seen.pod.place.at("terminationGracePeriodSeconds"),
                f"{seen.app.target} plans with {planned:g} s of the {grace:g} s that it has: what is still under way then is"
                " cut off",
                f"set LIFECYCLE_GRACE_PERIOD to {grace:g}",
            )


def _nobody_writes(subject: Subject) -> Iterator[Found]:
    for seen in seen_in(subject):
        file = seen.settings.post_start_file
        if file is None or seen.has("LIFECYCLE_POST_START_FILE"):
            continue  # What stands in the manifest alone is another rule's.
        if not any(str(file) in text for text in _texts(subject)):
            yield Found(
                seen.container.lifecycle_place.at("postStart"),
                f"{seen.app.target} waits for {file} before it is ready, and nothing in the pod names that file",
                f"let postStart run [lifecycle, trigger, {file}, --, …]",
            )


def _texts(subject: Subject) -> Iterator[str]:
    for container in subject.pod.everyone():
        yield from whole_command(container)
        yield from (one.value or "" for one in container.env)
        for hook in container.hooks.values():
            if isinstance(hook, Exec):
                yield script_of(hook.command) or ""
                yield from hook.command


def _report_is_not_seen(subject: Subject) -> Iterator[Found]:
    for seen in seen_in(subject):
        seen_at = Path(seen.container.termination_message_path)
        file = seen.settings.report_file or TERMINATION_LOG
        if file != seen_at:
            yield Found(
                seen.container.place.at("terminationMessagePath", "name"),
                f"{seen.app.target} writes its report to {file}, and the kubelet reads {seen_at}",
                f"set terminationMessagePath: {file}"
                if seen.settings.report_file
                else f"leave terminationMessagePath out, or set LIFECYCLE_REPORT_FILE to {seen_at}",
            )


def _killed_while_starting(subject: Subject) -> Iterator[Found]:
    for seen in seen_in(subject):
        limit = seen.settings.startup_timeout
        probe, name = seen.container.startup, "startupProbe"
        if probe is None:
            probe, name = seen.container.liveness, "livenessProbe"
        if limit is None or probe is None:
            continue
        patience = probe.initial_delay + probe.patience
        if patience < limit:
            yield Found(
                probe.place.at("failureThreshold", "periodSeconds"),
                f"the {name} gives up after {patience:g} s, and {seen.app.target} may take {limit:g} s to start",
                f"set failureThreshold of a startupProbe to {limit / probe.period + 1:.0f}",
            )


RULES = (
    Rule(
        id="LC601",
        severity=Severity.ERROR,
        title="The application would not start in this pod",
        sees="Settings that the application, with the variables of its container, refuses.",
        why="Settings that contradict each other, and parts of a stop that do not fit into the grace period, are refused when"
        " the application is imported: the pod would be in CrashLoopBackOff. In a pod there is a lame duck that a laptop"
        " does not have.",
        fix="do what the message says",
        source=TERMINATION,
        find=_refuses,
    ),
    Rule(
        id="LC602",
        severity=Severity.ERROR,
        title="The application plans with more time than the pod has",
        sees="A grace period in the application's code, or its default of 30 s, above `terminationGracePeriodSeconds`.",
        why="The application cannot read the pod's grace period. It divides its own among lame duck, drain and shutdown hooks,"
        " and what it keeps for the end is after SIGKILL.",
        fix="let both say the same",
        source=TERMINATION,
        find=_plans_with_more,
    ),
    Rule(
        id="LC603",
        severity=Severity.ERROR,
        title="The preStop hook leaves less than the application plans with",
        sees="A preStop hook that sleeps, and an application whose lame duck, drain and shutdown hooks do not fit into what is"
        " left.",
        why="The hook is paid out of the same grace period, and the application counts from SIGTERM: it does not know what has"
        " been spent before.",
        fix="leave the sleep out, or add it to terminationGracePeriodSeconds",
        source=f"{HOOKS}#hook-handler-execution",
        find=_hook_is_paid_first,
    ),
    Rule(
        id="LC604",
        severity=Severity.INFO,
        title="The application does not use the time that it has",
        sees="A grace period of the application that is shorter than what the pod leaves it.",
        why="When its own period is over it cuts off what is under way, though the kubelet would have waited.",
        fix="set LIFECYCLE_GRACE_PERIOD to terminationGracePeriodSeconds",
        source=TERMINATION,
        find=_plans_with_less,
    ),
    Rule(
        id="LC610",
        severity=Severity.WARNING,
        title="Nobody writes the file that the application waits for",
        sees="A `post_start_file` in the application's code that no hook, command or variable of the pod names.",
        why="It is not ready before the file is there. A startup probe will end that, and begin it again.",
        fix="write the file in the postStart hook, with `lifecycle trigger`",
        source=HOOKS,
        find=_nobody_writes,
    ),
    Rule(
        id="LC611",
        severity=Severity.INFO,
        title="The report is written where the kubelet does not read it",
        sees="A `report_file` that is not `terminationMessagePath`.",
        why="The application's last word, what was abandoned and what failed, would stand in the pod's status:"
        " `kubectl get pod -o jsonpath='{..terminated.message}'`.",
        fix="let both be the same file",
        source="https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/",
        find=_report_is_not_seen,
    ),
    Rule(
        id="LC614",
        severity=Severity.WARNING,
        title="A probe ends the start that the application still allows",
        sees="A `startup_timeout` of the application above what its startup probe, or a liveness probe alone, waits.",
        why="The kubelet kills and restarts it in the middle of its start; what makes it slow is done again.",
        fix="give the startup probe more failures than the application's startup_timeout has seconds",
        source=PROBES,
        find=_killed_while_starting,
    ),
)
