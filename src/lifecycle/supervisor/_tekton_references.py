"""`$(steps.build.results.digest)`: what earlier steps left, put into a step's words and variables before it starts.

https://tekton.dev/docs/pipelines/stepactions/. Results are files that hold text, or a JSON list or object of texts; artifacts
are described in a `provenance.json`. What cannot be found stays as it is written, with a warning: so does Tekton.
"""

from . import _json, _markers
from ._system import TYPE_CHECKING, posix

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ._json import JSON

    Warn = Callable[[str], None]

OPEN, CLOSE = "$(steps.", ")"
RESULTS, ARTIFACTS = "results", ("inputs", "outputs")
WHOLE = "*"
# More than a termination message and less than a mistake.
LARGEST = 1 << 20


class References:
    """Of the steps whose folders lie here, each under `step-NAME`."""

    def __init__(self, steps: str, warn: "Warn") -> None:
        self._steps = steps
        self._warn = warn

    def text(self, text: str) -> str:
        for reference, parts in _found_in(text):
            value = self._value(reference, parts)
            if value is not None:
                # A whole list has no place inside a text.
                text = text.replace(reference, value if isinstance(value, str) else "")
        return text

    def words(self, words: list[str]) -> list[str]:
        """A word that is nothing but a reference to a whole list becomes as many words as that has."""
        replaced: list[str] = []
        for word in words:
            for reference, parts in _found_in(word):
                value = self._value(reference, parts) if reference == word else None
                if isinstance(value, list):
                    replaced += value
                    break
            else:
                replaced.append(self.text(word))
        return replaced

    def script(self, path: str) -> str:
        """A script with references to artifacts is run from a copy without them. (Results are never put into scripts.)"""
        content = _markers.read(path, LARGEST)
        if content is None:
            return path
        script = content.decode("utf-8", "surrogateescape")
        replaced = script
        for reference, parts in _found_in(script):
            value = None if parts[2] == RESULTS else self._value(reference, parts)
            if isinstance(value, str):
                replaced = replaced.replace(reference, value)
        if replaced == script:
            return path
        copy = f"/tmp/script-{posix.getpid()}"  # noqa: S108 - renamed into place, and the program's own afterwards
        _markers.write(copy, replaced.encode("utf-8", "surrogateescape"), mode=0o755)
        return copy

    def _value(self, reference: str, parts: list[str]) -> str | list[str] | None:
        try:
            if parts[2] == RESULTS:
                return self._result(parts)
            return self._artifact(parts)
        except (LookupError, ValueError) as failure:
            self._warn(f"{reference} is left as it is: {failure}")
            return None

    def _read(self, path: str) -> str:
        content = _markers.read(path, LARGEST)
        if content is None:
            raise LookupError(f"there is no {path}")
        return content.decode("utf-8", "surrogateescape")

    def _result(self, parts: list[str]) -> str | list[str]:
        name, _, index = parts[3].removesuffix("]").partition("[")
        value = _meaning(self._read(f"{self._steps}/step-{parts[1]}/results/{name}"))
        if len(parts) > 4:
            return value.get(parts[4], "") if isinstance(value, dict) else ""
        if not index:
            return value if isinstance(value, str) else ""
        members = value if isinstance(value, list) else []
        if index == WHOLE:
            return members
        if not index.isdigit() or int(index) >= len(members):
            raise LookupError(f"{name} has {len(members)} members, and none that is [{index}]")
        return members[int(index)]

    def _artifact(self, parts: list[str]) -> str:
        described = _json.read(
            self._read(f"{self._steps}/step-{parts[1]}/artifacts/provenance.json")
        )
        listed = described.get(parts[2]) if isinstance(described, dict) else None
        for artifact in listed if isinstance(listed, list) else []:
            if isinstance(artifact, dict) and artifact.get("name") == parts[3]:
                return _json.write(artifact.get("values"))
        raise LookupError(f"no artifact of {parts[1]} has the name {parts[3]}")


def _found_in(text: str) -> "Iterator[tuple[str, list[str]]]":
    """Each reference with its parts, once."""
    seen: set[str] = set()
    at = text.find(OPEN)
    while at >= 0:
        end = text.find(CLOSE, at)
        if end < 0:
            return
        reference = text[at : end + 1]
        parts = reference[2:-1].split(".")
        result = len(parts) in (4, 5) and parts[2] == RESULTS
        if reference not in seen and (result or (len(parts) == 4 and parts[2] in ARTIFACTS)):
            seen.add(reference)
            yield reference, parts
        at = text.find(OPEN, end)


def _meaning(text: str) -> "str | list[str] | dict[str, str]":
    """A list of texts, an object of texts, a text in quotes; everything else is a text as it is."""
    try:
        value: JSON = _json.read(text)
    except ValueError:
        return text
    if isinstance(value, str):
        return value
    if text[:1] == "[" and isinstance(value, list) and all(isinstance(each, str) for each in value):
        return [str(each) for each in value]
    if text[:1] == "{" and isinstance(value, dict):
        texts = {key: each for key, each in value.items() if isinstance(each, str)}
        return texts if len(texts) == len(value) else text
    return text
