"""Which pod gets the next connection, and when routers hear of a change."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from lifecycle.rehearse import Journal, Kind, PodClock
from lifecycle.rehearse._service import Backend, Service


@asynccontextmanager
async def following(
    *pods: str, lag: float = 2, alone: bool = False
) -> AsyncIterator[tuple[Service, Journal, PodClock]]:
    clock = PodClock()
    clock.now()
    journal = Journal(clock)
    service = Service(clock, journal, lag=lag, alone=alone)
    for number, pod in enumerate(pods):
        service.add(Backend(pod, f"127.83.0.{number + 1}", 80))
    async with service.follow():
        for pod in pods:
            journal.append(Kind.POD_READY, pod=pod)
        service.catch_up()
        yield service, journal, clock


def routed(service: Service) -> list[str]:
    return [backend.pod for backend in service.routed]


async def test_routers_hear_of_a_deletion_after_the_lag() -> None:
    async with following("a", "b") as (service, journal, clock):
        journal.append(Kind.DELETED, pod="a")
        await clock.sleep(1.9)
        assert routed(service) == ["a", "b"]
        await clock.sleep(0.2)
        assert routed(service) == ["b"]
        assert not service.routed[1:]
    kinds = [(round(event.at, 3), event.kind, event.pod) for event in journal.events[-1:]]
    assert kinds == [(2, Kind.ENDPOINT_REMOVED, "a")]


async def test_everybody_gets_a_turn() -> None:
    async with following("a", "b", "c") as (service, _, _):
        picked = [backend.pod for _ in range(6) if (backend := service.pick())]
    assert sorted(picked) == ["a", "a", "b", "b", "c", "c"]


async def test_a_pod_that_is_not_ready_is_withdrawn_and_comes_back() -> None:
    async with following("a") as (service, journal, clock):
        journal.append(Kind.POD_NOT_READY, pod="a")
        await clock.sleep(2.1)
        assert service.pick() is None
        journal.append(Kind.POD_READY, pod="a")
        await clock.sleep(2.1)
        assert routed(service) == ["a"]


async def test_where_no_other_is_ready_those_that_end_serve_on() -> None:
    async with following("a", alone=True) as (service, journal, clock):
        journal.append(Kind.DELETED, pod="a")
        await clock.sleep(2.1)
        assert routed(service) == ["a"]
        journal.append(Kind.POD_NOT_READY, pod="a")
        await clock.sleep(2.1)
        assert routed(service) == []


async def test_with_replicas_elsewhere_they_do_not() -> None:
    async with following("a") as (service, journal, clock):
        journal.append(Kind.DELETED, pod="a")
        await clock.sleep(2.1)
        assert routed(service) == []


async def test_an_eviction_withdraws_nothing_before_the_end() -> None:
    async with following("a") as (service, journal, clock):
        journal.append(Kind.EVICTED, pod="a", grace=1)
        await clock.sleep(10)
        assert routed(service) == ["a"]
        journal.append(Kind.PHASE, pod="a", detail="Failed")
        await clock.sleep(2.1)
        assert routed(service) == []


async def test_events_of_other_pods_are_none_of_its_business() -> None:
    async with following("a") as (service, journal, _):
        journal.append(Kind.DELETED, pod="b")
        assert service.settled
