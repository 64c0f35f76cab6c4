"""Write requirements.lock: the exact versions of everything that pyproject.toml asks for, as installed here."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

ROOT = Path(__file__).parent.parent
NAME = re.compile(r"[A-Za-z0-9._-]+")


def wanted() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [*project["dependencies"], *project["optional-dependencies"]["dev"]]


def name_of(requirement: str) -> str:
    match = NAME.match(requirement)
    assert match, requirement
    return re.sub(r"[-_.]+", "-", match[0]).lower()


def closure(names: list[str]) -> dict[str, str]:
    """Package name -> installed version, for the names and all that they need on this platform."""
    found: dict[str, str] = {}
    todo = [name_of(name) for name in names]
    while todo:
        name = todo.pop()
        if name in found:
            continue
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue  # an optional or platform-dependent requirement that is not installed here
        todo += [name_of(r) for r in requires(name) or () if "extra ==" not in r]
    return found


def main() -> None:
    lines = [f"{name}=={v}\n" for name, v in sorted(closure(wanted()).items())]
    (ROOT / "requirements.lock").write_text("# Made by `make lock`; installed by `make setup`.\n" + "".join(lines))


if __name__ == "__main__":
    main()
