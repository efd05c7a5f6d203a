"""The variables of a stanza: what the process cannot read of its pod, and what has to agree with it."""

from collections.abc import Iterator

from lifecycle.core import SETTINGS
from lifecycle.kube._app import TOKEN_VARIABLE, stands_in_code
from lifecycle.kube._commented import Field
from lifecycle.kube._plan import Plan


def variables(plan: Plan) -> Iterator[list[Field]]:
    """Those that the application, and its hooks, need to have."""
    settings = plan.settings
    if not stands_in_code(settings, "grace_period"):
        yield _variable("LIFECYCLE_GRACE_PERIOD", f"{settings.grace_period:g}")
    for setting in SETTINGS:
        source = settings.sources.get(setting.name)
        if setting.name in {"grace_period", "shutdown_token"} or source is None:
            continue
        if source.from_environment and setting.variable not in plan.app.variables:
            yield _variable(setting.variable, plan.environment[setting.variable])
    in_code = stands_in_code(settings, "shutdown_token")
    needed = not in_code or (plan.hooks == "exec" and not plan.wishes.supervisor)
    if settings.shutdown_token is not None and needed:
        yield _token(plan, in_code=in_code)
    if plan.hooks == "http" and settings.allow is None:
        yield [
            Field("name", "HOST_IP", "From where the kubelet calls: strangers may not."),
            Field("valueFrom", [Field("fieldRef", [Field("fieldPath", "status.hostIP")])]),
        ]
    if plan.wishes.supervisor:
        yield _variable("SUPERVISOR_NAME", plan.wishes.container)
        yield _variable("SUPERVISOR_GRACE_PERIOD", str(plan.grace))


def _token(plan: Plan, *, in_code: bool) -> list[Field]:
    secret, key = plan.wishes.token_secret
    why = f'kubectl create secret generic {secret} --from-literal={key}="$(openssl rand -hex 32)"'
    if in_code:
        why = f"For the hook: the token that stands in the code, from the Secret {secret}."
    reference = [Field("name", secret), Field("key", key)]
    return [
        Field("name", TOKEN_VARIABLE, why),
        Field("valueFrom", [Field("secretKeyRef", reference)]),
    ]


def _variable(name: str, value: str) -> list[Field]:
    return [Field("name", name), Field("value", value)]
