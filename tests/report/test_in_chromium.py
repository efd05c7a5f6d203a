"""The report in a real browser: on a phone and a desk, in light and dark, it can be read, and worked with the keyboard.

`nox -s report` installs Chromium; where there is none these tests are passed over.
"""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lifecycle.rehearse import to_html
from tests.support.rehearsals import broken, hostile, kept

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or ""

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium here: nox -s report installs it"),
]

# The report itself may run no script: it is looked at from a page around it.
AROUND = """<!doctype html><body style="margin:0"><iframe id="report" src="report.html"
style="width:{width}px;height:3000px;border:0"></iframe><pre id="seen"></pre><script>
const channels = text => text.match(/[\\d.]+/g).map(Number);
const luminance = ([r, g, b]) => [r, g, b].map(c => c / 255)
  .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
  .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
const ratio = (a, b) => {{ const [x, y] = [luminance(a), luminance(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); }};
window.onload = () => {{
  const page = document.getElementById("report").contentDocument, view = page.defaultView;
  page.querySelectorAll("details").forEach(one => one.open = true);
  const behind = element => {{
    for (let e = element; e; e = e.parentElement) {{
      const colour = view.getComputedStyle(e).backgroundColor;
      if (!colour.startsWith("rgba(0, 0, 0, 0")) return channels(colour);
    }}
    return [255, 255, 255];
  }};
  const faint = [], walker = page.createTreeWalker(page.body, NodeFilter.SHOW_TEXT);
  for (let node; node = walker.nextNode();) {{
    const parent = node.parentElement;
    if (!node.data.trim() || parent.closest("title, style, .skip")) continue;
    const look = view.getComputedStyle(parent), svg = parent.closest("svg");
    const found = ratio(channels(svg ? look.fill : look.color), behind(parent));
    if (found < 4.5) faint.push([node.data.trim().slice(0, 40), found]);
  }}
  const ground = behind(page.body), shapes = {{}};
  for (const shape of page.querySelectorAll("rect.run, rect.ready, rect.pre, rect.post, rect.stop, rect.lost, rect.share, path.flight"))
    shapes[shape.getAttribute("class")] = ratio(channels(view.getComputedStyle(shape).fill), ground);
  const small = [...page.querySelectorAll("body *")].filter(e => e.textContent.trim() && !e.closest("title"))
    .map(e => parseFloat(view.getComputedStyle(e).fontSize)).filter(size => size < 11);
  const reached = [...page.querySelectorAll("a[href], summary, [tabindex='0']")].map(e => {{
    e.focus(); return [e.tagName, page.activeElement === e, view.getComputedStyle(e).outlineStyle];
  }});
  document.getElementById("seen").textContent = JSON.stringify({{
    width: page.documentElement.scrollWidth, faint, shapes, small, reached,
    ground, scripts: page.scripts.length, title: page.title,
  }});
}};
</script>"""


def look(folder: Path, page: str, *, width: int, dark: bool) -> dict[str, Any]:
    """What is to be seen of `page` in a window so wide."""
    (folder / "report.html").write_text(page)
    (folder / "around.html").write_text(AROUND.format(width=width))
    result = subprocess.run(
        [
            CHROMIUM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--allow-file-access-from-files",
            "--enable-logging=stderr",
            f"--user-data-dir={folder / 'profile'}",
            f"--blink-settings=preferredColorScheme={0 if dark else 1}",
            f"--window-size={max(width, 800)},3000",
            "--dump-dom",
            (folder / "around.html").as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "CONSOLE" not in result.stderr, result.stderr
    found = re.search(r'<pre id="seen">(.+?)</pre>', result.stdout, re.DOTALL)
    assert found, result.stdout[-2000:] + result.stderr[-2000:]
    seen: dict[str, Any] = json.loads(html.unescape(found[1]))
    return seen


@pytest.mark.parametrize(
    ("width", "dark"), [(360, False), (360, True), (1280, False), (1280, True)]
)
def test_it_fits_it_is_legible_and_the_keyboard_gets_everywhere(
    tmp_path: Path, width: int, dark: bool
) -> None:
    page = to_html([broken(), kept()], names=("plain uvicorn", "with lifecycle"), compare=True)
    seen = look(tmp_path, page, width=width, dark=dark)
    assert seen["width"] <= width
    assert seen["faint"] == []
    assert seen["small"] == []
    assert (sum(seen["ground"][:3]) < 384) is dark
    # WCAG 2.2, 1.4.11: what is drawn stands out from its ground by 3:1.
    assert {look: ratio for look, ratio in seen["shapes"].items() if ratio < 3} == {}
    assert {"A", "SUMMARY", "DIV", "NAV"} <= {tag for tag, _, _ in seen["reached"]}
    assert all(reached for _, reached, _ in seen["reached"])


def test_a_hostile_name_runs_nothing_and_breaks_nothing(tmp_path: Path) -> None:
    seen = look(tmp_path, to_html(hostile()), width=360, dark=False)
    assert seen["scripts"] == 0
    assert seen["width"] <= 360
    assert "<script>" in seen["title"]
