"""The table of RFC sections is current, and its generator invents nothing."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
_spec = importlib.util.spec_from_file_location("rfc_table", ROOT / "scripts" / "rfc_table.py")
assert _spec is not None
assert _spec.loader is not None
rfc_table = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(rfc_table)


def test_the_table_is_current() -> None:
    """Else: make docs."""
    assert (ROOT / "docs" / "rfc" / "table.md").read_text() == rfc_table.table()


def test_every_must_has_a_test_or_a_reason() -> None:
    page = (ROOT / "docs" / "rfc" / "gaps.md").read_text()
    named = set()
    for rfc, rest in re.findall(r"RFC (\d{4})((?:,? ?(?:and )?§[\d.]+(?:-[\d.]+)?)+)", page):
        named |= {(rfc, number) for number in re.findall(r"§(\d+(?:\.\d+)*)", rest)}
    _, tests = rfc_table.collect()
    missing = {
        section
        for section, (_, musts) in rfc_table.sections().items()
        if musts != "0" and not tests.get(section) and section not in named
    }
    missing = {section for section in missing if not (section[0] == "3261" and section[1].startswith("16"))}
    assert missing == set()
    answered = {section for section in named if tests.get(section)}
    assert answered == set(), "these have a test by now"


def test_whose_section_a_citation_is() -> None:
    source = '"""About RFC 3311."""\nx = "RFC 3261 §1"\ny = 1  # §5.1, RFC 3261 §9 and §10\n'
    assert [section for _, section in rfc_table.cited(source)] == [("3311", "5.1"), ("3261", "9"), ("3261", "10")]
    assert list(rfc_table.cited("x = 1  # §5.1\n")) == []


def test_what_is_no_citation_of_a_test() -> None:
    """Only what stands in a test function, its decorators or right above it is one."""
    source = '"""RFC 3261 §8."""\n\n\ndef helper():\n    """§9."""\n\n\ndef test_it():\n    """§10."""\n'
    [(first, last, name)] = rfc_table.tests_of(source)
    within = [section for line, section in rfc_table.cited(source) if first - 1 <= line <= last]
    assert (name, within) == ("test_it", [("3261", "10")])
