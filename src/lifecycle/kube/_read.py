"""Text as values that know where they stand: YAML and JSON, in the encodings that they come in.

Manifests come from strangers: what is too big, or no text, is refused, and every refusal has its place.
"""

import codecs
import re
from collections.abc import Callable, Iterator
from typing import Final

import yaml

from lifecycle.core import ManifestError
from lifecycle.kube._compose import Composer, Node

MAX_BYTES: Final = 16 * 1024 * 1024
"""Some thousand pods as `kubectl get -o json` prints them; etcd takes 1.5 MiB for one object."""


def read(source: str | bytes, file: str) -> Iterator[Node]:
    """Every document in a text that is not empty.

    Raises:
        ManifestError: It cannot be read; the message says where and what to do.
    """
    if len(source) > MAX_BYTES:
        raise ManifestError(
            f"it has more than {MAX_BYTES >> 20} MiB: give it in parts, for example by namespace",
            file=file,
        )
    text = decode(source, file) if isinstance(source, bytes) else source
    if wrong := _UNPRINTABLE.search(text):
        line, column = _position(text, wrong.start())
        raise ManifestError(
            f"the character U+{ord(wrong[0]):04X} has no place in YAML or JSON:"
            " is this a manifest? If so, remove it or write it as an escape in double quotes",
            file=file,
            line=line,
            column=column,
        )
    if text.lstrip().startswith(("{", "[")):
        text = _JSON_ONLY.sub(_as_yaml, text)
    try:
        yield from Composer(file).compose(_events(text))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise ManifestError(
            f"this is no YAML: {error.problem or error.context}{_hint(text)}",
            file=file,
            line=mark.line + 1 if mark else 1,
            column=mark.column + 1 if mark else 1,
        ) from None
    except yaml.YAMLError as error:
        raise ManifestError(f"this is no YAML: {error}", file=file) from None


# What YAML allows: https://yaml.org/spec/1.1/#c-printable
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

# JSON is YAML but for two things: tabs between tokens, and characters beyond U+FFFF escaped as two.
# A string that never ends is taken to the end at once: looking again from each of its quotes would take for ever.
_JSON_ONLY = re.compile(r'(?P<tab>\t)|(?P<string>"(?:[^"\\]|\\.)*+(?:"|\\?\Z))', re.DOTALL)
_PAIR = re.compile(r"(?<!\\)((?:\\\\)*)\\u(d[89ab]..)\\u(d[c-f]..)", re.IGNORECASE)


def _as_yaml(found: re.Match[str]) -> str:
    return " " if found["tab"] else _PAIR.sub(_joined, found["string"])


def _joined(pair: re.Match[str]) -> str:
    try:
        high, low = int(pair[2], 16), int(pair[3], 16)
    except ValueError:
        return pair[0]
    return f"{pair[1]}\\U{0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00):08x}"


_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),  # what PowerShell writes with `>`
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def decode(source: bytes, file: str) -> str:
    """Text from bytes: UTF-8, or what its byte order mark says."""
    mark, encoding = next((row for row in _MARKS if source.startswith(row[0])), (b"", "utf-8"))
    body = source[len(mark) :]
    try:
        return body.decode(encoding)
    except UnicodeDecodeError as error:
        line, column = _position(body[: error.start].decode(encoding, "replace"))
        raise ManifestError(
            f"byte 0x{body[error.start]:02x} is no {encoding.upper()}: save the file as UTF-8",
            file=file,
            line=line,
            column=column,
        ) from None


def _position(text: str, index: int | None = None) -> tuple[int, int]:
    before = text if index is None else text[:index]
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


def _hint(text: str) -> str:
    if "{{" in text:
        return ": is it a template? Render it first: helm template … | lifecycle check -"
    return ""


# libyaml is ten times as fast; a wheel of PyYAML has it, a build without a compiler has not.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


# The stubs do not say what it yields, to pyright at least.
_parse: Callable[..., Iterator[yaml.Event]] = yaml.parse  # pyright: ignore[reportUnknownMemberType] - as above


def _events(text: str) -> Iterator[yaml.Event]:
    return _parse(text, Loader=_LOADER)
