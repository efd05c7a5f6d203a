"""LC11, places: hooks where there can be none, or where their failure goes unnoticed."""

from collections.abc import Iterator

from lifecycle.kube._container import Role
from lifecycle.kube._hooks import HOOKS
from lifecycle.kube._rule import Found, Rule, Severity, Subject


def _init_hooks(subject: Subject) -> Iterator[Found]:
    for container in subject.pod.init:
        names = [*container.hooks, *container.probes]
        if container.role is Role.INIT and names:
            first = names[0] if names[0] in container.place.keys else "lifecycle"
            yield Found(
                container.place.at(first),
                f"init container {container.name!r} has {' and '.join(names)}: the API server refuses the pod",
            )


def _on_failure(subject: Subject) -> Iterator[Found]:
    for container in subject.pod.everyone():
        policy = container.restart_policy or subject.pod.restart_policy
        if container.post_start is not None and policy != "Always":
            yield Found(
                container.lifecycle_place.at("postStart"),
                f"{container.name!r} has a postStart hook and restartPolicy {policy}: if the hook fails and the program"
                " ends well when it is told to, it counts as done, with nothing done",
            )


RULES = (
    Rule(
        id="LC112",
        severity=Severity.ERROR,
        title="An init container has hooks or probes",
        sees="`lifecycle` or a probe in an init container that is no native sidecar.",
        why="An init container runs to its end before the next one starts: there is nothing to probe and nothing to be"
        " told. The API server refuses the whole pod.",
        fix="remove them; or set restartPolicy: Always, if it is to run beside the others as a native sidecar",
        source="https://kubernetes.io/docs/concepts/workloads/pods/init-containers/#differences-from-regular-containers",
        find=_init_hooks,
    ),
    Rule(
        id="LC114",
        severity=Severity.WARNING,
        title="A failed postStart hook can look like success",
        sees="A postStart hook where the restart policy is `OnFailure` or `Never`.",
        why="When the hook fails the container is stopped as ever, with SIGTERM. A program that ends well on SIGTERM"
        " exits with 0; `OnFailure` then sees no failure, restarts nothing, and the pod may count as succeeded.",
        fix="do the hook's work in the program or in an init container, whose failure counts",
        source=HOOKS,
        find=_on_failure,
    ),
)
