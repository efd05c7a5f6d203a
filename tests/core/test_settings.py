"""What can be set, by whom, and what is said to whoever sets nonsense."""

import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from ipaddress import ip_address, ip_network
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.core import SETTINGS, BudgetError, Network, Settings, SettingsError, read_settings
from tests.support.ids import named

SECRET = "s3cr3t-t0ken-value"


def of(environment: Mapping[str, str] | None = None, /, **arguments: Any) -> Settings:
    return read_settings(arguments, environment or {})


def variable(name: str) -> str:
    return f"LIFECYCLE_{name.upper()}"


NEEDED_BY: dict[str, dict[str, Any]] = {"post_start_timeout": {"post_start_file": "/tmp/done"}}
"""What a setting makes no sense without."""

DURATIONS = (
    "grace_period",
    "shutdown_delay",
    "drain_timeout",
    "startup_timeout",
    "post_start_timeout",
)
ZERO_IS_NONE = ("grace_period", "startup_timeout", "post_start_timeout")
PATHS = ("post_start_file", "report_file")

NO_NUMBER = ("thirty", "30s", "1m", "nan", "NaN", "-nan", "1,5", "0x10", "--1", "1 2", "٣s", "\0")
NEGATIVE = ("-1", "-0.001", "-inf", "-1e999", -1, -0.5, float("-inf"), -(10**400), -(10**5000))
TOO_LONG = ("inf", "1e9", "1e999", "604801", "9" * 5000, 604801, 1e300, float("inf"), 10**400)
WRONG_TYPES: tuple[object, ...] = (
    True,
    False,
    b"30",
    [30],
    (30,),
    {},
    {30},
    object,
    Decimal(30),
    Fraction(30),
    3j,
)

RELATIVE = ("done", "./done", "../tmp/done", "~/done", "$HOME/done", ".", Path("done"), Path())
NO_PATH = ("/tmp/\0done", 3, True, b"/tmp/done", ["/tmp/done"], PurePosixPath("/tmp/done"))

NO_FLAG = ("maybe", "2", "-1", "nan", "truefalse", "None", 1, 0, 1.0, b"true", [True])

NO_NETWORK = (
    "10.0.0.0/33",
    "10.0.0.1/8",
    "10.0.0",
    "300.0.0.1",
    "localhost",
    "fe80::/129",
    "::ffff:10.0.0.1/104",
    "10.0.0.0/8;10.1.0.0/16",
    "*",
    "-1",
    "nan",
    ["10.0.0.0/8", "nonsense"],
    [10],
    [True],
    [None],
    [b"10.0.0.0/8"],
)
NO_LIST = (3, True, 1.5, b"10.0.0.0/8", object())

NO_TOKEN = (
    "two words",
    "tab\there",
    "line\nbreak",
    "carriage\rreturn",
    "nul\0",
    "ümlaut",
    "\x7f",
    "\udcff",
    b"bytes",
    3,
    True,
    ["token"],
)

BAD: dict[str, list[tuple[object, str]]] = {name: [] for name in (s.name for s in SETTINGS)}
"""For every row: what is wrong, and what is said after the name."""
for _name in DURATIONS:
    _least = "more than 0" if _name in ZERO_IS_NONE else "0 or more"
    BAD[_name] += [(bad, "is not a number of seconds: write it like 30") for bad in NO_NUMBER]
    BAD[_name] += [(bad, "is not a number of seconds: write it like 30") for bad in WRONG_TYPES]
    BAD[_name] += [(bad, f": a duration is {_least} seconds") for bad in NEGATIVE]
    BAD[_name] += [
        (bad, "is longer than a week .604800 s.: durations are seconds") for bad in TOO_LONG
    ]
for _name in ZERO_IS_NONE:
    BAD[_name] += [(bad, ": a duration is more than 0 seconds") for bad in (0, 0.0, "0", "-0.0")]
for _name in PATHS:
    BAD[_name] += [(bad, "is a relative path: the hook and the process need") for bad in RELATIVE]
    BAD[_name] += [(bad, "is not a path: write it like /tmp/post-start-done") for bad in NO_PATH]
BAD["post_start_fresh"] += [
    (bad, "is neither true nor false: write one of 1, true") for bad in NO_FLAG
]
BAD["allow"] += [(bad, "is not a network .*: write it like 10.0.0.0/8") for bad in NO_NETWORK]
BAD["allow"] += [(bad, "is not a list of networks: write it like") for bad in NO_LIST]
BAD["allow"] += [(bad, "names no network: name those that may call") for bad in (",", " , ,")]
BAD["shutdown_token"] += [(bad, "is not usable as a token: .*openssl rand") for bad in NO_TOKEN]

ROWS = [(name, bad, said) for name, rows in BAD.items() for bad, said in rows]


def label(value: object) -> str:
    return "huge" if isinstance(value, int) and abs(value) > 10**50 else ascii(named(value))[:40]


def shown(value: object) -> str:
    """How a bad value appears in the message."""
    if isinstance(value, int) and abs(value) >= 10**400:
        return repr(float("inf") if value > 0 else float("-inf"))
    return repr(str(value) if isinstance(value, Path) else value)


def test_every_setting_is_tried_with_nonsense() -> None:
    assert all(BAD[setting.name] for setting in SETTINGS)
    assert set(BAD) == {setting.name for setting in SETTINGS}


@pytest.mark.parametrize(("name", "bad", "said"), ROWS, ids=label)
def test_nonsense_in_an_argument_is_refused_by_the_arguments_name_and_value(
    name: str, bad: object, said: str
) -> None:
    with pytest.raises(SettingsError, match=rf"^{name}\b(?s:.*){said}") as refused:
        of(**NEEDED_BY.get(name, {}), **{name: bad})
    one_of_many = name == "allow" and isinstance(bad, list)
    if name != "shutdown_token" and not one_of_many:
        assert shown(bad) in str(refused.value)
    assert len(str(refused.value)) < 6000


@pytest.mark.parametrize(
    ("name", "bad", "said"), [row for row in ROWS if isinstance(row[1], str)], ids=label
)
def test_nonsense_in_the_environment_is_refused_by_the_variables_name_and_value(
    name: str, bad: str, said: str
) -> None:
    with pytest.raises(SettingsError, match=rf"^{variable(name)}\b(?s:.*){said}") as refused:
        of({variable(name): bad}, **NEEDED_BY.get(name, {}))
    if name != "shutdown_token":
        assert repr(bad.strip()) in str(refused.value)


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("empty", ["", " ", "\t\n "])
def test_an_empty_variable_is_not_set(name: str, empty: str) -> None:
    assert of({variable(name): empty}) == of()


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("empty", ["", " \t"])
def test_an_empty_argument_is_a_mistake(name: str, empty: str) -> None:
    with pytest.raises(SettingsError, match=rf"^{name}\b"):
        of(**{name: empty})


@pytest.mark.parametrize("nobody", [[], (), iter(())])
def test_an_empty_list_of_networks_is_a_mistake(nobody: object) -> None:
    with pytest.raises(
        SettingsError,
        match=r"^allow=.* names no network: .* switch the endpoint off with Endpoints\(shutdown=None\)$",
    ):
        of(allow=nobody)


# What is accepted.

HOST = ip_network("10.1.2.3/32")


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        *[(name, "20", 20.0) for name in DURATIONS],
        *[(name, 20, 20.0) for name in DURATIONS],
        *[(name, " 12.5 ", 12.5) for name in ("grace_period", "startup_timeout")],
        ("shutdown_delay", 0, 0.0),
        ("drain_timeout", "0", 0.0),
        ("startup_timeout", "1e3", 1000.0),
        ("startup_timeout", 604800, 604800.0),
        ("post_start_file", "/tmp/done", Path("/tmp/done")),
        ("post_start_file", Path("/tmp/done"), Path("/tmp/done")),
        ("report_file", "/dev/termination-log", Path("/dev/termination-log")),
        ("report_file", "/srv/bericht für alle", Path("/srv/bericht für alle")),
        *[("post_start_fresh", text, True) for text in (True, "1", "true", "YES", " on ")],
        *[("post_start_fresh", text, False) for text in (False, "0", "False", "no", "OFF")],
        ("shutdown_token", SECRET, SECRET),
        ("shutdown_token", "!~", "!~"),
        ("allow", "10.0.0.0/8, ::1 ,", (ip_network("10.0.0.0/8"), ip_network("::1"))),
        ("allow", "10.1.2.3", (HOST,)),
        ("allow", ["10.1.2.3", ip_network("fd00::/8")], (HOST, ip_network("fd00::/8"))),
        ("allow", ip_network("10.0.0.0/8"), (ip_network("10.0.0.0/8"),)),
        ("allow", ip_network("fd00::/8"), (ip_network("fd00::/8"),)),
        ("allow", [ip_address("10.1.2.3")], (HOST,)),
        ("allow", "::ffff:10.0.0.0/104", (ip_network("10.0.0.0/8"),)),
        ("allow", "::ffff:10.1.2.3", (HOST,)),
        ("allow", "::fffe:0:0/95", (ip_network("::fffe:0:0/95"),)),
    ],
    ids=label,
)
def test_what_makes_sense_is_accepted(name: str, given: Any, value: object) -> None:
    arguments = {"grace_period": 60} | NEEDED_BY.get(name, {}) | {name: given}
    found = getattr(of(**arguments), name)
    assert found == value
    if isinstance(given, str):
        del arguments[name]
        assert getattr(of({variable(name): given}, **arguments), name) == found


def test_an_argument_comes_before_the_environment_which_is_not_even_looked_at() -> None:
    assert of({"LIFECYCLE_GRACE_PERIOD": "60"}).grace_period == 60
    assert of({"LIFECYCLE_GRACE_PERIOD": "60"}, grace_period=40).grace_period == 40
    assert of({"LIFECYCLE_GRACE_PERIOD": "nonsense"}, grace_period=40).grace_period == 40
    assert (
        of({"LIFECYCLE_POST_START_FRESH": "yes"}, post_start_fresh=False).post_start_fresh is False
    )


def test_without_anything_set_the_defaults_hold() -> None:
    settings = of()
    assert settings.grace_period == 30
    assert settings.budget.delay == 0
    assert settings.post_start_fresh
    assert not settings.in_kubernetes
    assert settings.misspelt == ()
    nothing = {s.name for s in SETTINGS} - {"grace_period", "post_start_fresh"}
    assert {name for name in nothing if getattr(settings, name) is not None} == set()


def test_in_kubernetes_the_lame_duck_has_its_time() -> None:
    settings = of({"KUBERNETES_SERVICE_HOST": "10.96.0.1"})
    assert settings.in_kubernetes
    assert settings.budget.delay == 5
    assert not of({"KUBERNETES_SERVICE_HOST": ""}).in_kubernetes


def test_the_node_may_be_named() -> None:
    assert of({"HOST_IP": "192.168.1.7"}).host_ip == "192.168.1.7"
    assert of({"HOST_IP": ""}).host_ip is None
    assert of({"HOST_IP": "not ours to judge"}).host_ip == "not ours to judge"


@given(st.text() | st.floats() | st.integers() | st.none() | st.booleans() | st.binary())
def test_whatever_is_given_the_answer_is_settings_or_an_error_about_them(value: Any) -> None:
    for setting in SETTINGS:
        try:
            of(**{setting.name: value})
        except SettingsError as refused:
            assert re.match(rf"{setting.name}\b|shutdown_delay\b", str(refused))  # noqa: PT017 - either end is right


# What contradicts itself.


@pytest.mark.parametrize(
    ("arguments", "total", "grace"),
    [
        ({"shutdown_delay": 25}, "31.5", "30"),
        ({"grace_period": 5}, "6", "5"),
        ({"drain_timeout": 24}, "30.5", "30"),
        ({"grace_period": 10, "shutdown_delay": 3, "drain_timeout": 2}, "11", "10"),
    ],
)
def test_durations_that_do_not_fit_are_refused_with_the_sum(
    arguments: dict[str, Any], total: str, grace: str
) -> None:
    said = rf"= {re.escape(total)} s .* grace period of {grace} s.*LIFECYCLE_GRACE_PERIOD"
    with pytest.raises(BudgetError, match=said):
        of(**arguments)
    with pytest.raises(BudgetError, match=said):
        of({variable(name): f"{value}" for name, value in arguments.items()})


def test_a_timeout_for_a_trigger_that_nobody_waits_for_is_refused() -> None:
    said = "=9 without post_start_file: name the file to wait for .LIFECYCLE_POST_START_FILE., or drop the timeout$"
    with pytest.raises(SettingsError, match=rf"^post_start_timeout{said}"):
        of(post_start_timeout=9)
    with pytest.raises(SettingsError, match=rf"^LIFECYCLE_POST_START_TIMEOUT{said}"):
        of({"LIFECYCLE_POST_START_TIMEOUT": "9"})


# The secret.


@pytest.mark.parametrize("bad", [f"{SECRET} ", f"{SECRET}\n{SECRET}", f"ü{SECRET}", f"{SECRET}\0"])
def test_a_token_that_is_refused_is_not_told(bad: str) -> None:
    readers: list[Callable[[], Settings]] = [
        lambda: of(shutdown_token=bad),
        lambda: of(shutdown_token=bad.encode()),
        lambda: of(shutdown_token=[bad]),
        lambda: of({"LIFECYCLE_SHUTDOWN_TOKEN": f"x{bad}x"}),
    ]
    for read in readers:
        with pytest.raises(SettingsError, match=r"SHUTDOWN_TOKEN|shutdown_token") as refused:
            read()
        assert SECRET not in f"{refused.value}{refused.value!r}{refused.value.__context__!r}"


def test_the_token_is_in_no_repr_and_no_other_message() -> None:
    assert SECRET not in repr(of(shutdown_token=SECRET))
    assert SECRET not in str(of({"LIFECYCLE_SHUTDOWN_TOKEN": SECRET}))
    with pytest.raises(SettingsError, match="grace_period") as refused:
        of({"LIFECYCLE_SHUTDOWN_TOKEN": SECRET}, grace_period=-1)
    assert SECRET not in str(refused.value)


def test_a_misspelt_token_is_not_told_either() -> None:
    (warning,) = of({"LIFECYCLE_SHUTDOWN_TOKENS": SECRET}).misspelt
    assert (
        warning
        == "LIFECYCLE_SHUTDOWN_TOKENS is not a setting: did you mean LIFECYCLE_SHUTDOWN_TOKEN?"
    )


# Variables that are none of ours.


def test_misspelt_variables_are_named_with_what_was_meant() -> None:
    environment = {
        "LIFECYCLE_GRACEPERIOD": "60",
        "LIFECYCLE_DRAIN_TIME_OUT": "5",
        "LIFECYCLE_ALLOWED": "10.0.0.0/8",
        "LIFECYCLE_POSTSTART_FILE": "/tmp/done",
    }
    assert of(environment).misspelt == (
        "LIFECYCLE_ALLOWED is not a setting: did you mean LIFECYCLE_ALLOW?",
        "LIFECYCLE_DRAIN_TIME_OUT is not a setting: did you mean LIFECYCLE_DRAIN_TIMEOUT?",
        "LIFECYCLE_GRACEPERIOD is not a setting: did you mean LIFECYCLE_GRACE_PERIOD?",
        "LIFECYCLE_POSTSTART_FILE is not a setting: did you mean LIFECYCLE_POST_START_FILE?",
    )
    assert of(environment).grace_period == 30


def service_links(service: str) -> Iterator[tuple[str, str]]:
    """What the kubelet sets for a Service of that name."""
    address, port = "10.96.12.34", "8000"
    yield f"{service}_SERVICE_HOST", address
    yield f"{service}_SERVICE_PORT", port
    yield f"{service}_SERVICE_PORT_HTTP", port
    yield f"{service}_PORT", f"tcp://{address}:{port}"
    yield f"{service}_PORT_8000_TCP", f"tcp://{address}:{port}"
    yield f"{service}_PORT_8000_TCP_PROTO", "tcp"
    yield f"{service}_PORT_8000_TCP_PORT", port
    yield f"{service}_PORT_8000_TCP_ADDR", address


@pytest.mark.parametrize("service", ["LIFECYCLE", "LIFECYCLE_DEMO", "LIFECYCLE_REPORT"])
def test_a_service_of_our_name_is_harmless(service: str) -> None:
    assert of(dict(service_links(service))) == of()


def test_other_peoples_variables_are_not_looked_at() -> None:
    assert (
        of({"GRACE_PERIOD": "x", "MY_LIFECYCLE_GRACE_PERIOD": "x", "lifecycle_allow": "x"}) == of()
    )


# The table itself.


def test_every_row_says_what_it_is() -> None:
    names = [setting.name for setting in SETTINGS]
    assert len(names) == len(set(names))
    for setting in SETTINGS:
        assert setting.variable == variable(setting.name)
        assert setting.what.endswith(".")
        assert setting.default
        assert hasattr(of(), setting.name)


def test_settings_do_not_change() -> None:
    with pytest.raises(AttributeError):
        of().grace_period = 60  # type: ignore[misc] # that is what is tried


def test_a_network_is_of_either_version() -> None:
    networks: tuple[Network, ...] | None = of(allow="10.0.0.0/8,fd00::/8").allow
    assert networks is not None
    assert [network.version for network in networks] == [4, 6]
