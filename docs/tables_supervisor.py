"""The options of the supervisor, its files and variables, and what it ends with."""

import re

from markup import table

from lifecycle.supervisor import _files, _options, _statuses
from lifecycle.supervisor._signals import name_of


def options() -> str:
    """Every option with its variable, in the groups of `--help`."""
    parts = []
    for group, options in _options.GROUPS.items():
        rows = (
            (
                f"`{f'-{option.short}, ' if option.short else ''}--{option.name}"
                f"{' ' if option.metavar else ''}{option.metavar}`".replace("|", "\\|"),
                f"`{option.variable}`",
                _plain_default(option.default),
                _marked(option.help).replace("|", "\\|")
                + (" *(repeatable)*" if option.repeat else ""),
            )
            for option in options
        )
        parts.append(f"### {group}\n\n" + table(("Option", "Variable", "Default", "Meaning"), rows))
    return "\n".join(parts)


def _marked(text: str) -> str:
    """Options as code: in running text two hyphens become a dash."""
    return re.sub(r"(?<![`\w-])(--[a-z][a-z-]*)", r"`\1`", text)


def _plain_default(default: object) -> str:
    match default:
        case None | False | []:
            return "none"
        case float():
            return f"{default:g} s" if default else "0"
        case tuple():
            return "`" + ",".join(map(name_of, default)) + "`"
        case _:
            return f"`{default}`"


def statuses() -> str:
    """What the supervisor itself exits with."""
    return table(
        ("Status", "Meaning"), ((f"{n}", meaning) for n, meaning in _statuses.MEANINGS.items())
    )


def files() -> str:
    """What it writes, and when."""
    rows = ((f"`{path}`", when, _marked(what)) for path, when, what in _files.WRITTEN)
    return table(("File", "Written", "Holds"), rows)


def variables() -> str:
    """What the program is given."""
    return table(
        ("Variable", "Holds"), ((f"`{name}`", _marked(what)) for name, what in _files.GIVEN)
    )
