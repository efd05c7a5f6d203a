"""Conditions on results: what the language says, and an error wherever it would be guesswork."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as some

from lifecycle.supervisor._cel import holds
from lifecycle.supervisor._cel_tokens import CelError


@pytest.mark.parametrize(
    "text",
    [
        "true",
        "'a' == \"a\"",
        "'a' != 'b' && !(1 > 2)",
        "1 + 2 * 3 == 7",
        "(1 + 2) * 3 == 9",
        "-7 / 2 == -3 && -7 % 2 == -1",
        "7u - 2u == 5u",
        "0x1F == 31",
        "1.5 + .5 == 2.0 && 1e3 == 1000.0",
        "'b' in ['a', 'b']",
        "'k' in {'k': 1}",
        "{'k': {'n': 3}}.k.n == 3",
        "[1, 2, 3][1] == 2",
        "has({'a': {'b': 1}}.a.b) && !has({'a': 1}.b)",
        "size('four') == 4 && [1].size() == 1",
        "'release-1'.startsWith('rel') && 'x.py'.endsWith('.py') && 'abc'.contains('b')",
        "int('12') == 12 && string(12) == '12' && double('1.5') == 1.5 && bool('true')",
        "uint(3) == 3u && string(1.0) == '1' && dyn('a') == 'a'",
        "1 < 2 ? 'yes' == 'yes' : false",
        "false ? false : true ? true : false",
        "[1, 2].all(n, n > 0) && [1, 2].exists(n, n == 2) && [1, 1].exists_one(n, n == 1) == false",
        "[1, 2, 3].filter(n, n > 1).map(n, n * 2) == [4, 6]",
        "'a\\n' + r'\\n' == 'a\\n\\\\n'",
        "'\\x41\\u0042\\103' == 'ABC'",
        '"""it\'s""" == "it\'s"',
        "null == null // as a comment says",
        "true || 1 / 0 == 1",
        "1 / 0 == 1 || true",
        "!(false && [1][5] == 1)",
        "'a' < 'b' && 2 >= 2 && 1 <= 1",
        "-9223372036854775807 - 1 < 0",
    ],
)
def test_what_holds(text: str) -> None:
    assert holds(text)
    assert not holds(f"!({text})" if "//" not in text else "false")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "unexpected 'end'"),
        ("'a'", "neither true nor false, but string"),
        ("release == 'release'", "there is no 'release': texts need quotes"),
        ("'1' == 1", "string == int has no meaning"),
        ("1 == 1.0", "int == double has no meaning"),
        ("1 && true", "int where bool is needed"),
        ("'a' in 'abc'", "string in string has no meaning"),
        ("9223372036854775807 + 1 > 0", "a number is too large"),
        ("0u - 1u == 0u", "a number is too large"),
        ("1 / 0 == 1", "a division by zero"),
        ("[1][1] == 1", "a list of 1 has no [1]"),
        ("{'a': 1}.b == 1", "a map has no 'b'"),
        ("{[1]: 2} == {}", "values where they have no place"),
        ("'a'.matches('a')", "matches() is not known here"),
        ("duration('1s') == duration('1s')", "duration() is not known here"),
        ("size() == 1", "wrong number of values"),
        ("true true", "unexpected 'true'"),
        ("'open", "a text has no end"),
        ("'a\nb' == ''", "a text has no end"),
        ("'\\q' == ''", "is no escape"),
        ("1..2 == 1", "is no number"),
        ("true & true", "unexpected '&'"),
        ("(true", "expected ')', found 'the end'"),
        ("!" * 1000 + "true", "nested too deeply"),
        ("(" * 1000 + "true", "nested too deeply"),
        ("int('x') == 1", "int() cannot read 'x'"),
        ("bool('yes')", "bool() cannot read 'yes'"),
        ("has(1)", "has() asks for a field"),
        ("[1].all(n)", "expected ','"),
    ],
)
def test_what_is_no_condition(text: str, message: str) -> None:
    with pytest.raises(CelError) as found:
        holds(text)
    assert message in str(found.value)


@given(some.text("'\"()[]{}.,:?!&|=<>+-*/% \\\\ntrueinasizh019u\n", max_size=30))
def test_any_text_is_a_condition_or_an_error(text: str) -> None:
    with contextlib.suppress(CelError):
        assert holds(text) in (True, False)
