"""One page with every operation and event; nothing on it is fetched from elsewhere."""

from __future__ import annotations

from html import escape
from itertools import groupby

from vb.api import operations  # noqa: F401  (fills the table)
from vb.api.event_catalogue import EVENTS
from vb.api.notation import schema_of
from vb.api.operation import TABLE, Operation

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}
code{font:14px ui-monospace,monospace}table{border-collapse:collapse;width:100%}
td,th{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #ddd;vertical-align:top}
.m{font-weight:600}.no{color:#777}@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}td,th{border-color:#444}}
"""


def page() -> str:
    """The page as HTML."""
    rows = sorted(TABLE, key=lambda operation: operation.tag)
    sections = "".join(_section(tag, list(group)) for tag, group in groupby(rows, key=lambda operation: operation.tag))
    events = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td><code>{escape(_names(fields))}</code></td></tr>"
        for name, fields in EVENTS.items()
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>VoiceBlender API</title>'
        f"<style>{_STYLE}</style></head><body><h1>VoiceBlender API</h1>"
        '<p>Machine-readable: <a href="/openapi.json">openapi.json</a>, <a href="/asyncapi.json">asyncapi.json</a>.</p>'
        f"{sections}<h2>Events</h2><p>On /v1/vsi and as webhooks.</p><table>{events}</table></body></html>\n"
    )


def _section(tag: str, rows: list[Operation]) -> str:
    body = "".join(_row(operation) for operation in rows)
    head = "<tr><th>Request</th><th>VSI command</th><th></th><th>Fields</th></tr>"
    return f"<h2>{escape(tag)}</h2><table>{head}{body}</table>"


def _row(operation: Operation) -> str:
    fields = " ".join(operation.body_names) or _names(operation.fields)
    kind = "" if operation.built else ' class="no"'
    return (
        f'<tr{kind}><td><code><span class="m">{operation.method}</span> {escape(operation.url)}</code></td>'
        f"<td><code>{escape(operation.vsi)}</code></td><td>{escape(operation.summary)}</td>"
        f"<td><code>{escape(fields)}</code></td></tr>"
    )


def _names(fields: str) -> str:
    return " ".join(schema_of(fields)["properties"])
