"""``config check --outage``: a configuration that would not survive is refused, by name."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.__main__ import parser
from gateway.app.offline import SPOOL_MIGRATIONS
from gateway.store.sqlite import open_offline

ROOT = Path(__file__).parents[2]
TOML = """
[site]
name = "plant-a"
addresses = ["127.0.0.1"]
state_dir = "state"
runtime_dir = "run"
profiles_dir = "profiles"
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with a configuration and one profile, whose results may leave and are kept 24 h."""
    shutil.copytree(
        ROOT / "firmware-profiles" / "virtual-camera", tmp_path / "profiles" / "virtual-camera"
    )
    (tmp_path / "gateway.toml").write_text(TOML)
    (tmp_path / "state").mkdir()
    return tmp_path


def check(site: Path, *words: str, plan: str = "") -> int:
    """Run the command on the site with this plan in its configuration."""
    file = site / "gateway.toml"
    file.write_text(f"{TOML}\n{plan}")
    whole = ["config", "check", "--config", str(file), *words]
    arguments = parser(whole).parse_args(whole)
    code: int = arguments.run(arguments)
    return code


def document(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_a_config_that_would_not_survive_the_outage_is_refused_with_its_limit(site: Path, capsys):
    plan = "[plan]\nresult_bytes_per_h = 1000000\n"
    code = check(site, "--outage", "72h", "--json", plan=plan)
    found = document(capsys)
    assert (code, found["ok"], found["findings"]) == (3, False, [])
    (loss,) = found["losses"]
    assert loss.startswith("outage of 3 days, rates planned: result ")
    assert "24 h, then the contract's retention of 24 h ends the first" in loss


def test_a_config_that_survives_the_outage_passes_and_says_so(site: Path, capsys):
    plan = "[plan]\nresult_bytes_per_h = 1000000\n"
    code = check(site, "--outage", "23h", "--json", plan=plan)
    found = document(capsys)
    assert (code, found["ok"], found["losses"]) == (0, True, [])
    assert "an outage of 23 h is survived at the rates planned" in found["notes"]


def test_room_that_is_used_up_is_named_by_its_setting(site: Path, capsys):
    plan = "[plan]\nlog_bytes_per_h = 1000000000\nerror_log_bytes_per_h = 1000\n"
    code = check(site, "--outage", "3d", "--json", plan=plan)
    (loss,) = document(capsys)["losses"]
    assert code == 3
    assert "then spool." in loss


def test_the_outage_of_the_plan_needs_no_word_on_the_command_line(site: Path, capsys):
    plan = "[plan]\noutage_h = 72\nresult_bytes_per_h = 1000\n"
    assert check(site, "--json", plan=plan) == 3
    assert document(capsys)["losses"]


def test_without_any_rate_nobody_can_say_that_it_survives(site: Path, capsys):
    assert check(site, "--outage", "1h", "--json") == 3
    (loss,) = document(capsys)["losses"]
    assert "no rates are known: write what the site will send into [plan]" in loss


def test_without_a_plan_the_rates_that_the_queue_has_seen_count(site: Path, capsys):
    with open_offline(site / "state" / "spool.db", SPOOL_MIGRATIONS) as db:
        rows = [(500_000 + hour, "result", 100, 10_000) for hour in range(24)]
        db.executemany("INSERT INTO inflow VALUES (?, ?, ?, ?)", rows)
    assert check(site, "--outage", "72h", "--json") == 3
    (loss,) = document(capsys)["losses"]
    assert loss.startswith("outage of 3 days, rates measured over 22 h: result 100 an hour")


def test_a_queue_that_cannot_be_read_is_no_rate_and_no_crash(site: Path, capsys):
    with closing(sqlite3.connect(site / "state" / "spool.db")) as db:
        db.execute("CREATE TABLE other (x)")
    assert check(site, "--outage", "1h", "--json") == 3
    assert "no rates are known" in document(capsys)["losses"][0]


@pytest.mark.parametrize("text", ["72", "h", "-1h", "72m", "1e3h", "72h "])
def test_a_length_without_its_unit_is_wrong_usage(site: Path, text: str, capsys):
    with pytest.raises(SystemExit) as ended:
        check(site, "--outage", text)
    assert ended.value.code == 2
    assert "such as 72h" in capsys.readouterr().err or text.startswith("-")


def test_a_check_that_finds_faults_says_those_first(site: Path, capsys):
    (site / "profiles" / "virtual-camera" / "contract.yaml").write_text("version: 2\n")
    code = check(site, "--outage", "72h", "--json", plan="[plan]\nlog_bytes_per_h = 1\n")
    found = document(capsys)
    assert code == 2
    assert found["findings"]
    assert found["losses"] == []
