"""What is committed speaks of the product, to everybody: no private place, no loose end."""

import ipaddress
import re
from collections.abc import Callable, Iterator

import pytest

from tests.architecture.tree import texts

# Names that stand for nobody, and names that every reader can look up.
PUBLIC_HOSTS = {
    "localhost": "this machine",
    "www.apache.org": "the licence's own text",
    "www.w3.org": "names of XML vocabularies, never fetched",
}
RESERVED = ("example", "test", "invalid", "example.com", "example.net", "example.org")

# A path below one of these is somebody's own machine. A site's paths lie below /etc, /var, /run.
SOMEBODYS = re.compile(r"(?<![\w.$}/-])/(?:home|root|Users|mnt|srv|work|workspace|builds?)/[\w.-]+")
HOST = re.compile(r"\b[a-z][a-z+]*://([^\s/?#\"'`<>)\]}|,;\\]*)")
LOOSE_END = re.compile(r"\b(?:FIXME|XXX|HACK)\b|\bTODO\b(?!\(#\d+\): \S)")
BARE_EXEMPTION = re.compile(
    r"#\s*(?:noqa(?!: ?[A-Z]+\d)|ruff: ?noqa|flake8|type: ?ignore(?!\[)|"
    r"(?:basedpyright|pyright): ?ignore(?!\[)|mypy: ?ignore-errors|pragma: no cover)",
)
THIS = "tests/architecture/test_words.py"


def places(text: str) -> Iterator[str]:
    """Yield each path on somebody's own machine."""
    yield from (match[0] for match in SOMEBODYS.finditer(text))


def hosts(text: str) -> Iterator[str]:
    """Yield each host in an address that is neither reserved nor listed as public."""
    for match in HOST.finditer(text):
        host = match[1].rpartition("@")[2].rsplit(":", 1)[0].lower()
        if host and not _is_nobodys(host):
            yield host


def _is_nobodys(host: str) -> bool:
    if host in PUBLIC_HOSTS or host.endswith(tuple(f".{name}" for name in RESERVED)):
        return True
    if host in RESERVED or not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", host):
        return True  # a placeholder such as {host}
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return False


def loose_ends(text: str) -> Iterator[str]:
    """Yield each TODO without its issue, ``TODO(#41): until the kernel is 6.8``."""
    yield from (match[0] for match in LOOSE_END.finditer(text))


def bare_exemptions(text: str) -> Iterator[str]:
    """Yield each exemption that does not say from what."""
    yield from (match[0] for match in BARE_EXEMPTION.finditer(text))


RULES: list[tuple[str, Callable[[str], Iterator[str]], tuple[str, ...]]] = [
    ("a path on somebody's own machine", places, ()),
    ("a host that is not everybody's", hosts, ()),
    ("a loose end without its issue", loose_ends, (".py", ".sh", ".js", ".toml", ".yaml")),
    ("an exemption without its code", bare_exemptions, (".py",)),
]


@pytest.mark.parametrize(("what", "rule", "suffixes"), RULES, ids=[rule[0] for rule in RULES])
def test_nothing_committed_holds(
    what: str, rule: Callable[[str], Iterator[str]], suffixes: tuple[str, ...]
) -> None:
    found = [
        f"{name}:{number}: {what}: {hit}"
        for name, text in texts(*suffixes)
        if name != THIS
        for number, line in enumerate(text.splitlines(), 1)
        for hit in rule(line)
    ]
    assert found == [], "\n".join(found)


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (places, "see /home/anna/notes"),
        (places, "cd /work/x"),
        (hosts, "index-url = https://packages.factory.internal/simple"),
        (hosts, "http://user:word@8.8.8.8:80/"),
        (loose_ends, "# TODO: later"),
        (loose_ends, "# TODO(anna): later"),
        (loose_ends, "# FIXME"),
        (bare_exemptions, "x = 1  # noqa"),
        (bare_exemptions, "x = 1  # type: ignore"),
        (bare_exemptions, "# ruff: noqa: E501"),
        (bare_exemptions, "x = 1  # pyright: ignore"),
    ],
)
def test_the_rule_bites(rule: Callable[[str], Iterator[str]], text: str) -> None:
    assert list(rule(text))


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (places, "/etc/site-gateway/gateway.toml, https://cloud.example/home/x, {dir}/work/x"),
        (
            hosts,
            "http://127.0.0.1:8444/ https://cloud.example:443/v1 https://{host}/ http://[::1]/",
        ),
        (loose_ends, "# TODO(#41): until mosquitto 2.1 is in Debian"),
        (bare_exemptions, "x = 1  # noqa: SLF001  # aiomqtt hides it"),
        (bare_exemptions, "x = y()  # type: ignore[no-untyped-call]"),
    ],
)
def test_the_rule_lets_pass(rule: Callable[[str], Iterator[str]], text: str) -> None:
    assert list(rule(text)) == []
