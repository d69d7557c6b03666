"""Who tried what it may not is told out of a stream that says everything, whoever floods it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.broker.denials import LINE_BYTES_MAX, listen
from gateway.broker.words import Reason, Words

# As mosquitto 2.0.11 on Debian 12 says it at its debug level; tests/journeys provokes it.
CHATTER = b"""\
No will message specified.
Will message specified (1 bytes) (r1, q1).
\tline/cam-02/up/status
Sending CONNACK to cam-01 (0, 0)
Received PUBLISH from cam-01 (d0, q1, r0, m1, 'line/cam-01/up/data', ... (256 bytes))
Sending PUBLISH to gateway:data (d0, q1, r0, m1, 'line/cam-01/up/data', ... (256 bytes))
Sending PUBACK to cam-01 (m1, rc0)
Received PUBACK from gateway:data (Mid: 1, RC:0)
Received UNSUBSCRIBE from cam-01
\tline/cam-02/down/access
Received PINGREQ from cam-01
Sending PINGRESP to cam-01
Received SUBSCRIBE from cam-01
\tline/cam-01/down/receipt (QoS 0)
\tline/cam-01/down/# (QoS 1)
Sending SUBACK to cam-01
Received SUBSCRIBE from gateway:data
\tline/+/up/# (QoS 1)
Received DISCONNECT from cam-01
"""
NOWHERE = "a topic that the protocol does not have"


def said(text: str) -> list[Words]:
    words, rest = listen(b"", text.encode())
    assert rest == b""
    return words


def denied(topic: str) -> str:
    return f"Denied PUBLISH from cam-01 (d0, q1, r0, m2, '{topic}', ... (256 bytes))\n"


def asked(topics: str) -> str:
    return f"Received SUBSCRIBE from cam-01\n\t{topics} (QoS 1)\nSending SUBACK to cam-01\n"


def connected(will: str) -> str:
    return (
        "New client connected from 127.0.0.1:54682 as cam-01 (p5, c1, k60, u'cam-01').\n"
        f"Will message specified (1 bytes) (r1, q1).\n\t{will}\nSending CONNACK to cam-01 (0, 0)\n"
    )


def test_what_goes_through_is_no_news() -> None:
    assert listen(b"", CHATTER) == ([], b"")


@pytest.mark.parametrize(
    ("topic", "reason", "shown"),
    [
        ("line/cam-02/up/data", Reason.FOREIGN_TOPIC, "line/cam-02/up/data"),
        ("line/cam-01/down/access", Reason.FOREIGN_TOPIC, "line/cam-01/down/access"),
        ("line/cam-010/up/data", Reason.FOREIGN_TOPIC, "line/cam-010/up/data"),
        ("$CONTROL/dynamic-security/v1", Reason.FOREIGN_TOPIC, "$CONTROL/dynamic-security/v1"),
        ("line/cam-01/up/data", Reason.DENIED_TOPIC, "line/cam-01/up/data"),
        ("line/cam-01/up/nothing/known", Reason.DENIED_TOPIC, NOWHERE),
        ("line/cam-01/up/eve", Reason.DENIED_TOPIC, NOWHERE),
        ("cam/cam-01/motion", Reason.DENIED_TOPIC, NOWHERE),
        ("cam/cam-02/motion", Reason.FOREIGN_TOPIC, NOWHERE),
        ("my own words, whole sentences", Reason.FOREIGN_TOPIC, NOWHERE),
        ("line/cam-01/up/x', ... (1 bytes))", Reason.DENIED_TOPIC, NOWHERE),
        ("', ... (", Reason.FOREIGN_TOPIC, NOWHERE),
    ],
)
def test_a_denied_message_has_its_reason_and_shows_a_topic_of_the_protocol_only(
    topic: str, reason: Reason, shown: str
) -> None:
    assert said(denied(topic)) == [Words(f"device=cam-01 may not publish to {shown}", reason)]


@pytest.mark.parametrize(
    ("topics", "shown"),
    [
        ("line/cam-02/down/access", "line/cam-02/down/access"),
        ("line/+/up/#", "line/+/up/#"),
        ("#", "#"),
        ("$SYS/#", "$SYS/#"),
        ("$share/g/line/cam-01/down/access", NOWHERE),
    ],
)
def test_a_device_that_asks_for_more_than_its_own_is_named(topics: str, shown: str) -> None:
    text = f"device=cam-01 may not subscribe to {shown}"
    assert said(asked(topics)) == [Words(text, Reason.FOREIGN_SUBSCRIPTION)]


@pytest.mark.parametrize(
    ("topic", "shown"), [("line/cam-02/up/status", "line/cam-02/up/status"), ("bye bye", NOWHERE)]
)
def test_a_last_will_for_another_is_told_when_it_is_written(topic: str, shown: str) -> None:
    text = f"device=cam-01 may not publish to {shown}"
    assert said(connected(topic)) == [Words(text, Reason.FOREIGN_TOPIC)]


def test_other_lines_come_through_the_chatter_as_they_are() -> None:
    line = "Client cam-01 disconnected due to oversize packet."
    chatter = CHATTER.decode()
    assert said(f"{chatter}{line}\n{chatter}Error: Out of memory.\n") == [
        Words(line, Reason.OVERSIZE),
        Words("Error: Out of memory.", None),
    ]


def test_what_one_device_is_denied_a_thousand_times_is_said_once_and_counted() -> None:
    first = Words(
        "device=cam-01 may not publish to line/cam-02/up/data", Reason.FOREIGN_TOPIC, 1_001
    )
    flood = "".join(denied(f"flood/{number}") for number in range(1_000))
    assert said(denied("line/cam-02/up/data") + flood) == [first]


def test_a_denial_of_the_gateway_itself_is_nobodys_attack() -> None:
    line = denied("x").replace("cam-01", "gateway:data").strip()
    assert said(line + "\n") == [Words(line, None)]


@given(st.lists(st.integers(0, 40), max_size=60), st.data())
def test_it_does_not_matter_where_a_reading_ends(cuts: list[int], data: st.DataObject) -> None:
    lines = [
        *(denied("line/cam-02/up/data"), asked("#"), asked("line/cam-01/down/x")),
        *(connected("bye bye"), connected("line/cam-01/up/status"), "Error: x\n"),
    ]
    text = "".join(data.draw(st.lists(st.sampled_from(lines), max_size=8))).encode()
    rest, found = b"", dict.fromkeys(Reason, 0)
    at = 0
    for cut in [*cuts, len(text)]:
        words, rest = listen(rest, text[at : at + cut])
        at = min(len(text), at + cut)
        for one in words:
            if one.reason is not None:
                found[one.reason] += one.times
    assert found[Reason.FOREIGN_TOPIC] == text.count(b"Denied") + text.count(b"bye bye")
    assert found[Reason.FOREIGN_SUBSCRIPTION] == text.count(b"\t#")


@given(st.binary())
def test_no_bytes_break_it(noise: bytes) -> None:
    words, rest = listen(b"Denied PUBLISH from ", noise)
    assert all(one.text.isprintable() for one in words)
    assert len(rest) <= LINE_BYTES_MAX


def test_a_line_without_an_end_is_not_kept_for_ever() -> None:
    assert listen(b"x" * LINE_BYTES_MAX, b"y") == ([], b"")
