# SPDX-License-Identifier: MIT
"""The page of a rehearsal in a real browser, at the widths of a phone, a tablet and a desk.

Pictures are left in build/rehearse-page for whoever wants to look. Without Chromium (CHROMIUM=path
names one) these tests are skipped; what needs no browser is in test_rehearse.py.
"""

import html
import json
import re
from pathlib import Path

import pytest

from host_tools.build.runtime import BUILD
from tests import chromium
from tests.host.test_rehearse import PLAN, desk, run

__all__ = ["desk"]  # a fixture

WIDTHS = (360, 768, 1280)
_MEASURE = """
<script>
onload = () => {
  const inner = document.querySelector("iframe").contentDocument;
  const root = inner.documentElement;
  const bars = [...inner.querySelectorAll("rect.bad")];
  const stops = [...inner.querySelectorAll("[tabindex='0']")];
  const reached = stops.filter((one) => { one.focus(); return inner.activeElement === one; });
  const box = bars[0].getBoundingClientRect();
  document.title = JSON.stringify({
    wide: root.scrollWidth, window: root.clientWidth,
    fetched: inner.defaultView.performance.getEntriesByType("resource").length,
    bars: bars.length, named: bars.filter((one) => one.getAttribute("aria-label")).length,
    stops: stops.length, reached: reached.length, bar: [box.width, box.height],
    outline: (bars[0].focus(), getComputedStyle(bars[0]).outlineStyle),
  });
};
</script>
"""


@pytest.fixture(scope="module")
def browser() -> chromium.Chromium:
    try:
        return chromium.find()
    except chromium.NoChromium as reason:
        pytest.skip(str(reason))


@pytest.fixture
def page(desk: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    run(capsys, PLAN, "--html", "plan.html")
    return desk / "plan.html"


def measured(browser: chromium.Chromium, page: Path, width: int) -> dict[str, object]:
    """What a browser makes of the page in a frame of this width (a window has a least width)."""
    frame = page.with_name("frame.html")
    content = html.escape(page.read_text())
    frame.write_text(
        f'<!DOCTYPE html><title></title><iframe width="{width}" height="900" frameborder="0" '
        f'srcdoc="{content}"></iframe>{_MEASURE}'
    )
    found = re.search(r"<title>(\{.*?\})</title>", browser.dom(frame))
    assert found is not None
    return json.loads(html.unescape(found[1]))


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_fits_its_window_and_the_keyboard_reaches_every_refusal(
    browser: chromium.Chromium, page: Path, width: int
) -> None:
    said = measured(browser, page, width)
    assert said["window"] == width and said["wide"] == width, said
    assert said["fetched"] == 0
    assert said["bars"] == said["named"] == 1
    assert said["stops"] == said["reached"] and said["outline"] == "solid", said
    assert min(said["bar"]) >= 10, said  # type: ignore[call-overload]
    pictures = BUILD / "rehearse-page"
    pictures.mkdir(exist_ok=True)
    browser.screenshot(page, width, pictures / f"{width}.png")
    assert (pictures / f"{width}.png").read_bytes()[:4] == b"\x89PNG"


def test_a_page_that_does_not_fit_is_noticed(browser: chromium.Chromium, page: Path) -> None:
    page.write_text(page.read_text().replace("overflow-x: auto", "overflow-x: visible"))
    said = measured(browser, page, 360)
    assert said["wide"] > said["window"]  # type: ignore[operator]
