"""Counters of what happened, and their rendering as Prometheus text (exposition format 0.0.4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import attrs

from vb.call.events import Event

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS: Final = (5, 15, 30, 60, 120, 300, 600, 1800, 3600)
"""Seconds; upper bounds of the call duration histograms."""

Labels = tuple[tuple[str, str], ...]


@attrs.frozen
class Family:
    """One metric: its samples are (suffix, labels, value)."""

    name: str
    kind: str
    help: str
    samples: tuple[tuple[str, Labels, float], ...]


class Histogram:
    """Durations by leg type."""

    def __init__(self) -> None:
        self._counts: dict[str, list[int]] = {}
        self._sums: dict[str, float] = {}

    def add(self, type_: str, seconds: float) -> None:
        counts = self._counts.setdefault(type_, [0] * (len(BUCKETS) + 1))
        for index, bound in enumerate(BUCKETS):
            counts[index] += seconds <= bound
        counts[-1] += 1
        self._sums[type_] = self._sums.get(type_, 0.0) + seconds

    def samples(self) -> Iterator[tuple[str, Labels, float]]:
        for type_, counts in sorted(self._counts.items()):
            for bound, count in zip((*map(str, BUCKETS), "+Inf"), counts, strict=True):
                yield "_bucket", (("type", type_), ("le", bound)), count
            yield "_sum", (("type", type_),), round(self._sums[type_], 6)
            yield "_count", (("type", type_),), counts[-1]


class CallMetrics:
    """Counts legs by their events. ``subscribe`` it to the bus before the first leg."""

    def __init__(self) -> None:
        self.transitions: Counter[tuple[str, str]] = Counter()
        self.reasons: Counter[tuple[str, str]] = Counter()
        self.answered = Histogram()
        self.total = Histogram()
        self.events = 0
        self._types: dict[str, str] = {}

    def on_event(self, event: Event) -> None:
        self.events += 1
        if event.type in ("leg.ringing", "leg.early_media", "leg.connected"):
            type_ = str(event.data.get("leg_type") or self._types.get(event.leg_id, ""))
            self._types[event.leg_id] = type_
            self.transitions[event.type.removeprefix("leg."), type_] += 1
        elif event.type == "leg.disconnected":
            self._ended(self._types.pop(event.leg_id, ""), event.data.get("cdr") or {})

    def _ended(self, type_: str, cdr: Mapping[str, Any]) -> None:
        self.transitions["disconnected", type_] += 1
        self.reasons[str(cdr.get("reason", "")), type_] += 1
        self.total.add(type_, float(cdr.get("duration_total", 0.0)))
        answered = float(cdr.get("duration_answered", 0.0))
        if answered > 0:
            self.answered.add(type_, answered)

    def families(self) -> Iterator[Family]:
        yield Family(
            "voiceblender_legs_total",
            "counter",
            "Total leg lifecycle transitions.",
            tuple(("", (("state", s), ("type", t)), n) for (s, t), n in sorted(self.transitions.items())),
        )
        yield Family(
            "voiceblender_disconnect_reasons_total",
            "counter",
            "Total disconnected legs by type and reason.",
            tuple(("", (("reason", r), ("type", t)), n) for (r, t), n in sorted(self.reasons.items())),
        )
        yield Family(
            "voiceblender_call_duration_seconds",
            "histogram",
            "Answered call duration in seconds. Use rate(sum)/rate(count) for ACD.",
            tuple(self.answered.samples()),
        )
        yield Family(
            "voiceblender_call_total_duration_seconds",
            "histogram",
            "Total leg lifetime (ringing + talking) in seconds.",
            tuple(self.total.samples()),
        )


def counter(name: str, help_: str, value: float, *labels: tuple[str, str]) -> Family:
    return Family(name, "counter", help_, (("", labels, value),))


def gauge(name: str, help_: str, value: float) -> Family:
    return Family(name, "gauge", help_, (("", (), value),))


def gauges(values: Mapping[str, float]) -> Iterator[Family]:
    """Numbers of the rest of the platform; a name that ends in ``_total`` is a counter."""
    for name, value in sorted(values.items()):
        kind = "counter" if name.endswith("_total") else "gauge"
        yield Family(name, kind, name.removeprefix("vb_").replace("_", " ").capitalize() + ".", (("", (), value),))


def render(families: list[Family]) -> bytes:
    """The text. Families without samples are left out."""
    lines: list[str] = []
    for family in families:
        if not family.samples:
            continue
        lines.append(f"# HELP {family.name} {_escaped(family.help)}")
        lines.append(f"# TYPE {family.name} {family.kind}")
        for suffix, labels, value in family.samples:
            shown = ",".join(f'{name}="{_escaped(text, quotes=True)}"' for name, text in labels)
            lines.append(f"{family.name}{suffix}{'{' + shown + '}' if shown else ''} {_number(value)}")
    return ("\n".join(lines) + "\n").encode()


def _escaped(text: str, *, quotes: bool = False) -> str:
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if quotes else text


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))


Source = Callable[[], Iterator[Family]]
