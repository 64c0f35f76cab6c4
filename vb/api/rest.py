"""The HTTP side: routes, allow-list, bodies and error forms around the table of operations."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, Protocol
from urllib.parse import unquote

import attrs
import msgspec
import trio
from quart import Response, has_request_context, request, websocket
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound, RequestEntityTooLarge

from vb.api import operations  # noqa: F401  (fills the table)
from vb.api.allow_list import AllowList
from vb.api.idempotency import Answers
from vb.api.keys import Keys
from vb.api.operation import TABLE, Operation
from vb.api.raw import raw_view
from vb.api.replies import encode, error, response
from vb.api.schema import BadJson, Body, read_body
from vb.api.services import Services
from vb.call.errors import CommandError, Unavailable

log = logging.getLogger("vb.api")

_ENCODER: Final = msgspec.json.Encoder(order="sorted")
MAX_BODY: Final = 1024 * 1024
_HTTP_METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})


class Detached(Protocol):
    """Runs ``fn(*args)`` to its end even if the caller is cancelled; gives its result or raises its exception."""

    async def __call__(self, fn: Callable[..., Awaitable[Any]], *args: Any) -> Any: ...


@attrs.frozen(kw_only=True)
class HttpParts:
    """What the routes need beside the services: the text documents by path, and the life of a VSI connection."""

    allow_list: AllowList
    keys: Keys = attrs.field(factory=Keys)
    documents: dict[str, Callable[[], Awaitable[tuple[str, bytes]]]]
    vsi: Callable[[], Awaitable[Any]]
    detached: Detached
    answers: Answers = attrs.field(factory=Answers)


def build_app(services: Services, parts: HttpParts) -> QuartTrio:
    """The application. Every answer, refusals included, has the forms of ``vb.api.replies``."""
    app = QuartTrio("vb", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.url_map.merge_slashes = False
    app.url_map.redirect_defaults = False
    app.asgi_app = _KeepEscapes(app.asgi_app)  # type: ignore[method-assign]
    for operation in TABLE:
        if operation.method in _HTTP_METHODS:
            _add_route(app, services, parts, operation)
    _add_guards(app, services, parts)
    return app


class _KeepEscapes:
    """Routes see the path as it was sent, so that an id may contain an escaped slash."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] in ("http", "websocket"):
            raw = scope.get("raw_path", b"").partition(b"?")[0].decode("ascii", "replace")
            if not raw.startswith("/"):  # the absolute form, RFC 9112 §3.2.2
                raw = "/" + raw.partition("://")[2].partition("/")[2]
            scope = {**scope, "path": raw}
        await self._inner(scope, receive, send)


def _add_route(app: QuartTrio, services: Services, parts: HttpParts, operation: Operation) -> None:
    rule = operation.url.replace("{", "<").replace("}", ">")
    if operation.websocket:
        wrong = (400, "this path wants a WebSocket upgrade")
        if not operation.built:
            wrong = (501, f"{operation.name} is not built yet")
        refuse = _refusal(services, *wrong)
        app.add_websocket(rule, operation.name, parts.vsi if operation.built else refuse)
        app.add_url_rule(rule, f"{operation.name}Plain", refuse, methods=["GET"], provide_automatic_options=False)
    elif operation.url in parts.documents:
        view = _document_view(parts.documents[operation.url])
        app.add_url_rule(rule, operation.name, view, methods=["GET"], provide_automatic_options=False)
    else:
        view = raw_view(services, operation) if operation.texts else _operation_view(services, parts, operation)
        app.add_url_rule(rule, operation.name, view, methods=[operation.method], provide_automatic_options=False)


def _operation_view(services: Services, parts: HttpParts, operation: Operation) -> Callable[..., Awaitable[Response]]:
    async def view(**values: str) -> Response:
        arguments: list[Any] = [unquote(values[name], errors="replace") for name in operation.parameters]
        key = request.headers.get("Idempotency-Key", "") if operation.creates else ""
        try:
            text = await request.get_data(cache=False, parse_form_data=False)  # to be read even if nobody wants it
            assert isinstance(text, bytes)
            if operation.body is not None:
                arguments.append(_body(operation, operation.body, _query(operation) or text))
            if key:
                run = partial(_answer, services, operation, arguments)
                answer = await parts.detached(parts.answers.once, request.path, key, _ENCODER.encode(arguments), run)
            elif operation.is_async:
                answer = await parts.detached(_answer, services, operation, arguments)
            else:
                answer = await _answer(services, operation, arguments)
        except BadJson as wrong:
            return error(services.instance_id, 400, _json_words(str(wrong)))
        except CommandError as refused:
            return error(services.instance_id, refused.status, refused.message)
        if operation.status == 204:
            return response(204)
        return response(operation.status, answer)

    return view


async def _answer(services: Services, operation: Operation, arguments: list[Any]) -> bytes:
    result = operation.run(services, *arguments)
    return encode(services.instance_id, await result if operation.is_async else result)


def _query(operation: Operation) -> bytes:
    """The body of an operation whose fields are query parameters."""
    query = {name: request.args.get(name, "") for name in operation.query}
    return _ENCODER.encode(query) if query else b""


def _body(operation: Operation, type_: type[Body], text: bytes) -> Body:
    if not text and not operation.body_required:
        return type_()
    return read_body(text, type_)


def _json_words(message: str) -> str:
    return message if message.startswith("invalid JSON") else f"invalid JSON: {message}"


def _document_view(render: Callable[[], Awaitable[tuple[str, bytes]]]) -> Callable[..., Awaitable[Response]]:
    async def view() -> Response:
        content_type, text = await render()
        return response(200, text, content_type)

    return view


def _refusal(services: Services, status: int, message: str) -> Callable[..., Awaitable[Response]]:
    async def view(**_: str) -> Response:
        return error(services.instance_id, status, message, Connection="close")

    return view


def _add_guards(app: QuartTrio, services: Services, parts: HttpParts) -> None:
    instance_id = services.instance_id

    def allowed(peer: Any, headers: Any) -> bool:
        client = peer[0] if peer else ""
        return parts.allow_list.allows(client, headers.get("X-Forwarded-For"))

    @app.before_request
    async def before_request() -> Response | None:
        if not allowed(request.scope.get("client"), request.headers):
            return error(instance_id, 403, "forbidden", **_parting())
        if request.method == "OPTIONS":
            return response(204)
        refusal = parts.keys.refusal(request.headers, TABLE.operations.get(request.endpoint or ""))
        if refusal is not None:
            return _keyless(instance_id, refusal, **_parting())
        if request.method == "HEAD" and request.routing_exception is None:
            raise MethodNotAllowed(valid_methods=app.url_map.bind("").allowed_methods(request.path))
        return None

    @app.before_websocket
    async def before_websocket() -> Response | None:
        if not allowed(websocket.scope.get("client"), websocket.headers):
            return error(instance_id, 403, "forbidden", Connection="close")
        refusal = parts.keys.refusal(websocket.headers, TABLE.operations.get(websocket.endpoint or ""))
        return _keyless(instance_id, refusal, Connection="close") if refusal is not None else None

    @app.errorhandler(HTTPException)
    async def refused(wrong: HTTPException) -> Response:
        return _http_error(instance_id, wrong)

    @app.errorhandler(Exception)
    async def crashed(wrong: Exception) -> Response:
        log.error("operation crashed", exc_info=wrong)
        return error(instance_id, 500, "internal error")


def _keyless(instance_id: str, refusal: tuple[int, str], **headers: str) -> Response:
    status, message = refusal
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"  # RFC 9110 §11.6.1, RFC 6750 §3
    return error(instance_id, status, message, **headers)


def _http_error(instance_id: str, wrong: HTTPException) -> Response:
    if isinstance(wrong, MethodNotAllowed):
        methods = sorted(set(wrong.valid_methods or ()) - {"HEAD", "OPTIONS"})
        return error(instance_id, 405, "method not allowed", Allow=", ".join(methods), **_parting())
    if isinstance(wrong, NotFound):
        return error(instance_id, 404, "not found", **_parting())
    if isinstance(wrong, RequestEntityTooLarge):
        return error(instance_id, 413, f"body larger than {MAX_BODY} bytes", Connection="close")
    return error(instance_id, wrong.code or 500, (wrong.description or "bad request").split("\n")[0])


def _parting() -> dict[str, str]:
    """Whoever is refused before the body was read is told that the connection ends: its next bytes are no request."""
    if not has_request_context():  # a WebSocket's
        return {}
    has_body = request.content_length or "Transfer-Encoding" in request.headers
    return {"Connection": "close"} if has_body else {}


async def to_the_end(nursery: trio.Nursery, fn: Callable[..., Awaitable[Any]], *args: Any) -> Any:
    """Run ``fn`` as a task of ``nursery`` and wait for it; a caller that goes away does not stop it."""
    outcome: list[Any] = []
    failure: list[Exception] = []
    done = trio.Event()

    async def run() -> None:
        try:
            outcome.append(await fn(*args))
        except Exception as wrong:
            failure.append(wrong)
        finally:
            done.set()

    nursery.start_soon(run)
    await done.wait()
    if failure:
        raise failure[0]
    if not outcome:
        raise Unavailable("the server is stopping")
    return outcome[0]
