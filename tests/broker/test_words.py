"""What mosquitto says is told apart, and a flood of it stays a trickle in the log."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.broker.words import (
    LINE_CHARS_MAX,
    Reason,
    Words,
    heard,
)
from gateway.model.allowance import LINES_A_SECOND, LINES_AT_ONCE, Allowance
from gateway.model.time import Instant

# As mosquitto 2.0.11 on Debian 12 says them; tests/conformance provokes them.
REFUSALS = {
    "Client cam-01 disconnected due to oversize packet.": Reason.OVERSIZE,
    "Client cam-01 disconnected due to malformed packet.": Reason.MALFORMED,
    "Client cam-01 disconnected due to protocol error.": Reason.PROTOCOL,
    "Client connection from 127.0.0.1 failed: error:0A0000C7:SSL routines::peer did not return"
    " a certificate.": Reason.CERTIFICATE,
    "OpenSSL Error[0]: error:0A000086:SSL routines::certificate verify failed": Reason.CERTIFICATE,
    "OpenSSL Error[0]: error:0A00010B:SSL routines::wrong version number": Reason.TLS,
    "Client <unknown> disconnected, not authorised.": Reason.NOT_AUTHORISED,
    "Client cam-01 already connected, closing old connection.": Reason.TAKEN_OVER,
    "Client cam-01 has exceeded timeout, disconnecting.": Reason.SILENT,
    "Client cam-01 been disconnected by administrative action.": Reason.EXPELLED,
    "Client cam-01 disconnected due to out of memory.": Reason.MEMORY,
    "Outgoing messages are being dropped for client gateway:data.": Reason.QUEUE,
}


@pytest.mark.parametrize(("line", "reason"), REFUSALS.items())
def test_each_refusal_has_its_reason(line: str, reason: Reason) -> None:
    assert heard(line + "\n") == Words(line, reason)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "New connection from 127.0.0.1:41442 on port 18690.",
        "New client connected from 127.0.0.1:41442 as cam-01 (p5, c1, k60, u'cam-01').",
        "Client cam-01 disconnected.",
        "Client <unknown> closed its connection.",
        "Client <unknown> disconnected: Protocol error.",
        "Warning: Unable to set TCP_NODELAY.",
        "Warning: Mosquitto should not be run as root/administrator.",
    ],
)
def test_routine_is_no_news(line: str) -> None:
    assert heard(line) is None


def test_a_line_that_nobody_foresaw_is_passed_on() -> None:
    words = heard("Error: Address already in use")
    assert words == Words("Error: Address already in use", None)


@given(st.text())
def test_no_words_of_a_stranger_break_the_log(line: str) -> None:
    words = heard(line)
    assert words is None or (words.text.isprintable() and len(words.text) <= LINE_CHARS_MAX)


def test_reasons_are_spelled_for_ever() -> None:
    assert {reason.value for reason in Reason} == {
        *("oversize-packet", "malformed-packet", "protocol-error", "certificate", "tls"),
        *("not-authorised", "taken-over", "keepalive", "connections", "queue-full", "expelled"),
        "memory",
        *("foreign-topic", "denied-topic", "foreign-subscription"),
    }


def spend(allowance: Allowance, at: list[float]) -> tuple[Allowance, list[int | None]]:
    answers: list[int | None] = []
    for instant in at:
        allowance, unlogged = allowance.spend(Instant(instant))
        answers.append(unlogged)
    return allowance, answers


def test_a_burst_is_logged_and_then_a_trickle_that_tells_what_it_left_out() -> None:
    allowance, answers = spend(Allowance(Instant(0.0)), [0.0] * (LINES_AT_ONCE + 7))
    assert answers == [0] * LINES_AT_ONCE + [None] * 7
    _, answers = spend(allowance, [1 / LINES_A_SECOND, 1 / LINES_A_SECOND])
    assert answers == [7, None]


@given(st.lists(st.floats(min_value=0, max_value=1000), max_size=300).map(sorted))
def test_no_line_goes_uncounted_and_no_flood_gets_through(at: list[float]) -> None:
    allowance, answers = spend(Allowance(Instant(0.0)), at)
    logged = [unlogged for unlogged in answers if unlogged is not None]
    assert len(logged) + sum(logged) + allowance.silent == len(at)
    assert len(logged) <= LINES_AT_ONCE + (at[-1] if at else 0) * LINES_A_SECOND + 1e-6


def test_a_clock_that_steps_back_mints_no_lines() -> None:
    allowance, _ = spend(Allowance(Instant(100.0)), [100.0] * LINES_AT_ONCE)
    _, answers = spend(allowance, [0.0, 100.0])
    assert answers == [None, None]
