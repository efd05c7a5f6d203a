"""What is written for people is YAML all the same."""

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.kube._commented import Field, Items, to_yaml

TREE = [
    Field("seconds", 30, "A reason\nin two lines."),
    Field(
        "containers",
        Items(
            [
                [Field("name", "a", "The first."), Field("command", ("run", "8000", "a: b"))],
                [Field("name", "b"), Field("env", Items([[Field("name", "X")]]))],
            ]
        ),
    ),
    Field("emptyDir", []),
    Field("probe", [Field("port", 8000), Field("on", value=True, why="Deep down.")]),
]

TEXT = """\
# Above.

# A reason
# in two lines.
seconds: 30
containers:
  # The first.
  - name: a
    command: [run, "8000", "a: b"]
  - name: b
    env:
      - name: X
emptyDir: {}
probe:
  port: 8000
  # Deep down.
  "on": true
"""


def test_every_reason_stands_above_its_value() -> None:
    assert to_yaml(TREE, above="Above.") == TEXT.replace('"on"', "on")


def test_a_long_reason_is_wrapped_and_a_command_is_not() -> None:
    text = to_yaml([Field("a", 1, "word " * 60 + "\nkubectl " + "word " * 60)])
    lengths = [len(line) for line in text.splitlines()]
    assert max(lengths[:-2]) <= 100
    assert lengths[-2] > 300


WORDS = st.text(max_size=30)


@given(st.lists(WORDS, min_size=1), WORDS)
def test_whatever_a_word_has_in_it_it_is_read_as_it_was_written(
    words: list[str], single: str
) -> None:
    text = to_yaml([Field("words", tuple(words)), Field("single", single)])
    assert yaml.safe_load(text) == {"words": words, "single": single}


@pytest.mark.parametrize(
    "value", ["8000", "yes", "null", "1e3", "~", "- a", "#", "a: b", "0o7", ""]
)
def test_a_word_that_looks_like_something_else_has_double_quotes(value: Any) -> None:
    assert to_yaml([Field("a", value)]) == f'a: "{value}"\n'
