"""What a technician relies on, in real Chromium against the real page."""

import re
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from gateway.web.status import UplinkStatus
from tests.simulators.busy_line import busy
from tests.simulators.site import (
    SiteProgram,
    alert,
    calm,
    crop,
    device,
    page_of,
    problem,
    wall_ms,
)
from tests.support.chromium import ARTEFACTS, DESKTOP, PHONE, executable

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(300),
    pytest.mark.asyncio(loop_scope="session"),
]

HOSTILE = (
    "<script>document.title = 'owned'</script><img src=x onerror=\"document.title = 'owned'\">"
)

# For each visible text: its colour against the nearest opaque ground behind it, by the
# contrast ratio of WCAG 2.2. Returns those below 7.
FAINT_TEXTS = """() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => v / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const faint = [];
  let seen = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
    seen += 1;
    const [a, b] = [light(parse(getComputedStyle(element).color)), light(ground(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 7) faint.push([walker.currentNode.data.trim(), ratio]);
  }
  return [seen, faint];
}"""


@asynccontextmanager
async def shown(site: SiteProgram, window: Any, viewers_max: int = 32, **options: Any):
    """Open the page of ``site`` in a window of its own. Any error on the page is a failure."""
    async with page_of(site, viewers_max=viewers_max) as server:
        context = await window(**(options or PHONE))
        page = await context.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
        await page.goto(server.url)
        yield page, server
        await context.close()
        assert [e for e in errors if "ERR_CONNECTION_REFUSED" not in e] == []


async def lives(page: Page) -> None:
    """Wait until the page was sent its first state."""
    await expect(page.locator("#live")).to_have_text("Live")
    await expect(page.locator("#live")).to_have_class(re.compile(r"\bon\b"))


async def test_the_page_updates_by_itself(window):
    site = SiteProgram()
    async with shown(site, window) as (page, _):
        await expect(page.locator("h1")).to_have_text("The line is fine")
        site.change(devices=[device("cam-01"), device("cam-02", state="offline")])
        await expect(page.locator("h1")).to_have_text("The line runs, but needs a look")
        await expect(page.locator("#advice")).to_contain_text("cam-02 is offline")
        await expect(page.locator("#devices-look .device")).to_have_count(1)
        await expect(page.locator("#devices-fine .device")).to_have_count(1)
        await expect(page).to_have_title("Look · plant-a")
        site.change(devices=[device("cam-01")])
        await expect(page.locator("h1")).to_have_text("The line is fine")
        await expect(page.locator("#advice li")).to_have_count(0)


async def test_a_new_alert_appears_with_its_picture_scaled_up_sharply(window):
    site = SiteProgram()
    site.pictures[7, 0] = ("image/png", crop())
    async with shown(site, window) as (page, _):
        await expect(page.locator("#alerts-note")).to_have_text("No alerts yet.")
        site.change(alerts=[alert(7, picture="/alerts/7/0.png")])
        picture = page.get_by_alt_text("Camera picture of the alert: scratch, seen by cam-01")
        await expect(picture).to_be_visible()
        await expect(picture).to_have_js_property("naturalWidth", 48)
        await expect(picture).to_have_css("image-rendering", "pixelated")
        box = await picture.bounding_box()
        assert box is not None
        assert box["width"] > 96
        await expect(page.locator("#alerts-note")).to_have_text("")


async def test_when_the_wan_is_down_the_page_says_so_in_plain_words(window):
    site = SiteProgram()
    async with shown(site, window) as (page, _):
        await expect(page.locator("#links")).to_contain_text("The cloud answers since")
        since = 1_763_816_520_000  # 14:02 on 22 November 2025 in Berlin, where the window is
        site.change(
            uplink=UplinkStatus(state="offline", since_ms=since, parked=0, last_error="timed out")
        )
        await expect(page.locator("#links")).to_contain_text(
            re.compile(
                r"The connection to the cloud is down since 22 Nov(, | at )14:02\. "
                r"Alerts are kept here and will be sent when it is back\."
            )
        )
        site.change(
            uplink=UplinkStatus(state="offline", since_ms=wall_ms(), parked=0, last_error=None)
        )
        await expect(page.locator("#links")).to_contain_text(
            re.compile(r"is down since \d\d:\d\d\. Alerts are kept here")
        )


async def test_a_hostile_label_stays_text_when_loaded_and_when_pushed(window):
    hostile = [alert(1, label=HOSTILE, device=HOSTILE, kind=HOSTILE)]
    site = SiteProgram(calm(alerts=hostile))
    async with shown(site, window) as (page, _):
        await expect(page.locator("#alert-1 h3")).to_have_text(HOSTILE)
        await lives(page)
        site.change(
            alerts=[alert(2, label=HOSTILE), *hostile],
            devices=[device("cam-01", profile=HOSTILE)],
            problems=[problem("x", HOSTILE, title=HOSTILE, detail=HOSTILE)],
        )
        await expect(page.locator("#alert-2 h3")).to_have_text(HOSTILE)
        await expect(page.locator("#advice h3")).to_have_text(HOSTILE)
        await expect(page.locator(".who span").first).to_have_text(HOSTILE)
        await expect(page.locator("main script, main img")).to_have_count(0)
        await expect(page).to_have_title("Look · plant-a")


async def test_a_gateway_that_is_gone_is_told_loudly_and_nothing_looks_fresh(window):
    async with shown(SiteProgram(), window) as (page, server):
        await lives(page)
        await expect(page.locator("#lost")).to_be_hidden()
        server.stop()
        lost = page.get_by_role("alert")
        await expect(lost).to_be_visible()
        await expect(lost).to_contain_text("Connection to the gateway lost.")
        await expect(lost).to_contain_text(re.compile(r"What you see below is from \d\d:\d\d\."))
        await expect(page.locator("#live")).to_have_text("Not live")
        await expect(page.locator("main")).to_have_css("filter", "grayscale(1)")
        assert (await page.evaluate(FAINT_TEXTS))[1] == []


async def test_a_gateway_that_hangs_is_told_too_and_the_bar_goes_when_it_is_back(window):
    site = SiteProgram()
    async with shown(site, window) as (page, _):
        await lives(page)
        site.hang()
        await expect(page.locator("#lost")).to_be_visible()
        site.recover()
        await expect(page.locator("#lost")).to_be_hidden()
        await expect(page.locator("#live")).to_have_text("Live")


async def test_one_page_too_many_says_that_it_does_not_update(window):
    async with shown(SiteProgram(), window, viewers_max=1) as (page, server):
        await lives(page)
        second = await (await window(**PHONE)).new_page()
        await second.goto(server.url)
        await expect(second.get_by_role("alert")).to_contain_text("Too many pages are open")
        await expect(second.locator("h1")).to_have_text("The line is fine")


async def test_an_age_grows_on_the_page_even_when_the_two_clocks_differ_by_days(window):
    ahead_ms = 5 * 86_400_000
    seen = wall_ms() + ahead_ms - 50_000
    site = SiteProgram(calm(devices=[device("cam-01", last_seen_ms=seen)]), ahead_ms=ahead_ms)
    async with shown(site, window) as (page, _):
        age = page.locator("#device-cam-01 time")
        await expect(age).to_have_text(re.compile(r"^5\d s ago$"))
        await expect(age).to_have_text("1 min ago")
        site.change(devices=[device("cam-01", last_seen_ms=wall_ms() + ahead_ms)])
        await expect(age).to_have_text(re.compile("^(just now|[3-9] s ago)$"))


async def test_nothing_is_loaded_from_elsewhere(window):
    async with page_of(busy()) as server:
        context = await window(**PHONE)
        asked: list[str] = []
        context.on("request", lambda request: asked.append(request.url))
        page = await context.new_page()
        await page.goto(server.url)
        await lives(page)
        assert [address for address in asked if not address.startswith(server.url)] == []
        assert {f"{server.url}static/{name}" for name in ("page.css", "page.js", "mark.svg")} <= {
            *asked
        }
        await context.close()


@pytest.mark.parametrize("view", [PHONE, DESKTOP], ids=["phone", "desktop"])
async def test_every_target_fits_a_gloved_finger(window, view):
    devices = [device(f"cam-{n:03}") for n in range(40)]
    async with shown(SiteProgram(calm(devices=devices)), window, **view) as (page, _):
        await lives(page)
        targets = await page.locator("a, button, input, summary, select").all()
        assert len(targets) >= 3
        for target in targets:
            box = await target.bounding_box()
            assert box is not None
            assert box["height"] >= 48
            assert box["width"] >= 48


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_text_is_legible_in_bad_light(window, scheme):
    async with shown(busy(), window, **DESKTOP, color_scheme=scheme) as (page, _):
        await lives(page)
        texts, faint = await page.evaluate(FAINT_TEXTS)
        assert texts > 50
        assert faint == []


@pytest.mark.parametrize("width", [320, 390, 768, 1440])
async def test_nothing_runs_out_of_the_window(window, width):
    site = busy()
    site.change(site="a-very-long-plant-name-" + "x" * 40)
    async with shown(site, window, viewport={"width": width, "height": 800}) as (page, _):
        await lives(page)
        assert await page.evaluate("document.documentElement.scrollWidth") <= width


async def test_on_a_phone_the_first_screen_tells_the_state_and_the_first_thing_to_do(window):
    async with shown(busy(), window) as (page, _):
        await lives(page)  # the first push may take the place of what is being measured
        for locator in (page.locator("h1"), page.locator("#advice .first").first):
            box = await locator.bounding_box()
            assert box is not None
            assert box["y"] + box["height"] <= PHONE["viewport"]["height"]


async def test_without_a_script_the_page_is_complete_and_reloads_itself(window):
    async with shown(busy(), window, java_script_enabled=False) as (page, _):
        await expect(page.locator("h1")).to_have_text("The line runs, but needs a look")
        await expect(page.locator("#advice")).to_contain_text("Check the network cable")
        await expect(page.locator("#links")).to_contain_text(re.compile(r"since .*\d\d:\d\d UTC"))
        await expect(page.locator("#device-cam-03")).to_contain_text("4 min ago")
        await expect(page.locator("#live")).to_have_text("Reloads every 10 s")
        await expect(page.locator("meta[http-equiv=refresh]")).to_have_count(1)


async def test_a_line_of_500_devices_stays_usable(window):
    devices = [device(f"cam-{n:03}", state="offline" if n == 321 else "online") for n in range(500)]
    site = SiteProgram(calm(devices=devices))
    async with shown(site, window) as (page, _):
        await lives(page)
        await expect(page.locator("#devices-look .device")).to_have_text(re.compile("cam-321"))
        await expect(page.get_by_text("499 devices are fine")).to_be_visible()
        await expect(page.locator("#device-cam-007")).to_be_hidden()
        await page.get_by_label("Find a device").fill("CAM-00")
        await expect(page.locator("#devices-fine .device:visible")).to_have_count(10)
        await expect(page.locator("#device-cam-321")).to_be_hidden()
        site.change(devices=[device("cam-008", state="offline"), *devices])
        await expect(page.locator("#devices-look .device:visible")).to_have_count(1)
        await expect(page.get_by_label("Find a device")).to_have_value("CAM-00")
        await page.get_by_label("Find a device").fill("pump")
        await expect(page.get_by_text("No device has that name.")).to_be_visible()
        await page.get_by_label("Find a device").fill("")
        await expect(page.locator("#device-cam-321")).to_be_visible()


async def test_a_short_line_has_no_search_box_and_nothing_folded(window):
    async with shown(SiteProgram(), window) as (page, _):
        await lives(page)
        await expect(page.get_by_label("Find a device")).to_be_hidden()
        await expect(page.locator("#devices-fine .device:visible")).to_have_count(4)


async def test_an_upgraded_gateway_brings_its_own_page(window):
    site = SiteProgram()
    async with shown(site, window) as (page, _):
        await lives(page)
        site.change(version="0.2.0")
        await expect(page.locator("footer")).to_contain_text("Site Gateway 0.2.0")
        await expect(page.locator("html")).to_have_attribute("data-version", "0.2.0")


@pytest.mark.parametrize(
    ("name", "view"),
    [
        ("phone", PHONE),
        ("desktop", DESKTOP),
        ("desktop-dark", DESKTOP | {"color_scheme": "dark"}),
    ],
)
async def test_the_page_can_be_pictured(window, name, view):
    async with shown(busy(), window, **view) as (page, _):
        await lives(page)
        for picture in await page.locator("#alerts img").all():
            await expect(picture).to_have_js_property("complete", value=True)
        ARTEFACTS.mkdir(exist_ok=True)
        path = ARTEFACTS / f"status-page-{name}.png"
        await page.screenshot(path=path, full_page=True)
        assert path.stat().st_size > 20_000


async def test_a_missing_chromium_fails_and_is_never_skipped():
    with pytest.raises(pytest.fail.Exception, match="apt-get install chromium"):
        executable(Path("/nonexistent/chromium"))
