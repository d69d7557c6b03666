"""The tree says what the system does: flat folders, small files, names that mean something."""

import ast
import re

from tests.architecture.purity import ADAPTERS, Kind, imports, kind_of
from tests.architecture.tree import ROOT, files, gateway_modules, name_of, texts

LINES_MAX = 400
CODE = ("gateway/", "hil/", "tests/", "tools/")
NAMELESS = {"base", "common", "core", "helper", "helpers", "manager", "managers", "misc"} | {
    "util",
    "utils",
}
STATEMENT = re.compile(
    r"\s*(SELECT|INSERT (OR \w+ )?INTO|UPDATE \w+ SET|DELETE FROM|CREATE (TABLE|INDEX|UNIQUE)|"
    r"ALTER TABLE|DROP TABLE|PRAGMA|BEGIN|COMMIT|ROLLBACK)\b"
)


def test_no_file_holds_two_ideas() -> None:
    long = [
        f"{name}: {lines} lines, at most {LINES_MAX}; split it at the idea"
        for name, text in texts(".py", ".sh", ".js", ".css")
        if name.startswith(CODE) and (lines := len(text.splitlines())) > LINES_MAX
    ]
    assert long == [], "\n".join(long)


def test_a_capability_is_one_flat_folder() -> None:
    deep = [name for name, _ in gateway_modules() if name.count("/") > 1]
    assert deep == [], "one folder a capability, and no folder in it"


def test_every_folder_of_the_gateway_is_a_package_that_linters_see() -> None:
    folders = {name.split("/")[0] for name, _ in gateway_modules() if "/" in name}
    bare = [f for f in sorted(folders) if not (ROOT / "gateway" / f / "__init__.py").exists()]
    assert bare == [], "without __init__.py no linter looks into it"


def test_no_file_has_a_name_that_could_hold_anything() -> None:
    nameless = [
        name_of(path)
        for path in files(".py")
        if NAMELESS & {part.removesuffix(".py") for part in path.relative_to(ROOT).parts}
    ]
    assert nameless == [], "a homeless function has a noun that nobody has named yet"


def test_sql_stands_in_stores_alone() -> None:
    astray = [
        f"gateway/{name}:{node.lineno}: SQL outside a store.py"
        for name, text in gateway_modules()
        if kind_of(name) is not Kind.STORE and name not in ADAPTERS
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and STATEMENT.match(node.value)
    ]
    assert astray == [], "\n".join(astray)


def test_the_database_is_reached_through_stores_alone() -> None:
    astray = [
        f"gateway/{name}:{line}: imports {module}"
        for name, text in gateway_modules()
        if kind_of(name) is not Kind.STORE and not name.startswith(("store/", "app/"))
        for module, line in imports(ast.parse(text))
        if module.split(".")[0] in {"aiosqlite", "sqlite3"}
    ]
    assert astray == [], "\n".join(astray)


def test_tests_replace_nothing_behind_the_codes_back() -> None:
    patched = [
        f"{name}:{number}: fakes are programs that are passed in; nothing is patched"
        for name, text in texts(".py")
        if name.startswith("tests/") and name != "tests/architecture/test_layout.py"
        for number, line in enumerate(text.splitlines(), 1)
        if re.search(r"\bunittest\.mock\b|\bimport mock\b|\bmonkeypatch\b|\bmocker\b", line)
    ]
    assert patched == [], "\n".join(patched)
