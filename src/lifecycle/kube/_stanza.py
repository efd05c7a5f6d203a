"""The part of a manifest that an application needs, written from its own settings."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from lifecycle.core import TERMINATION_LOG
from lifecycle.kube._app import AppFacts, stands_in_code
from lifecycle.kube._commented import Field, Items, to_yaml
from lifecycle.kube._plan import Plan, Wishes, plan_for
from lifecycle.kube._stanza_env import variables
from lifecycle.kube._stanza_handlers import SUPERVISOR, SUPERVISOR_FOLDER, hooks, probes

_MOUNT: Final = Items([[Field("name", "wrapper"), Field("mountPath", SUPERVISOR_FOLDER)]])
_NOTHING: Final[list[Field]] = []


@dataclass(frozen=True, slots=True)
class Stanza:
    """The YAML, and what there is to say that has no place in it."""

    text: str
    notes: tuple[str, ...]


def write_stanza(app: AppFacts, environment: Mapping[str, str], wishes: Wishes) -> Stanza:
    """The stanza for a pod's spec, or a strategic-merge patch with it, for an application set by `environment`.

    Raises:
        SettingsError: What is wished for cannot work with these settings; the message says why.
    """
    plan = plan_for(app, environment, wishes)
    fields = _pod(plan)
    budget = plan.settings.budget
    above = (
        f"Made by `lifecycle manifest` from the settings of {app.target}.\n"
        f"The grace period is one purse: lame duck {budget.delay:g} s, drain {budget.drain:g} s, shutdown hooks"
        f" {budget.hooks:g} s, margin {budget.margin:g} s."
    )
    if wishes.patch is not None:
        kind, name = wishes.patch
        above += (
            f"\nFor a kustomization, or for:\nkubectl patch {kind.lower()} {name} --patch-file FILE"
        )
        fields = [
            Field("apiVersion", "apps/v1"),
            Field("kind", kind),
            Field("metadata", [Field("name", name)]),
            Field("spec", [Field("template", [Field("spec", fields)])]),
        ]
    return Stanza(to_yaml(fields, above=above), tuple(_notes(plan)))


def _pod(plan: Plan) -> list[Field]:
    wishes = plan.wishes
    fields = [
        Field(
            "terminationGracePeriodSeconds",
            plan.grace,
            ""
            if stands_in_code(plan.settings, "grace_period")
            else "Said twice, here and in LIFECYCLE_GRACE_PERIOD: a process cannot read it.",
        )
    ]
    if wishes.supervisor:
        copy = [
            Field("name", "copy-supervisor", "One file, which copies itself to where it is run."),
            Field("image", wishes.supervisor_image),
            Field("command", ("/supervisor", "install", SUPERVISOR)),
            Field("volumeMounts", _MOUNT),
        ]
        fields.append(Field("initContainers", Items([copy])))
    fields.append(Field("containers", Items([_container(plan)])))
    if wishes.supervisor:
        volume = [Field("name", "wrapper"), Field("emptyDir", _NOTHING)]
        fields.append(Field("volumes", Items([volume])))
    return fields


def _container(plan: Plan) -> list[Field]:
    wishes = plan.wishes
    fields = [Field("name", wishes.container)]
    if wishes.supervisor:
        fields += [
            Field("command", (SUPERVISOR,), "PID 1; its arguments are the program."),
            Field("args", ("--", *wishes.command)),
        ]
    if env := list(variables(plan)):
        fields.append(Field("env", Items(env)))
    if handlers := list(hooks(plan)):
        fields.append(Field("lifecycle", handlers))
    fields += _termination_message(plan)
    fields += probes(plan)
    if wishes.supervisor:
        fields.append(Field("volumeMounts", _MOUNT))
    return fields


def _termination_message(plan: Plan) -> list[Field]:
    file = plan.settings.report_file
    if file is None or file == TERMINATION_LOG:
        return []
    why = "Where the application writes its report: the pod's status shows it."
    return [Field("terminationMessagePath", str(file), why)]


def _notes(plan: Plan) -> Iterator[str]:
    """What the user should know, and the manifest cannot say."""
    app, settings = plan.app, plan.settings
    if not app.serves:
        yield (
            f"{app.target} is used by no LifecycleMiddleware: no probes and no preStop hook over HTTP. If there is one,"
            " name the application that has it: --app module:app"
        )
    waiting = [hook for hook in app.hooks if hook.kind == "on_post_start"]
    if waiting and settings.post_start_file is None:
        yield (
            f"on_post_start hook {waiting[0].name!r} ({waiting[0].where}) is not run without a trigger file: set"
            " LIFECYCLE_POST_START_FILE"
        )
    timeouts = app.shutdown_timeouts()
    if timeouts > settings.budget.hooks + settings.budget.drain:
        yield (
            f"the shutdown hooks may take {timeouts:g} s by their own timeouts, and the grace period leaves them"
            f" {settings.budget.hooks:g} s after a drain that takes its time: raise grace_period"
        )
