"""One row of the table of options, and how it is written in an environment."""

from . import _specs as spec
from ._system import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PREFIX = "SUPERVISOR_"


class Option:
    """`repeat` options are lists: given several times, or separated by commas in the environment."""

    __slots__ = ("default", "help", "metavar", "name", "parse", "repeat", "short")

    def __init__(
        self,
        name: str,
        metavar: str,
        parse: "Callable[[str], object]",
        help: str,  # noqa: A002 - as argparse calls it
        *,
        default: object = None,
        repeat: bool = False,
        short: str = "",
    ) -> None:
        self.name = name
        self.metavar = metavar
        self.parse = parse
        self.help = help
        self.default: object = list[object]() if repeat else default
        self.repeat = repeat
        self.short = short

    @property
    def attribute(self) -> str:
        return self.name.replace("-", "_")

    @property
    def variable(self) -> str:
        return PREFIX + self.attribute.upper()

    @property
    def is_flag(self) -> bool:
        return self.parse is spec.flag


def flag(name: str, help: str, *, short: str = "") -> Option:  # noqa: A002 - as above
    return Option(name, "", spec.flag, help, default=False, short=short)
