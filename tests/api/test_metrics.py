"""Counters and their text."""

from __future__ import annotations

from tests.call.fakes import Recorder
from vb.api.metrics import CallMetrics, Family, counter, gauge, gauges, render
from vb.call.events import Webhook


class L:
    def __init__(self, leg_id: str) -> None:
        self.id = leg_id
        self.app_id = ""
        self.webhook: Webhook | None = None


def text_of(metrics: CallMetrics) -> list[str]:
    return [line for line in render(list(metrics.families())).decode().splitlines() if not line.startswith("#")]


def test_a_call_s_way_through_the_counters() -> None:
    bus, metrics = Recorder().bus, CallMetrics()
    bus.subscribe(metrics.on_event)
    bus.publish("leg.ringing", {"leg_type": "sip_inbound"}, leg=L("a"))
    bus.publish("leg.connected", {"leg_type": "sip_inbound"}, leg=L("a"))
    cdr = {"reason": "remote_bye", "duration_total": 7.0, "duration_answered": 4.5}
    bus.publish("leg.disconnected", {"cdr": cdr}, leg=L("a"))
    lines = text_of(metrics)
    assert 'voiceblender_legs_total{state="ringing",type="sip_inbound"} 1' in lines
    assert 'voiceblender_legs_total{state="connected",type="sip_inbound"} 1' in lines
    assert 'voiceblender_legs_total{state="disconnected",type="sip_inbound"} 1' in lines
    assert 'voiceblender_disconnect_reasons_total{reason="remote_bye",type="sip_inbound"} 1' in lines
    assert 'voiceblender_call_duration_seconds_bucket{type="sip_inbound",le="5"} 1' in lines
    assert 'voiceblender_call_total_duration_seconds_bucket{type="sip_inbound",le="5"} 0' in lines
    assert 'voiceblender_call_total_duration_seconds_bucket{type="sip_inbound",le="15"} 1' in lines
    assert 'voiceblender_call_total_duration_seconds_bucket{type="sip_inbound",le="+Inf"} 1' in lines
    assert 'voiceblender_call_total_duration_seconds_sum{type="sip_inbound"} 7' in lines
    assert metrics._types == {}


def test_a_call_that_was_never_answered_counts_in_the_total_only() -> None:
    """The original left it out of both histograms."""
    bus, metrics = Recorder().bus, CallMetrics()
    bus.subscribe(metrics.on_event)
    bus.publish("leg.ringing", {"leg_type": "sip_outbound"}, leg=L("a"))
    cdr = {"reason": "busy", "duration_total": 1.0, "duration_answered": 0}
    bus.publish("leg.disconnected", {"cdr": cdr}, leg=L("a"))
    lines = text_of(metrics)
    assert 'voiceblender_call_total_duration_seconds_count{type="sip_outbound"} 1' in lines
    assert not [line for line in lines if line.startswith("voiceblender_call_duration_seconds")]


def test_the_text() -> None:
    families = [
        counter("a_total", "Help\nof \\ a.", 3),
        gauge("b", "B.", 1.5),
        Family("c", "gauge", "C.", (("", (("x", 'q"u\\o\nte'),), 2),)),
        Family("empty", "gauge", "None.", ()),
        *gauges({"vb_media_rows": 2, "vb_x_total": 1}),
    ]
    assert render(families).decode() == (
        "# HELP a_total Help\\nof \\\\ a.\n# TYPE a_total counter\na_total 3\n"
        "# HELP b B.\n# TYPE b gauge\nb 1.5\n"
        '# HELP c C.\n# TYPE c gauge\nc{x="q\\"u\\\\o\\nte"} 2\n'
        "# HELP vb_media_rows Media rows.\n# TYPE vb_media_rows gauge\nvb_media_rows 2\n"
        "# HELP vb_x_total X total.\n# TYPE vb_x_total counter\nvb_x_total 1\n"
    )
