"""``site-gateway init`` as a person or a play of a configuration tool runs it."""

import argparse
import dataclasses
import itertools
import json
import os
import stat
import tomllib
from pathlib import Path

import pytest

from gateway.cli import init
from gateway.cli.siteplan import Options, SitePlan, check, private_runtime
from gateway.identity import keys, recovery
from gateway.model.errors import OperatorFaultError
from gateway.model.time import UnixMs
from tests.support.certificates import openssl_verify


def run(*words: str) -> int:
    """Run the command; argparse's own exit is its code too."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path)
    init.add_parser(parser.add_subparsers(required=True))
    try:
        arguments = parser.parse_args(words)
        return int(arguments.run(arguments))
    except SystemExit as leaving:
        return int(leaving.code or 0)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return tmp_path / "site"


def usual(site: Path, *more: str) -> int:
    config = str(site / "gateway.toml")
    return run("init", "--config", config, "--name", "plant-a", "--ip", "127.0.0.1", *more)


def public_half(path: Path, key=None) -> str:
    path.write_bytes(keys.public_pem((key or keys.draw()).public_key()))
    return str(path)


def test_a_new_site_is_whole_and_its_configuration_says_where_everything_is(site, capsys):
    assert usual(site, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    parsed = tomllib.loads((site / "gateway.toml").read_text())
    assert parsed["site"] == {
        "name": "plant-a",
        "addresses": ["127.0.0.1"],
        "state_dir": "state",
        "runtime_dir": told["runtime_dir"],
        "profiles_dir": parsed["site"]["profiles_dir"],
    }
    assert parsed["broker"] == {"mode": "managed", "port": 8883}
    assert parsed["intake"] == {"window": 50}
    assert parsed["spool"] == {}
    assert parsed["uplink"] == {"url": "", "ca_file": "", "certificate_file": "", "key_file": ""}
    assert parsed["web"] == {"port": 8444}
    assert told["server_names"] == ["127.0.0.1", "gateway.plant-a.site-gateway.internal"]
    assert told["findings"] == []
    made = site / "state" / "pki"
    assert openssl_verify(made / "ca-cert.pem", made / "server-cert.pem") == ""
    assert stat.S_IMODE((site / "state").stat().st_mode) == 0o700


def test_every_key_of_the_configuration_is_explained_above_it(site):
    assert (
        usual(
            site,
            "--broker-mode",
            "external",
            "--broker-socket",
            "/run/b/mqtt.sock",
            "--broker-password-file",
            str(site / "broker-password"),
        )
        == 0
    )
    lines = (site / "gateway.toml").read_text().splitlines()
    bare = [
        line
        for before, line in itertools.pairwise(lines)
        if " = " in line and not before.startswith("#") and not line.startswith("key_file")
    ]
    assert bare == []
    assert 'socket = "/run/b/mqtt.sock"' in lines
    assert 'password_file = "broker-password"' in lines


def test_without_a_recovery_key_one_is_made_and_named_loudly(site, capsys):
    assert usual(site) == 0
    private_file = site / "recovery-key.private.pem"
    assert stat.S_IMODE(private_file.stat().st_mode) == 0o600
    said = capsys.readouterr().err
    assert str(private_file) in said
    assert "Move it to the company's safe now" in said
    envelope = (site / "state" / "pki" / "ca-key.wrapped.json").read_bytes()
    private = keys.read(private_file)
    opened = recovery.unwrap(envelope, private, purpose=recovery.SITE_CA_KEY, site="plant-a")
    assert opened.reveal() == (site / "state" / "pki" / "ca-key.pem").read_bytes()


def test_with_the_companys_recovery_key_no_private_half_is_on_the_machine(site, tmp_path, capsys):
    company = keys.draw()
    assert usual(site, "--json", "--recovery-key", public_half(tmp_path / "r.pem", company)) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["recovery_key_file"] is None
    assert told["recovery_key"] == recovery.key_id(company.public_key())
    assert not (site / "recovery-key.private.pem").exists()
    envelope = (site / "state" / "pki" / "ca-key.wrapped.json").read_bytes()
    recovery.unwrap(envelope, company, purpose=recovery.SITE_CA_KEY, site="plant-a")


def test_a_second_init_is_refused_and_changes_nothing(site, capsys):
    assert usual(site) == 0
    before = {path: path.read_bytes() for path in site.rglob("*") if path.is_file()}
    assert usual(site) == 3
    assert "gateway.toml is there already" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in site.rglob("*") if path.is_file()} == before


def test_another_configuration_for_the_same_state_is_refused(site, tmp_path, capsys):
    assert usual(site) == 0
    other = tmp_path / "other"
    assert usual(other, "--state-dir", str(site / "state")) == 3
    assert "already holds a site CA" in capsys.readouterr().err
    assert not other.exists()


def test_a_recovery_key_is_never_overwritten(site, capsys):
    site.mkdir()
    (site / "recovery-key.private.pem").write_text("of another site")
    assert usual(site) == 3
    assert "it may open the backups of a site" in capsys.readouterr().err
    assert [path.name for path in site.iterdir()] == ["recovery-key.private.pem"]
    assert (site / "recovery-key.private.pem").read_text() == "of another site"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--name", "Plant A", "--ip", "10.0.0.1"], "--name: 'Plant A' is no site name"),
        (["--name", "p", "--ip", "10.0.0.300"], "--ip: '10.0.0.300' is no IP address"),
        (["--name", "p", "--ip", "224.0.0.1"], "--ip: 224.0.0.1 is no address of one machine"),
        (["--name", "p", "--dns", "*.example"], "--dns: '*.example' is no host name"),
        (["--name", "p"], "no address: say with --ip or --dns"),
        (["--name", "p", "--ip", "10.0.0.1", "--web-port", "8883"], "are both 8883"),
        (
            ["--name", "p", "--ip", "10.0.0.1", "--runtime-dir", "/r" + "u" * 90],
            "the kernel takes 107: choose a shorter folder",
        ),
        (["--name", "p", "--ip", "10.0.0.1", "--uplink-url", "https://c.example"], "needs all of"),
        (
            [
                "--name",
                "p",
                "--ip",
                "10.0.0.1",
                "--uplink-url",
                "http://c.example",
                "--uplink-ca",
                "a",
                "--uplink-certificate",
                "b",
                "--uplink-key",
                "c",
            ],
            "batches go over https only",
        ),
        (["--name", "p", "--ip", "10.0.0.1", "--broker-mode", "external"], "--broker-socket"),
        (["--name", "p", "--ip", "10.0.0.1", "--broker-socket", "/b"], "belong to --broker-mode"),
        (
            ["--name", "p", "--ip", "10.0.0.1", "--state-dir", "/x", "--runtime-dir", "/x"],
            "choose two",
        ),
        (["--name", "p", "--ip", "10.0.0.1", "--recovery-key", "/nowhere.pem"], "--recovery-key"),
        (["--name", "p", "--ip", "10.0.0.1", "--web-port", "0"], "0 is no port"),
        (["--ip", "10.0.0.1"], "--name"),
    ],
)
def test_unusable_options_are_named_and_make_nothing(site, capsys, words, said):
    assert run("init", "--config", str(site / "gateway.toml"), *words) == 2
    assert said in capsys.readouterr().err
    assert not site.exists()


def test_all_findings_come_at_once(site, capsys):
    words = ["--name", "P", "--ip", "x", "--dns", "Y", "--broker-mode", "external"]
    assert run("init", "--config", str(site / "gateway.toml"), *words) == 2
    assert len(capsys.readouterr().err.splitlines()) == 4


def test_the_private_half_is_not_taken_as_a_recovery_key(site, tmp_path, capsys):
    keys.write(tmp_path / "r.pem", keys.to_pem(keys.draw()))
    assert usual(site, "--recovery-key", str(tmp_path / "r.pem")) == 2
    assert "must never come to this machine" in capsys.readouterr().err


def test_a_state_folder_that_others_can_read_is_not_used(site, capsys):
    (site / "state").mkdir(parents=True)
    (site / "state").chmod(0o755)
    assert usual(site) == 1
    assert f"chmod 700 {site / 'state'}; nothing was made" in capsys.readouterr().err
    assert [path.name for path in site.rglob("*")] == ["state"]


def test_a_prepared_empty_state_folder_is_used(site):
    (site / "state").mkdir(parents=True, mode=0o700)
    assert usual(site) == 0
    assert (site / "state" / "pki" / "ca-key.pem").exists()


def test_a_failure_at_the_last_step_takes_everything_back(tmp_path, capsys):
    site = tmp_path / "site"
    # The configuration's name is too long for the temporary file it is written to first.
    config = site / ("g" * 253)
    words = ["--name", "plant-a", "--ip", "127.0.0.1", "--state-dir", str(tmp_path / "a" / "state")]
    assert run("init", "--config", str(config), *words) == 1
    assert "nothing was made" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_an_address_of_another_machine_is_a_note_not_an_error(site, capsys):
    assert usual(site, "--ip", "203.0.113.9", "--json") == 0
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert finding.startswith("203.0.113.9 is on no interface of this machine")


def test_the_configuration_may_be_named_before_the_command(site):
    config = str(site / "gateway.toml")
    assert run("--config", config, "init", "--name", "p", "--ip", "127.0.0.1") == 0
    assert (site / "gateway.toml").exists()


def test_odd_paths_survive_the_configuration(tmp_path):
    site = tmp_path / 'a "b" \\ ü 😀'
    assert usual(site, "--profiles-dir", str(tmp_path / "p'\"\\x")) == 0
    parsed = tomllib.loads((site / "gateway.toml").read_text())
    assert parsed["site"]["profiles_dir"] == str(tmp_path / "p'\"\\x")


def options(config: str, **change) -> Options:
    usually = Options(
        config=Path(config),
        name="plant-a",
        ips=("10.0.0.1/24",),
        dns=(),
        profiles_dir=Path("/p"),
        broker_mode="managed",
        broker_port=8883,
        web_port=8444,
    )
    return dataclasses.replace(usually, **change)


def test_the_system_configuration_has_the_systems_folders():
    plan = check(options("/etc/site-gateway/gateway.toml"), 0)
    assert isinstance(plan, SitePlan)
    assert plan.values.state_dir == "/var/lib/site-gateway"
    assert plan.values.runtime_dir == "/run/site-gateway"
    assert plan.addresses == ("10.0.0.1",)
    assert [str(network) for network in plan.permitted.networks] == ["10.0.0.0/24"]


def test_another_configuration_has_a_short_runtime_folder_of_its_own():
    one, other = (private_runtime(Path(f"/{site}/gateway.toml"), 1000) for site in "ab")
    assert one != other
    assert len(str(one)) < 40
    assert one.name.startswith("site-gateway-1000-")
    plan = check(options("/a/gateway.toml"), 1000)
    assert isinstance(plan, SitePlan)
    assert plan.runtime_dir == one


def test_a_configuration_inside_its_state_folder_is_refused():
    findings = check(options("/s/gateway.toml", state_dir=Path("/s")), 0)
    assert findings == (
        "--config /s/gateway.toml lies inside the state folder /s: keep it outside",
    )


def test_more_addresses_than_a_certificate_bears_are_refused():
    ips = tuple(f"10.0.0.{last}" for last in range(1, 40))
    assert check(options("/s/gateway.toml", ips=ips), 0) == (
        "40 addresses: at most 32 fit one certificate",
    )


def test_what_the_gateway_would_refuse_to_read_is_not_written(site, capsys):
    files = ["--uplink-ca", "a", "--uplink-certificate", "b", "--uplink-key", "c"]
    assert usual(site, "--uplink-url", "https://cloud.example/?site=7", *files) == 2
    assert "is not of the form https://host[:port][/path]" in capsys.readouterr().err
    assert not site.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_state_folder_of_another_user_is_refused_with_the_way_out(site, capsys):
    (site / "state").mkdir(parents=True, mode=0o700)
    os.chown(site / "state", 65534, 65534)
    assert usual(site) == 1
    assert "run this as that user" in capsys.readouterr().err


def test_a_clock_before_any_gateway_makes_no_site(site):
    plan = check(options(str(site / "gateway.toml"), runtime_dir=Path("/r")), 0)
    assert isinstance(plan, SitePlan)
    with pytest.raises(OperatorFaultError, match="set the clock"):
        init.make(plan, None, UnixMs(5_000))
    assert not site.exists()
