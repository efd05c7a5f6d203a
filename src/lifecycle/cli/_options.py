"""Options for the commands that must start at once: argparse and getopt each take as long as Python itself does.

Only long options, `--name VALUE` or `--name=VALUE`, and `-h`. What follows `--` is a command of somebody else's.
"""


class UsageError(Exception):
    """The words do not make a command line; the message says why."""


class Words:
    """A command line, taken apart. `command` is None where there was no `--`."""

    def __init__(self, words: list[str], names: tuple[str, ...]) -> None:
        self.options: dict[str, str] = {}
        self.arguments: list[str] = []
        self.command: list[str] | None = None
        self.help = False
        rest = iter(words)
        for word in rest:
            if word == "--":
                self.command = list(rest)
            elif word in {"-h", "--help"}:
                self.help = True
            elif word.startswith("-") and word != "-":
                name, equals, value = word.partition("=")
                if name not in names:
                    raise UsageError(
                        f"there is no option {name}: known are {', '.join(names)} and --help"
                    )
                if not equals:
                    following = next(rest, None)
                    if following is None:
                        raise UsageError(f"option {name} needs a value after it")
                    value = following
                if name in self.options:
                    raise UsageError(f"option {name} is given twice: leave one of them out")
                self.options[name] = value
            else:
                self.arguments.append(word)


def is_number(text: str) -> bool:
    """Whether `int()` is safe: not all that isdigit() likes is a number, and thousands of digits take long."""
    return text.isascii() and text.isdigit() and len(text) <= 10  # noqa: PLR2004 - more than any limit here
