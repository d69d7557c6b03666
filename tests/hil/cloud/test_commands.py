"""What a person sees of the ledger."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.hil.cloud.stand_in import Cloud, digest, document, sealed
from tests.hil.cloud.test_uploads import PNG


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Cloud:
    """A ledger of one result batch that came twice, and one alert batch; no server runs."""
    cloud = Cloud(tmp_path_factory.mktemp("filled"))
    cloud.init()
    cloud.start()
    for body in (RESULTS, ALERTS, RESULTS):
        assert cloud.send(body).status == 200
    cloud.close()
    return cloud


RESULTS = sealed(document())
ALERTS = sealed(
    document(
        **{"class": "alert"},
        rows=1,
        items=1,
        scale={"score": 1000, "field.width": 10},
        labels={"kind": ["defect"], "severity": ["major"], "label": ["scratch"]},
        columns={
            "time_s": [5],
            "kind": [0],
            "severity": [0],
            "label": [0],
            "score": [912],
            "field.width": [31],
            "picture": [PNG],
        },
    )
)


def output(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out


def shown(cloud: Cloud, capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert cloud.run("show", *arguments) == 0
    return dict(json.loads(output(capsys)))


def test_the_ledger_is_one_json_object_a_batch(
    filled: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    assert filled.run("ledger", "--json") == 0
    lines = [json.loads(line) for line in output(capsys).splitlines()]
    assert [set(line) for line in lines] == [
        {"batch", "class", "rows", "items", "received_ms", "times", "resent"}
    ] * 2
    assert {(line["batch"], line["class"], line["rows"], line["times"]) for line in lines} == {
        (digest(RESULTS), "result", 2, 2),
        (digest(ALERTS), "alert", 1, 1),
    }


def test_a_batch_is_shown_in_the_units_that_it_was_measured_in(
    filled: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = shown(filled, capsys, digest(RESULTS)[:8])
    assert (facts["batch"], facts["times"]) == (digest(RESULTS), 2)
    one, two = facts["records"]
    assert one == {
        "time_s": 1_800_000_000,
        "model": "brick@1",
        "label": "ok",
        "score": 0.991,
        "latency_ms": 1.2,
    }
    assert (two["time_s"], two["label"]) == (1_800_000_003, "scratch")


def test_a_picture_is_told_by_its_size_and_written_on_demand(
    filled: Cloud, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    facts = shown(filled, capsys, digest(ALERTS), "--pictures", str(tmp_path / "p"))
    (record,) = facts["records"]
    assert record["picture"].startswith("<PNG of ")
    assert record["width"] == 3.1
    (picture,) = (tmp_path / "p").iterdir()
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_batch_that_is_not_there_is_said_to_be_missing(
    filled: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    assert filled.run("show", "no-digest") == 2
    assert "no batch begins with 'no-digest'" in capsys.readouterr().err
    assert filled.run("show", "") == 2
    assert "more than one batch begins with ''" in capsys.readouterr().err


def test_the_summary_gives_rows_and_ratio_of_each_class(
    filled: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    assert filled.run("summary", "--json") == 0
    totals = {t["class"]: t for t in map(json.loads, output(capsys).splitlines())}
    assert (totals["result"]["rows"], totals["alert"]["rows"]) == (2, 1)
    assert totals["result"]["sent_again"] == 1
    assert totals["result"]["wire_bytes"] == len(RESULTS)
    assert totals["result"]["plain_ratio"] > 0
    assert filled.run("summary") == 0
    assert [line.split()[0] for line in output(capsys).splitlines()[:3]] == [
        "class",
        "alert",
        "result",
    ]


def test_a_watcher_sees_arrivals_as_they_come(own_cloud: Cloud) -> None:
    own_cloud.start()
    watcher = subprocess.Popen(
        [sys.executable, "-m", "hil.cloud", "ledger", "--watch", "--dir", own_cloud.folder],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    assert watcher.stdout is not None
    with watcher.stdout:
        assert watcher.stdout.readline().split()[-1] == "batch"
        own_cloud.send(RESULTS)
        assert watcher.stdout.readline().split()[-2:] == ["1", digest(RESULTS)[:16]]
        own_cloud.send(RESULTS)
        assert watcher.stdout.readline().split()[-2:] == ["2", digest(RESULTS)[:16]]
        watcher.terminate()
        watcher.wait(10)


def test_an_untouched_cloud_has_an_empty_ledger(
    own_cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    output(capsys)
    assert own_cloud.run("ledger", "--json") == 0
    assert output(capsys) == ""
    assert own_cloud.run("summary") == 0
    assert output(capsys).startswith("nothing has arrived yet")


@pytest.mark.parametrize(
    "command", [["ledger"], ["summary"], ["serve"], ["wan", "up"], ["fault", "none"], ["show", "a"]]
)
def test_a_folder_without_a_cloud_is_unusable_input(
    tmp_path: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert Cloud(tmp_path).run(*command) == 2
    assert f"{tmp_path} holds no cloud: run `init" in capsys.readouterr().err
