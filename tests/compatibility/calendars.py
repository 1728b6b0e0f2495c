"""A calendar service of two calendars behind a user name and a password, in a thread: for plugins that people type into."""
import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

USER, PASSWORD = "person", "open sesame"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body=None):
        data = json.dumps(body).encode() if body is not None else b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def handle_request(self):
        service = self.server
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if self.headers.get("Authorization") != "Basic " + login:
            return self.answer(401, {"error": "who are you?"})
        parts = self.path.partition("?")[0].strip("/").split("/")
        if (self.command, parts) == ("GET", ["calendars"]):
            return self.answer(200, {"calendars": [{"id": id, "name": id.title(), "color": "#00ff00", "writable": True}
                                                   for id in service.calendars]})
        if (self.command, parts) == ("POST", ["goodbye"]):
            service.goodbyes += 1
            return self.answer(200, {})
        entries = service.calendars.get(parts[1]) if len(parts) == 4 and parts[::2] == ["calendars", "entries"] else None
        if entries is not None and self.command == "PUT":
            entries[parts[3]] = json.loads(body)
            return self.answer(200, {})
        if entries is not None and self.command == "DELETE":
            return self.answer(204 if entries.pop(parts[3], None) else 404)
        return self.answer(404, {"error": "not found"})

    do_GET = do_POST = do_PUT = do_DELETE = handle_request

    def log_message(self, format, *values):
        pass


class Calendars(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.calendars, self.goodbyes = {"first": {}, "second": {}}, 0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def stop(self):
        self.shutdown()
        self.server_close()

    def titles(self, calendar):
        return [entry["title"] for entry in self.calendars[calendar].values()]
