"""The one entry: a workload and what is asked of it in, a result out."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from lifecycle.core import RehearsalError
from lifecycle.kube import Workload
from lifecycle.rehearse._options import Options
from lifecycle.rehearse._result import Result
from lifecycle.rehearse._stage import Machine, Stage
from lifecycle.rehearse._verdict import judge

Watch = Callable[[Stage], AbstractContextManager[object]]
"""Entered before anything happens, left when all is over: what shows it to people."""


async def rehearse(
    workload: Workload, options: Options, machine: Machine, *, watch: Watch | None = None
) -> Result:
    """Play one scenario, once. Cancelled, it leaves nothing behind.

    Raises:
        RehearsalError: It cannot be played as it was asked for.
    """
    stage = Stage(workload, options, machine)
    refused: RehearsalError | None = None
    with watch(stage) if watch else nullcontext():
        try:
            await stage.play()
        except* RehearsalError as group:
            # One is what there is to say, and not that task groups are within task groups.
            refused = _first(group)
    if refused is not None:
        raise refused
    return judge(stage)


def _first(group: BaseExceptionGroup[RehearsalError]) -> RehearsalError:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner
