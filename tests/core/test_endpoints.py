"""Where the platform may knock."""

import re
from dataclasses import fields
from typing import Any

import pytest

from lifecycle.core import Endpoints, SettingsError

DEFAULTS = {
    "shutdown": "/shutdown",
    "post_start": "/post-start",
    "livez": "/livez",
    "readyz": "/readyz",
    "startupz": "/startupz",
}
NAMES = sorted(DEFAULTS)


def test_the_paths_are_those_that_manifests_use() -> None:
    endpoints = Endpoints()
    assert {field.name: getattr(endpoints, field.name) for field in fields(Endpoints)} == DEFAULTS


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("path", ["/", "/bye", "/a/b/", "/ümlaut und mehr", "/a//b", None])
def test_each_can_be_changed_or_switched_off(name: str, path: str | None) -> None:
    endpoints = Endpoints(**{name: path})
    assert getattr(endpoints, name) == path
    for other in set(NAMES) - {name}:
        assert getattr(endpoints, other) == DEFAULTS[other]


def test_all_of_them_can_be_switched_off() -> None:
    assert Endpoints(**dict.fromkeys(NAMES)) != Endpoints()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "path",
    [
        "",
        "bye",
        "//bye",
        "/bye?now=1",
        "/bye#now",
        "http://localhost/bye",
        3,
        True,
        b"/bye",
        ["/bye"],
    ],
)
def test_what_is_no_path_is_refused_with_its_name_and_one_that_would_do(
    name: str, path: Any
) -> None:
    with pytest.raises(
        SettingsError,
        match=rf"^Endpoints\({name}={re.escape(repr(path))}\) is not a path: write it like "
        rf"'{DEFAULTS[name]}', or None to switch it off$",
    ):
        Endpoints(**{name: path})


def test_two_on_one_path_are_refused_with_both_names() -> None:
    with pytest.raises(
        SettingsError,
        match=r"^Endpoints\(readyz='/livez'\) is the path of 'livez' too: give each its own, or None to switch one off$",
    ):
        Endpoints(readyz="/livez")
    with pytest.raises(SettingsError, match=r"startupz='/health'\) is the path of 'shutdown' too"):
        Endpoints(shutdown="/health", startupz="/health")


def test_they_are_keywords_and_do_not_change() -> None:
    with pytest.raises(TypeError, match="positional"):
        Endpoints("/bye")  # type: ignore[call-arg] # that is what is tried
    with pytest.raises(AttributeError):
        Endpoints().shutdown = "/bye"  # type: ignore[misc] # as above
