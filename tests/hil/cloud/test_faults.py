"""Each misbehaviour that a gateway must survive, played on demand."""

import http.client
import json
import threading
from pathlib import Path

import pytest

from hil.cloud.mode import Fault, Mode, ModeFile, spend
from tests.hil.cloud.stand_in import Cloud, digest, document, sealed


def body_of(rows: int) -> bytes:
    return sealed(document(rows=rows, site="plant-a"))


def test_a_refusal_on_demand_has_the_status_that_was_asked_for(cloud: Cloud) -> None:
    cloud.run("fault", "refuse", "--status", "507")
    answer = cloud.send(body_of(101))
    assert (answer.status, answer.error) == (507, "fault")
    assert cloud.kept(body_of(101)) is None


def test_a_captive_portal_answers_200_in_html_and_keeps_nothing(cloud: Cloud) -> None:
    cloud.run("fault", "captive-portal")
    answer = cloud.send(body_of(102))
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert digest(body_of(102)).encode() not in answer.body
    assert cloud.kept(body_of(102)) is None


def test_a_busy_receiver_says_when_to_come_back(cloud: Cloud) -> None:
    cloud.run("fault", "retry-after", "--seconds", "7")
    answer = cloud.send(body_of(103))
    assert (answer.status, answer.headers["Retry-After"]) == (503, "7")
    assert cloud.kept(body_of(103)) is None


def test_a_lost_answer_leaves_the_batch_kept_and_the_second_sending_counted(cloud: Cloud) -> None:
    cloud.run("fault", "lose-answer", "--count", "1")
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        cloud.send(body_of(104))
    entry = cloud.kept(body_of(104))
    assert entry is not None
    assert entry.times == 1
    assert json.loads(cloud.send(body_of(104)).body)["rows"] == 104
    again = cloud.kept(body_of(104))
    assert again is not None
    assert again.times == 2


def test_a_slow_receiver_keeps_the_batch_although_the_sender_gave_up(cloud: Cloud) -> None:
    cloud.run("fault", "slow", "--seconds", "30", "--count", "1")
    with pytest.raises(TimeoutError):
        cloud.send(body_of(105), answer_timeout_s=1)
    assert cloud.kept(body_of(105)) is not None
    assert cloud.send(body_of(105)).status == 200


def test_poison_meets_the_batches_that_hold_a_word_and_no_others(cloud: Cloud) -> None:
    cloud.run("fault", "poison", "--about", "scratch", "--status", "422")
    answer = cloud.send(body_of(106))
    assert (answer.status, answer.error) == (422, "fault")
    assert cloud.kept(body_of(106)) is None
    other = sealed(document(rows=107, labels={"model": ["brick@1"], "label": ["ok", "dent"]}))
    assert cloud.send(other).status == 200


@pytest.mark.parametrize("words", [("poison",), ("refuse", "--about", "scratch")])
def test_poison_has_a_word_and_nothing_else_has(
    cloud: Cloud, words: tuple[str, ...], capsys
) -> None:
    assert cloud.run("fault", *words) == 2
    assert "poison needs --about" in capsys.readouterr().err


def test_a_resend_is_counted_as_its_sender_marked_it(cloud: Cloud) -> None:
    for headers in ({}, {"Batch-Resent": "true"}, {"Batch-Resent": "true"}):
        assert cloud.send(body_of(108), headers=headers).status == 200
    entry = cloud.kept(body_of(108))
    assert entry is not None
    assert (entry.times, entry.resent) == (3, 2)


def test_a_fault_with_a_count_meets_that_many_uploads(cloud: Cloud) -> None:
    cloud.run("fault", "refuse", "--count", "2")
    statuses = [cloud.send(body_of(106)).status for _ in range(3)]
    assert statuses == [503, 503, 200]


def test_a_fault_without_a_count_lasts_until_it_is_taken_back(cloud: Cloud) -> None:
    cloud.run("fault", "refuse")
    assert [cloud.send(body_of(107)).status for _ in range(3)] == [503, 503, 503]
    cloud.run("fault", "none")
    assert cloud.send(body_of(107)).status == 200


def test_uploads_at_the_same_time_share_one_count(cloud: Cloud) -> None:
    cloud.run("fault", "refuse", "--count", "3")
    statuses: list[int] = []
    senders = [
        threading.Thread(target=lambda rows=rows: statuses.append(cloud.send(body_of(rows)).status))
        for rows in range(110, 118)
    ]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert sorted(statuses) == [200] * 5 + [503] * 3


@pytest.mark.parametrize(
    "arguments",
    [("--status", "99"), ("--count", "0"), ("--seconds", "-1")],
    ids=["status", "count", "seconds"],
)
def test_a_fault_out_of_bounds_is_not_ordered(
    cloud: Cloud, arguments: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cloud.run("fault", "refuse", *arguments) == 2
    assert "fault refuse: Expected" in capsys.readouterr().err
    assert ModeFile(cloud.folder).read().fault == Fault()


def test_counting_down_ends_in_no_fault() -> None:
    mode = Mode(fault=Fault("slow", 2))
    first, mode = spend(mode)
    second, mode = spend(mode)
    third, mode = spend(mode)
    assert [first.kind, second.kind, third.kind] == ["slow", "slow", "none"]
    assert mode == Mode()


def test_orders_and_counts_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    mode = ModeFile(tmp_path)
    mode.change(lambda _: Mode(fault=Fault("slow", 1)))

    def one_more(now: Mode) -> Mode:
        return Mode(fault=Fault("slow", (now.fault.remaining or 0) + 1))

    def order() -> None:
        for _ in range(50):
            ModeFile(tmp_path).change(one_more)

    writers = [threading.Thread(target=order) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert mode.read().fault.remaining == 201


def test_a_damaged_mode_file_names_the_way_out(
    own_cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    (own_cloud.folder / "mode.json").write_text('{"wan":"sideways"}')
    assert own_cloud.run("serve") == 2
    said = capsys.readouterr().err
    assert "mode.json: Invalid enum value 'sideways'" in said
    assert "remove the file to begin with WAN up and no fault" in said
