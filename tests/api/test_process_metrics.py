"""Crashes that were contained, and the process itself."""

from __future__ import annotations

import logging

from vb.api.metrics import render
from vb.api.process_metrics import counting_crashes, process_families


def crash() -> None:
    try:
        1 / 0  # noqa: B018
    except ZeroDivisionError:
        logging.getLogger("vb.room").exception("an activity crashed")


def test_crashes_are_counted_where_they_were_caught() -> None:
    with counting_crashes() as crashes:
        crash()
        crash()
        logging.getLogger("vb.room").error("no crash")
        logging.getLogger("vb.room").exception("no exception to be told")
    crash()
    text = render(list(crashes.families())).decode()
    assert 'voiceblender_recovered_panics_total{component="room",site="crash"} 2\n' in text
    assert text.count("voiceblender_recovered_panics_total{") == 1


def test_the_process() -> None:
    families = {family.name: family.samples[0][2] for family in process_families()}
    assert families["process_cpu_seconds_total"] > 0
    assert families["process_resident_memory_bytes"] > 1_000_000
    assert families["process_open_fds"] >= 3
