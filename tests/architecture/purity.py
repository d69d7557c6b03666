"""What a file of the gateway may import and call, told by its name.

A decision lives in a pure file: no clock, entropy, asyncio, logging, disk or network. What
such a file may import is an allowlist, so that a library nobody has thought of is refused
before anybody has to think of it. An adapter is listed here with its reason; its freedom
ends at its own file, because no pure file and no service may import it.
"""

import ast
from collections.abc import Iterator
from enum import Enum


class Kind(Enum):
    """The places that code can stand in."""

    PURE = "pure"
    SERVICE = "service"
    STORE = "store"
    ADAPTER = "adapter"
    SHELL = "shell"


ADAPTERS = {
    "broker/dynsec.py": "talks to mosquitto's dynamic-security plugin",
    "broker/mosquitto.py": "starts and watches the broker's process",
    "broker/mqtt.py": "holds the MQTT connection",
    "config.py": "reads gateway.toml, once",
    "fleet/folder.py": "reads the profile folders",
    "health/procfs.py": "reads what the kernel counts of a process",
    "health/prometheus.py": "keeps the histogram, writes the exposition format",
    "identity/authority.py": "signs certificates: x509 draws their serial numbers",
    "identity/files.py": "reads and writes key files with their modes",
    "identity/interfaces.py": "asks the kernel for this machine's addresses",
    "identity/kek.py": "draws and keeps the key-encryption keys",
    "identity/keys.py": "draws and keeps private keys",
    "identity/pki.py": "lays out the folder of the site's certificates",
    "identity/recovery.py": "draws the ephemeral key that wraps to the recovery key",
    "spool/disk.py": "asks the file system for its free space, and lays the reserve on it",
    "store/copying.py": "copies a database while it is written",
    "store/lock.py": "holds the state lock",
    "store/salvage.py": "reads what is left of a damaged database file",
    "store/sqlite.py": "owns the database files and the writer's thread",
    "store/tide.py": "writes the high-water mark beside the queue",
    "uplink/https.py": "sends batches",
    "web/http.py": "serves the page and the API",
}

# A store.py that would hold two ideas is split; all of it stays SQL and nothing but SQL.
STORES = {
    "intake/noisy.py": "who was cut off for its noise: in state.db",
    "intake/unsequenced.py": "numbers for messages of topic maps",
    "health/audit.py": "the audit log",
    "intake/schema.py": "the tables",
    "spool/counted.py": "what came in and what was dropped, in numbers",
    "identity/lifting.py": "what a restore never lowers",
    "identity/keystore.py": "the wrapped data keys, and the floors",
    "intake/deadletters.py": "what was refused",
    "spool/resealing.py": "the tables with sealed values",
    "intake/mending.py": "marks after a salvage",
    "spool/due.py": "what waits to be sent",
    "spool/making.py": "making room",
    "spool/mending.py": "the queue after a salvage",
    "spool/gaps.py": "what each device missed",
    "spool/ending.py": "the one way out of the queue",
    "spool/overdue.py": "what has outlived its retention",
    "spool/schema.py": "the tables",
    "spool/sealed.py": "batches that wait, and batches set aside",
    "spool/trace.py": "what happened to each message",
}

SHELL = {
    "__init__.py": "sets a variable of the environment before any import",
    "__main__.py": "the process",
    "app/": "the composition root: clock, entropy, tasks",
    "cli/": "commands: arguments, output, exit codes",
}

PURE_STDLIB = {
    *("abc", "array", "ast", "base64", "binascii", "bisect", "codecs", "collections", "copy"),
    *("csv", "dataclasses", "datetime", "decimal", "difflib", "enum", "fractions", "functools"),
    *("graphlib", "hashlib", "heapq", "hmac", "html", "http.HTTPMethod", "http.HTTPStatus"),
    *("io", "ipaddress", "itertools", "json", "keyword", "math", "numbers", "operator", "re"),
    *("statistics", "string", "struct", "textwrap", "tomllib", "types", "typing"),
    *("unicodedata", "urllib.parse", "zlib"),
}

PURE_THIRD_PARTY = {
    *("cryptography", "cyclonedx", "jinja2", "msgspec", "numpy", "onnx", "opentelemetry.proto"),
    *("yaml", "zstandard"),
}

MORE_BY_KIND = {
    Kind.SERVICE: {"asyncio", "contextlib", "logging"},
    Kind.STORE: {"aiosqlite", "sqlite3"},
}

# Reached through a module that is allowed for what else it does.
IMPURE_CALLS = frozenset({"__import__", "breakpoint", "eval", "exec", "input", "open", "print"})
IMPURE_ATTRIBUTES = {
    "generate_key": "draws entropy",
    "generate_private_key": "draws entropy",
    "now": "reads the clock",
    "random": "draws entropy",
    "random_serial_number": "draws entropy",
    "today": "reads the clock",
    "utcnow": "reads the clock",
}
IMPURE_OWNERS = frozenset({"date", "datetime", "ec", "np", "numpy", "rsa", "x509", "AESGCM"})


def kind_of(name: str) -> Kind:
    """Return what a file below ``gateway/`` is, from its name alone."""
    folder, _, file = name.rpartition("/")
    if name in SHELL or f"{folder.split('/')[0]}/" in SHELL:
        return Kind.SHELL
    if name in ADAPTERS:
        return Kind.ADAPTER
    if file == "store.py" or folder == "store" or name in STORES:
        return Kind.STORE
    return Kind.SERVICE if file == "service.py" else Kind.PURE


def imports(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield each imported module with its line; ``from a import b`` yields ``a.b``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def findings(name: str, source: str) -> list[str]:
    """Return every breach of the rules in one file, as sentences."""
    kind = kind_of(name)
    if kind in {Kind.SHELL, Kind.ADAPTER}:
        return []
    tree = ast.parse(source)
    found = list(_imports(name, kind, tree))
    if kind is Kind.PURE:
        found += _impurities(name, tree)
    return found


def _imports(name: str, kind: Kind, tree: ast.AST) -> Iterator[str]:
    allowed = PURE_STDLIB | PURE_THIRD_PARTY | MORE_BY_KIND.get(kind, set())
    for module, line in imports(tree):
        if module.split(".")[0] == "gateway":
            effect = _effect(module)
            if effect is not None and not kind is effect is Kind.STORE:
                effect_name = f"the {effect.value} {module}"
                yield f"gateway/{name}:{line}: a {kind.value} file imports {effect_name}"
        elif not _within(module, allowed):
            yield f"gateway/{name}:{line}: a {kind.value} file imports {module}"


def _effect(module: str) -> Kind | None:
    """Return what kind of effect a module of the gateway is, if it is one."""
    kind = kind_of("/".join(module.split(".")[1:3]) + ".py")
    return None if kind is Kind.PURE else kind


def _within(module: str, allowed: set[str]) -> bool:
    parts = module.split(".")
    return any(".".join(parts[:length]) in allowed for length in range(1, len(parts) + 1))


def _impurities(name: str, tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        where = f"gateway/{name}:{getattr(node, 'lineno', 0)}: a pure file"
        match node:
            case ast.Call(func=ast.Name(id=called)) if called in IMPURE_CALLS:
                yield f"{where} calls {called}()"
            case ast.Attribute(value=ast.Name(id=owner), attr=attribute) if (
                owner in IMPURE_OWNERS and attribute in IMPURE_ATTRIBUTES
            ):
                yield f"{where} {IMPURE_ATTRIBUTES[attribute]}: {owner}.{attribute}"
            case ast.Await() | ast.AsyncFor() | ast.AsyncWith():
                yield f"{where} awaits"
            case _:
                pass
