"""Every sample that a reader could copy works."""

from pathlib import Path

import pytest

from tests.docs.samples import faults, pages

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("page", pages(ROOT), ids=lambda page: str(page.relative_to(ROOT)))
def test_the_samples_of_a_page_work(page: Path, tmp_path: Path) -> None:
    assert faults(page.read_text(encoding="utf-8"), tmp_path) == []


GOOD = """
```python
# app.py
value = 6

if __name__ == "__main__":
    print(value * 7)
```

1. In a list:

   ```python
   from app import value
   assert value == 6
   ```

```python
# test_app.py
from app import value

def test_value() -> None:
    assert value == 6
```

```python
# fragment: what is around it does not matter here
handler = app.get("/")(handler)
```

```toml
# settings.toml
key = "value"
```

```console
$ python app.py
42
$ python -c "print(open('settings.toml').read())"
# settings...value"
```

```console
$ python -c "print('  0.20 s, and   12.5 s')"
0.25 s, and 9.75 s
```

```console
$ kubectl delete pod
```

```console
# the second terminal
$ lifecycle stop --timeout 0
```
"""


def test_a_good_page_has_no_faults(tmp_path: Path) -> None:
    assert faults(GOOD, tmp_path) == []


@pytest.mark.parametrize(
    ("page", "fault"),
    [
        ("```python\n1 / 0\n```\n", "ZeroDivisionError"),
        ("\n\n```python\n# app.py\nimport nothing_like_it\n```\n", "line 3: ended with status 1"),
        ("```python\n# test_app.py\ndef test(): assert 1 == 2\n```\n", "1 failed"),
        ("```python\n# fragment\nreturn return\n```\n", "invalid syntax"),
        ("```python\nimport warnings\nwarnings.warn('old')\n```\n", "UserWarning: old"),
        ("```console\n$ python -c 'print(1)'\n2\n```\n", "printed\n1\ninstead of\n2"),
        (
            "```console\n$ python -c 'print(1)'\n1\n$ python -c 'print(1)'\n2\n```\n",
            "instead of\n2",
        ),
    ],
)
def test_a_sample_that_does_not_work_is_found(tmp_path: Path, page: str, fault: str) -> None:
    (found,) = faults(page, tmp_path)
    assert fault in found
