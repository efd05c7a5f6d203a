"""What a hook does and what a probe asks, and what becomes of it.

Nothing bounds a hook: neither a timeout nor, once it is abandoned, the end of the grace period. Whoever wants one to end
earlier cancels it.
"""

from collections.abc import Callable
from dataclasses import dataclass

from lifecycle.kube import Check, Container, Exec, Grpc, Handler, HttpGet, Pod, Sleep, TcpSocket
from lifecycle.rehearse._clock import PodClock
from lifecycle.rehearse._grpc import SERVING
from lifecycle.rehearse._runtime import ExecResult, Network, NoAnswerError, Process
from lifecycle.rehearse._state import ProbeResult


@dataclass(frozen=True, slots=True)
class HookOutcome:
    ok: bool
    message: str = ""


async def run_hook(
    handler: Handler,
    pod: Pod,
    container: Container,
    process: Process,
    network: Network,
    clock: PodClock,
    warn: Callable[[str, str], object],
) -> HookOutcome:
    """`warn` takes reason and message of an event of type Warning."""
    match handler:
        case Exec(command=command):
            result = await process.run(command)
            return HookOutcome(result.code == 0 and not result.error, _told(command, result))
        case Sleep(seconds=seconds):
            # Slept in the kubelet: the container may be long gone.
            await clock.sleep(seconds)
            return HookOutcome(ok=True)
        case HttpGet():
            if pod.host_network and not handler.host:
                return HookOutcome(ok=False, message="failed to find networking container")
            try:
                answer = await network.hook(handler, container)
            except NoAnswerError as error:
                return HookOutcome(ok=False, message=str(error))
            if answer.warning:
                warn("LifecycleHTTPFallback", answer.warning)
            # Any status is a success, 404 and 500 too.
            return HookOutcome(ok=True, message=f"HTTP {answer.status}")
        case TcpSocket():
            return HookOutcome(
                ok=False, message="invalid handler: tcpSocket does not work in a hook"
            )


def _told(command: tuple[str, ...], result: ExecResult) -> str:
    if result.error:
        return result.error
    if result.code == 0:
        return ""
    return f"command {' '.join(command)!r} exited with {result.code}: {result.output}"


OK_STATUS = range(200, 400)
TRIES = 3
"""Of an exec probe that the runtime could not run, as maxProbeRetries."""


async def run_check(
    check: Check,
    container: Container,
    process: Process,
    network: Network,
    clock: PodClock,
    timeout: float,  # noqa: ASYNC109 - the pod's seconds
) -> tuple[ProbeResult, str]:
    """Unknown means that nothing was found out, and nothing is counted."""
    message = ""
    for _ in range(TRIES):
        with clock.move_on_after(timeout):
            result, message = await _check(check, container, process, network)
            if result is ProbeResult.UNKNOWN:
                continue
            return result, message
        return ProbeResult.FAILURE, f"no answer within {timeout:g} s"
    return ProbeResult.UNKNOWN, message


async def _check(
    check: Check, container: Container, process: Process, network: Network
) -> tuple[ProbeResult, str]:
    try:
        match check:
            case Exec(command=command):
                result = await process.run(command)
                if result.error:
                    return ProbeResult.UNKNOWN, result.error
                ok = result.code == 0
                return _judged(ok=ok), "" if ok else f"exit status {result.code}: {result.output}"
            case HttpGet():
                answer = await network.probe(check, container)
                ok = answer.status in OK_STATUS
                return _judged(ok=ok), f"HTTP {answer.status}"
            case TcpSocket(host=host, port=wanted):
                port = container.port(wanted)
                if port is None:
                    return ProbeResult.FAILURE, f"the container has no port {wanted!r}"
                await network.connect(host, port)
            case Grpc():
                status = await network.health(check, container)
                return _judged(ok=status == SERVING), status
    except NoAnswerError as error:
        return ProbeResult.FAILURE, str(error)
    return ProbeResult.SUCCESS, ""


def _judged(*, ok: bool) -> ProbeResult:
    return ProbeResult.SUCCESS if ok else ProbeResult.FAILURE
