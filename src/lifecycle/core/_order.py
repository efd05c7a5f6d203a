"""In which order hooks run, and which of them have something to shut down."""

from collections.abc import Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from lifecycle.core._errors import HookOrderError
from lifecycle.core._hooks import Hook, Kind


def in_order(hooks: Sequence[Hook]) -> list[Hook]:
    """`hooks` in their given order, but each behind those that its `after` names.

    Raises:
        HookOrderError: A name is unknown, or the names go in a circle (which is in the message).
    """
    named: dict[str, list[Hook]] = {}
    for hook in hooks:
        named.setdefault(hook.name, []).append(hook)
    behind: dict[Hook, list[Hook]] = {}
    for hook in hooks:
        behind[hook] = []
        for name in hook.after:
            if name not in named:
                known = ", ".join(sorted(named)) or "none"
                raise HookOrderError(
                    f"{hook} is to run after {name!r}, but no {hook.kind} hook has that name: known are {known}"
                )
            behind[hook] += named[name]
    return _sorted(behind)


def _sorted(behind: Mapping[Hook, Sequence[Hook]]) -> list[Hook]:
    """The keys, in their order as far as each can stand behind its values."""
    sorter: TopologicalSorter[Hook] = TopologicalSorter(behind)
    try:
        sorter.prepare()
    except CycleError as error:
        circle: list[Hook] = error.args[1]
        path = " → ".join(f"{hook.name!r}" for hook in reversed(circle))
        places = "; ".join(f"{hook.name!r} at {hook.where}" for hook in circle[1:])
        raise HookOrderError(
            f"after= goes in a circle: {path} ({places}): take one of them out"
        ) from None
    place = {hook: index for index, hook in enumerate(behind)}
    ready: list[Hook] = list(sorter.get_ready())
    result: list[Hook] = []
    while ready:
        ready.sort(key=place.__getitem__)
        hook = ready.pop(0)
        result.append(hook)
        sorter.done(hook)
        ready += sorter.get_ready()
    return result


def side_by_side(hooks: Sequence[Hook]) -> Iterable[list[Hook]]:
    """Cut ordered `hooks` into batches: neighbours that asked for it and do not wait for each other run together."""
    batch: list[Hook] = []
    for hook in hooks:
        joins = (
            hook.concurrent
            and batch
            and batch[-1].concurrent
            and not {h.name for h in batch} & set(hook.after)
        )
        if batch and not joins:
            yield batch
            batch = []
        batch.append(hook)
    if batch:
        yield batch


def armed(shutdown: Hook, registered: Sequence[Hook], started: Iterable[Hook]) -> bool:
    """Whether a shutdown hook has something to shut down.

    With a startup hook of the same given name: when that one has started. Otherwise when every startup hook that was
    registered before it has started, as a stack unwinds: `registered` is all hooks in order of registration.
    """
    running = set(started)
    startups = [hook for hook in registered if hook.kind in (Kind.STARTUP, Kind.RESOURCE)]
    if shutdown.paired:
        halves = [hook for hook in startups if hook.paired and hook.name == shutdown.name]
        if halves:
            return all(half in running for half in halves)
    before = registered[: registered.index(shutdown)]
    return all(hook in running for hook in before if hook.kind in (Kind.STARTUP, Kind.RESOURCE))


def shutdown_order(registered: Sequence[Hook], started: Sequence[Hook]) -> list[Hook]:
    """The resources to close and the armed shutdown hooks to run, last started first.

    `started` is in the order in which they finished starting. A shutdown hook takes the place of its other half, else
    that of the startup hook registered last before it. `after=` among shutdown hooks is kept.
    """
    position = {hook: index for index, hook in enumerate(started)}
    steps: list[tuple[float, int, Hook]] = [
        (position[hook], registered.index(hook), hook)
        for hook in started
        if hook.kind is Kind.RESOURCE
    ]
    for index, hook in enumerate(registered):
        if hook.kind is not Kind.SHUTDOWN or not armed(hook, registered, started):
            continue
        halves = [
            h
            for h in started
            if hook.paired and h.paired and h.name == hook.name and h.kind is not Kind.SHUTDOWN
        ]
        before = [h for h in registered[:index] if h in position]
        place = max((position[h] for h in halves or before), default=-1)
        steps.append((place + 0.5, index, hook))
    steps.sort(key=lambda step: step[:2], reverse=True)
    order = [hook for _, _, hook in steps]
    # The `after` of a resource is for its start. Here it would close what others still stand on.
    last = [hook for hook in order if hook.kind is Kind.SHUTDOWN]
    return _sorted(
        {
            hook: [other for other in last if other.name in hook.after]
            if hook.kind is Kind.SHUTDOWN
            else []
            for hook in order
        }
    )
