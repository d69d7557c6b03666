"""Stand-ins for the gateway and a device: small programs with the same command lines.

``python -m tests.hil.virtualline.programs gateway|device ...``. Only the standard library:
they must start fast.

They misbehave when a file in the line's folder says so: ``gateway.does`` and
``<device>.does`` hold one word, read at each start. The gateway writes to
``journal.txt`` what it sees when it is asked to end.
"""

import argparse
import json
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

HERE = [sys.executable, "-m", "tests.hil.virtualline.programs"]


def behaviour(root: Path, name: str) -> str:
    path = root / f"{name}.does"
    return path.read_text().strip() if path.exists() else ""


def journal(root: Path, line: str) -> None:
    with (root / "journal.txt").open("a") as file:
        file.write(line + "\n")


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def online(folder: Path) -> bool:
    """Whether the stand-in device of ``folder`` runs now."""
    try:
        return alive(int((folder / "online").read_text()))
    except FileNotFoundError:
        return False


def asked_to_end(*, deaf: bool) -> None:
    """Return when SIGTERM comes, or never."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN if deaf else lambda *_: None)
    signal.sigwait({signal.SIGUSR1} if deaf else {signal.SIGTERM})


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def publish(path: Path, text: str) -> None:
    draft = path.with_suffix(".new")
    draft.write_text(text)
    draft.replace(path)


def gateway(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    init = commands.add_parser("init")
    for option in ("name", "ip", "recovery-key", "broker-port", "web-port"):
        init.add_argument(f"--{option}", required=True)
    for option in ("url", "ca", "certificate", "key"):
        init.add_argument(f"--uplink-{option}", required=True)
    device = commands.add_parser("device").add_subparsers(required=True).add_parser("add")
    device.add_argument("id")
    device.add_argument("--profile", required=True)
    device.add_argument("--out", type=Path, required=True)
    for command in (init, device, commands.add_parser("run")):
        command.add_argument("--config", type=Path, required=True)
    options = parser.parse_args(arguments)
    root: Path = options.config.parent
    match options.command:
        case "init":
            return gateway_init(root, options)
        case "device":
            return gateway_device_add(root, options)
        case _:
            config = json.loads(options.config.read_text())
            return gateway_run(root, config)


def gateway_init(root: Path, options: argparse.Namespace) -> int:
    journal(root, "init")
    failures = {
        "fail": ("the disk of this stand-in is full", 1),
        "refuse": ("a key is there already", 3),
    }
    if (does := behaviour(root, "init")) in failures:
        words, code = failures[does]
        say(words)
        return code
    for file in (options.uplink_ca, options.uplink_certificate, options.recovery_key):
        assert Path(file).exists(), file
    facts = {name: str(value) for name, value in vars(options).items()}
    options.config.write_text(json.dumps(facts))
    return 0


def gateway_device_add(root: Path, options: argparse.Namespace) -> int:
    journal(root, f"add {options.id}")
    options.out.mkdir(parents=True)
    facts = {"id": options.id, "profile": options.profile}
    (options.out / "connection.json").write_text(json.dumps(facts))
    return 0


def gateway_run(root: Path, config: dict[str, str]) -> int:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # before there are threads
    publish(root / "gateway.pid", str(os.getpid()))
    does = behaviour(root, "gateway")
    if does == "die":
        say("this stand-in cannot open its database")
        return 1
    (root / "devices").mkdir(exist_ok=True)

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(503 if does == "sick" else 200)
            self.end_headers()
            if self.path == "/v1/status":
                self.wfile.write(json.dumps(status(root)).encode())

        def log_message(self, *_: object) -> None:
            """Say nothing: a log of a stand-in is what a test wrote."""

    server = ThreadingHTTPServer(("127.0.0.1", int(config["web_port"])), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    asked_to_end(deaf=does == "deaf")
    left = sum(online(folder) for folder in (root / "devices").iterdir())
    cloud = "serves" if (root / "cloud" / "serving.json").exists() else "is gone"
    journal(root, f"gateway ends: {left} devices run, the cloud {cloud}")
    return 0


def status(root: Path) -> dict[str, Any]:
    devices = [
        {"id": f.name, "state": "online" if online(f) else "offline", "more": 1}
        for f in sorted((root / "devices").iterdir())
    ]
    broker = {"pid": os.getpid(), "state": "serving"}
    return {"broker": broker, "devices": devices, "version": "0"}


def device(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    options = parser.parse_args(arguments)
    root = options.folder.parent.parent
    say(f"rate {options.rate} seed {options.seed}")
    if behaviour(root, options.folder.name) == "die":
        say("no camera")
        return 3
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    publish(options.folder / "online", str(os.getpid()))
    asked_to_end(deaf=False)
    return 0


if __name__ == "__main__":
    program, *rest = sys.argv[1:]
    sys.exit({"gateway": gateway, "device": device}[program](rest))
