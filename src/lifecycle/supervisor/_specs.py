"""The little languages of the command line: durations, rewrites, escalations, conditions, commands.

Every function takes the text that a person wrote and returns the value, or raises UsageError with what was
found and what was expected.
"""

from ._errors import UsageError
from ._numbers import whole
from ._signals import DROPPED, LAST, UNCATCHABLE, name_of, number_of

# With those that only machines write.
UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
STATES = ("started", "ready", "success", "exited")
LAST_PORT = 65535
HTTP_PORT = 80
LONGEST = 10 * 365 * 86400.0
# Above the highest process number of Linux, 2 ** 22.
MOST = 10_000_000


def seconds(text: str) -> float:
    """`20`, `20s`, `1.5s`, `500ms`, `1m30s`: seconds unless a unit is given."""
    total, rest = 0.0, text.strip()
    while rest:
        end = next((i for i, letter in enumerate(rest) if letter not in "0123456789."), len(rest))
        figure, rest = rest[:end], rest[end:]
        end = next((i for i, letter in enumerate(rest) if letter in "0123456789."), len(rest))
        unit, rest = rest[:end], rest[end:]
        try:
            total += float(figure) * UNITS[unit or "s"]
        except (KeyError, ValueError):
            break
    else:
        if text.strip() and total <= LONGEST:
            return total
    raise UsageError(f"{text!r} is no duration: write 20, 20s, 1.5s, 500ms or 1m30s")


def catchable(text: str) -> int:
    number = number_of(text)
    if number in UNCATCHABLE:
        raise UsageError(f"SIG{name_of(number)} cannot be caught, so it cannot be acted upon")
    return number


def signals(text: str) -> tuple[int, ...]:
    return tuple(catchable(word) for word in text.split(","))


def rewrite(text: str) -> tuple[int, int]:
    """`TERM:QUIT`, `15:3`; `HUP:0` or `HUP:drop` lets the signal disappear."""
    before, colon, after = text.partition(":")
    if not (before and colon and after) or ":" in after:
        raise UsageError(
            f"{text!r} is no rewrite: write FROM:TO, such as TERM:QUIT, or HUP:0 to drop it"
        )
    return catchable(before), DROPPED if after in ("0", "drop") else number_of(after)


def delay(text: str) -> tuple[int, float]:
    name, equals, duration = text.partition("=")
    if not equals:
        raise UsageError(f"{text!r} is no delay: write SIGNAL=DURATION, such as TERM=5s")
    return catchable(name), seconds(duration)


def escalation(text: str) -> tuple[tuple[int, float | None], ...]:
    """`TERM:20s,INT:5s,KILL`: each signal, and how long it is given. The last one may have no end."""
    steps: list[tuple[int, float | None]] = []
    for word in text.split(","):
        name, colon, duration = word.partition(":")
        steps.append((number_of(name), seconds(duration) if colon else None))
    if any(patience is None for _, patience in steps[:-1]):
        raise UsageError(f"{text!r}: every step but the last needs a duration, such as TERM:20s")
    return tuple(steps)


def status(text: str) -> int:
    found = whole(text, 255)
    if found is not None:
        return found
    raise UsageError(f"{text!r} is no exit status: give a number from 0 to 255")


def statuses(text: str) -> frozenset[int]:
    """`1,3,10-19`."""
    found: set[int] = set()
    for word in text.split(","):
        first, dash, last = word.partition("-")
        found.update(range(status(first), status(last if dash else first) + 1))
    return frozenset(found)


def remap(text: str) -> tuple[int, int]:
    """`143=0`; a number alone means that it becomes 0."""
    before, equals, after = text.partition("=")
    return status(before), status(after) if equals else 0


def count(text: str) -> int:
    found = whole(text, MOST)
    if found is not None:
        return found
    raise UsageError(f"{text!r} is no count: give a whole number up to {MOST}")


def flag(text: str) -> bool:
    """Of an environment variable: an option alone on the command line means yes."""
    word = text.strip().lower()
    if word in ("1", "true", "yes", "on"):
        return True
    if word in ("0", "false", "no", "off"):
        return False
    raise UsageError(f"{text!r} is neither true nor false")


def text(word: str) -> str:
    if not word:
        raise UsageError("an empty value says nothing")
    if "\0" in word:
        raise UsageError(f"{word!r} has a NUL byte in it")
    return word


def name(word: str) -> str:
    """A container's name: it becomes a folder."""
    if not word or word in (".", "..") or "/" in word or "\0" in word or len(word) > LAST * 2:
        raise UsageError(
            f"{word!r} is no name: letters, digits and dashes, as in the pod's manifest"
        )
    return word


def url(word: str) -> str:
    if word.startswith("https://"):
        raise UsageError(
            f"{word!r}: TLS is not spoken here; take http://, or tcp://host:port for a wait"
        )
    host, port = authority(word) if word.startswith("http://") else ("", None)
    if not host or not port:
        raise UsageError(f"{word!r} is no URL: write http://host:port/path")
    if not (word.isascii() and word.isprintable()) or " " in word:
        raise UsageError(f"{word!r} has letters that no URL has: write them as %20 and so on")
    return word


def authority(address: str) -> tuple[str, int | None]:
    """Host and port of a URL; None for a port that is none."""
    where = address.removeprefix("http://").partition("/")[0]
    host, colon, port = where.rpartition(":")
    if not colon or "]" in port:
        return where.strip("[]"), HTTP_PORT
    return host.strip("[]"), whole(port, LAST_PORT)


def variable(word: str) -> str:
    """A name that an environment can hold."""
    if "=" in text(word):
        raise UsageError(f"{word!r} is no name of a variable: it has an = in it")
    return word


def paths(line: str) -> str:
    """Some, separated by commas."""
    if not all(text(line).split(",")):
        raise UsageError(f"{line!r} has an empty path in it")
    return line


def command(line: str) -> tuple[str, ...]:
    """A URL, a JSON list, or words with shell quotes; no shell is needed, and none is used."""
    if line.startswith(("http://", "https://")):
        return (url(line),)
    if line.startswith("["):
        from . import _json

        try:
            words = _json.read(line)
        except ValueError as failure:
            raise UsageError(f"{line!r} is no JSON list: {failure}") from None
        if isinstance(words, list) and words and all(isinstance(word, str) for word in words):
            return tuple(text(str(word)) for word in words)
        raise UsageError(f"{line!r} is no list of words")
    split = _split(line)
    if not split:
        raise UsageError("an empty command starts nothing")
    return tuple(split)


def _split(line: str) -> list[str]:
    words: list[str] = []
    word: str | None = None
    quote = ""
    letters = iter(line)
    for letter in letters:
        if quote:
            if letter == quote:
                quote = ""
            elif letter == "\\" and quote == '"':
                word = (word or "") + next(letters, "")
            else:
                word = (word or "") + letter
        elif letter in "'\"":
            quote, word = letter, word or ""
        elif letter == "\\":
            word = (word or "") + next(letters, "")
        elif letter in " \t\n":
            if word is not None:
                words.append(word)
            word = None
        else:
            word = (word or "") + letter
    if quote:
        raise UsageError(f"{line!r} ends inside quotes")
    return words if word is None else [*words, word]


class Condition:
    """Something outside that is waited for: another container, a file, a port, a URL."""

    __slots__ = ("kind", "state", "target", "text")

    def __init__(self, text: str, kind: str, target: str, state: str = "") -> None:
        self.text = text
        self.kind = kind
        self.target = target
        self.state = state


def condition(word: str, default: str = "started") -> Condition:
    """`NAME[:STATE]`, `NAME:0,3` (exit statuses), `file:/path[:content]`, `tcp://host:port`, `http://…`."""
    if word.startswith(("http://", "https://")):
        return Condition(word, "http", url(word))
    if word.startswith("tcp://"):
        host, _, port = word[6:].rpartition(":")
        number = whole(text(port), LAST_PORT) if port else None
        if not host or not number:
            raise UsageError(f"{word!r} is no address: write tcp://host:port")
        return Condition(word, "tcp", f"{text(host).strip('[]')}:{number}")
    if word.startswith("file:"):
        path, content = word[5:], ""
        if path.endswith(":content"):
            path, content = path[:-8], "content"
        if not path.startswith("/"):
            raise UsageError(f"{word!r}: the path must be absolute, such as file:/var/run/x")
        return Condition(word, "file", text(path), content)
    container, colon, state = word.partition(":")
    if colon and state not in STATES:
        try:
            statuses(state)
        except UsageError:
            raise UsageError(
                f"{word!r}: {state!r} is none of {', '.join(STATES)}, and no list of exit statuses"
            ) from None
    return Condition(word, "name", name(container), state or default)


def conditions(words: str) -> list[str]:
    """Separated by commas, as are the exit statuses of one: a part that is nothing but statuses belongs to the part before."""
    parts: list[str] = []
    for part in words.split(","):
        if parts and part and part.strip("0123456789-") == "":
            parts[-1] += f",{part}"
        else:
            parts.append(part)
    return parts


def until(word: str) -> Condition:
    return condition(word, "exited")


def choice(*words: str) -> "Choice":
    return Choice(words)


class Choice:
    def __init__(self, words: tuple[str, ...]) -> None:
        self.words = words

    def __call__(self, word: str) -> str:
        if word in self.words:
            return word
        raise UsageError(f"{word!r} is none of {', '.join(self.words)}")
