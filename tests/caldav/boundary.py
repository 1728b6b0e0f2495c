"""A host for one plugin, in Python: loads it through the C boundary (abi.h) and lends it plain sockets. For tests that
want a provider's behaviour at a real server without the program around it."""
import ctypes
import http.client
import json
import os
import ssl
import time
import urllib.parse


class Bytes(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("size", ctypes.c_size_t)]

    def text(self):
        return ctypes.string_at(self.data, self.size) if self.size else b""


CALL, HOST = ctypes.c_void_p, ctypes.c_void_p
REPLY = ctypes.CFUNCTYPE(None, CALL, ctypes.c_int32, Bytes)
SERVICE = ctypes.CFUNCTYPE(ctypes.c_void_p, HOST, ctypes.c_char_p)
OPERATION = ctypes.CFUNCTYPE(None, ctypes.c_void_p, HOST, CALL, Bytes)
CREATE = ctypes.CFUNCTYPE(ctypes.c_void_p, HOST, CALL, Bytes)
NUMBER = ctypes.CFUNCTYPE(ctypes.c_int64, CALL)
FLAG = ctypes.CFUNCTYPE(ctypes.c_int32, CALL)
NAME = ctypes.CFUNCTYPE(ctypes.c_void_p, CALL)
FILL = ctypes.CFUNCTYPE(None, CALL, ctypes.c_void_p, ctypes.c_size_t)
GET = ctypes.CFUNCTYPE(ctypes.c_int32, CALL, Bytes, ctypes.POINTER(Bytes))
SET = ctypes.CFUNCTYPE(ctypes.c_int32, CALL, Bytes, Bytes)
SEND = ctypes.CFUNCTYPE(ctypes.c_int32, CALL, Bytes, Bytes, ctypes.POINTER(Bytes), ctypes.POINTER(Bytes))

STATUS = ["ok", "invalid_request", "reauth_required", "rate_limited", "not_found", "conflict", "transient", "permanent",
          "cancelled", "deadline", "unsupported", "internal"]
OPERATIONS = ["connect", "exchange", "refresh", "push", "revoke", "feed", "authenticate", "list_calendars", "free_busy",
              "changes"]


class HostTable(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_uint32), ("minor", ctypes.c_uint32), ("reply", REPLY), ("get_service", SERVICE)]


class PluginTable(ctypes.Structure):
    _fields_ = [("magic", ctypes.c_uint32), ("struct_size", ctypes.c_uint32), ("major", ctypes.c_uint32),
                ("minor", ctypes.c_uint32), ("manifest", Bytes), ("create", CREATE), ("destroy", ctypes.c_void_p),
                *[(name, OPERATION) for name in OPERATIONS]]


def table(*functions):
    """A service's table: size, a reserved word, functions."""
    types = [("struct_size", ctypes.c_uint32), ("reserved", ctypes.c_uint32)]
    types += [(f"f{i}", type(f)) for i, f in enumerate(functions)]
    kind = type("Table", (ctypes.Structure,), {"_fields_": types})
    return kind(ctypes.sizeof(kind), 0, *functions)


class Plugin:
    """One instance and one connection. `requests` is what it asked the provider, as (method, url, status)."""

    def __init__(self, library, context=None):
        self.kv, self.requests, self.context, self.answer, self.kept = {}, [], context, None, {}
        self.library = ctypes.CDLL(library)
        self.plugin = PluginTable.in_dll(self.library, "calbridge_plugin_v1")
        self.services = {b"calbridge.call/1": table(NUMBER(lambda _: 30000), FLAG(lambda _: 0), NAME(lambda _: None)),
                         b"calbridge.http/1": table(SEND(self.send)),
                         b"calbridge.clock/1": table(NUMBER(lambda _: int(time.time() * 1000)),
                                                     NUMBER(lambda _: int(time.monotonic() * 1000))),
                         b"calbridge.random/1": table(FILL(lambda _, out, size: ctypes.memmove(out, os.urandom(size), size) and None)),
                         b"calbridge.kv/1": table(GET(self.get), SET(self.set))}
        self.host = HostTable(ctypes.sizeof(HostTable), 1, REPLY(self.reply),
                              SERVICE(lambda _, name: ctypes.addressof(self.services[name]) if name in self.services else None))
        self.instance = self.plugin.create(ctypes.addressof(self.host), None, self.lend("settings", b'{"settings":{}}'))
        assert self.instance, self.answer

    def lend(self, name, data):
        buffer = ctypes.create_string_buffer(data, len(data))
        self.kept[name] = buffer
        return Bytes(ctypes.addressof(buffer), len(data))

    def reply(self, _, status, body):
        assert self.answer is None, "it answered twice"
        self.answer = (STATUS[status], json.loads(body.text()))

    def get(self, _, key, out):
        if self.kv is None:
            return 10
        value = self.kv.get(key.text())
        out[0] = self.lend("kv", value or b"")
        return 4 if value is None else 0

    def set(self, _, key, value):
        if self.kv is None:
            return 10
        self.kv[key.text()] = value.text()
        return 0

    def send(self, _, head, body, out_head, out_body):
        request = json.loads(head.text())
        url = urllib.parse.urlsplit(request["url"])
        kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        more = {"context": self.context} if url.scheme == "https" else {}
        connection = kind(url.hostname, url.port, timeout=30, **more)
        try:
            path = url.path + ("?" + url.query if url.query else "")
            connection.request(request["method"], path, body.text(), dict(request["headers"]))
            response = connection.getresponse()
            data = response.read()
        except (OSError, http.client.HTTPException) as error:
            self.requests.append((request["method"], request["url"], None))
            failure = {"message": str(error), "kind": "tls" if isinstance(error, ssl.SSLError) else "connect", "sent": False}
            out_head[0], out_body[0] = self.lend("head", json.dumps(failure).encode()), Bytes()
            return 6
        finally:
            connection.close()
        self.requests.append((request["method"], request["url"], response.status))
        answer = {"status": response.status, "headers": [list(h) for h in response.getheaders()]}
        out_head[0], out_body[0] = self.lend("head", json.dumps(answer).encode()), self.lend("body", data)
        return 0

    def __call__(self, operation, request):
        """(status, document)"""
        self.answer, self.requests = None, []
        getattr(self.plugin, operation)(self.instance, ctypes.addressof(self.host), None,
                                        self.lend("request", json.dumps(request).encode()))
        assert self.answer, "it did not answer"
        return self.answer
