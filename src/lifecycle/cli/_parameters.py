"""The kinds of options that the commands have: each shows its bounds, its unit and its default alike."""

from collections.abc import Callable, Sequence

import click


def flag(*names: str, what: str) -> click.Option:
    return click.Option(names, is_flag=True, help=what)


def text(*names: str, metavar: str, what: str) -> click.Option:
    """One value, or None."""
    return click.Option(names, metavar=metavar, help=what)


def texts(*names: str, metavar: str, what: str, default: Sequence[str] = ()) -> click.Option:
    """An option that may be given several times."""
    return click.Option(
        names,
        multiple=True,
        default=default or None,
        show_default=bool(default),
        metavar=metavar,
        help=what,
    )


def choice(
    *names: str,
    among: Sequence[str],
    default: str,
    what: str,
) -> click.Option:
    return click.Option(
        names, type=click.Choice(among), default=default, show_default=True, help=what
    )


def whole(
    *names: str,
    least: int = 1,
    most: int,
    default: int | None = None,
    what: str,
) -> click.Option:
    """A whole number of things."""
    return click.Option(
        names,
        type=click.IntRange(least, most),
        default=default,
        show_default=True,
        metavar="N",
        help=what,
    )


def number(
    *names: str,
    least: float = 0,
    most: float,
    default: float,
    metavar: str = "N",
    what: str,
) -> click.Option:
    return click.Option(
        names,
        type=click.FloatRange(least, most),
        default=default,
        show_default=True,
        metavar=metavar,
        help=what,
    )


def seconds(
    *names: str,
    least: float = 0,
    most: float,
    default: float,
    what: str,
) -> click.Option:
    return number(*names, least=least, most=most, default=default, metavar="SECONDS", what=what)


def file(*names: str, exists: bool = False, what: str) -> click.Option:
    """A file to write; with `exists` one to read."""
    return click.Option(
        names, type=click.Path(exists=exists, dir_okay=False), metavar="FILE", help=what
    )


def instead(*names: str, show: Callable[[], None], what: str) -> click.Option:
    """An option that prints something in place of what the command does, whatever else is missing."""

    def printed(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:  # noqa: FBT001 - click's signature
        if wanted:
            show()
            ctx.exit()

    return click.Option(
        names, is_flag=True, is_eager=True, expose_value=False, callback=printed, help=what
    )
