"""What the commands print: what was asked for to standard output, notes to standard error."""

import sys

import click

from lifecycle.cli._extra import Unusable
from lifecycle.cli._streams import say, silence


def show(text: str, *, what: str, colours: bool | None = None) -> None:
    """Write all of `text` to standard output; `what` it is stands in the error.

    Who has stopped reading (`| head`) has seen enough: that is no error, and changes no exit status.

    Raises:
        Unusable: It cannot be written.
    """
    # Names in a manifest are in any alphabet, and a terminal is not. What captures output may not know how.
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")
    try:
        click.echo(text, nl=False, color=colours)
    except BrokenPipeError:
        silence(sys.stdout)
    except OSError as error:
        silence(sys.stdout)
        raise Unusable(f"{what} cannot be written: {error.strerror}") from None


def tell(sentence: str) -> None:
    """One line to standard error."""
    say(sys.stderr, f"{sentence}\n")
