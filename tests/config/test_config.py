"""A configuration is used whole, or refused with a sentence that names section and key."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.broker.limits import BrokerLimits
from gateway.cli.template import Broker, UplinkFiles, Values, render
from gateway.config import CONFIG_BYTES_MAX, Config, ConfigError, load, parse
from gateway.intake.limits import IntakeLimits
from gateway.spool.limits import SpoolLimits
from gateway.uplink.limits import UplinkLimits

SITE = """
[site]
name = "plant-a"
addresses = ["127.0.0.1", "gateway.plant-a"]
state_dir = "state"
runtime_dir = "/run/site-gateway"
profiles_dir = "../profiles"
"""
FOLDER = Path("/etc/site-gateway")


def parsed(text: str) -> Config:
    return parse(text.encode(), "gateway.toml", FOLDER)


def findings(text: str | bytes) -> list[str]:
    content = text.encode() if isinstance(text, str) else text
    with pytest.raises(ConfigError) as refused:
        parse(content, "gateway.toml", FOLDER)
    assert str(refused.value) == "\n".join(refused.value.findings)
    assert all(finding.startswith("gateway.toml: ") for finding in refused.value.findings)
    return [finding.removeprefix("gateway.toml: ") for finding in refused.value.findings]


def test_the_shortest_configuration_has_the_documented_defaults():
    config = parsed(SITE)
    assert config.intake == IntakeLimits()
    assert config.spool == SpoolLimits()
    assert config.uplink == UplinkLimits()
    assert config.broker == BrokerLimits(listen="127.0.0.1")


def test_relative_paths_begin_at_the_folder_of_the_file():
    files = 'url="https://c.example"\nca_file="ca.pem"\ncertificate_file="/a/c.pem"\nkey_file="./k/../k.pem"'
    config = parsed(f'{SITE}\n[uplink]\n{files}\n[broker]\nsocket="b.sock"\npassword_file="p"')
    assert config.site.state_dir == "/etc/site-gateway/state"
    assert config.site.profiles_dir == "/etc/profiles"
    assert config.site.runtime_dir == "/run/site-gateway"
    assert config.uplink.ca_file == "/etc/site-gateway/ca.pem"
    assert config.uplink.certificate_file == "/a/c.pem"
    assert config.uplink.key_file == "/etc/site-gateway/k.pem"
    assert config.broker.socket == "/etc/site-gateway/b.sock"
    assert Path(config.broker.password_file) == FOLDER / "p"


def test_a_path_that_is_not_set_stays_empty():
    config = parsed(SITE)
    assert (config.uplink.ca_file, config.broker.socket, config.broker.password_file) == ("",) * 3


def test_the_broker_listens_where_it_is_told():
    assert parsed(f'{SITE}\n[broker]\nlisten="10.0.0.1"').broker.listen == "10.0.0.1"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "site: missing: write it"),
        (SITE.replace('name = "plant-a"', ""), "site.name: missing: write it"),
        (SITE.replace("plant-a", "Plant A"), "site.name: Expected `str` matching"),
        (SITE.replace('"127.0.0.1", "gateway.plant-a"', ""), "site.addresses: Expected `array` of"),
        (SITE.replace('"127.0.0.1"', '""'), "site.addresses[0]: Expected `str` of length >= 1"),
        (SITE.replace('"127.0.0.1"', "127"), "site.addresses[0]: Expected `str`, got `int`"),
        (SITE.replace('"state"', '""'), "site.state_dir: Expected `str` of length >= 1"),
        (SITE.replace('"/run/site-gateway"', '""'), "site.runtime_dir: Expected `str` of length"),
        (SITE.replace('"../profiles"', "[]"), "site.profiles_dir: Expected `str`, got `array`"),
        (SITE + "statedir = 1", "site.statedir: no such key: correct or remove it"),
        (SITE + "[brokr]\nport = 1", "brokr: no such key"),
        (SITE + "[broker]\nport = 0", "broker.port: Expected `int` >= 1"),
        (SITE + "[broker]\nport = '8883'", "broker.port: Expected `int`, got `str`"),
        (SITE + "[broker]\nmode = 'magic'", "broker.mode: Invalid enum value 'magic'"),
        (
            SITE + "[broker]\nmax_packet_bytes = 262143",
            "broker.max_packet_bytes: Expected `int` >= 262144",
        ),
        (SITE + "[intake]\nwindow = 0", "intake.window: Expected `int` >= 1"),
        (SITE + "[intake]\nwindow = true", "intake.window: Expected `int`, got `bool`"),
        (SITE + "[intake]\nwindow = 1.5", "intake.window: Expected `int`, got `float`"),
        (SITE + "[intake]\nmax_devices = 501", "intake.max_devices: Expected `int` <= 500"),
        (SITE + "[intake]\nlinger = 5", "intake.linger: no such key"),
        (SITE + "[spool]\nsweep_every_s = 0", "spool.sweep_every_s: Expected `int` >= 1"),
        (SITE + "[uplink]\nbatch_max_age_s = nan", "uplink.batch_max_age_s: Expected `float` >= "),
        (
            SITE + "[uplink]\nurl = 'http://c.example'",
            "uplink: url 'http://c.example' is not of the form https",
        ),
        (SITE + "[uplink]\nurl = 'https://c.example'", "uplink: ca_file is missing"),
        (
            SITE + "[[uplink.window]]\nfrom = '22:00'\nto = '22:00'",
            "uplink.window[0]: from and to are both 22:00: such a window holds no minute",
        ),
        (
            SITE + "[[uplink.window]]\nfrom = '22:00'\nto = '06:00'\nclasses = ['metric']",
            "uplink.window[0].classes[0]: Invalid enum value 'metric'",
        ),
        (SITE + "timezone = 'Mars/Olympus'", "site.timezone: 'Mars/Olympus' is no IANA time zone"),
        (SITE + "timezone = '../../etc/passwd'", "site.timezone: '../../etc/passwd' is no IANA"),
        (SITE + "[web]\nport = 70000", "web.port: Expected `int` <= 65535"),
        (SITE + "[web]\naddress = '0.0.0.0'", "web.address: no such key"),
        ("[site\n", "no valid TOML: Expected ']'"),
        (SITE + "[site]\n", "no valid TOML: Cannot declare ('site',) twice"),
        (b"\xff\xfe", "no valid TOML: 'utf-8' codec"),
    ],
)
def test_what_cannot_be_used_is_named_by_section_and_key(text: str | bytes, sentence: str):
    (finding,) = findings(text)
    assert finding.startswith(sentence)


def test_a_queue_that_cannot_hold_what_all_devices_may_have_under_way_is_refused():
    found = findings(SITE + "[intake]\nwindow = 1000\n[broker]\nmax_connections = 999")
    assert len(found) == 3
    assert found[0].startswith("intake.window 1000 x intake.max_devices 500 = 500000 messages, but")
    assert found[0].endswith("broker.max_queued_messages is 25000: raise it, or lower window")
    assert found[1].startswith("500000 messages of intake.planned_message_bytes 2048 are 10240000")
    assert found[1].endswith(
        "broker.max_queued_bytes is 67108864: raise it, or lower intake.window"
    )
    assert found[2].startswith("broker.max_connections 999 is less than twice intake.max_devices")


def test_a_larger_window_is_fine_where_the_queue_is_larger_too():
    queue = "[broker]\nmax_queued_messages = 500000\nmax_queued_bytes = 1024000000"
    queue += "\nmemory_bytes_max = 2048000000"
    assert parsed(f"{SITE}[intake]\nwindow = 1000\n{queue}").intake.window == 1000


def test_an_external_broker_needs_its_socket_and_password():
    (finding,) = findings(SITE + '[broker]\nmode = "external"')
    assert finding == 'broker.mode "external" needs broker.socket and broker.password_file'


def test_a_runtime_folder_too_long_for_a_socket_is_refused_before_anything_starts():
    folder = "/" + "r" * 93
    assert parsed(SITE.replace("/run/site-gateway", folder)).site.runtime_dir == folder + ""
    (finding,) = findings(SITE.replace("/run/site-gateway", folder + "rr"))
    assert finding.startswith("site.runtime_dir: /rrr")
    assert finding.endswith("has 109 bytes and the kernel takes 107: choose a shorter folder")


def test_a_file_that_is_not_there_says_how_to_make_one(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"gateway\.toml: No such file .*'site-gateway init'"):
        load(tmp_path / "gateway.toml")


def test_a_file_far_too_large_is_none_of_ours(tmp_path: Path):
    path = tmp_path / "gateway.toml"
    path.write_bytes(b"#" * (CONFIG_BYTES_MAX + 1))
    with pytest.raises(ConfigError, match="larger than 262144 bytes: this is no gateway"):
        load(path)


def test_a_file_is_read_relative_to_its_own_folder(tmp_path: Path):
    path = tmp_path / "gateway.toml"
    path.write_text(SITE)
    assert load(path).site.state_dir == str(tmp_path / "state")


UPLINK = UplinkFiles("https://cloud.example:9443", "ca.pem", "client.pem", "client-key.pem")
EXTERNAL = Broker("external", 1883, "/run/m.sock", "password")


@pytest.mark.parametrize("uplink", [None, UPLINK])
@pytest.mark.parametrize("broker", [Broker("managed", 8883), EXTERNAL])
def test_what_init_writes_is_what_the_gateway_reads(uplink: UplinkFiles | None, broker: Broker):
    values = Values("a", ("127.0.0.1", "::1"), "state", "/run/x", "profiles", broker, 8444, uplink)
    config = parsed(render(values))
    assert (config.site.name, config.site.addresses) == ("a", ("127.0.0.1", "::1"))
    assert (config.broker.mode, config.broker.port) == (broker.mode, broker.port)
    assert config.web.port == 8444
    assert config.uplink.url == (uplink.url if uplink else "")


@given(st.text(min_size=1, max_size=20).filter(lambda text: "\0" not in text))
def test_any_path_that_init_is_given_comes_back_as_it_was(name: str):
    folder = f"/x{name}".rstrip("/.") + "y"
    values = Values("a", ("h",), folder, "/r", "p", Broker("managed", 1), 1, None)
    assert parsed(render(values)).site.state_dir.endswith(folder.rsplit("/", 1)[-1])
