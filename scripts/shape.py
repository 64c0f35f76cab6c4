"""Print the ten longest files and functions of vb/: the tail tells the admired code from the rest."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def functions(path: Path) -> list[tuple[int, str]]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            found.append((length, f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"))
    return found


def main() -> None:
    paths = sorted((ROOT / "vb").rglob("*.py"))
    files = sorted(((path.read_text().count("\n"), str(path.relative_to(ROOT))) for path in paths), reverse=True)
    every = sorted((entry for path in paths for entry in functions(path)), reverse=True)
    lines = [length for length, _ in files]
    sizes = [length for length, _ in every]
    out = sys.stdout.write
    out(f"{len(files)} files, median {sorted(lines)[len(lines) // 2]} lines, {sum(lines)} in all\n")
    for length, name in files[:10]:
        out(f"  {length:5} {name}\n")
    out(f"{len(every)} functions, median {sorted(sizes)[len(sizes) // 2]} lines\n")
    for length, name in every[:10]:
        out(f"  {length:5} {name}\n")


if __name__ == "__main__":
    main()
