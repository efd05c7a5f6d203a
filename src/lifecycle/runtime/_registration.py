"""Registering hooks: the decorators of a lifecycle, and what they refuse.

The decorated function is returned as it is, so that it can be called and tested without a lifecycle.
"""

import signal as signals
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, overload

from lifecycle.core import Hook, Kind, RegistrationError, caller, make_hook
from lifecycle.runtime._signals import STOP_SIGNALS

F = TypeVar("F", bound=Callable[..., Any])


class Registration:
    """The hooks of one lifecycle, in the order of their registration."""

    def __init__(self) -> None:
        self._hooks: list[Hook] = []

    @property
    def _started(self) -> bool:
        """Whether a hook that is registered now would never run."""
        return False

    @overload
    def on_startup(self, function: F, /) -> F: ...
    @overload
    def on_startup(
        self,
        /,
        *,
        name: str | None = None,
        timeout: float | None = None,
        after: Iterable[str] = (),
        concurrent: bool = False,
    ) -> Callable[[F], F]: ...
    def on_startup(self, function: Any = None, /, **options: Any) -> Any:
        """Run before anything is served. `concurrent` hooks that stand together run side by side."""
        return self._register(
            Kind.STARTUP, function, options, ("name", "timeout", "after", "concurrent")
        )

    @overload
    def on_post_start(self, function: F, /) -> F: ...
    @overload
    def on_post_start(
        self, /, *, name: str | None = None, timeout: float | None = None, after: Iterable[str] = ()
    ) -> Callable[[F], F]: ...
    def on_post_start(self, function: Any = None, /, **options: Any) -> Any:
        """Run after the postStart trigger file has appeared, before READY. May take the `Trigger`."""
        return self._register(Kind.POST_START, function, options, ("name", "timeout", "after"))

    @overload
    def on_pre_stop(self, function: F, /) -> F: ...
    @overload
    def on_pre_stop(
        self, /, *, name: str | None = None, timeout: float | None = None, after: Iterable[str] = ()
    ) -> Callable[[F], F]: ...
    def on_pre_stop(self, function: Any = None, /, **options: Any) -> Any:
        """Run once, when stopping is first requested, while requests are still served. May take the `StopRequest`."""
        return self._register(Kind.PRE_STOP, function, options, ("name", "timeout", "after"))

    @overload
    def on_shutdown(self, function: F, /) -> F: ...
    @overload
    def on_shutdown(
        self, /, *, name: str | None = None, timeout: float | None = None, after: Iterable[str] = ()
    ) -> Callable[[F], F]: ...
    def on_shutdown(self, function: Any = None, /, **options: Any) -> Any:
        """Run after the drain, last registered first; only if what was registered before it has started.

        With the same `name=` as a startup hook it is that hook's other half.
        """
        return self._register(Kind.SHUTDOWN, function, options, ("name", "timeout", "after"))

    @overload
    def resource(self, function: F, /) -> F: ...
    @overload
    def resource(
        self,
        /,
        *,
        name: str | None = None,
        timeout: float | None = None,
        after: Iterable[str] = (),
        concurrent: bool = False,
    ) -> Callable[[F], F]: ...
    def resource(self, function: Any = None, /, **options: Any) -> Any:
        """Start and shut down in one place: a generator that yields once, or a function returning a context manager.

        The value is at `life.state.NAME` and `request.state.NAME`. `timeout` is for the start.
        """
        return self._register(
            Kind.RESOURCE, function, options, ("name", "timeout", "after", "concurrent")
        )

    @overload
    def task(self, function: F, /) -> F: ...
    @overload
    def task(
        self, /, *, name: str | None = None, essential: bool = False, finish: bool = True
    ) -> Callable[[F], F]: ...
    def task(self, function: Any = None, /, **options: Any) -> Any:
        """Run in the background from READY on. If `essential`, its crash stops the process.

        When the drain begins it is waited for, within the budget: let it look at `life.stop_requested`. With
        `finish=False` it is cancelled then.
        """
        return self._register(Kind.TASK, function, options, ("name", "essential", "finish"))

    def on_signal(self, number: int, /) -> Callable[[F], F]:
        """Run whenever the signal comes, in the event loop. The stop signals are the lifecycle's own."""
        where = caller()
        try:
            which = signals.Signals(number)
        except (ValueError, TypeError):
            raise RegistrationError(
                f"@life.on_signal({number!r}) at {where}: no such signal on this system; write it like"
                " @life.on_signal(signal.SIGHUP)"
            ) from None
        if which in STOP_SIGNALS:
            raise RegistrationError(
                f"@life.on_signal({which.name}) at {where}: {which.name} asks the process to stop, so use"
                " @life.on_pre_stop or @life.on_shutdown"
            )
        if which in (signals.SIGKILL, signals.SIGSTOP):
            raise RegistrationError(
                f"@life.on_signal({which.name}) at {where}: no program can handle {which.name}"
            )

        def register(function: F) -> F:
            self._add(make_hook(Kind.SIGNAL, function, where, signal=int(which)))
            return function

        return register

    def _register(
        self, kind: Kind, function: Any, options: dict[str, Any], known: tuple[str, ...]
    ) -> Any:
        where = caller()
        unknown = sorted(set(options) - set(known))
        if unknown:
            raise RegistrationError(
                f"@life.{kind} at {where} has no option {', '.join(unknown)}: there are {', '.join(known)}"
            )
        if function is not None and not callable(function):
            raise RegistrationError(
                f"@life.{kind}({function!r}) at {where}: options are keywords, as in @life.{kind}(name={function!r})"
            )

        def register(decorated: Any) -> Any:
            self._add(make_hook(kind, decorated, where, **options))
            return decorated

        return register if function is None else register(function)

    def _add(self, hook: Hook) -> None:
        if self._started:
            raise RegistrationError(
                f"{hook} was registered after the start, and would never run: register hooks where the module is"
                " imported, before the application starts"
            )
        for other in self._hooks:
            if (
                other.kind is hook.kind
                and other.function == hook.function
                and other.signal == hook.signal
            ):
                raise RegistrationError(
                    f"{hook} is registered already, at {other.where}: once is enough"
                )
            if other.kind is hook.kind and other.paired and hook.paired and other.name == hook.name:
                raise RegistrationError(
                    f"{hook}: the name is taken by the {other.kind} hook at {other.where}"
                )
        self._hooks.append(hook)
