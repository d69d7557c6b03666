"""A whole gateway over files that a power cut or a bad disk has damaged."""

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.hil.cloud.stand_in import Cloud
from tests.support.ledger import ledger
from tests.support.load import LoadedDevice
from tests.support.power_cut import Files
from tests.support.site import Document, Site
from tests.support.until import until

pytestmark = [pytest.mark.crash, pytest.mark.broker, pytest.mark.timeout(300)]

DAMAGED = "queue-damaged"


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as site:  # without a cloud: all of it waits here
        yield site


def filled(site: Site, receipts: int = 600) -> list[LoadedDevice]:
    """Have two devices send until so many messages have a receipt."""
    with ExitStack() as stack:
        devices = [stack.enter_context(LoadedDevice(site.device(n))) for n in ("cam-01", "cam-02")]
        until(
            lambda: sum(len(one.receipted()) for one in devices) >= receipts,
            "receipts",
            within_s=60,
        )
        for one in devices:
            one.finish()
        until(lambda: all(len(one.outbox) == 0 for one in devices), "all receipts", within_s=60)
    return devices


def files(site: Site) -> Files:
    return Files(site.state_dir)


def losses(status: Document) -> list[str]:
    return [one["detail"] for one in status["problems"] if one["code"] == DAMAGED]


def waiting(status: Document) -> int:
    return sum(
        depth["rows"]
        for name, depth in status["spool"].items()
        if isinstance(depth, dict) and "rows" in depth
    )


def devices_of(status: Document) -> list[str]:
    return [one["id"] for one in status["devices"]]


def test_a_torn_page_is_found_after_the_start_and_the_site_serves_on(site: Site) -> None:
    """Nobody asks for the page; the look that follows a start after a kill finds it."""
    site.start()
    sent = filled(site)
    before = site.status()
    site.kill()
    left = files(site)
    left.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    leaves = left.leaves("message")
    left.overwrite(leaves[len(leaves) // 2], bytes(4_096))
    site.start()
    status = site.until(losses, "the loss is shown", within_s=60)
    (loss,) = losses(status)
    assert "spool.db.aside-1 was damaged" in loss
    assert devices_of(status) == devices_of(before)  # trust lies in another file
    lost = waiting(before) - waiting(status)
    assert 1 <= lost <= 40
    trace = site.trace()
    assert len(trace) == len({(one["device"], one["stream"], one["seq"]) for one in trace})
    assert len(trace) == sum(len(one.numbered()) for one in sent)
    assert sum(one["outcome"] == "lost" for one in trace) == lost
    with LoadedDevice(site.device("cam-01")) as device:  # and it goes on
        have = len(device.receipted())
        until(lambda: len(device.receipted()) > have + 50, "new receipts", within_s=60)
    assert site.bug() == ""


def test_damage_that_shows_up_while_it_serves_is_mended_without_a_new_process(site: Site) -> None:
    started = site.start()
    filled(site)
    left = files(site)
    until(lambda: not site.trace() or True, "a gateway that answers")
    # In the pages that the log no longer covers: what lies in the log hides the file.
    left.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    leaves = left.leaves("message")
    for leaf in leaves[: len(leaves) // 2]:
        left.overwrite(leaf, bytes(4_096))
    assert site.command("spool", "trace", "--json").returncode != 0  # this reads them all
    status = site.until(losses, "the loss is shown", within_s=60)
    assert status["pid"] == started["pid"]
    site.until(lambda now: now["broker"]["state"] == "running", "the broker is back", within_s=60)
    assert waiting(status) > 0
    with LoadedDevice(site.device("cam-03")) as device:
        until(lambda: len(device.receipted()) > 50, "receipts of a new device", within_s=60)
    assert site.stop() == 0


@pytest.mark.parametrize("table", ["origin", "alert", "tally", "depth", "contract", "life"])
def test_damage_that_a_start_or_the_page_meets_first_does_not_keep_the_site_down(
    site: Site, table: str
) -> None:
    site.start()
    sent = filled(site, receipts=100)
    site.kill()
    left = files(site)
    left.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    left.overwrite(left.root(table), bytes(4_096))
    site.start()
    status = site.until(losses, "the loss is shown", within_s=60)
    assert "spool.db.aside-1 was damaged" in losses(status)[0]
    trace = site.trace()
    assert len(trace) == sum(len(one.numbered()) for one in sent)
    assert not any(one["outcome"] == "lost" for one in trace)
    with LoadedDevice(site.device("cam-03")) as device:
        until(lambda: len(device.receipted()) > 20, "receipts of a new device", within_s=60)
    assert site.stop() == 0
    assert site.bug() == ""


def test_a_missing_queue_is_named_and_the_site_serves(site: Site) -> None:
    site.start()
    filled(site)
    before = site.status()
    site.kill()
    for path in Path(site.state_dir).glob("spool.db*"):
        if not path.name.endswith(".tide"):
            path.unlink()
    status = site.start()
    assert devices_of(status) == devices_of(before)
    (loss,) = losses(site.until(losses, "the loss is shown"))
    assert loss == f"spool.db was gone: {waiting(before)} messages that waited in it are lost"


def newest(site: Site, folder: Path, *, log: bool) -> int:
    """The highest row number of a message, with or without what is in the log alone."""
    copy = Files(folder)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for path in (files(site).spool, files(site).wal) if log else (files(site).spool,):
        shutil.copy(path, folder)
    ((number,),) = copy.rows("SELECT max(seq) FROM sqlite_sequence WHERE name = 'message'")
    return number or 0


def test_a_truncated_log_is_named_and_devices_send_on(site: Site, tmp_path: Path) -> None:
    site.start()
    filled(site)
    site.kill()
    while newest(site, tmp_path / "a", log=True) == newest(site, tmp_path / "a", log=False):
        site.start()  # it was written back just now: the log holds nothing of its own
        filled(site, receipts=100)
        site.kill()
    os.truncate(files(site).wal, 0)
    site.start()
    (loss,) = losses(site.until(losses, "the loss is shown"))
    assert "its log was cut short" in loss
    with LoadedDevice(site.device("cam-01")) as device:
        have = len(device.receipted())
        until(lambda: len(device.receipted()) > have + 50, "new receipts", within_s=60)
    assert site.bug() == ""


@pytest.mark.parametrize("table", ["message", "batch", "seen"])
def test_what_was_taken_over_is_delivered_once_and_what_was_lost_never(
    tmp_path: Path, table: str
) -> None:
    """Encrypted content is bound to its row: it opens in the new file, too."""
    cloud = Cloud(tmp_path)
    cloud.init()
    cloud.start()
    with closing(cloud), Site(cloud=cloud) as site:
        site.configure("uplink", batch_max_age_s=0.3, batch_max_messages=40, retry_ceiling_s=1.0)
        site.start()
        filled(site, receipts=100)  # of which some are delivered
        cloud.run("wan", "down")
        sent = filled(site, receipts=400)
        site.kill()
        left = files(site)
        left.rows("PRAGMA wal_checkpoint(TRUNCATE)")
        leaves = left.leaves(table)
        left.overwrite(leaves[len(leaves) // 2], bytes(4_096))
        site.start()
        site.until(losses, "the loss is shown", within_s=60)
        cloud.run("wan", "up")
        site.until(
            lambda now: (
                not any(
                    now["spool"][name]["rows"] for name in ("alert", "error-log", "result", "log")
                )
            ),
            "what is left is delivered",
            within_s=60,
        )
        trace = site.trace()
        assert len(trace) == len({(one["device"], one["stream"], one["seq"]) for one in trace})
        assert {one["outcome"] for one in trace} <= {"delivered", "lost", "queued"}
        assert len(trace) == sum(len(device.numbered()) for device in sent)
        delivered = Counter(one["batch"] for one in trace if one["outcome"] == "delivered")
        held = {one["batch"]: one["rows"] for one in ledger(cloud)}
        if table != "batch":  # a lost batch may have been at the cloud already
            assert set(delivered) == set(held)
        assert set(delivered) <= set(held)
        assert not any(one["code"] == "dead-letters-many" for one in site.status()["problems"])
        assert site.bug() == ""


@pytest.mark.parametrize("damage", ["page", "gone", "rubbish"])
def test_a_damaged_state_ends_the_start_in_a_sentence_that_says_restore(
    site: Site, damage: str
) -> None:
    """Without it nobody knows whom to trust: it is never replaced by an empty one."""
    site.start()
    site.device("cam-01")
    assert site.stop() == 0
    state = Path(site.state_dir) / "state.db"
    content = state.read_bytes()
    match damage:
        case "page":
            state.write_bytes(content[:-1_024] + bytes(1_024))
        case "rubbish":
            state.write_bytes(b"\xa5" * len(content))
        case _:
            state.unlink()
    found = state.read_bytes() if state.exists() else None
    if damage == "gone":  # nor is it begun anew by a command
        out = str(site.folder / "cam-02")
        added = site.command(
            *("device", "add", "cam-02", "--profile", "virtual-camera", "--out", out)
        )
        assert added.returncode == 1
        assert "restore the last backup" in added.stderr
    site.launch()
    assert site.ended() == 1
    assert "state.db" in site.log().splitlines()[-1]
    assert "restore the last backup" in site.log().splitlines()[-1]
    assert (state.read_bytes() if state.exists() else None) == found
