"""Operations that make their whole answer themselves, in one of several forms."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import unquote

import attrs
from quart import Response, request

from vb.api.operation import Operation
from vb.api.replies import JSON, error, response
from vb.api.services import Services
from vb.call.errors import CommandError

# A browser that opens such an answer runs nothing of it and loads nothing for it.
_HARMLESS: Final = {
    "Content_Security_Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X_Content_Type_Options": "nosniff",
}


@attrs.frozen
class Document:
    """The body of an answer and what it is."""

    body: bytes
    content_type: str = JSON


def raw_view(services: Services, operation: Operation) -> Callable[..., Awaitable[Response]]:
    """The route of an operation with ``texts``: its ``run`` gets the query as keywords and gives a `Document`."""

    async def view(**values: str) -> Response:
        arguments = [unquote(values[name], errors="replace") for name in operation.parameters]
        query = {name: request.args.get(name, "") for name in operation.query}
        try:
            await request.get_data(cache=False, parse_form_data=False)
            document = await operation.run(services, *arguments, **query)
        except CommandError as refused:
            return error(services.instance_id, refused.status, refused.message)
        return response(operation.status, document.body, document.content_type, **_HARMLESS)

    return view
