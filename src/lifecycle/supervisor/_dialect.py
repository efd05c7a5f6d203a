"""Containers that were written for another wrapper: its flags, variables and files, over the same behaviour.

A dialect fills in the settings, and says how this wrapper's files and statuses look.
"""

from ._errors import UsageError
from ._settings import Settings, parse
from ._specs import Condition
from ._statuses import UNAVAILABLE, USAGE
from ._system import TYPE_CHECKING

if TYPE_CHECKING:
    from ._argo import Argo
    from ._kubexit import Kubexit
    from ._supervise import Supervision
    from ._tekton import Tekton


class Dialect:
    """Our own: nothing to translate."""

    usage_status = USAGE
    unprepared_status = UNAVAILABLE

    def claimed(self, run: "Supervision") -> None:
        """Our name is ours, and the wait begins.

        Raises:
            OSError: It cannot be told.
        """

    def awaited(self, run: "Supervision") -> list[Condition]:
        """What was awaited has come: what that says must be awaited next.

        Raises:
            OSError, UsageError: It says nothing that can be followed.
        """
        return []

    def prepare(self, run: "Supervision") -> int | None:
        """Nothing is awaited any more: what depends on those that came first. A status if it cannot be started."""
        return None

    def started(self, run: "Supervision") -> None:
        """The program runs."""

    def ended(self, run: "Supervision", status: int) -> None:
        """Its status is known: write what this wrapper's followers read.

        Raises:
            OSError: It cannot be written.
        """

    def shown(self, run: "Supervision", status: int) -> int:
        """What the wrapper itself would exit with."""
        return status


def choose(words: list[str], variables: dict[str, str]) -> "tuple[Settings, Dialect]":
    """Which wrapper a command line was written for.

    Raises:
        UsageError: It was written for another, and wrongly.
    """
    first = words[0] if words else ""
    if first == "emissary":
        from ._argo import Argo

        return _built(Argo, words[1:], variables)
    if first.startswith("-") and first not in ("-", "--"):
        from ._tekton import Tekton, is_meant

        if is_meant(words):
            return _built(Tekton, words, variables)
    if "KUBEXIT_NAME" in variables and not first.startswith("-"):
        from ._kubexit import Kubexit

        return _built(Kubexit, words, variables)
    return parse(words, variables), Dialect()


def _built(
    kind: "type[Argo | Kubexit | Tekton]", words: list[str], variables: dict[str, str]
) -> "tuple[Settings, Dialect]":
    settings = Settings()
    try:
        dialect = kind(settings, words, variables)
        settings.check()
    except UsageError as failure:
        failure.status = kind.usage_status
        raise
    return settings, dialect
