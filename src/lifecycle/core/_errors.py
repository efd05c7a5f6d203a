"""Every error that this library raises.

LifecycleError
├── SettingsError (ValueError)            a setting is malformed, or two contradict each other
│   └── BudgetError                       the parts of a stop do not fit into the grace period
├── RegistrationError (TypeError)         a decorator was used wrongly, or too late
│   └── HookOrderError                    `after=` names nobody, or goes in a circle
├── AlreadyStartedError (RuntimeError)    started twice, installed twice, or two at once in one process
├── NotRunningError (RuntimeError)        it was asked something that only a running lifecycle can do
├── StartError                            the start failed; the causes are in `__cause__`
├── HookTimeoutError (TimeoutError)       a hook took longer than it was given
├── TriggerError                          the postStart trigger file cannot be used
│   └── TriggerTimeoutError (TimeoutError)   … or did not appear in time
├── ManifestError (ValueError)            a manifest cannot be read, or is not what it says it is
├── RehearsalError                        what a manifest describes cannot be played on this machine
└── IllegalMoveError (RuntimeError)       a defect in this library: please report it
"""

from enum import IntEnum
from typing import Final

PUBLIC: Final = "lifecycle"
"""Where users import the errors from."""


class ExitStatus(IntEnum):
    """How the process ends. Below 64, so that none is taken for a supervisor's or a shell's own."""

    CLEAN = 0
    """Everything that was promised was done."""
    START_FAILED = 3
    """A startup hook, the trigger or the application's own start failed (uvicorn's own number for it)."""
    WORK_ABANDONED = 4
    """Work in flight was cut off when the budget ran out."""
    HOOK_FAILED = 5
    """A pre-stop or shutdown hook failed or overran."""
    TASK_CRASHED = 6
    """An essential task, the main function or the application's lifespan crashed."""
    FORCED = 7
    """A second SIGINT, or SIGQUIT, cut the stop short."""
    DEADLINE = 8
    """The event loop was blocked: the watchdog ended the process before SIGKILL could."""


class LifecycleError(Exception):
    """The root: catch this to catch all of them."""

    __module__ = PUBLIC

    def __init_subclass__(cls) -> None:
        # A traceback names what is to be caught: `lifecycle.StartError`, not the module that happens to define it.
        if cls.__module__ == __name__:
            cls.__module__ = PUBLIC


class SettingsError(LifecycleError, ValueError):
    """A setting is malformed, or contradicts another."""


class BudgetError(SettingsError):
    """The parts of a stop do not fit into the grace period."""


class RegistrationError(LifecycleError, TypeError):
    """A decorator was used wrongly, or after the start."""


class HookOrderError(RegistrationError):
    """`after=` names a hook that does not exist, or goes in a circle."""


class AlreadyStartedError(LifecycleError, RuntimeError):
    """A lifecycle was started twice, installed twice, or beside another one in the same process."""


class NotRunningError(LifecycleError, RuntimeError):
    """A lifecycle was asked to do what only a running one can."""


class StartError(LifecycleError):
    """The start failed. What was started has been shut down again."""


class HookTimeoutError(LifecycleError, TimeoutError):
    """A hook took longer than it was given."""


class TriggerError(LifecycleError):
    """The postStart trigger file cannot be used as it is."""


class TriggerTimeoutError(TriggerError, TimeoutError):
    """The postStart trigger file did not appear in time."""


class ManifestError(LifecycleError, ValueError):
    """A manifest cannot be read, or is not what it says it is. Lines and columns count from 1."""

    def __init__(self, what: str, *, file: str, line: int = 1, column: int = 1) -> None:
        super().__init__(f"{file}:{line}:{column}: {what}")
        self.what = what
        self.file = file
        self.line = line
        self.column = column


class RehearsalError(LifecycleError):
    """What a manifest describes cannot be played on this machine."""


class IllegalMoveError(LifecycleError, RuntimeError):
    """A step out of its place: a defect in this library."""

    def __init__(self, phase: str, event: str) -> None:
        super().__init__(
            f"event '{event}' has no place in phase '{phase}': this is a defect in lifecycle, please report it"
        )
