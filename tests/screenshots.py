"""``python -m tests.screenshots FOLDER``: pictures of the page for its documentation.

Of simulated units, in a real browser; see ``make screenshots``.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import pytest

from rct_collector.control import door
from rct_collector.control.rights import Rights
from rct_collector.web.state import REMEMBERED
from tests.chromium import Browser
from tests.inverter import running_inverter
from tests.website import SET, axpert, roof, running_site, wait

PHONE = {"width": 390, "height": 780}


def main(folder):
    quick = {"latency": (0.0, 0.0), "rate": 1e9}
    with (
        pytest.MonkeyPatch.context() as patch,
        running_inverter(**quick) as first,
        running_inverter("", driver="voltronic") as second,
        running_site(roof(first.address, cells=True), axpert(second.address)) as site,
        tempfile.TemporaryDirectory() as profile,
    ):
        everything = Rights(reads=True, sets=True, governs=True)
        patch.setattr(door, "rights_of", lambda _caller: everything)
        wait(lambda: site.unit("axpert") and site.unit("axpert").readings, 60)
        wait(lambda: site.unit() and filled(site.unit()), 60)
        browser = Browser(Path(profile))
        try:
            pictures(browser, site, folder)
        finally:
            browser.close()


def filled(unit):
    values = unit.past.to_json(time.time())["values"]
    return all(len([v for v in values.get(name, []) if v is not None]) > 250 for name in REMEMBERED)


def pictures(browser, site, folder):
    with browser.page(width=1100, height=800) as page:
        show(page, site, "roof")
        keep(page, folder / "page.png")
    with browser.page(**PHONE) as page:
        page.prefers(color_scheme="dark")
        show(page, site, "roof")
        keep(page, folder / "page-phone.png")
    with browser.page(**PHONE) as page:
        show(page, site, "axpert")
        page.wait("document.querySelector('#set_output_priority')?.value")
        page.js("document.querySelector('#set_output_priority').value = 'solar'; void 0")
        page.click("[data-setting=output_priority] button")
        page.wait("document.querySelector('#question').open")
        keep(page, folder / "page-setting.png")


def show(page, site, source):
    page.prefers(reduced_motion="reduce")
    page.go(f"{site.address}/#token={SET}")
    page.js(f"localStorage.setItem('unit', '{source}/')")
    page.go(f"{site.address}/")
    page.wait(f"document.querySelector('#title').innerText === '{source}'")
    page.wait("document.querySelector('#today').innerText.includes('kWh')")
    page.wait("document.querySelector('#flow_text').innerText.includes(' W')")


def keep(page, path):
    path.write_bytes(page.picture())
    print(f"written: {path}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
