"""This machine, as the place where the pods of a rehearsal are played."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

from lifecycle.kube import Pod
from lifecycle.rehearse._clock import PodClock
from lifecycle.rehearse._events import Journal
from lifecycle.rehearse._local import LocalRuntime, running
from lifecycle.rehearse._local_network import LocalNetwork
from lifecycle.rehearse._play import pod_ip
from lifecycle.rehearse._recipe import LocalOptions, Site


class LocalMachine:
    """Real processes; each pod has a loopback address of its own."""

    def __init__(self, options: LocalOptions | None = None, *, namespace: str = "default") -> None:
        self._options = options or LocalOptions()
        self._namespace = namespace
        self._numbers = count()

    @asynccontextmanager
    async def open(
        self, name: str, pod: Pod, journal: Journal, clock: PodClock
    ) -> AsyncIterator[tuple[LocalRuntime, LocalNetwork]]:
        """
        Raises:
            RehearsalError: It cannot be played on this machine.
        """
        site = Site(
            pod=pod,
            name=name,
            namespace=self._namespace,
            address=pod_ip(next(self._numbers)),
            options=self._options,
        )
        async with running(site, clock, journal) as below:
            yield below
