"""What runs the platform asks for: health, metrics, specifications. Their answers are made in ``vb.api.rest``."""

from __future__ import annotations

from typing import Any

import msgspec

from vb.api.operation import operation
from vb.api.services import Services
from vb.call.errors import NotFound, Unavailable


class Health(msgspec.Struct):
    status: str


@operation("GET", "/healthz", "getHealth", tag="System", root=True, result=Health, errors=())
def health(services: Services) -> Any:
    """200 while the process lives."""
    return {"status": "ok"}


@operation("GET", "/readyz", "getReadiness", tag="System", root=True, result=Health, errors=(503,))
def readiness(services: Services) -> Any:
    """200 when calls are taken, 503 while starting or draining."""
    if services.readiness.state != "ready":
        raise Unavailable(services.readiness.state)
    return {"status": "ready"}


def _profile(path: str, name: str, query: tuple[str, ...] = ()) -> None:
    @operation("GET", path, name, tag="System", root=True, query=query)
    def not_here(services: Services) -> Any:
        """Not part of this build: 404."""
        raise NotFound("profiling is not part of this build")


_profile("/debug/pprof/", "pprofIndex")
_profile("/debug/pprof/profile", "pprofCPU", ("seconds",))
_profile("/debug/pprof/heap", "pprofHeap")
_profile("/debug/pprof/goroutine", "pprofGoroutine")


def _declared_only(path: str, name: str, summary: str, **more: Any) -> None:
    def elsewhere(services: Services) -> Any:
        raise NotFound("not found")

    elsewhere.__doc__ = summary
    operation("GET", path, name, errors=more.pop("errors", ()), **more)(elsewhere)


_declared_only("/metrics", "getMetrics", "Counters and gauges as Prometheus text.", tag="System", root=True)
_declared_only("/openapi.json", "getOpenAPI", "This specification.", tag="System", root=True)
_declared_only("/asyncapi.json", "getAsyncAPI", "The specification of /v1/vsi.", tag="System", root=True)
_declared_only("/docs", "getDocs", "The operations, to read in a browser.", tag="System", root=True)
_declared_only(
    "/vsi",
    "vsi",
    "Events and commands over one WebSocket.",
    tag="VSI",
    query=("app_id", "since"),
    status=101,
    errors=(400,),
    websocket=True,
)
