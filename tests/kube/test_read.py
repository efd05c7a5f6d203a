"""Text from strangers: read with positions, or refused with a place and a way out."""

import contextlib
import json
import re
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import yaml
from hypothesis import strategies as st

from lifecycle.core import ManifestError
from lifecycle.kube import _read, read_manifest
from lifecycle.kube._compose import Node

POD = """\
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
  - name: app
    env:
    - name: A
      value: "1"
"""
CONTAINER = "kind: Pod\nspec:\n  containers:\n  - name: app\n    "


def plain(node: Node) -> Any:
    match node.value:
        case list() as items:
            return [plain(item) for item in items]
        case dict() as entries:
            return {key: plain(entry.node) for key, entry in entries.items()}
        case scalar:
            return scalar


def test_every_value_knows_where_it_stands() -> None:
    (app,) = read_manifest(POD, "web.yaml").workloads[0].pod.containers
    (variable,) = app.env
    assert str(variable.place.at("value")) == "web.yaml:9:7"
    assert str(variable.place.at("valueFrom", "name")) == "web.yaml:8:7"
    assert str(variable.place.at("valueFrom")) == "web.yaml:8:7"
    assert not variable.place.has("valueFrom")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            json.dumps({"a": ["\U0001f600", "\\ud83d", "\t", 1.5, None, True]}), id="json"
        ),
        pytest.param('{\t"a":\t[\n\t\t"b\\tc\\/", "\\\\\\ud83d\\ude00"\t]}', id="tabs"),
        pytest.param('["a:b", {"":1,"c":{}}]', id="list"),
    ],
)
def test_json_is_read_as_json(text: str) -> None:
    (node,) = _read.read(text, "a.json")
    assert plain(node) == json.loads(text)


def test_a_json_string_without_an_end_takes_no_time() -> None:
    with pytest.raises(ManifestError, match="this is no YAML"):
        [*_read.read('{"' + '\\"' * 300_000, "a.json")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_byte_order_mark_says_the_encoding(encoding: str) -> None:
    assert read_manifest(POD.encode(encoding)) == read_manifest(POD)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", True),
        ("No", False),
        ("~", None),
        ("0o17", 15),
        ("017", 15),
        ("0x1F", 31),
        ("-1_000", -1000),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("-.inf", float("-inf")),
        ("08", 8.0),
        ("1:30", "1:30"),
        ("2001-01-01", "2001-01-01"),
        ("9" * 5000, "9" * 5000),
        ("'on'", "on"),
        ("!!str 8080", "8080"),
        ("!!int '8080'", 8080),
        ("!secret 8080", "8080"),
        ("0b_", "0b_"),
        ("|\n  a\n  b", "a\nb"),
    ],
)
def test_a_word_means_what_it_means_to_kubernetes(text: str, value: object) -> None:
    (node,) = _read.read(f"a: {text}", "a.yaml")
    assert plain(node) == {"a": value}


def test_merged_keys_count_unless_they_are_written_out() -> None:
    text = "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {z: 3, <<: [*a, *b]}\n"
    (node,) = _read.read(text, "a.yaml")
    assert plain(node)["c"] == {"x": 1, "y": 1, "z": 3}


def test_empty_documents_are_nothing() -> None:
    assert [*_read.read("---\n---\n# only this\n--- \n...\n", "a.yaml")] == []


LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n"
    for before, name in zip(string.ascii_lowercase, string.ascii_lowercase[1:10], strict=False)
)


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        ("a: 1\na: 2", "2:1", "'a' is written twice (line 1 has it too), and one of them is lost"),
        ("a: [b\n", "2:1", "this is no YAML"),
        ("a: b: c", "1:5", "this is no YAML: mapping values are not allowed"),
        ("a: &a [*a]", "1:8", "*a stands inside of what it repeats (line 1), without end"),
        ("a: &a {b: {<<: *a}}", "1:16", "*a stands inside of what it repeats"),
        ("a: *b", "1:4", "*b repeats what nothing above is called: write &b before it"),
        ("a: &a 1\n---\nb: *a", "3:4", "*a repeats what nothing above is called"),
        ("<<: 1", "1:1", "<< takes a mapping"),
        (LAUGHS, "6:", "aliases repeat more than 100000 values"),
        ("- " * 200, "1:201", "more than 100 lists and mappings in each other"),
        ("[" * 100_000, "1:101", "more than 100 lists and mappings in each other"),
        ("{a: " * 100_000, "1:401", "more than 100 lists and mappings in each other"),
        ("a: {{ .Values.name }}", "1:5", "render it first (helm template"),
        ("{{- if .Values.on }}\na: 1\n{{- end }}", "1:", "Render it first: helm template"),
        ("a: b\x00", "1:5", "the character U+0000 has no place in YAML or JSON"),
        ("é: \x1b[31m", "1:4", "the character U+001B has no place"),
        ("a: '\ud800'", "1:5", "the character U+D800 has no place"),
        ("a: \udcff", "1:4", "the character U+DCFF has no place"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(text: str, where: str, message: str) -> None:
    with pytest.raises(ManifestError) as caught:
        [*_read.read(text, "a.yaml")]
    assert str(caught.value).startswith(f"a.yaml:{where}")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (b"a: b\nc: caf\xe9", "a.yaml:2:7: byte 0xe9 is no UTF-8: save the file as UTF-8"),
        (b"\x7fELF\x02\x01\x01\x00", "a.yaml:1:1: the character U+007F has no place in YAML"),
        (b"\xff\xfea\x00\x00\xd8", "a.yaml:1:2: byte 0x00 is no UTF-16-LE"),
        (b" " * (_read.MAX_BYTES + 1), "a.yaml:1:1: it has more than 16 MiB: give it in parts"),
    ],
)
def test_bytes_that_are_no_text_are_refused(source: bytes, message: str) -> None:
    with pytest.raises(ManifestError, match=re.escape(message)):
        [*_read.read(source, "a.yaml")]


def test_a_build_of_pyyaml_without_libyaml_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_read, "_LOADER", yaml.SafeLoader)
    assert read_manifest(POD, "web.yaml").workloads[0].name == "web"
    with pytest.raises(ManifestError, match=r"a\.yaml:1:5: this is no YAML"):
        [*_read.read("a: b: c", "a.yaml")]


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        ("- a", "1:1", "the document is a list, and has to be a mapping"),
        ("hello", "1:1", 'the document is the text "hello", and has to be a mapping'),
        ("name: web", "1:1", "this is no Kubernetes object, it has no `kind`"),
        ("kind: List\nitems: [1]", "2:9", "items[0] is the number 1, and has to be a mapping"),
        ("kind: Pod\nspec: 3", "2:7", "spec is the number 3, and has to be a mapping"),
        (
            "kind: Pod\nspec: {containers: {name: a}}",
            "2:20",
            "spec.containers is a mapping, and has to be a list: begin each of its items with `- `",
        ),
        (
            "kind: Pod\nspec:\n  terminationGracePeriodSeconds: '60'",
            "3:34",
            'is the text "60", and has to be a whole number: write it without quotes,',
        ),
        (
            "kind: Pod\nspec: {terminationGracePeriodSeconds: 1.5}",
            "2:39",
            "is the number 1.5, and has to be a whole number",
        ),
        ("kind: Pod\nspec: {activeDeadlineSeconds: .nan}", "2:31", "is the number nan"),
        ("kind: Pod\nspec: {activeDeadlineSeconds: yes}", "2:31", "is `true`, and has to be a"),
        ("kind: Pod\nspec: {activeDeadlineSeconds: 99999999999999999999}", "2:31", "a whole num"),
        ("kind: Pod\nspec: {hostNetwork: 'true'}", "2:21", "has to be true or false"),
        (CONTAINER + "command: sh -c x", "5:14", "containers[0].command is the text"),
        (
            CONTAINER + "command: [run, 8080]",
            "5:20",
            'containers[0].command[1] is the number 8080, and has to be a text: quote it: "8080"',
        ),
        (
            CONTAINER + "env: [{name: A, value: true}]",
            "5:28",
            'containers[0].env[0].value is `true`, and has to be a text: quote it: "true"',
        ),
        (
            CONTAINER + "lifecycle: {preStop: {exec: {command: [a]}, sleep: {seconds: 1}}}",
            "5:26",
            "lifecycle.preStop has exec and sleep: the API server takes one",
        ),
        (
            CONTAINER + "livenessProbe: {httpGet: {path: /}}",
            "5:30",
            "livenessProbe.httpGet.port is not written: name the port",
        ),
        (CONTAINER + "livenessProbe: {httpGet: {port: [1]}}", "5:37", "has to be a whole number"),
        (
            "kind: Deployment\nspec: {strategy: {rollingUpdate: {maxSurge: some}}}",
            "2:35",
            "spec.strategy.rollingUpdate.maxSurge is 'some': write a number, or a percentage",
        ),
    ],
)
def test_a_wrong_type_is_refused_with_its_path_and_what_to_write(
    text: str, where: str, message: str
) -> None:
    with pytest.raises(ManifestError) as caught:
        read_manifest(text, "a.yaml")
    assert str(caught.value).startswith(f"a.yaml:{where}: ")
    assert message in str(caught.value)


@contextlib.contextmanager
def read_or_refused() -> Iterator[None]:
    try:
        yield
    except ManifestError as refused:
        if not re.match(r"<stdin>:\d+:\d+: ", str(refused)):
            raise


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(codec="utf-8", exclude_characters="\x7f", min_codepoint=32), max_size=9),
)
NAMES = sorted(
    {
        *re.findall(
            r'"(\w+)"',
            "".join(
                path.read_text("utf-8") for path in Path(_read.__file__).parent.glob("_parse*.py")
            ),
        )
    }
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(NAMES), inner, max_size=6)
    ),
    max_leaves=25,
)


@hypothesis.settings(
    max_examples=150, deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
@hypothesis.given(kind=st.sampled_from(["Pod", "Deployment", "CronJob", "List"]), spec=ANYTHING)
def test_whatever_stands_where_it_is_read_or_refused(kind: str, spec: object) -> None:
    with read_or_refused():
        read_manifest(json.dumps({"kind": kind, "spec": spec, "items": spec}))
    with read_or_refused():
        read_manifest(yaml.safe_dump({"kind": kind, "spec": {"containers": [spec]}}))


@hypothesis.settings(
    max_examples=150, deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
@hypothesis.given(
    st.one_of(st.binary(), st.text(), st.text(st.sampled_from("{}[]:,-#&*!|>'\"%@`?<~ \n\ta1")))
)
def test_any_bytes_are_read_or_refused(source: str | bytes) -> None:
    with read_or_refused():
        read_manifest(source)
