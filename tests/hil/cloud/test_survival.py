"""Kept before echoed: what a kill leaves behind."""

import contextlib
import threading
import time

import pytest

from tests.hil.cloud.stand_in import Cloud, document, sealed
from tests.support.until import until

pytestmark = [pytest.mark.crash, pytest.mark.timeout(300)]

KEPT_LIMIT_S = 20


def test_a_kill_between_commit_and_answer_keeps_the_batch_and_counts_its_return(
    own_cloud: Cloud,
) -> None:
    own_cloud.start()
    # The delay stands between commit and answer; the ledger tells that the commit is done.
    own_cloud.run("fault", "slow", "--seconds", "60", "--count", "1")
    body = sealed(document())
    answers: list[object] = []

    def send() -> None:
        with contextlib.suppress(OSError):
            answers.append(own_cloud.send(body, answer_timeout_s=60))

    sender = threading.Thread(target=send)
    sender.start()
    deadline = time.monotonic() + KEPT_LIMIT_S
    while own_cloud.kept(body) is None:
        assert time.monotonic() < deadline, "the batch was never committed"
        time.sleep(0.005)
    own_cloud.kill()
    sender.join()
    assert answers == [], "the answer must not have gone out"

    own_cloud.start()
    entry = own_cloud.kept(body)
    assert entry is not None
    assert (entry.rows, entry.times) == (2, 1)
    assert own_cloud.send(body).status == 200
    assert [(e.rows, e.times) for e in own_cloud.ledger()] == [(2, 2)]


def test_every_echoed_batch_survives_kills_under_load(own_cloud: Cloud) -> None:
    echoed: set[int] = set()
    sent = 0
    for _round in range(5):
        own_cloud.start()
        stop = threading.Event()

        def send(first: int, stop: threading.Event = stop) -> None:
            rows = first
            while not stop.is_set():
                rows += 2
                with contextlib.suppress(OSError, AssertionError):
                    if own_cloud.send(sealed(document(rows=rows))).status == 200:
                        echoed.add(rows)

        senders = [threading.Thread(target=send, args=(sent + lane,)) for lane in (1, 2)]
        wanted = len(echoed) + 10
        for sender in senders:
            sender.start()
        try:
            until(lambda: len(echoed) >= wanted, "ten more are echoed")  # noqa: B023 -- waits in this round
        finally:
            own_cloud.kill()
            stop.set()
            for sender in senders:
                sender.join()
        sent += 10_000
    kept = {entry.rows: entry.times for entry in own_cloud.ledger()}
    assert echoed <= kept.keys()
    assert len(echoed) >= 50
