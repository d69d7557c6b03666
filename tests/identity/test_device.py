"""``site-gateway device``: with a gateway that decides, and without one."""

import argparse
import asyncio
import json
import stat
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from gateway.cli import device, init
from gateway.config import load
from gateway.identity import pki
from gateway.identity.enrolment import Candidate, Enrolled, enrol
from gateway.model.identity import DeviceId
from gateway.store.lock import hold
from tests.support.certificates import Pair, handshake, wall

PROFILES = Path(__file__).parents[2] / "firmware-profiles"


def run(*words: str) -> int:
    """Run the command; argparse's own exit is its code too."""
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)
    init.add_parser(commands)
    device.add_parser(commands)
    try:
        arguments = parser.parse_args(words)
        return int(arguments.run(arguments))
    except SystemExit as leaving:
        return int(leaving.code or 0)


@pytest.fixture
def site(tmp_path: Path, capsys) -> Path:
    """A site that was made and is not running."""
    folder = tmp_path / "site"
    config = str(folder / "gateway.toml")
    words = ["--name", "plant-a", "--ip", "127.0.0.1", "--dns", "gw.plant.example"]
    places = ["--runtime-dir", str(tmp_path / "run"), "--profiles-dir", str(PROFILES)]
    assert run("init", "--config", config, *words, *places, "--broker-port", "18883") == 0
    capsys.readouterr()
    return folder


def add(site: Path, name: str, *more: str, profile: str = "virtual-camera") -> int:
    out = [] if "--out" in more else ["--out", str(site / "devices" / name)]
    config = str(site / "gateway.toml")
    return run("device", "add", name, "--config", config, "--profile", profile, *out, *more)


def listed(site: Path, capsys) -> list[dict[str, object]]:
    capsys.readouterr()
    assert run("device", "list", "--json", "--config", str(site / "gateway.toml")) == 0
    devices: list[dict[str, object]] = json.loads(capsys.readouterr().out)["devices"]
    return devices


def test_a_device_gets_all_it_needs_to_connect(site, capsys):
    assert add(site, "cam-01", "--json") == 0
    folder = site / "devices" / "cam-01"
    assert json.loads(capsys.readouterr().out) == {
        "id": "cam-01",
        "profile": "virtual-camera",
        "out": str(folder),
        "host": "127.0.0.1",
    }
    assert json.loads((folder / "connection.json").read_bytes()) == {
        "id": "cam-01",
        "profile": "virtual-camera",
        "host": "127.0.0.1",
        "mqtt_port": 18883,
        "https_port": 8443,
        "ca": "ca.pem",
        "certificate": "cert.pem",
        "key": "key.pem",
    }
    assert {path.name for path in folder.iterdir()} == {
        *("key.pem", "cert.pem", "ca.pem", "connection.json")
    }
    assert stat.S_IMODE((folder / "key.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    made = site / "state" / "pki"
    server = Pair(made / "server-cert.pem", made / "server-key.pem")
    client = Pair(folder / "cert.pem", folder / "key.pem")
    assert handshake(server, made / "ca-cert.pem", client, folder / "ca.pem", "127.0.0.1") == (
        "cam-01"
    )


def test_the_list_says_who_is_enrolled_and_how_far_each_is_trusted(site, capsys):
    assert add(site, "cam-02") == 0
    assert add(site, "cam-01", profile="factory-camera-v2") == 0
    devices = listed(site, capsys)
    assert [(one["id"], one["profile"], one["access"]) for one in devices] == [
        ("cam-01", "factory-camera-v2", "provisional"),
        ("cam-02", "virtual-camera", "admitted"),
    ]
    assert run("device", "list", "--config", str(site / "gateway.toml")) == 0
    head, first, _ = capsys.readouterr().out.splitlines()
    assert head.split() == ["ID", "PROFILE", "ACCESS", "VALID", "UNTIL"]
    assert first.split()[:3] == ["cam-01", "factory-camera-v2", "provisional"]


def test_an_id_is_given_once(site, capsys):
    assert add(site, "cam-01") == 0
    before = (site / "devices" / "cam-01" / "cert.pem").read_bytes()
    assert add(site, "cam-01", "--out", str(site / "elsewhere")) == 3
    assert "a device cam-01 exists already" in capsys.readouterr().err
    assert not (site / "elsewhere").exists()
    assert (site / "devices" / "cam-01" / "cert.pem").read_bytes() == before


def test_a_folder_that_holds_something_is_not_touched_and_no_id_is_spent(site, capsys):
    out = site / "devices" / "cam-01"
    out.mkdir(parents=True)
    (out / "precious").write_text("x")
    assert add(site, "cam-01") == 3
    assert "is no empty folder: choose another --out" in capsys.readouterr().err
    assert [path.name for path in out.iterdir()] == ["precious"]
    assert listed(site, capsys) == []
    (out / "precious").unlink()
    assert add(site, "cam-01") == 0


def test_an_unwritable_place_is_noticed_before_an_id_is_spent(site, capsys):
    (site / "file").write_text("x")
    assert add(site, "cam-01", "--out", str(site / "file" / "cam-01")) == 1
    assert listed(site, capsys) == []


def test_a_full_site_takes_no_more(site, capsys):
    config = site / "gateway.toml"
    config.write_text(config.read_text().replace("window = 50", "window = 50\nmax_devices = 1"))
    assert add(site, "cam-01") == 0
    assert add(site, "cam-02") == 3
    assert "the site has its 1 devices (intake.max_devices)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "more", "said"),
    [
        ("Cam_1", [], "'Cam_1' is no device id"),
        ("gateway", [], "names the gateway itself"),
        (
            "cam-01",
            ["--profile", "no-such"],
            "no profile 'no-such'; there are: factory-camera-v2, ",
        ),
        ("cam-01", ["--host", "10.0.0.1"], "it bears 127.0.0.1, gateway.plant-a.site-gateway"),
    ],
)
def test_unusable_arguments_are_named_and_nothing_stays(site, capsys, name, more, said):
    assert add(site, name, *more) == 2
    assert said in capsys.readouterr().err
    assert list((site / "devices").glob(".*")) == []
    assert listed(site, capsys) == []


def test_a_device_may_connect_by_any_name_in_the_server_certificate(site):
    assert add(site, "cam-01", "--host", "gw.plant.example") == 0
    connection = json.loads((site / "devices" / "cam-01" / "connection.json").read_bytes())
    assert connection["host"] == "gw.plant.example"


def test_without_a_site_the_message_says_how_to_make_one(tmp_path, site, capsys):
    assert run("device", "list", "--config", str(tmp_path / "none.toml")) == 2
    assert "make a site with 'site-gateway init'" in capsys.readouterr().err
    (site / "state" / "pki").rename(tmp_path / "gone")
    assert add(site, "cam-01") == 1
    assert "make the site with 'site-gateway init'" in capsys.readouterr().err
    assert not (site / "state" / "state.db").exists()


def test_a_gateway_that_holds_the_state_and_does_not_answer_is_exit_4(site, capsys):
    with hold(site / "state" / "lock"):
        assert add(site, "cam-01") == 4
        assert run("device", "list", "--config", str(site / "gateway.toml")) == 4
    assert "a gateway runs on this state folder" in capsys.readouterr().err
    assert not (site / "devices" / "cam-01").exists()
    assert list((site / "devices").glob(".*")) == []


class Control:
    """A gateway's control socket: enrols, or refuses as it is told, and keeps the wishes."""

    def __init__(self, site: Path) -> None:
        self.config = load(site / "gateway.toml")
        self.authority = pki.load_authority(site / "state" / "pki")
        Path(self.config.site.runtime_dir).mkdir(mode=0o700, exist_ok=True)
        self.wishes: list[str] = []
        self.refusal: tuple[int, str] | None = None

    async def post(self, asked: web.Request) -> web.Response:
        text = await asked.text()
        self.wishes.append(text)
        if self.refusal is not None:
            return web.json_response({"error": self.refusal[1]}, status=self.refusal[0])
        wish = json.loads(text)
        candidate = Candidate(DeviceId(wish["id"]), wish["profile"], "key-only")
        made = enrol(wish["csr_pem"].encode(), candidate, wall(), self.authority.issue_device)
        assert isinstance(made, Enrolled)
        ways = {"host": "127.0.0.1", "mqtt_port": 4711, "https_port": 8443}
        files = {"ca": "ca.pem", "certificate": "cert.pem", "key": "key.pem"}
        return web.json_response(
            {
                "certificate_pem": made.certificate_pem.decode(),
                "ca_pem": self.authority.certificate_pem().decode(),
                "connection": {"id": wish["id"], "profile": wish["profile"]} | ways | files,
            }
        )

    @asynccontextmanager
    async def running(self):
        application = web.Application()
        application.router.add_post("/v1/devices", self.post)
        runner = web.AppRunner(application)
        await runner.setup()
        await web.UnixSite(runner, f"{self.config.site.runtime_dir}/control.sock").start()
        try:
            with hold(Path(self.config.site.state_dir) / "lock"):
                yield
        finally:
            await runner.cleanup()


async def test_a_running_gateway_decides_and_never_sees_the_key(site):
    control = Control(site)
    async with control.running():
        assert await asyncio.to_thread(add, site, "cam-01") == 0
    folder = site / "devices" / "cam-01"
    assert json.loads((folder / "connection.json").read_bytes())["mqtt_port"] == 4711
    (wish,) = control.wishes
    assert set(json.loads(wish)) == {"id", "profile", "csr_pem"}
    assert "PRIVATE" not in wish
    assert not (site / "state" / "state.db").exists()  # its owner writes it, not the command


@pytest.mark.parametrize(
    ("status", "code"), [(400, 2), (404, 2), (409, 3), (413, 2), (422, 2), (500, 1), (503, 1)]
)
async def test_a_gateways_refusal_is_told_in_its_own_words(site, capsys, status, code):
    control = Control(site)
    control.refusal = status, "because of the moon"
    async with control.running():
        assert await asyncio.to_thread(add, site, "cam-01") == code
    assert capsys.readouterr().err == "site-gateway device: because of the moon\n"
    assert list((site / "devices").iterdir()) == []


async def test_a_certificate_for_another_key_is_not_taken(site, bench):
    control = Control(site)
    stranger = json.dumps({"certificate_pem": bench.device().certificate.read_text()})

    class Swapping(Control):
        async def post(self, asked: web.Request) -> web.Response:
            granted = json.loads((await control.post(asked)).text or "")
            return web.json_response(granted | json.loads(stranger))

    async with Swapping(site).running():
        with pytest.raises(RuntimeError, match="is not for the key that was asked for"):
            await asyncio.to_thread(add, site, "cam-01")
    assert list((site / "devices").iterdir()) == []


async def test_what_was_granted_is_not_thrown_away_when_the_folder_cannot_be_made(site, capsys):
    out = site / "devices" / "cam-01"

    class Meddling(Control):
        async def post(self, asked: web.Request) -> web.Response:
            out.mkdir()
            (out / "precious").touch()
            return await super().post(asked)

    async with Meddling(site).running():
        assert await asyncio.to_thread(add, site, "cam-01") == 1
    said = capsys.readouterr().err
    (kept,) = (site / "devices").glob(".cam-01.*")
    assert f"cam-01 is enrolled, but {out} could not be made" in said
    assert f"what there is of it lies in {kept}" in said
    assert {path.name for path in kept.iterdir()} == {
        *("key.pem", "cert.pem", "ca.pem", "connection.json")
    }
    assert [path.name for path in out.iterdir()] == ["precious"]
