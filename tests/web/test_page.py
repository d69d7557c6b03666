"""HTML in parts, escaped, and drawn again only where something changed."""

import re

import msgspec
import pytest

from gateway.web.http import load_page
from gateway.web.stream import Event, event
from gateway.web.view import view
from tests.simulators.site import alert, calm, device, problem

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


@pytest.fixture(scope="module")
def page():
    return load_page()


def decoded(wire: bytes) -> Event:
    assert wire.startswith(b"data: ")
    assert wire.endswith(b"\n\n")
    assert wire.count(b"\n") == 2  # a line break inside would cut the event in two
    return msgspec.json.decode(wire[6:], type=Event)


def test_without_any_script_the_page_tells_everything(page):
    html = page.whole(
        view(
            calm(
                alerts=[alert(1, picture="/alerts/1/0.png")],
                problems=[problem("disk-write-failed", "spool")],
                privacy=["virtual-line"],
            )
        )
    )
    for text in (
        "The line runs, but needs a look",
        "Action of disk-write-failed.",
        "Cause of disk-write-failed.",
        "cam-03",
        "just now",
        "/alerts/1/0.png",
        "Nothing waits",
        "that is not differentially private",
        "Contract: virtual-line.",
    ):
        assert text in html
    assert '<noscript><meta http-equiv="refresh" content="10"></noscript>' in html


def test_the_page_says_nothing_about_privacy_where_no_row_leaves(page):
    assert "differentially" not in page.whole(view(calm()))


def test_nothing_in_the_page_is_inline_so_the_policy_can_forbid_it(page):
    html = page.whole(view(calm(alerts=[alert(1)], problems=[problem("a", "b")])))
    assert re.findall(r"<script(?![^>]* src=)", html) == []
    assert re.findall(r"<style|\sstyle=|\son[a-z]+=|javascript:", html) == []


def test_everything_that_a_device_wrote_is_escaped(page):
    status = calm(
        site=HOSTILE,
        devices=[device("cam-01", profile=HOSTILE)],
        alerts=[alert(1, label=HOSTILE, kind=HOSTILE, device=HOSTILE, picture=f"/{HOSTILE}")],
        problems=[
            problem(HOSTILE, HOSTILE, title=HOSTILE, cause=HOSTILE, action=HOSTILE, detail=HOSTILE)
        ],
        privacy=[HOSTILE],
    )
    html = page.whole(view(status))
    assert "<script>" not in html
    assert "<img src=x" not in html
    sent = decoded(event(None, page.draw(view(status))))
    assert all("<script>" not in part and "<img src=x" not in part for part in sent.parts.values())
    assert "&lt;script&gt;" in sent.parts["alert-1"]


def test_what_did_not_change_is_neither_drawn_nor_sent_again(page):
    status = calm()
    first = page.draw(view(status))
    changed = msgspec.structs.replace(
        status, devices=[device("cam-01", state="offline"), *status.devices[1:]]
    )
    second = page.draw(view(changed), first)
    assert second.parts["device-cam-02"] is first.parts["device-cam-02"]
    sent = decoded(event(first, second))
    assert set(sent.parts) == {"verdict", "advice-of-offline", "device-cam-01", "fine-note"}
    assert sent.lists == {
        "advice": ("advice-of-offline",),
        "devices-look": ("device-cam-01",),
        "devices-fine": ("device-cam-02", "device-cam-03", "device-cam-04"),
    }


def test_a_device_that_only_spoke_again_costs_a_number_and_no_card(page):
    status = calm()
    first = page.draw(view(status))
    later = msgspec.structs.replace(status.devices[0], last_seen_ms=status.time_ms + 1)
    spoke = msgspec.structs.replace(status, devices=[later, *status.devices[1:]])
    sent = decoded(event(first, page.draw(view(spoke), first)))
    assert (sent.parts, sent.lists) == ({}, {})
    assert sent.seen == {"device-cam-01": status.time_ms + 1}


def test_an_event_is_sent_even_when_nothing_changed(page):
    parts = page.draw(view(calm()))
    sent = decoded(event(parts, parts))
    assert (sent.parts, sent.lists, sent.seen) == ({}, {}, {})
    assert sent.now_ms == parts.now_ms


def test_a_new_page_is_sent_all_of_it(page):
    parts = page.draw(view(calm()))
    sent = decoded(event(None, parts))
    assert set(sent.parts) == set(parts.parts)
    assert sent.lists == parts.lists


def test_a_line_break_in_a_text_stays_inside_its_event(page):
    parts = page.draw(view(calm(privacy=["a\nb\n\ndata: {}"])))
    decoded(event(None, parts))


def test_an_alert_that_left_the_list_leaves_the_page(page):
    first = page.draw(view(calm(alerts=[alert(1)])))
    second = page.draw(view(calm(alerts=[alert(2)])), first)
    assert decoded(event(first, second)).lists["alerts"] == ("alert-2",)
