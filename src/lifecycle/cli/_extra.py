"""What the commands have in common that need the extra `kube`: how they say that it, or anything else, is missing."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

INTERRUPTED = 128 + 2
"""As a shell says it: 128 and SIGINT."""


class Unusable(click.ClickException):
    """The input cannot be used; the message says why."""

    exit_code = 2


@contextmanager
def kube_extra() -> Iterator[None]:
    """Around imports of what the extra brings.

    Raises:
        Unusable: It is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"h11", "rich", "websockets", "yaml"}:
            raise
        raise Unusable(
            f"this command needs {error.name}, which is not installed: pip install 'managed-lifecycle[kube]'"
        ) from None
