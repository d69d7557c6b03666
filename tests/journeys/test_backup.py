"""A site in one file: made while it runs, opened by the recovery key alone, restored safely."""

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.hil.cloud.stand_in import Cloud
from tests.support.load import LoadedDevice
from tests.support.site import Document, Site
from tests.support.until import until

pytestmark = [pytest.mark.journey, pytest.mark.timeout(180)]

GONE_LIMIT_S = 40.0


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as site:
        yield site


def key_of(site: Site) -> Path:
    return site.folder / "recovery-key.private.pem"


def backup(site: Site, name: str = "site.backup") -> Path:
    out = site.folder / name
    made = site.command("backup", "create", "--out", str(out))
    assert made.returncode == 0, made.stderr
    return out


def restore(site: Site, file: Path, *more: str) -> Document:
    done = site.command(
        "backup", "restore", str(file), "--recovery-key", str(key_of(site)), "--json", *more
    )
    assert done.returncode == 0, done.stderr
    told: Document = json.loads(done.stdout)
    return told


def wait_for(device: LoadedDevice, more: int) -> None:
    wanted = len(device.receipted()) + more
    until(lambda: len(device.receipted()) >= wanted, f"{more} more receipts", within_s=GONE_LIMIT_S)


def test_a_gateway_that_burnt_down_serves_again_from_its_backup_and_names_what_is_lost(
    site: Site,
) -> None:
    """The line goes on by itself: what it still held comes, what it had freed is declared."""
    site.start()
    with ExitStack() as stack:
        device = stack.enter_context(LoadedDevice(site.device("cam-01")))
        wait_for(device, 200)
        file = backup(site)
        wait_for(device, 200)
        site.kill()
        shutil.rmtree(site.state_dir)  # the disk burnt; the configuration is in the backup too
        site.config.unlink()
        told = restore(site, file)
        assert (told["site"], told["devices"]) == ("plant-a", 1)
        freed = device.receipted()  # by now the last receipt that was under way has come, too
        site.start()
        wait_for(device, 200)
        device.finish()
        until(lambda: len(device.outbox) == 0, "a receipt for everything", within_s=GONE_LIMIT_S)
        numbered = device.numbered()
    trace = Counter((line["stream"], line["seq"]) for line in site.trace())
    assert set(trace.values()) == {1}, "nothing stands twice"
    missing = numbered - set(trace)
    assert missing, "something was receipted after the backup"
    assert missing <= freed, "what the device still held at the fire has come"
    assert site.counter("messages_declared_lost_total") == len(missing)
    (loss,) = [one for one in site.status()["problems"] if one["code"] == "restore-unconfirmed"]
    assert "what was receipted after it and not delivered is lost" in loss["detail"]
    assert told["waiting"] <= len(trace)
    assert site.bug() == ""


def test_a_restored_site_adds_no_device_until_an_operator_confirms(site: Site) -> None:
    site.start()
    file = backup(site)
    site.stop()
    shutil.rmtree(site.state_dir)
    restore(site, file)
    out = str(site.folder / "new")
    adding = ("device", "add", "cam-09", "--profile", "virtual-camera", "--out", out)
    refused = site.command(*adding)  # without a gateway
    assert refused.returncode == 3
    assert "then 'site-gateway backup confirm'" in refused.stderr
    site.start()
    codes = {one["code"] for one in site.status()["problems"]}
    assert "restore-unconfirmed" in codes
    assert site.command(*adding).returncode == 3
    assert site.command("backup", "confirm").returncode == 0
    codes = {one["code"] for one in site.status()["problems"]}
    assert "restore-unconfirmed" not in codes
    assert site.command(*adding).returncode == 0
    again = site.command("backup", "confirm")
    assert (again.returncode, again.stderr) == (3, "no restore waits to be confirmed\n")


def test_what_the_old_disk_forbids_stays_forbidden(site: Site) -> None:
    site.start()
    file = backup(site)
    site.device("cam-02")  # its id is issued after the backup
    site.stop()
    old = site.state_dir.rename(site.folder / "state.old")
    told = restore(site, file, "--floors-from", str(old))
    assert "device cam-02: was added after the backup, and is admitted" in told["raised"]
    listed = json.loads(site.command("device", "list", "--json").stdout)
    assert [one["id"] for one in listed["devices"]] == ["cam-02"]


def test_a_restore_draws_new_keys_so_that_the_old_disk_opens_nothing_new(site: Site) -> None:
    site.start()
    file = backup(site)
    before = json.loads(site.command("keys", "list", "--json").stdout)
    site.stop()
    shutil.rmtree(site.state_dir)
    (site.folder / ".restoring-killed").mkdir()  # it holds keys, if a restore was killed
    restore(site, file)
    assert list(site.folder.glob(".restoring-*")) == []
    site.start()
    after = json.loads(site.command("keys", "list", "--json").stdout)
    assert after["kek"]["name"] != before["kek"]["name"]
    current = [one["id"] for one in after["data_keys"] if one["state"] == "current"]
    assert current not in [[one["id"]] for one in before["data_keys"]]


def test_a_backup_shows_nothing_without_the_recovery_key(site: Site) -> None:
    site.start()
    site.device("cam-01")
    content = backup(site).read_bytes()
    key = (site.state_dir / "pki" / "ca-key.pem").read_bytes()
    for secret in (b"cam-01", b"PRIVATE KEY", key.splitlines()[1], b"SQLite format"):
        assert secret not in content
    assert oct((site.folder / "site.backup").stat().st_mode)[-3:] == "600"


def test_a_backup_is_verified_whole_and_a_changed_one_is_refused(site: Site) -> None:
    site.start()
    file = backup(site)
    site.stop()
    verifying = ("backup", "verify", "--recovery-key", str(key_of(site)))
    fine = site.command(*verifying, str(file), "--json")
    assert fine.returncode == 0, fine.stderr
    names = {member["name"] for member in json.loads(fine.stdout)["members"]}
    assert {"gateway.toml", "state/spool.db", "state/state.db", "state/pki/ca-key.pem"} <= names
    assert not any("kek" in name for name in names), "the key-encryption key never leaves"
    content = bytearray(file.read_bytes())
    content[-500] ^= 1
    file.write_bytes(content)
    changed = site.command(*verifying, str(file))
    assert changed.returncode == 1
    assert "was changed or cut: fetch another copy" in changed.stderr
    shutil.rmtree(site.state_dir)
    refused = site.command("backup", "restore", str(file), "--recovery-key", str(key_of(site)))
    assert refused.returncode == 1
    assert not site.state_dir.exists(), "nothing half made stays"
    assert [path.name for path in site.folder.glob(".restoring-*")] == []


def test_another_recovery_key_opens_no_backup_and_is_named(site: Site) -> None:
    site.start()
    file = backup(site)
    site.stop()
    with Site(name="plant-b") as other:
        refused = site.command("backup", "verify", str(file), "--recovery-key", str(key_of(other)))
    assert refused.returncode == 1
    assert "the envelope is for recovery key" in refused.stderr


def test_nothing_is_overwritten_by_a_backup_or_a_restore(site: Site) -> None:
    site.start()
    file = backup(site)
    again = site.command("backup", "create", "--out", str(file))
    assert again.returncode == 3
    assert "is there already and is never overwritten" in again.stderr
    over = site.command("backup", "restore", str(file), "--recovery-key", str(key_of(site)))
    assert over.returncode == 3
    assert f"--floors-from {site.state_dir}.old" in over.stderr
    assert site.status()["site"] == "plant-a", "the running site was not touched"


def test_a_backup_needs_its_gateway(site: Site) -> None:
    made = site.command("backup", "create", "--out", str(site.folder / "x"))
    assert made.returncode == 4
    assert not (site.folder / "x").exists()
    assert list(site.folder.glob(".x.*")) == []


def test_the_copies_of_a_backup_are_gone_when_it_is_made_and_it_is_audited(site: Site) -> None:
    site.start()
    (site.state_dir / ".backup-left").mkdir()  # what a killed gateway left
    backup(site)
    assert list(site.state_dir.glob(".backup-*")) == []
    entries = site.command("audit", "list", "--json").stdout.splitlines()
    assert json.loads(entries[-1])["action"] == "backup-created"


def test_a_lost_key_file_is_replaced_with_the_recovery_key(site: Site) -> None:
    site.start()
    with LoadedDevice(site.device("cam-01")) as device:
        wait_for(device, 50)
        device.finish()
    site.stop()
    shutil.rmtree(site.state_dir / "keys")
    site.launch()
    assert site.ended(within_s=30) == 1
    assert "'site-gateway keys recover --recovery-key PRIVATE.pem'" in site.log()
    recovered = site.command("keys", "recover", "--recovery-key", str(key_of(site)))
    assert recovered.returncode == 0, recovered.stderr
    site.start()
    until(lambda: resealing(site)["walks"], "a walk over the queue")
    assert resealing(site)["unreadable"] == 0
    assert resealing(site)["resealed"] >= 50


def resealing(site: Site) -> Document:
    listed: Document = json.loads(site.command("keys", "list", "--json").stdout)["resealing"]
    return listed


def test_a_site_that_lost_every_key_serves_again_and_accounts_for_what_it_gave_up(
    site: Site,
) -> None:
    site.start()
    with LoadedDevice(site.device("cam-01")) as device:
        wait_for(device, 50)
        site.kill()
        shutil.rmtree(site.state_dir / "keys")
        assert site.command("keys", "abandon").returncode == 2, "not by accident"
        given_up = site.command("keys", "abandon", "--yes")
        assert given_up.returncode == 0, given_up.stderr
        site.start()
        wait_for(device, 50)
        device.finish()
        until(lambda: len(device.outbox) == 0, "a receipt for everything", within_s=GONE_LIMIT_S)
        numbered = device.numbered()
    trace = Counter((line["stream"], line["seq"]) for line in site.trace())
    assert trace == Counter(numbered), "each message has one line"
    until(lambda: resealing(site)["walks"], "a walk over the queue")
    assert resealing(site)["unreadable"] > 0
    assert site.bug() == ""


def test_a_restored_site_reaches_its_cloud_with_the_files_that_its_configuration_names(
    tmp_path: Path,
) -> None:
    cloud = Cloud(tmp_path)
    cloud.init()
    cloud.start()
    try:
        with Site(cloud=cloud) as site:
            site.start()
            with LoadedDevice(site.device("cam-01")) as device:
                wait_for(device, 50)
                device.finish()
            file = backup(site)
            site.kill()
            shutil.rmtree(site.state_dir)
            key = tmp_path / "gateway-key.pem"
            content = key.read_bytes()
            key.unlink()
            (tmp_path / "recovery-key.pem").chmod(0o600)
            done = site.command(
                *("backup", "restore", str(file)),
                *("--recovery-key", str(tmp_path / "recovery-key.pem"), "--json"),
            )
            assert done.returncode == 0, done.stderr
            assert (key.read_bytes(), key.stat().st_mode & 0o777) == (content, 0o600)
            notes = json.loads(done.stdout)["notes"]
            assert f"{tmp_path / 'ca.pem'} was there already and stays as it is" in notes
            site.start()
            site.until(lambda status: status["uplink"]["state"] == "online", "the cloud's answer")
    finally:
        cloud.close()
