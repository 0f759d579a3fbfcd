"""The page in a real browser, of a real collector that collects from a simulated unit."""

from __future__ import annotations

import re
import time
from contextlib import ExitStack

import pytest

from rct_collector.control import door
from rct_collector.control.rights import Rights
from rct_collector.web.state import REMEMBERED
from tests.chromium import Browser
from tests.inverter import running_inverter
from tests.processes import free_port
from tests.website import READ, SET, axpert, roof, running_site, wait

pytestmark = [pytest.mark.servers, pytest.mark.slow]

QUICK = {"latency": (0.0, 0.0), "rate": 1e9}
PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    found = Browser(tmp_path_factory.mktemp("chromium"))
    yield found
    found.close()


@pytest.fixture(scope="module")
def inverter():
    with running_inverter(**QUICK) as running:
        yield running


@pytest.fixture(scope="module")
def site(inverter):
    with running_site(roof(inverter.address, cells=True)) as running:
        wait(lambda: (unit := running.unit()) and len(curves(unit)) == 6)
        # The unit's own memory fills the curves.
        wait(lambda: all(len(known(running.unit(), curve)) > 250 for curve in REMEMBERED))
        yield running


def curves(unit):
    """What is known by now; nothing while the server's thread is about to add to it."""
    try:
        return unit.past.to_json(time.time())["values"]
    except RuntimeError:
        return dict.fromkeys(REMEMBERED, ())


def known(unit, curve):
    return [value for value in curves(unit)[curve] if value is not None]


@pytest.fixture
def look(browser, site):
    """Open the page; at the end of the test nothing must have gone wrong in it."""
    opened = []

    def open_page(path=f"/#token={READ}", **more):
        context = browser.page(**more)
        page = context.__enter__()
        opened.append((context, page))
        page.go(site.address + path)
        return page

    yield open_page
    for context, page in opened:
        errors = list(page.errors)
        own = site.address, site.address.replace("http", "ws")
        foreign = [url for url in page.requests if not url.startswith(own)]
        context.__exit__(None, None, None)
        assert errors == []
        assert foreign == []


def full(page):
    """Wait until everything has come once."""
    page.wait("document.querySelectorAll('.cells td').length >= 48")
    page.wait("!document.querySelector('#c_today').hidden")
    page.wait("document.querySelector('#graph').childElementCount > 5")
    return page


def watts(text):
    """The power in a piece of text such as ``Sun 4.15 kW``."""
    number, unit = re.search(r"(-?[\d.]+) (k?W)\b", text).groups()
    return float(number) * (1000 if unit == "kW" else 1)


def test_the_first_view(look, site):
    page = full(look())
    shown = page.text("#flow_text")
    values = {s.name: known.value for s, known in site.unit().readings.items()}

    assert page.text("#title") == "roof"
    assert page.js("document.title") == "roof"
    parts = dict(zip(["sun", "grid", "house", "battery"], shown.split(", "), strict=True))
    assert watts(parts["sun"]) == pytest.approx(values["inverter_power.pv_watts"], rel=0.02)
    assert re.search(r"charging \(\d+ %\)$", parts["battery"])
    assert "No faults" in page.text("#state")
    assert "Sun" in page.text("#today")
    assert re.search(r"\d\s*k?Wh\b", page.text("#today"))
    assert "State of charge" in page.text("#battery")
    assert page.js("document.querySelector('[role=meter]').ariaValueNow") == str(
        round(values["inverter_battery{battery=0}.soc_percent"])
    )
    assert {"A", "B"} <= set(page.text("#strings").split())
    assert "Questions answered" in page.text("#quality")
    legend = page.text("#legend").split("\n")
    assert [name.strip() for name in legend] == [
        "Sun",
        "House",
        "Grid",
        "Battery",
        "State of charge",
    ]


def test_a_link_is_no_longer_in_the_address_once_it_has_let_in(look, site):
    page = full(look())

    assert page.js("location.href") == f"{site.address}/"
    assert page.js("document.cookie") == ""
    page.go(f"{site.address}/")
    full(page)


def test_without_a_token_there_is_nothing_and_one_can_be_written(look):
    page = look("/")
    page.wait("!document.querySelector('#login').hidden")

    assert page.js("document.querySelector('#unit').hidden")
    assert "roof" not in page.text()
    page.js("document.querySelector('#token').focus()")
    page.ask("Input.insertText", text=READ)
    page.key("Enter")
    full(page)
    assert page.js("document.querySelector('#login').hidden")


def test_a_wrong_token_is_told(look):
    page = look("/#token=wrong")
    page.wait("document.querySelector('#login_failed').innerText")

    assert page.text("#login_failed") == "That is no token of this server."
    assert [error for error in page.errors if "403" not in error] == []
    page.errors.clear()


def test_logging_out(look):
    page = full(look())
    page.click("#logout")

    page.wait("!document.querySelector('#login').hidden")
    assert "kW" not in page.text()


def test_what_comes_is_shown_as_it_comes(look, site):
    page = full(look())
    before = page.text("#age")
    asked = page.text("#quality")

    page.wait(f"document.querySelector('#age').innerText.slice(0, 15) !== {before[:15]!r}")
    page.wait(f"document.querySelector('#quality').innerText !== {asked!r}")


def test_all_values_with_their_times(look, site):
    page = full(look())
    page.click("#all summary")
    page.wait("document.querySelectorAll('#all_values tr').length > 300")

    assert "inverter_power.pv_watts" in page.text("#all_values")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE["width"], 1200], ids=["phone", "wide"])
def test_everybody_can_use_it(look, scheme, width):
    page = look(width=width, height=800)
    page.prefers(color_scheme=scheme, reduced_motion="reduce")
    full(page)

    assert page.complaints() == []


def test_it_fits_a_phone(look):
    page = full(look(**PHONE))
    page.click("#all summary")
    page.wait("document.querySelectorAll('#all_values tr').length > 300")

    assert page.js("document.documentElement.scrollWidth") <= PHONE["width"]
    small = page.js(
        "[...document.querySelectorAll('button, select, input, summary')]"
        ".map(e => e.getBoundingClientRect()).filter(b => b.height && b.height < 24).length"
    )
    assert small == 0


def test_it_is_dark_where_people_want_it_dark(look):
    page = full(look())
    back = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"
    page.prefers(color_scheme="light")
    assert min(page.js(back)) > 200
    page.prefers(color_scheme="dark")
    assert max(page.js(back)) < 50


def test_nothing_moves_where_people_want_it_still(look):
    page = full(look())
    page.prefers(reduced_motion="reduce")

    assert page.js("document.getAnimations().length") == 0


def test_by_keyboard_alone(look):
    page = full(look())
    reached = []
    for _ in range(40):
        page.key("Tab")
        where = page.js(
            "document.activeElement.id || document.activeElement.dataset.curve"
            " || document.activeElement.ariaLabel || document.activeElement.tagName"
        )
        if where == "BODY":
            break
        assert page.js("document.activeElement.matches(':focus-visible')"), where
        reached.append(where)

    wanted = ["language", "logout", "pv", "load", "grid", "battery", "soc", "slider", "SUMMARY"]
    assert [name for name in reached if name in wanted] == wanted
    assert "Cells, in volts" in reached  # what is cut off can be scrolled


def test_what_is_read_keeps_its_place_while_values_change(look):
    page = full(look(**PHONE))
    page.js("window.first = document.querySelector('#battery .scroll'); first.focus(); void 0")
    page.js("first.scrollLeft = 60; void 0")
    page.wait("document.querySelector('#battery .scroll') !== first")

    assert page.js("document.activeElement === document.querySelector('#battery .scroll')")
    assert page.js("document.activeElement.scrollLeft") == 60


def test_curves_by_keyboard(look):
    page = full(look())
    page.js("document.querySelector('#slider').focus()")
    last = int(page.js("document.querySelector('#slider').ariaValueNow"))

    page.key("ArrowLeft")
    page.wait(f"document.querySelector('#slider').ariaValueNow === '{last - 1}'")
    page.key("Home")
    page.wait("document.querySelector('#slider').ariaValueNow === '0'")
    assert page.text("#reading") == page.js("document.querySelector('#slider').ariaValueText")
    page.key("End")
    page.wait("document.querySelector('#slider').ariaValueText.includes('kW')")
    page.click("#legend [data-curve=pv]")
    page.wait("document.querySelector('#graph path.pv') === null")
    assert page.js("document.querySelector('[data-curve=pv]').ariaPressed") == "false"


def test_in_german(look):
    page = full(look(language="de-DE"))
    page.wait("document.documentElement.lang === 'de'")

    assert page.text("#h_past") == "Die letzten 24 Stunden"
    assert re.match(r"Sonne \d+,\d\d kW, Netz ", page.text("#flow_text"))
    assert page.js("document.querySelector('#state span').lang") == "en"
    page.click("#language")
    page.wait("document.documentElement.lang === 'en'")
    page.go(page.js("location.href"))
    full(page)
    assert page.text("#h_past") == "The last 24 hours"


def test_a_server_that_falls_silent(look, monkeypatch):
    """Even without a word of its end: what is in sight is not taken for the present."""
    page = full(look())
    page.js("window.stopped = Date.now(); void 0")
    page.ask(
        "Network.emulateNetworkConditions",
        offline=True,
        latency=0,
        downloadThroughput=-1,
        uploadThroughput=-1,
    )
    page.js("(() => { const now = Date.now; Date.now = () => now() + 60000; })()")

    page.wait(
        "document.querySelector('#alerts').innerText.includes('No connection to this server since')"
    )
    assert page.text("#flow_text") == "No present values."
    assert "Wh" not in page.text("#today")
    page.js("location.href")
    page.ask(
        "Network.emulateNetworkConditions",
        offline=False,
        latency=0,
        downloadThroughput=-1,
        uploadThroughput=-1,
    )
    full(page)
    page.wait("document.querySelector('#alerts').innerText === ''")
    page.errors[:] = [error for error in page.errors if "ERR_INTERNET_DISCONNECTED" not in error]


# -- outages, and settings ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def pair():
    """Two families on one page; of the second the output priority may be set, by everybody."""
    with pytest.MonkeyPatch.context() as patch:
        everything = Rights(reads=True, sets=True, governs=True)
        patch.setattr(door, "rights_of", lambda _caller: everything)
        with (
            running_inverter(**QUICK) as first,
            running_inverter("", driver="voltronic") as second,
            running_site(roof(first.address), axpert(second.address)) as site,
        ):
            wait(lambda: site.unit("axpert") and site.unit("axpert").readings)
            yield site


def test_one_of_several_devices_is_chosen(browser, pair):
    with browser.page() as page:
        page.go(f"{pair.address}/#token={READ}")
        page.wait("document.querySelectorAll('#units option').length === 2")
        assert page.text("#title") == "axpert"
        page.js("document.querySelector('#units').focus()")
        page.key("End")
        page.wait("document.querySelector('#title').innerText === 'roof'")
        page.go(f"{pair.address}/")
        page.wait("document.querySelector('#title').innerText === 'roof'")
        assert page.errors == []


def open_settings(page, pair, token):
    page.go(f"{pair.address}/#token={token}")
    page.wait("document.querySelector('[data-setting=output_priority]') !== null")


def test_a_setting_is_asked_about_then_set_and_read_back(browser, pair):
    with browser.page(**PHONE) as page:
        open_settings(page, pair, SET)
        control = "document.querySelector('#set_output_priority')"
        page.wait(f"{control} && {control}.value")
        before = page.js(f"{control}.value")
        after = "sbu" if before != "sbu" else "solar"
        page.js(f"{control}.value = '{after}'; void 0")

        page.click("[data-setting=output_priority] button")
        page.wait("document.querySelector('#question').open")
        asked = page.text("#question_text")
        assert asked.endswith(f"of axpert from {before} to {after}?")
        assert page.js("document.activeElement.id") == "no"
        assert page.complaints() == []
        page.key("Escape")
        page.wait("!document.querySelector('#question').open")
        assert page.text("#outcome") == ""

        page.click("[data-setting=output_priority] button")
        page.key("Tab")
        assert page.js("document.activeElement.id") == "yes"
        page.key("Enter")
        page.wait(f"document.querySelector('#outcome').innerText.endsWith('is {after} now.')")
        shown = "document.querySelector('[data-setting=output_priority] .row span').innerText"
        page.wait(f"{shown} === '{after}'")
        assert page.errors == []


def test_who_may_only_read_cannot_set(browser, pair):
    with browser.page() as page:
        open_settings(page, pair, READ)

        assert page.js("document.querySelector('[data-setting=output_priority] button').disabled")
        assert "web link --set" in page.text("#settings_note")
        assert page.js("document.querySelectorAll('.setting').length") == 1
        assert page.complaints() == []


def test_an_inverter_that_is_away_and_comes_back(browser):
    port = free_port()
    with ExitStack() as there, running_site(roof(f"tcp://127.0.0.1:{port}")) as site:
        there.enter_context(running_inverter(port=port, **QUICK))
        with browser.page() as page:
            page.go(f"{site.address}/#token={READ}")
            page.wait("document.querySelector('#today').innerText.includes('Wh')")
            page.wait("document.querySelector('#flow_text').innerText.includes(' kW')")

            there.close()
            page.wait(
                "document.querySelector('#alerts').innerText.includes('has not answered since')"
            )
            assert re.match(
                r"roof has not answered since [\d:]+ [AP]M \(\d+ s\)\. ", page.text("#alerts")
            )
            assert page.text("#flow_text") == "No present values."
            assert page.text("#age") == ""
            assert "Wh" not in page.text("#unit")
            assert page.complaints() == []

            there.enter_context(running_inverter(port=port, **QUICK))
            page.wait("document.querySelector('#alerts').innerText === ''")
            page.wait("document.querySelector('#flow_text').innerText.includes(' kW')")
            assert page.errors == []
