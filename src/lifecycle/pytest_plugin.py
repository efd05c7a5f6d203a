"""Fixtures for tests of a pod's life, with real processes and signals. pytest loads this module in every run of whoever
has the library installed: it imports pytest and nothing else until a fixture is used."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from lifecycle.kube import Workload
    from lifecycle.rehearse import Result


@pytest.fixture
def rehearse_pod(tmp_path: Path, record_property: Any) -> "PodRehearsal":
    """Play a manifest's pod: `rehearse_pod("pod.yaml", run={"web": "uvicorn app:app --port 8080"})`."""
    return PodRehearsal(Rehearsal(tmp_path, record_property))


@pytest.fixture
def rehearse_command(tmp_path: Path, record_property: Any) -> "CommandRehearsal":
    """Play a server command as a pod of its own: `rehearse_command("uvicorn app:app --host 0.0.0.0 --port {port}")`."""
    return CommandRehearsal(Rehearsal(tmp_path, record_property))


class Rehearsal:
    """What both fixtures do with a workload: play it, and leave the report in the test's own folder."""

    def __init__(self, folder: Path, note: Any) -> None:
        self._folder = folder
        self._note = note
        self._count = 0

    def play(
        self,
        workload: "Workload",
        *,
        scenario: str,
        env: Mapping[str, str],
        traffic: Mapping[str, Any],
        lag: float,
        **options: Any,
    ) -> "Result":
        import anyio  # noqa: PLC0415 - see above: this module is part of every run of pytest

        from lifecycle.rehearse import (  # noqa: PLC0415 - as above
            Knobs,
            LocalMachine,
            LocalOptions,
            Options,
            Traffic,
            rehearse,
            to_html,
        )

        chosen = Options(
            scenario=scenario,
            traffic=Traffic(**traffic),
            knobs=Knobs(endpoint_lag=lag),
            **options,
        )
        machine = LocalMachine(LocalOptions(env=env), namespace=workload.namespace)
        result = anyio.run(functools.partial(rehearse, workload, chosen, machine))
        self._count += 1
        report = self._folder / f"rehearsal-{self._count}.html"
        report.write_text(to_html(result), encoding="utf-8")
        self._note(f"rehearsal of {result.title}, {result.scenario}", str(report))
        print(f"the report of {result.title}, {result.scenario}: {report}")  # noqa: T201 - pytest shows it where the test fails
        return result


class PodRehearsal:
    """The fixture `rehearse_pod`."""

    def __init__(self, rehearsal: Rehearsal) -> None:
        self._rehearsal = rehearsal

    def __call__(
        self,
        manifest: str | Path,
        *,
        run: Mapping[str, str] | None = None,
        scenario: str = "delete",
        env: Mapping[str, str] | None = None,
        lag: float = 1.0,
        workload: str | None = None,
        traffic: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> "Result":
        """Play one scenario of the manifest's pod.

        `run` has the commands that images hide, by container; `env` what the cluster would give; `lag` is how many
        seconds routers lead to a pod that is leaving; `traffic` are fields of `Traffic` (`paths`, `rate`, `websockets`,
        `streams`), and `options` further ones of `Options`.

        Raises:
            ManifestError: It cannot be read.
            RehearsalError: It cannot be played.
        """
        pytest.importorskip("yaml", reason="rehearsals need pip install 'managed-lifecycle[kube]'")
        from lifecycle.core import RehearsalError  # noqa: PLC0415 - see above
        from lifecycle.kube import read_manifest  # noqa: PLC0415 - see above

        found = read_manifest(Path(manifest).read_bytes(), str(manifest)).workloads
        chosen = [one for one in found if workload in (None, one.title)]
        if len(chosen) != 1:
            titles = ", ".join(one.title for one in found) or "none"
            raise RehearsalError(
                f"{manifest}: name one workload, workload='Deployment/web' for example: there are {titles}"
            )
        return self._rehearsal.play(
            chosen[0],
            scenario=scenario,
            env=env or {},
            lag=lag,
            traffic=traffic or {},
            run=run or {},
            **options,
        )


class CommandRehearsal:
    """The fixture `rehearse_command`."""

    def __init__(self, rehearsal: Rehearsal) -> None:
        self._rehearsal = rehearsal

    def __call__(
        self,
        command: str,
        *,
        pre_stop: str | None = None,
        readiness: str | None = "/readyz",
        grace_period: float = 30,
        scenario: str = "delete",
        env: Mapping[str, str] | None = None,
        lag: float = 1.0,
        traffic: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> "Result":
        """Play a command as the one container of a pod; `{port}` in it is a free port.

        `pre_stop` is the path of a preStop `httpGet`, `readiness` of the probe; None: there is none.

        Raises:
            RehearsalError: It cannot be played.
        """
        import shlex  # noqa: PLC0415 - see above
        import socket  # noqa: PLC0415 - see above

        from lifecycle.kube import (  # noqa: PLC0415 - see above
            Container,
            HttpGet,
            Pod,
            Port,
            Probe,
            Workload,
        )

        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        container = Container(
            name="app",
            command=tuple(shlex.split(command.replace("{port}", str(port)))),
            ports=(Port(number=port),),
            pre_stop=None if pre_stop is None else HttpGet(port=port, path=pre_stop),
            readiness=None
            if readiness is None
            else Probe(check=HttpGet(port=port, path=readiness), period=1),
        )
        pod = Pod(containers=(container,), grace_period=grace_period)
        return self._rehearsal.play(
            Workload(kind="Pod", name="app", pod=pod),
            scenario=scenario,
            env={"LIFECYCLE_GRACE_PERIOD": f"{grace_period:g}", **(env or {})},
            lag=lag,
            traffic=traffic or {},
            **options,
        )
