"""``contract check`` and ``contract explain`` as a person and a script meet them."""

import json
from pathlib import Path

import pytest

from gateway.__main__ import parser

GOOD = "version: 1\nname: my-board\nresult: {rows_leave: true}\n"


@pytest.fixture
def contract(tmp_path: Path) -> Path:
    path = tmp_path / "my-board" / "contract.yaml"
    path.parent.mkdir()
    path.write_text(GOOD)
    return path


def run(*words: str | Path) -> int:
    arguments = parser(["contract"]).parse_args(["contract", *map(str, words)])
    code: int = arguments.run(arguments)
    return code


def test_a_usable_contract_is_0_and_says_what_leaves_and_that_it_is_not_private(
    contract: Path, capsys: pytest.CaptureFixture[str]
):
    assert run("check", contract) == 0
    out = capsys.readouterr().out
    assert (
        f"{contract}:3: result.rows_leave: every single result leaves the site: this is not "
        "differentially private (a note)\n"
    ) in out
    assert "  leaves: results, row by row" in out
    assert out.endswith("1 files, 0 findings: usable\n")


def test_a_contract_that_contradicts_itself_is_2_with_file_line_and_field(
    contract: Path, capsys: pytest.CaptureFixture[str]
):
    contract.write_text(GOOD.replace("rows_leave: true", "rows_leave: true, mechanism: none"))
    assert run("check", contract) == 2
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{contract}:3: result.mechanism: expected rows-anonymised")
    assert last == "1 files, 1 findings: not usable"


def test_the_check_speaks_json(contract: Path, capsys: pytest.CaptureFixture[str]):
    assert run("check", contract, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["ok"], found["files"], found["findings"]) == (True, [str(contract)], [])
    assert [note["field"] for note in found["notes"]] == ["result.rows_leave"]
    (one,) = found["contracts"]
    assert (one["contract"], len(one["sha256"])) == ("my-board", 64)
    assert {line["subject"] for line in one["lines"] if line["leaves"]} == {
        *("alerts", "results", "error logs", "other logs"),
    }


@pytest.mark.parametrize("words", [("check",), ("explain", "--file")])
def test_a_file_that_is_not_there_is_2(
    words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert run(*words, tmp_path / "gone.yaml") == 2
    said = capsys.readouterr()
    assert "expected a contract, got nothing there: correct the path" in said.out + said.err


def test_a_contract_is_explained_in_plain_words(contract: Path, capsys: pytest.CaptureFixture[str]):
    assert run("explain", "--file", contract) == 0
    out = capsys.readouterr().out
    assert out.startswith("contract my-board\nsha256 ")
    assert "camera feed (sensitivity high)" in out
    assert "  leaves      never\n" in out
    assert "  because     result.rows_leave: true\n" in out
    assert max(map(len, out.splitlines())) <= 96
    assert run("explain", "--file", contract, "--json") == 0
    assert json.loads(capsys.readouterr().out)["contract"] == "my-board"


def test_an_unusable_contract_is_not_explained(contract: Path, capsys: pytest.CaptureFixture[str]):
    contract.write_text("version: 1\n")
    assert run("explain", "--file", contract) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.startswith(f"{contract}:1: name: ")) == ("", True)


def test_a_device_is_asked_of_a_gateway_and_without_one_it_is_4(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "gateway.toml").write_text(
        '[site]\nname = "plant-a"\naddresses = ["127.0.0.1"]\nstate_dir = "state"\n'
        f'runtime_dir = "{tmp_path}/run"\nprofiles_dir = "profiles"\n'
    )
    assert run("explain", "cam-01", "--config", tmp_path / "gateway.toml") == 4
    assert "no gateway answers on" in capsys.readouterr().err


@pytest.mark.parametrize("words", [("explain",), ("explain", "cam-01", "--file", "x"), ()])
def test_a_wrong_usage_is_2(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        run(*words)
    assert ended.value.code == 2
    assert "usage: site-gateway contract" in capsys.readouterr().err
