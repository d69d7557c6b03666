"""The exposition, judged by Prometheus' own linter, and its names, which never change."""

import re
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest

from gateway.app.metrics import Beside, samples
from gateway.health import metric
from gateway.health.metric import COUNTED, PREFIX, Family
from gateway.health.prometheus import COMMIT, Exposition
from gateway.health.register import Register
from gateway.web.status import ClassHorizonStatus, HorizonStatus, Status
from tests.simulators.site import calm, problem

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "metrics.md"
BESIDE = Beside(wall_ms=0, offline_s=12.5, written_bytes=4_096, free_bytes=1e9)
FAMILIES = [value for value in vars(metric).values() if isinstance(value, Family)]


def busy() -> tuple[Status, Register]:
    """A site of which everything is told."""
    alerts = ClassHorizonStatus(
        message_class="alert",
        leaves=True,
        hours=31.0,
        limit="room",
        key="spool.bytes_max",
        messages_per_h=1.0,
        bytes_per_h=2.0,
        kept_h=None,
    )
    status = msgspec.structs.replace(
        calm(),
        problems=[problem("device-silent", "cam-01"), problem("device-silent", "cam-02")],
        horizon=HorizonStatus("measured", 24, 31.0, 31.0, [alerts]),
        counters={
            "messages_ended_total:alert:delivered": 7,
            "messages_ended_total:alert:parked": 2,
            "messages_dropped_total:data:dead-lettered:contract": 2,
        },
    )
    register = Register()
    register.count("messages_stored_total", 9)
    register.count("uplink_rows_total", 5, message_class="alert")
    register.count("uplink_batches_total", 1, answer="delivered")
    register.count("uplink_bytes_total", 900)
    register.count("messages_duplicate_total", 1)
    register.count("messages_declared_lost_total", 1)
    register.count("pictures_kept_total", 1, reason="frame")
    register.count("messages_refused_total", 1, reason="contract")
    register.count("broker_refused_total", 1, reason="topic")
    register.count("messages_held_back_total", 1, stream="data")
    register.count("messages_over_share_total", 1)
    register.count("messages_qos0_total", 1)
    register.count("pictures_kept_total", 1, reason="pixels")
    register.count("uplink_resent_total", 1)
    register.count("frames_refused_total", 3, reason="image")
    return status, register


def told() -> str:
    exposition = Exposition()
    with exposition.commits_of("spool.db")():
        pass
    status, register = busy()
    return exposition.text(samples(status, register, BESIDE)).decode()


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool")
def test_promtool_finds_no_fault_in_the_exposition():
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=told(), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_queue_s_counters_keep_class_outcome_and_reason_apart():
    lines = told().splitlines()
    assert 'site_gateway_messages_ended_total{class="alert",outcome="delivered"} 7.0' in lines
    assert not [line for line in lines if "parked" in line and "ended" in line], "it can shrink"
    reason = 'reason="dead-lettered:contract"'
    assert f'site_gateway_messages_dropped_total{{class="data",{reason}}} 2.0' in lines


def test_problems_are_counted_by_code_so_that_devices_make_no_series_of_their_own():
    lines = told().splitlines()
    assert 'site_gateway_problems{code="device-silent",severity="warning"} 2.0' in lines
    assert not [line for line in lines if "cam-01" in line]


def test_a_counter_that_nobody_listed_is_told_with_its_labels():
    assert 'site_gateway_frames_refused_total{reason="image"} 3.0' in told().splitlines()


def test_every_counter_in_the_code_is_listed_with_its_words():
    named = {
        name: path
        for path in (ROOT / "gateway").rglob("*.py")
        for name in re.findall(r"\"([a-z0-9_]+_total)\"", path.read_text(encoding="utf-8"))
    }
    told = {family.name for family in FAMILIES} | set(COUNTED)
    assert {name: path for name, path in named.items() if name not in told} == {}, (
        "list it in gateway/health/metric.py and docs/metrics.md"
    )


def test_each_commit_is_one_observation_of_its_file():
    exposition = Exposition()
    for _ in range(3):
        with exposition.commits_of("spool.db")():
            pass
    text = exposition.text(()).decode()
    assert 'site_gateway_commit_duration_seconds_count{file="spool.db"} 3.0' in text


def test_a_state_is_1_and_all_others_0():
    lines = told().splitlines()
    states = [line for line in lines if line.startswith("site_gateway_uplink_state{")]
    assert len(states) == 5
    assert sum(line.endswith(" 1.0") for line in states) == 1
    assert 'site_gateway_uplink_state{state="online"} 1.0' in states


def test_every_family_is_told_and_documented_under_its_name_with_its_labels():
    text, document = told(), DOCUMENT.read_text(encoding="utf-8")
    for family in FAMILIES:
        assert f"# TYPE {PREFIX}{family.name} {family.kind.value}" in text, family.name
        labels = ", ".join(f"`{label}`" for label in family.labels) or "none"
        row = f"| `{PREFIX}{family.name}` | {family.kind.value} | {labels} | {family.words} |"
        assert row in document, row
    assert f"`{PREFIX}{COMMIT}`" in document
    documented = {line.split("`")[1] for line in document.splitlines() if line.startswith("| `")}
    assert documented == {PREFIX + name for name in [*(f.name for f in FAMILIES), COMMIT]}
