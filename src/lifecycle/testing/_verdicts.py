"""What is asserted of a report. Each message has the whole report in it: there is no second look at a life in CI."""

from lifecycle.core import Report


def outcomes(report: Report) -> dict[str, str]:
    """What became of the hooks, by name; of a resource, its closing."""
    return {hook.name: hook.outcome for hook in report.hooks}


def assert_clean(report: Report) -> None:
    """Exit status 0: the start succeeded, every hook did, no work was abandoned, nothing was forced.

    Raises:
        AssertionError: It was not; the message says what went wrong.
    """
    if report.exit_status is None:
        raise AssertionError(f"it is not over yet: stop it first\n{report}")
    if report.exit_status != 0:
        raise AssertionError(f"{'; '.join(faults(report)) or report.outcome}\n{report}")


def assert_nothing_lost(report: Report) -> None:
    """No work was abandoned, and no request refused.

    Raises:
        AssertionError: The message names what was lost.
    """
    lost = [f"{work.name} was cut off after {work.age:.1f} s" for work in report.abandoned]
    if report.refused:
        late = (
            f", the last {report.late:.1f} s after the lame duck: a longer shutdown_delay serves it"
        )
        lost.append(f"{report.refused} requests were refused{late if report.late else ''}")
    if lost:
        raise AssertionError(f"{'; '.join(lost)}\n{report}")


def assert_inside_budget(report: Report, *, spare: float = 0.0) -> None:
    """The stop used so little of the grace period that at least `spare` seconds were left.

    Raises:
        AssertionError: It did not; the message says how much it used, and who overran.
    """
    left = report.granted - report.used
    if report.requested_at is None or report.exit_status is None:
        raise AssertionError(f"it has not been stopped yet\n{report}")
    if left < spare:
        raise AssertionError(
            f"{report.used:.1f} s of a grace period of {report.granted:g} s were used: {left:.1f} s were left, and"
            f" {spare:g} s were to be{''.join(f'; {text}' for text in overruns(report))}\n{report}"
        )


def faults(report: Report) -> list[str]:
    """Everything that was not as it should be, in short."""
    hooks = [
        f"{hook.kind} {hook.name}: {hook.outcome}{f' ({hook.error})' if hook.error else ''}"
        for hook in report.hooks
        if hook.outcome not in {"ok", "not run"}
    ]
    work = [f"{work.name} was abandoned after {work.age:.1f} s" for work in report.abandoned]
    return hooks + work or list(report.failures)


def overruns(report: Report) -> list[str]:
    slow = {"timed out", "stuck"}
    return [
        f"{hook.kind} {hook.name} {hook.outcome} after {hook.seconds:.1f} s"
        for hook in report.hooks
        if hook.outcome in slow
    ]
