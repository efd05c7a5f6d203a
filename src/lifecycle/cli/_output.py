"""What the commands print, where standard output may be anything: a pipe that nobody reads, a full disk, nothing."""

import os
import sys

import click

from lifecycle.cli._extra import Unusable


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
        read_no_more()
    except OSError as error:
        read_no_more()
        raise Unusable(f"{what} cannot be written: {error.strerror}") from None


def tell(sentence: str) -> None:
    """One line to standard error, which may be the pipe that nobody reads any more."""
    try:
        click.echo(sentence, err=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def read_no_more() -> None:
    """What is written from now on, and what Python still holds back, goes nowhere; else the exit would fail by it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
