"""What a command will do, as far as its words tell. Scripts are read, not understood: in doubt nothing is said."""

import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Final

from lifecycle.kube._container import Container

SHELLS: Final = frozenset({"sh", "bash", "ash", "dash", "ksh", "zsh"})
_BREAKS: Final = frozenset({"&", "&&", "|", "||", ";", ";;", "\n", "(", ")", "{", "}", "|&"})
_KEYWORDS: Final = frozenset({"if", "then", "else", "elif", "do", "while", "until", "!", "time"})


def name_of(word: str) -> str:
    """The program that a path is about."""
    return PurePosixPath(word).name


def script_of(command: tuple[str, ...]) -> str | None:
    """What a shell is given to run with -c; None if this is no shell."""
    if not command or name_of(command[0]) not in SHELLS:
        return None
    value = False
    for index, word in enumerate(command[1:], 1):
        if not value and not word.startswith(("-", "+")):
            return None
        if not value and not word.startswith("--") and "c" in word:
            return next((rest for rest in command[index + 1 :] if not rest.startswith("-")), None)
        value = not value and word.endswith("o")  # -o pipefail
    return None


def words(script: str) -> list[str]:
    """The words and operators of a script; a new line is an operator. None of an unfinished script."""
    lexer = shlex.shlex(script.replace("\\\n", " "), posix=True, punctuation_chars="();<>|&\n")
    lexer.whitespace = " \t\r"
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        found = [*lexer]
    except ValueError:
        return []
    # Operators that stand together come as one word: `);`.
    return [
        part
        for word in found
        for part in (_OPERATORS.findall(word) if word and not {*word} - _PUNCTUATION else [word])
    ]


_PUNCTUATION: Final = frozenset("();<>|&\n")
_OPERATORS = re.compile(r"&&|\|\||\|&|;;|&>>?|>>|>&|<&|<<|[();<>|&\n]")


def simple_commands(command: tuple[str, ...]) -> Iterator[list[str]]:
    """The single commands that it runs: itself, or those of its script."""
    script = script_of(command)
    if script is None:
        if command:
            yield [*command]
        return
    current: list[str] = []
    for word in [*words(script), ";"]:
        if word in _BREAKS or set(word) <= set(";\n"):
            while current and (current[0] in _KEYWORDS or _ASSIGNMENT.match(current[0])):
                del current[0]
            if current:
                yield current
            current = []
        else:
            current.append(word)


_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_NUMBER = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]+)?)(?P<unit>[smhd]?)")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(text: str) -> float | None:
    """A duration as `sleep` takes it; `ms` as well, as our own options do."""
    if text.endswith("ms") and (found := _NUMBER.fullmatch(text[:-2])):
        return float(found["number"]) / 1000
    found = _NUMBER.fullmatch(text)
    return float(found["number"]) * _UNITS[found["unit"]] if found else None


def slept(command: tuple[str, ...], environment: Mapping[str, str]) -> float:
    """Seconds that its `sleep` commands take, one after another. Those in loops and functions count once."""
    total = 0.0
    for one in simple_commands(command):
        if name_of(one[0]) == "sleep":
            total += sum(seconds(expanded(word, environment)) or 0 for word in one[1:])
    return total


_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


def expanded(word: str, environment: Mapping[str, str]) -> str:
    """`$NAME` and `${NAME}`, as far as the manifest says what they are."""
    return _VARIABLE.sub(lambda found: environment.get(found[1] or found[2], found[0]), word)


def environment_of(container: Container) -> dict[str, str]:
    """The variables whose values stand in the manifest. The last of two counts."""
    return {one.name: one.value for one in container.env if one.value is not None}


def whole_command(container: Container) -> tuple[str, ...]:
    """What it runs, as far as the manifest says; the image has the rest."""
    return (*(container.command or ()), *(container.args or ()))


# Nobody calls a command in capitals, and everybody variables.
_PARENTHESES = re.compile(r"(?<!\$)\$\([A-Z_][A-Z0-9_]*\)")
_BARE = re.compile(r"(?<![\\$])\$(?:\{[A-Z_][A-Z0-9_]*\}|[A-Z_][A-Z0-9_]*)")
_LANGUAGES = SHELLS | {"awk", "gawk", "mawk", "perl", "php", "powershell", "pwsh"}
"""They have variables of their own, which look like a shell's."""


def quoted_variables(command: tuple[str, ...]) -> list[str]:
    """Variables in a hook's command that stay what they are."""
    text = " ".join(command)
    found = [*_PARENTHESES.findall(text)]
    if not _LANGUAGES & {name_of(word) for word in command}:
        found += _BARE.findall(text)
    return list(dict.fromkeys(found))
