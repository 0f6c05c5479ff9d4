"""Python's http.server, which counts its requests and writes the count when it is ended.

The path says how the answer's end is told: by its length, by chunks, or by the end of the connection.
"""

import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BODY = b"hello from python\n"
ANSWERS = {
    "/length": b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY),
    "/chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Sum\r\n\r\n"
    b"5\r\nhello\r\n%x;name=value\r\n%s\r\n0\r\nSum: 1\r\n\r\n" % (len(BODY), BODY),
    "/until-close": b"HTTP/1.0 200 OK\r\nServer: old\r\n\r\n" + BODY,
}
counting = threading.Lock()
seen = 0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        global seen
        with counting:
            seen += 1
        self.wfile.write(ANSWERS[self.path])
        self.close_connection = self.path == "/until-close"

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
server = Server(("127.0.0.1", int(sys.argv[1])), Handler)
try:
    server.serve_forever()
finally:
    print(seen, flush=True)
