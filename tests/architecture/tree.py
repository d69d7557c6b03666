"""The files of the project as a reader of a checkout sees them."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def files(*suffixes: str) -> list[Path]:
    """Return what is committed or could be, sorted; with ``suffixes``, only such names."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout.split("\0")
    paths = (ROOT / name for name in sorted(listed) if name.endswith(suffixes or ("",)))
    return [path for path in paths if path.is_file()]


def name_of(path: Path) -> str:
    """Return the path as a message shows it."""
    return path.relative_to(ROOT).as_posix()


def texts(*suffixes: str) -> list[tuple[str, str]]:
    """Return name and content of every text file; a file that is not UTF-8 is none."""
    found: list[tuple[str, str]] = []
    for path in files(*suffixes):
        try:
            found.append((name_of(path), path.read_text(encoding="utf-8")))
        except UnicodeDecodeError:
            continue
    return found


def gateway_modules() -> list[tuple[str, str]]:
    """Return the gateway's Python files: name below ``gateway/``, and content."""
    return [
        (name.removeprefix("gateway/"), text)
        for name, text in texts(".py")
        if name.startswith("gateway/")
    ]
