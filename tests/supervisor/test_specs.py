"""The little languages: what people write, and what it means."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from lifecycle.supervisor import _help, _json, _mesh, _specs
from lifecycle.supervisor._errors import UsageError
from lifecycle.supervisor._option import Option
from lifecycle.supervisor._options import BY_SHORT, OPTIONS
from lifecycle.supervisor._settings import Settings, parse
from lifecycle.supervisor._signals import LAST, name_of, number_of
from lifecycle.supervisor._statuses import MEANINGS

texts = some.text(some.characters(exclude_categories=["Cs"]))
numbers = some.integers() | some.floats(-1e9, 1e9).map(lambda number: round(number, 3))
values = some.recursive(
    some.none() | some.booleans() | numbers | texts,
    lambda inner: some.lists(inner) | some.dictionaries(texts, inner),
    max_leaves=20,
)


@given(values)
def test_what_is_written_is_what_everybody_reads(value: Any) -> None:
    written = _json.write(value)
    assert json.loads(written) == value
    assert _json.read(written) == value
    assert written.isascii()
    assert "\n" not in written


@given(values)
def test_what_others_write_is_read(value: Any) -> None:
    assert _json.read(json.dumps(value)) == value
    assert _json.read(json.dumps(value, ensure_ascii=False, indent=1)) == value


@given(some.text('{}[]",:0123456789.eE-truefalsn \\u', max_size=30))
def test_what_is_no_json_is_refused_and_nothing_else_happens(text: str) -> None:
    try:
        expected = json.loads(text)
    except (ValueError, RecursionError):
        try:
            _json.read(text)
        except ValueError:
            return
        # `01` and the like, which are no JSON, may pass as numbers: nobody writes them.
        assert any(letter.isdigit() for letter in text)
    else:
        assert _json.read(text) == expected


def test_nesting_is_bounded() -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        _json.read("[" * 1000)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("20", 20), ("1.5s", 1.5), ("500ms", 0.5), ("1m30s", 90), ("2h", 7200), ("0", 0), (" 3s ", 3)],
)
def test_durations(text: str, seconds: float) -> None:
    assert _specs.seconds(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "s", "-1", "1x", "1s2", "1..5", "nan", "inf", "1e3", "9999999999999"]
)
def test_what_is_no_duration(text: str) -> None:
    if text == "1s2":
        assert _specs.seconds(text) == 3, "a figure without a unit is seconds, wherever it stands"
        return
    with pytest.raises(UsageError, match="is no duration: write 20, 20s"):
        _specs.seconds(text)


@given(some.integers(1, LAST).filter(lambda number: number not in (32, 33)))
def test_a_signals_name_leads_back_to_it(number: int) -> None:
    assert (
        number_of(name_of(number))
        == number_of(f"sig{name_of(number)}")
        == number_of(str(number))
        == number
    )


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("nginx -s quit", ("nginx", "-s", "quit")),
        ("""sh -c 'echo "a b"'""", ("sh", "-c", 'echo "a b"')),
        (r"""a\ b "c \" d" '' """, ("a b", 'c " d', "")),
        ('["a", "b c"]', ("a", "b c")),
        ("http://127.0.0.1:8080/quit?a=b", ("http://127.0.0.1:8080/quit?a=b",)),
    ],
)
def test_commands(line: str, words: tuple[str, ...]) -> None:
    assert _specs.command(line) == words


@pytest.mark.parametrize("line", ["", "  ", "'open", "[1]", "[]", "[x"])
def test_what_is_no_command(line: str) -> None:
    with pytest.raises(UsageError):
        _specs.command(line)


def test_statuses_and_remaps() -> None:
    assert _specs.statuses("1,3,10-12") == {1, 3, 10, 11, 12}
    for code in range(256):
        assert _specs.remap(str(code)) == (code, 0)
    with pytest.raises(UsageError, match="from 0 to 255"):
        _specs.remap("256=0")


def test_escalations() -> None:
    assert _specs.escalation("TERM:20s,INT:5,KILL") == ((15, 20), (2, 5), (9, None))
    with pytest.raises(UsageError, match="every step but the last needs a duration"):
        _specs.escalation("TERM,KILL")


@pytest.mark.parametrize("mesh", _mesh.PRESETS)
def test_a_mesh_is_waited_for_and_told(mesh: str) -> None:
    assert _specs.condition(_mesh.readiness_of(mesh)).kind == "http"
    assert _mesh.farewell_of(mesh).startswith("http://127.0.0.1:")


def test_every_option_has_a_typed_setting_and_a_variable_of_its_own() -> None:
    declared = set(Settings.__annotations__)
    assert {option.attribute for option in OPTIONS} == declared
    assert len({option.variable for option in OPTIONS}) == len(OPTIONS)
    assert len(BY_SHORT) == len([option for option in OPTIONS if option.short])
    assert Settings().after is not Settings().after


WRITTEN = {
    "": "true",
    "CONDITION": "db:ready",
    "COMMAND|URL": "nginx -s quit",
    "DIR": "/x",
    "DURATION": "7s",
    "FROM:TO": "HUP:USR1",
    "N": "3",
    "N=M": "3=4",
    "PATH": "/x/y",
    "PATHS": "/x/y",
    "SIG": "QUIT",
    "SIG=DURATION": "TERM=5s",
    "SIGNALS": "QUIT",
    "STATUSES": "1-4",
    "STEPS": "TERM:5s,KILL",
    "URL": "http://localhost/x",
}


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_every_option_means_the_same_as_a_variable(option: Option) -> None:
    written = WRITTEN.get(option.metavar, "")
    if isinstance(option.parse, _specs.Choice):
        written = option.parse.words[-1]
    elif option.metavar == "NAME":
        written = "db"
    given = [f"--{option.name}={written}", "--notify", "--", "true"]
    words = [f"--{option.name}", written, *given[1:]]
    variables = {option.variable: written}
    found = [parse(given, {}), parse(given[1:], variables), parse(given[1:], variables | {"X": ""})]
    if not option.is_flag:
        found.append(parse(words, {}))
    values = {repr(plain(getattr(settings, option.attribute))) for settings in found}
    assert len(values) == 1
    if option.name != "notify":
        assert values != {repr(plain(getattr(parse(["true"], {}), option.attribute)))}


def plain(value: Any) -> Any:
    if isinstance(value, list):
        return [plain(member) for member in value]
    return value.text if isinstance(value, _specs.Condition) else value


def test_lists_of_statuses_survive_in_a_variable_of_conditions() -> None:
    """Both lists have commas."""
    settings = parse(["true"], {"SUPERVISOR_AFTER": "db:0,3,10-12,web,file:/x,tcp://a:1"})
    assert [condition.text for condition in settings.after] == [
        "db:0,3,10-12",
        "web",
        "file:/x",
        "tcp://a:1",
    ]


def test_several_letters_may_stand_behind_one_dash() -> None:
    settings = parse(["-sgvv", "-we", "5", "-vr1:15", "true", "-x"], {})
    assert (settings.signal_to, settings.verbose) == ("group", True)
    assert (settings.remap, settings.rewrite) == ([(5, 0)], [(1, 15)])
    assert settings.command == ["true", "-x"]
    with pytest.raises(UsageError, match="unknown option '-x'"):
        parse(["-vx", "true"], {})


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_help_has_a_line_for_every_option(option: Option) -> None:
    lines = [line.strip() for line in _help.text().splitlines()]
    short = f"-{option.short}, " if option.short else ""
    at = lines.index(f"{short}--{option.name} {option.metavar}".rstrip())
    assert lines[at + 1].startswith(option.help)


def test_our_own_statuses_are_distinct_and_explained() -> None:
    assert len(MEANINGS) == len(set(MEANINGS))
    assert all(64 <= status <= 128 for status in MEANINGS)


@given(some.lists(some.text(max_size=8), max_size=6))
def test_any_words_are_either_settings_or_a_usage_error(words: list[str]) -> None:
    try:
        settings = parse(words, {})
    except UsageError:
        return
    assert settings.command
