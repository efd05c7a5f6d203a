"""One object and a few decorators to live through the life of a pod.

This module imports nothing until a name is used: what runs inside a hook (`lifecycle stop`, `lifecycle trigger`, a
supervisor) is started often, by a platform that waits for it, and must not pay for an event loop or a web framework.
Type checkers read `__init__.pyi` instead.
"""

_LAYERS = {
    "lifecycle.core": (
        "AlreadyStartedError",
        "BudgetError",
        "End",
        "Endpoints",
        "ExitStatus",
        "HookOrderError",
        "HookTimeoutError",
        "LifecycleError",
        "ManifestError",
        "NotRunningError",
        "Phase",
        "PhaseChange",
        "RegistrationError",
        "RehearsalError",
        "Report",
        "SettingsError",
        "StartError",
        "StopRequest",
        "StopSource",
        "Trigger",
        "TriggerError",
        "TriggerTimeoutError",
    ),
    "lifecycle.runtime": (
        "Lifecycle",
        "wait_for_file",
    ),
    "lifecycle.asgi": ("LifecycleMiddleware",),
    "lifecycle.server": ("serve", "serve_async"),
}
_HOMES = {name: layer for layer, names in _LAYERS.items() for name in names}

# One list of names, above; tests/house compares it with the stub's.
__all__ = sorted(_HOMES)  # noqa: PLE0605  # pyright: ignore[reportUnsupportedDunderAll] - computed, see above


def __getattr__(name: str) -> object:
    layer = _HOMES.get(name)
    if layer is None:
        raise AttributeError(f"module 'lifecycle' has no attribute {name!r}", name=name)
    from importlib import import_module  # noqa: PLC0415 - see above: nothing is imported until a name is used

    value: object = getattr(import_module(layer), name)
    globals()[name] = value  # the next look-up does not come here
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
