"""A proxy that serves an app below a path and strips the path from requests, as nginx does with proxy_pass."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

# Headers that concern one connection only, and those that the proxy sets itself.
_NOT_PASSED_ON = {"connection", "content-length", "host", "keep-alive", "server", "date", "transfer-encoding"}


@contextmanager
def serve_below(prefix: str, port: int) -> Iterator[str]:
    """Serve the app that listens on a port below a path such as "/x"; yield the URL. Other paths are not found."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not self.path.startswith(f"{prefix}/"):
                self.send_error(404)
                return
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {
                name: value for name, value in self.headers.items() if name.lower() not in _NOT_PASSED_ON
            }
            headers["X-Forwarded-Host"] = self.headers["host"]
            headers["X-Forwarded-Proto"] = "http"
            upstream = HTTPConnection("127.0.0.1", port)
            try:
                upstream.request(self.command, self.path.removeprefix(prefix), body, headers)
                self._pass_on(upstream.getresponse())
            except ConnectionError:
                pass  # The browser has closed the connection.
            finally:
                upstream.close()

        do_POST = do_HEAD = do_GET  # noqa: N815

        def _pass_on(self, answer: HTTPResponse) -> None:
            """Send an answer to the browser piece by piece, since an answer with events lasts as long as a run."""
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in _NOT_PASSED_ON:
                    self.send_header(name, value)
            self.end_headers()
            while piece := answer.read1():
                self.wfile.write(piece)
                self.wfile.flush()

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}{prefix}/"
    finally:
        server.shutdown()
        server.server_close()
