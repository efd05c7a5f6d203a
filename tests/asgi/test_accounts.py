"""Every request is accounted for: finished, refused or abandoned, one of them and once, whatever happens at the end."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import anyio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lifecycle import ExitStatus, Lifecycle, LifecycleMiddleware
from lifecycle.asgi._http import Receive, Scope, Send
from tests.support.asgi import Exchange, serving
from tests.support.living import deaf

GRACE = 30.0
START = {"type": "http.response.start", "status": 200, "headers": []}
BODY = {"type": "http.response.body", "body": b"done"}


class Plan(NamedTuple):
    """One request: when it comes, what it does, and for how long."""

    at: float
    kind: str
    lasts: float


KINDS = ("plain", "begins early", "fails", "catches all", "deaf", "asks itself", "group")
plans = st.builds(
    Plan,
    at=st.sampled_from([0.0, 0.5, 1.0, 1.0, 2.0, 3.0]),
    kind=st.sampled_from(KINDS),
    lasts=st.sampled_from([0.0, 0.1, 1.0, 2.0, 22.9, 23.0, 24.0, 25.0, 100.0]),
)


class Service:
    """An application whose requests behave as planned. `inner` are those that it has sent to itself."""

    def __init__(self, plans: list[Plan]) -> None:
        self.plans = plans
        self.inner: list[Exchange] = []
        self.app: Callable[..., Any] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            raise NotImplementedError
        plan = self.plans[int(scope["path"].rpartition("/")[2])]
        if plan.kind == "begins early":
            await send(START)
        await self.work(plan, scope)
        if plan.kind == "fails":
            raise ZeroDivisionError("a bug")
        if plan.kind != "begins early":
            await send(START)
        await send(BODY)

    async def work(self, plan: Plan, scope: Scope) -> None:
        if plan.kind == "deaf":
            await deaf(plan.lasts)
        elif plan.kind == "catches all":
            with suppress(BaseException):
                await anyio.sleep(plan.lasts)
        elif plan.kind == "group":
            async with anyio.create_task_group() as group:
                group.start_soon(anyio.sleep, plan.lasts)
        else:
            await anyio.sleep(plan.lasts)
            if plan.kind == "asks itself" and not scope["path"].startswith("/inner"):
                assert self.app is not None
                path = f"/inner{scope['path']}"
                self.inner.append(Exchange({**scope, "path": path}))
                await self.inner[-1].run(self.app)


@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(requests=st.lists(plans, max_size=6), delay=st.sampled_from([0.0, 1.0]))
async def test_finished_refused_and_abandoned_are_all_that_came(
    requests: list[Plan], delay: float
) -> None:
    life = Lifecycle(grace_period=GRACE, shutdown_delay=delay)
    service = Service(requests)

    @life.on_shutdown
    async def close() -> None:
        # The account is closed after the last of them has come.
        await anyio.sleep(3)

    exchanges: list[Exchange] = []
    async with serving(LifecycleMiddleware(service, life)) as server:
        service.app = server.app
        async with anyio.create_task_group() as group:

            async def come(number: int, plan: Plan) -> None:
                await anyio.sleep(plan.at)
                exchanges.append(server.begin(f"/{number}"))

            for number, plan in enumerate(requests):
                group.start_soon(come, number, plan)
            await anyio.sleep(1)
            life.request_stop("enough")
        await server.told.wait()
        report = life.report
        for exchange in exchanges:
            await exchange.done.wait()
    came = exchanges + service.inner
    assert report.finished + report.refused + len(report.abandoned) == len(came)
    assert report.exit_status == (ExitStatus.WORK_ABANDONED if report.abandoned else 0)
    assert len(life._works) == 0
    assert not life._works.cut
    for exchange in exchanges:
        starts = [message["status"] for message in exchange.sent[:1]]
        bodies = [message["type"] for message in exchange.sent[1:]]
        # Nobody is left without an answer but those whose application failed, or was cut off in the middle of one.
        assert starts in ([200], [503]) or exchange.error is not None, exchange.scope["path"]
        assert bodies in ([], ["http.response.body"])
        if starts == [503]:
            assert bodies, "the answer is whole"
