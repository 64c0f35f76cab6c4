"""Print docs/rfc/table.md: each section of the RFCs, the files of vb/ that cite it, and the tests that cite it.

A citation is "RFC 3261 §8.1" in a comment or a docstring. A bare "§8.1" belongs to the RFC named before it in the same
text, else to the first one that the docstring of its module names, else to none and is not counted. A test is cited
for what stands in it, its decorators or right above it; what a test module says at its top is no test. So the table
says where somebody claims to do or to check what a section says, and nothing about how well.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
SECTIONS = ROOT / "docs" / "rfc" / "sections.txt"
RFCS = ("3261", "3262", "3264", "3311", "3515", "3581", "3891", "4028", "6026", "6337")
_CITATION = re.compile(r"RFC (\d{4})|§ ?(\d+(?:\.\d+)*)")

Section = tuple[str, str]
"""RFC and number."""


def citations(text: str, default: str | None) -> Iterator[Section]:
    """The sections that one comment or docstring names."""
    rfc = default
    for named, number in _CITATION.findall(text):
        if named:
            rfc = named
        elif rfc is not None:
            yield rfc, number


def texts(source: str) -> Iterator[tuple[int, str]]:
    """Comments (those of adjacent lines as one) and strings that are statements, with the line they begin in."""
    block, first, last = "", 0, -1
    before = tokenize.NEWLINE
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            alone = not token.line[: token.start[1]].strip()
            if block and alone and token.start[0] == last + 1:
                block, last = f"{block} {token.string}", token.start[0]
            else:
                if block:
                    yield first, block
                block, first, last = token.string, token.start[0], token.start[0] if alone else -1
            continue
        statement = before in (tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
        if token.type == tokenize.STRING and statement:
            yield token.start[0], token.string
        if token.type not in (tokenize.NL, tokenize.ENCODING):
            before = token.type
    if block:
        yield first, block


def default_of(source: str) -> str | None:
    """The first RFC that the docstring of the module names."""
    found = re.search(r"RFC (\d{4})", ast.get_docstring(ast.parse(source)) or "")
    return found[1] if found else None


def cited(source: str) -> Iterator[tuple[int, Section]]:
    """Every citation of a file with its line."""
    default = default_of(source)
    for line, text in texts(source):
        for section in citations(text, default):
            yield line, section


def tests_of(source: str) -> list[tuple[int, int, str]]:
    """First line, decorators included, last line and name of every test function."""
    tree = ast.parse(source)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            found.append((first, node.end_lineno or node.lineno, node.name))
    return found


def collect() -> tuple[dict[Section, set[str]], dict[Section, set[str]]]:
    """Files of vb/ and tests by the section that they cite."""
    files: dict[Section, set[str]] = defaultdict(set)
    tests: dict[Section, set[str]] = defaultdict(set)
    for path in sorted((ROOT / "vb").rglob("*.py")):
        for _, section in cited(path.read_text()):
            files[section].add(str(path.relative_to(ROOT)))
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        source = path.read_text()
        functions = tests_of(source)
        for line, section in cited(source):
            for first, last, name in functions:
                if first - 1 <= line <= last:
                    tests[section].add(f"{path.relative_to(ROOT)}::{name}")
    return files, tests


def sections() -> dict[Section, tuple[str, str]]:
    """Title and number of MUSTs ("-": not counted) of every section that the table has a row for in any case."""
    known = {}
    for line in SECTIONS.read_text().splitlines():
        rfc, number, musts, title = line.split(" ", 3)
        known[rfc, number] = title, musts
    return known


def _order(section: Section) -> tuple[int, list[int]]:
    return int(section[0]), [int(part) for part in section[1].split(".")]


def _wanted(section: Section) -> bool:
    rfc, number = section
    return rfc in RFCS and (rfc != "3261" or 8 <= int(number.split(".")[0]) <= 18)


def table() -> str:
    """The whole page."""
    files, tests = collect()
    known = sections()
    cited_anywhere = {section for section in {*files, *tests} if _wanted(section)}
    rows = sorted({section for section in known if known[section][1] != "0"} | cited_anywhere, key=_order)
    lines = [
        "# Sections of RFCs, code and tests",
        "",
        "Written by `scripts/rfc_table.py` (`make docs`) from citations in comments and docstrings. A row says which",
        "files claim to do what a section wants, and which tests claim to check it. What has no test, and why:",
        "[gaps.md](gaps.md). MUSTs are counted for RFC 3261; of RFC 6026 and 6337 only cited sections are listed, and",
        "sections without a MUST only when somebody cites them.",
    ]
    for rfc in RFCS:
        chosen = [section for section in rows if section[0] == rfc]
        with_test = sum(bool(tests.get(section)) for section in chosen)
        lines += ["", f"## RFC {rfc}", "", f"{len(chosen)} sections, {with_test} with a test of their own.", ""]
        lines += ["| section | MUST | code | tests |", "|---|---|---|---|"]
        for section in chosen:
            title, musts = known.get(section, ("", "-"))
            code = ", ".join(f"`{name.removeprefix('vb/')}`" for name in sorted(files.get(section, ()))) or "–"
            proof = "<br>".join(f"`{name.removeprefix('tests/')}`" for name in sorted(tests.get(section, ()))) or "–"
            lines.append(f"| §{section[1]} {title} | {musts} | {code} | {proof} |")
    return "\n".join([*lines, ""])


def main() -> None:
    sys.stdout.write(table())


if __name__ == "__main__":
    main()
