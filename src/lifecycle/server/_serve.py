"""Serving an application: one process, one uvicorn, the lifecycle in charge."""

import asyncio
import contextlib
import functools
import gc
import json
import logging
import os
import signal
import socket
import stat
import sys
from collections.abc import Iterator
from typing import Any

import anyio
import uvicorn

from lifecycle.core import ExitStatus, Report, Settings, SettingsError, read_settings
from lifecycle.runtime import (
    EarlySignals,
    Lifecycle,
    end_without_the_interpreter,
    report_path,
    write_report,
)
from lifecycle.server._arrivals import Arrivals
from lifecycle.server._leaving import part_with_connections, watch_routers
from lifecycle.server._load import in_middleware, load_application, with_middleware
from lifecycle.server._parent import Parent
from lifecycle.server._reload import serve_and_reload
from lifecycle.server._seat import LifespanDriver, Seat
from lifecycle.server._uvicorn import Server, missing

logger = logging.getLogger("lifecycle")

TAKEN = {
    "lifespan": "the lifecycle runs it",
    "timeout_graceful_shutdown": "set LIFECYCLE_DRAIN_TIMEOUT, or Lifecycle(drain_timeout=…)",
}
"""Options of uvicorn's that are ours, and what to do instead."""


async def serve_async(
    life: Lifecycle,
    app: Any,
    *,
    sockets: list[socket.socket] | None = None,
    seat: Seat | None = None,
    **options: Any,
) -> int:
    """Serve `app` until the lifecycle is over; returns the exit status. `options` are `uvicorn.Config`'s.

    Raises:
        SettingsError: An option is not uvicorn's, or is ours to set.
        AlreadyStartedError: This lifecycle has been started before.
    """
    if isinstance(app, str):
        raise SettingsError(
            f"serve_async({app!r}): give it the application itself; by name, use serve()"
        )
    if options.get("interface", "auto") not in ("auto", "asgi3"):
        raise SettingsError(
            f"serve(interface={options['interface']!r}): ASGI 3 alone; wrap the application, say in a2wsgi.WSGIMiddleware"
        )
    # Inside somebody else's program nobody ends the process.
    seat = seat or Seat(owns_process=False)
    app = with_middleware(app, life)
    config = make_config(app, **options)
    names = missing(uvicorn.Server(config))
    with contextlib.ExitStack() as stack:
        if sockets is None:
            sockets = [stack.enter_context(listening(config))]
        if names:
            logger.warning(
                "this uvicorn lacks %s: serving without what needs them", ", ".join(names)
            )
            config.lifespan = "on"
            await uvicorn.Server(config).serve(sockets=sockets)
        else:
            await _serve(life, app, config, sockets, seat)
    status = life.report.exit_status
    return ExitStatus.START_FAILED if status is None else status


async def _serve(
    life: Lifecycle, app: Any, config: uvicorn.Config, sockets: list[socket.socket], seat: Seat
) -> None:
    config.load()
    driver = LifespanDriver(app, seat)
    lifespan = asyncio.create_task(driver.run())
    await driver.listening.wait()
    server = seat.server = Server(config, life.remaining, driver.state)
    endpoints = life.endpoints
    arrivals = Arrivals(
        asyncio.get_running_loop().time,
        exempt=(
            endpoints.shutdown,
            endpoints.post_start,
            endpoints.livez,
            endpoints.readyz,
            endpoints.startupz,
        ),
    )
    server.worn_out = seat.worn_out
    server.watch(arrivals)
    watches = [
        asyncio.create_task(watch_routers(life, seat, server, arrivals)),
        asyncio.create_task(part_with_connections(life, server)),
        asyncio.create_task(seat.follow(life)),
    ]
    try:
        if await seat.before_listening():
            if seat.left:
                server.leave()
            await server.serve(sockets=sockets)
    except asyncio.CancelledError:
        # Whoever called us gives up: what is under way is finished, and what has been started is shut down.
        driver.server_has_gone()
        await lifespan
        if server.started:
            await server.shutdown(sockets)
        raise
    finally:
        for watch in watches:
            watch.cancel()
        driver.server_has_gone()
        await lifespan
    if server.unread:
        _regret(life.report, server.unread)
        if seat.writes_report:
            write_report(life.report, report_path(life.settings.report_file))
    if driver.mistake is not None:
        raise driver.mistake


def _regret(report: Report, unread: int) -> None:
    # For the application that work was done; to a client, half an answer is none.
    report.failures.append(f"{unread} answers were not read to their ends by the deadline")
    report.exit_status = report.exit_status or int(ExitStatus.WORK_ABANDONED)


def serve(
    life: Lifecycle, app: Any, *, workers: int = 1, app_dir: str | None = None, **options: Any
) -> int:
    """Serve `app` in one process, or in several; returns the exit status. See `Lifecycle.serve`."""
    if type(workers) is not int or workers < 1:
        raise SettingsError(f"serve(workers={workers!r}): a whole number, 1 or more")
    reload = options.pop("reload", False)
    if (workers > 1 or reload) and not isinstance(app, str):
        raise SettingsError(
            "serve(workers=…) and serve(reload=True) start new processes, which have to import the application: name it,"
            " like serve('main:app')"
        )
    if reload:
        return serve_and_reload(app, EarlySignals(), app_dir=app_dir or "", **options)
    if workers > 1:
        return _serve_with_workers(app, workers, life.settings, app_dir, options, EarlySignals())
    with listening(make_config(app, **without(options, "factory"))) as sock:
        if isinstance(app, str):
            sys.path.insert(0, app_dir or "")
            app, _ = load_application(app, factory=options.get("factory", False))
            # A module that is run and names itself is there twice, with a lifecycle each: requests see this one.
            life = in_middleware(app) or life
        return _run(life, app, sock, without(options, "factory"))


def run_application(
    target: str,
    early: EarlySignals,
    *,
    workers: int | None = None,
    app_dir: str = "",
    reload: bool = False,
    factory: bool = False,
    **options: Any,
) -> int:
    """What `lifecycle serve` does: the application by name, and the lifecycle that it has."""
    if reload:
        return serve_and_reload(target, early, app_dir=app_dir, factory=factory, **options)
    # uvicorn's: reads the file of `env_file`, and WEB_CONCURRENCY.
    workers = make_config(target, workers=workers, **options).workers
    if workers > 1:
        # Until the parent hears it there is nothing to replace; by default it would end the process.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        settings = read_settings({}, os.environ)
        options = {**options, "factory": factory}
        status = _serve_with_workers(target, workers, settings, app_dir, options, early)
        # Looking for garbage is what takes the interpreter's end its time, and this process has nothing but its workers:
        # no file of the application's that a finalizer would have to flush.
        gc.freeze()
        return status
    # Listening comes first: who calls while the application is being imported waits, and is not refused.
    with listening(make_config(target, **options)) as sock:
        # An import that never ends must not hold a stop for longer than anything else may.
        deadline = read_settings({}, os.environ).budget.deadline
        early.when_noted(functools.partial(end_without_the_interpreter, deadline))
        sys.path.insert(0, app_dir)
        app, life = load_application(target, factory=factory)
        life.heed(early)
        return _run(life, app, sock, options)


def _run(life: Lifecycle, app: Any, sock: socket.socket, options: dict[str, Any]) -> int:
    loop_factory = make_config(app, **options).get_loop_factory()
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(serve_async(life, app, sockets=[sock], seat=Seat(), **options))


def without(options: dict[str, Any], *names: str) -> dict[str, Any]:
    """The other options."""
    return {name: value for name, value in options.items() if name not in names}


def _serve_with_workers(
    target: str,
    workers: int,
    settings: Settings,
    app_dir: str | None,
    options: dict[str, Any],
    early: EarlySignals,
) -> int:
    for name, value in options.items():
        try:
            json.dumps(value)
        except TypeError:
            raise SettingsError(
                f"serve({name}={value!r}, workers={workers}): it cannot be passed on to the workers; give a name or a path,"
                " or serve in one process"
            ) from None
    with listening(make_config(target, **without(options, "factory"))) as sock:
        options = {**options, "app_dir": app_dir}
        return anyio.run(Parent(target, [sock], workers, settings, options, early).run)


def make_config(app: Any, **options: Any) -> uvicorn.Config:
    """uvicorn's configuration; what is the lifecycle's own is refused."""
    for taken, instead in TAKEN.items():
        if taken in options:
            raise SettingsError(f"serve({taken}=…) has no meaning here: {instead}")
    try:
        return uvicorn.Config(app, lifespan="off", **options)
    except TypeError as error:
        raise SettingsError(f"serve(): {error}: the options are those of uvicorn.Config") from None
    except ValueError as error:
        raise SettingsError(f"serve(): {error}: see WEB_CONCURRENCY, a number of workers") from None
    except ModuleNotFoundError as error:
        raise SettingsError(f"serve(): an option needs {error.name!r}: install it") from None


@contextlib.contextmanager
def listening(config: uvicorn.Config) -> Iterator[socket.socket]:
    """The socket that is asked for, listening already: who comes before the application waits, and is not refused."""
    if config.fd is not None:
        # uvicorn takes any descriptor for a Unix socket; Python finds out what it is.
        try:
            sock = socket.socket(fileno=os.dup(config.fd))
        except OSError as error:
            raise SettingsError(
                f"serve(fd={config.fd}) is no socket that is open here: {error}"
            ) from None
    else:
        if config.uds is not None:
            # One that a process before us has left behind, say in the volume of a container that was restarted.
            _remove_socket(config.uds, _inode(config.uds))
        sock = config.bind_socket()
    # uvicorn makes it one that programs started by the application would hold open after us; workers get it by name.
    sock.set_inheritable(False)
    sock.listen(config.backlog)
    ours = None if config.uds is None else _inode(config.uds)
    try:
        yield sock
    finally:
        sock.close()
        if config.uds is not None:
            # The process that takes our place may have put its own there meanwhile.
            _remove_socket(config.uds, ours)


def _inode(path: str) -> int | None:
    with contextlib.suppress(FileNotFoundError):
        found = os.stat(path)  # noqa: PTH116 - a path as uvicorn takes it
        return found.st_ino if stat.S_ISSOCK(found.st_mode) else None
    return None


def _remove_socket(path: str, inode: int | None) -> None:
    if inode is not None and _inode(path) == inode:
        os.unlink(path)  # noqa: PTH108 - a path as uvicorn takes it
