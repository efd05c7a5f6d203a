"""kubexit: everything in the environment, and a tombstone for each container.

https://github.com/karlkfi/kubexit. What differs: no API server is asked, so a birth dependency is a container that
our own state calls ready, or that has been born where it runs under kubexit itself; a dependency that died before we looked, or while we waited, counts as dead; a program
that a signal ended has 128 + N.
"""

from time import gmtime, strftime

from . import _markers, _specs
from ._dialect import Dialect
from ._errors import UsageError
from ._settings import Settings
from ._specs import Condition
from ._statuses import UNAVAILABLE
from ._system import TYPE_CHECKING

if TYPE_CHECKING:
    from ._supervise import Supervision

GRAVEYARD = "/graveyard"
# Tombstones are files with the containers' names: our folders of the same names need a place of their own.
STATE = ".supervisor"


class Kubexit(Dialect):
    usage_status = 2

    def __init__(self, settings: Settings, words: list[str], variables: dict[str, str]) -> None:
        if not words:
            raise UsageError("no command: write kubexit CMD ARGS…")
        settings.command = words
        name = _specs.name(variables["KUBEXIT_NAME"])
        graveyard = variables.get("KUBEXIT_GRAVEYARD") or GRAVEYARD
        self._tombstone = _markers.absolute(f"{graveyard}/{name}")
        self._born = ""
        settings.name = name
        settings.state_dir = _markers.absolute(f"{graveyard}/{STATE}")
        graves = _markers.absolute(graveyard)
        settings.after = [
            Condition(dep, "tombstone", f"{graves}/{_specs.name(dep)}", "ready")
            for dep in _list(variables, "BIRTH_DEPS")
        ]
        settings.until = [
            Condition(dep, "tombstone", f"{graves}/{_specs.name(dep)}", "exited")
            for dep in _list(variables, "DEATH_DEPS")
        ]
        settings.grace_period = _specs.seconds(variables.get("KUBEXIT_GRACE_PERIOD") or "30s")
        if settings.after:
            settings.wait_timeout = _specs.seconds(variables.get("KUBEXIT_BIRTH_TIMEOUT") or "30s")

    def started(self, run: "Supervision") -> None:
        self._born = _now()
        self._bury(f"Born: {self._born}\n")

    def ended(self, run: "Supervision", status: int) -> None:
        born = f"Born: {self._born}\n" if self._born else ""
        self._bury(f"{born}Died: {_now()}\nExitCode: {self.shown(run, status)}\n")

    def shown(self, run: "Supervision", status: int) -> int:
        return 1 if status == UNAVAILABLE else status

    def _bury(self, text: str) -> None:
        _markers.make_folders(_markers.parent(self._tombstone))
        _markers.write(self._tombstone, text)


def _list(variables: dict[str, str], name: str) -> list[str]:
    return [
        word.strip() for word in variables.get(f"KUBEXIT_{name}", "").split(",") if word.strip()
    ]


def _now() -> str:
    return strftime('"%Y-%m-%dT%H:%M:%SZ"', gmtime())
