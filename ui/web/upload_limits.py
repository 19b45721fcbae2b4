"""ASGI middleware that limits uploads: of a request, of a client within an hour, and of all clients together.

Bytes are counted before Gradio writes them to the disk.
"""

import asyncio
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers
from starlette.formparsers import MultiPartException
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui.session.client import network_of
from ui.session.services import Services
from ui.session.upload_folder import MIN_FILE_BYTES
from ui.text import refusals
from ui.web.route_path import is_upload
from ui.web.settings import MB, WebSettings

# A request may contain at most this many files and fields. The page sends one file.
MAX_PARTS = 10
# The longest line that separates parts, by the standard.
MAX_BOUNDARY = 70
# The bytes that at most this many clients have sent are remembered.
MAX_CLIENTS = 10_000
# A refused request is read and thrown away up to this many times the limit of a request, because a browser shows the
# answer only if it could send everything.
MAX_DISCARDED_REQUESTS = 4


class Refusal(NamedTuple):
    """Why an upload is refused."""

    # The status code of the answer.
    status: int
    # What the person reads.
    sentence: str


class HourlyBytes:
    """The bytes that each client has sent within the last hour. The clients that sent last are remembered."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Create an empty count. clock: returns seconds."""
        self.clock = clock
        # By client, the bytes by minute.
        self._sent: OrderedDict[str, Counter[int]] = OrderedDict()

    def add(self, client: str, count: int) -> None:
        """Add bytes that a client has sent."""
        now = self._minute()
        sent = self._sent.setdefault(client, Counter())
        sent[now] += count
        for minute in [minute for minute in sent if minute <= now - 60]:
            del sent[minute]
        self._sent.move_to_end(client)
        while len(self._sent) > MAX_CLIENTS:
            self._sent.popitem(last=False)

    def total(self, client: str) -> int:
        """Return the bytes that a client has sent within the last hour."""
        now = self._minute()
        return sum(count for minute, count in self._sent.get(client, {}).items() if minute > now - 60)

    def _minute(self) -> int:
        """Return the number of the present minute."""
        return int(self.clock() // 60)


class LimitUploads:
    """Refuses uploads that exceed a limit, by their Content-Length or while they are received."""

    def __init__(self, app: ASGIApp, services: Services, settings: WebSettings) -> None:
        self.app, self.services, self.settings = app, services, settings
        self.hourly_bytes = HourlyBytes()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not is_upload(scope):
            await self.app(scope, receive, send)
            return
        await asyncio.to_thread(self.services.upload_folder.measure)
        upload = _Upload(self, scope, receive)
        if upload.refusal is None:
            await self.app(scope, upload.receive, upload.sender(send))
        if upload.refusal:
            await upload.discard(self.settings.max_upload_request_bytes * MAX_DISCARDED_REQUESTS)
            status, sentence = upload.refusal
            # Gradio's page shows the body as it is, so it is not JSON.
            await PlainTextResponse(sentence, status)(scope, receive, send)


class _Upload:
    """A request with files while it is received."""

    def __init__(self, limits: LimitUploads, scope: Scope, receive: Receive) -> None:
        headers = Headers(scope=scope)
        self.limits, self.receive_next = limits, receive
        self.client = network_of(scope["client"][0]) if scope.get("client") else ""
        self.parts = _PartCounter(headers.get("content-type", ""))
        # The bytes that were received.
        self.received = 0
        # Whether the end of the request was received.
        self.is_complete = False
        length = headers.get("content-length", "")
        if self.parts.can_count:
            self.refusal = self._refusal(int(length) if length.isdecimal() else 0)
        else:
            self.refusal = Refusal(400, refusals.NO_UPLOAD)

    async def receive(self) -> Message:
        """Return the next message of the server; raise MultiPartException if a limit is exceeded.

        Gradio removes its unfinished files after this exception only, so a lost connection raises it as well.
        """
        message = await self.receive_next()
        if self.is_complete:
            return message
        if message["type"] == "http.disconnect":
            raise MultiPartException("The connection was lost.")
        body = message.get("body", b"")
        self.is_complete = not message.get("more_body", False)
        self.refusal = self._take(body)
        if self.refusal:
            raise MultiPartException(self.refusal.sentence)
        return message

    def _take(self, body: bytes) -> Refusal | None:
        """Count bytes that Gradio is about to write; return why they are refused, if they are."""
        new_parts = self.parts.count_in(body)
        count = len(body) + new_parts * MIN_FILE_BYTES
        self.received += len(body)
        refusal = self._refusal(count)
        if refusal is None:
            self.limits.services.upload_folder.add(count)
            if self.client:
                self.limits.hourly_bytes.add(self.client, count)
        return refusal

    def _refusal(self, count: int) -> Refusal | None:
        """Return why so many more bytes are refused; None if they are accepted."""
        settings = self.limits.settings
        if max(self.received, count) > settings.max_upload_request_bytes:
            return Refusal(
                413, refusals.UPLOAD_TOO_LARGE.format(limit=_megabytes(settings.max_upload_request_bytes))
            )
        if self.parts.count > MAX_PARTS:
            return Refusal(413, refusals.TOO_MANY_FILES.format(limit=MAX_PARTS))
        hourly = settings.max_client_bytes_per_hour
        if self.client and self.limits.hourly_bytes.total(self.client) + count > hourly:
            return Refusal(429, refusals.CLIENT_UPLOADED_TOO_MUCH.format(limit=_megabytes(hourly)))
        if self.limits.services.upload_folder.size + count > settings.max_upload_bytes:
            return Refusal(507, refusals.UPLOADS_FULL)
        return None

    def sender(self, send: Send) -> Send:
        """Return a function that sends Gradio's answer, but nothing once the upload is refused."""

        async def send_unless_refused(message: Message) -> None:
            if self.refusal is None:
                await send(message)

        return send_unless_refused

    async def discard(self, max_bytes: float) -> None:
        """Receive the rest of the request, but at most so many bytes."""
        discarded = 0
        while not self.is_complete and discarded <= max_bytes:
            message = await self.receive_next()
            discarded += len(message.get("body", b""))
            self.is_complete = not message.get(
                "more_body", False
            )  # A lost connection has no more body either.


class _PartCounter:
    """Counts the files and fields in the body of a request."""

    def __init__(self, content_type: str) -> None:
        """Begin to count. content_type: the header, which contains the line that separates the parts."""
        kind, options = parse_options_header(content_type)
        boundary = options.pop(b"boundary", b"")
        # Whether this is an upload whose parts can be counted. It may have no option but the boundary, because others,
        # such as the charset, change how Gradio reads the names of the parts.
        self.can_count = kind == b"multipart/form-data" and 0 < len(boundary) <= MAX_BOUNDARY and not options
        self._separator = b"--" + boundary
        # The end of the last piece, in which a separator may begin.
        self._tail = b""
        self._separators = 0

    def count_in(self, piece: bytes) -> int:
        """Count the parts in the next piece of the body, and return how many there are."""
        data, before = self._tail + piece, self.count
        end = data.rfind(self._separator)
        self._separators += data.count(self._separator)
        rest = data if end < 0 else data[end + len(self._separator) :]
        self._tail = rest[-(len(self._separator) - 1) :]
        return self.count - before

    @property
    def count(self) -> int:
        """The number of parts that have ended. A separator stands before each part and after the last one."""
        return max(0, self._separators - 1)


def _megabytes(count: float) -> str:
    """Return a number of bytes in MB."""
    return f"{count / MB:g}"
