"""A Docker Engine's proxy that misbehaves on demand: PORT SOCKET RULES.

RULES is a JSON file, read at each request: [{"on": REGEX over "METHOD /path?query", "times": N, "do": FAULT}], FAULT one
of: a status ("429", "500", "503"), "reset" (no answer), "late" (the answer of a finished write is lost).
"""
import http.client
import http.server
import json
import re
import socket
import struct
import sys
import threading

port, upstream, rules = sys.argv[1:]
used = {}
lock = threading.Lock()


class Upstream(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(upstream)


def fault_of(request):
    with lock:
        for rule in json.load(open(rules)):
            name = json.dumps(rule)
            if re.search(rule["on"], request) and used.get(name, 0) < rule.get("times", 1):
                used[name] = used.get(name, 0) + 1
                return rule["do"]
    return None


class Proxy(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def reset(self):
        raw = self.connection
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        raw.close()

    def forward(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault = fault_of(f"{self.command} {self.path}")
        if fault == "reset":
            return self.reset()
        if fault and fault.isdigit():
            text = json.dumps({"message": "busy"}).encode()
            self.send_response(int(fault))
            self.send_header("Content-Type", "application/json")
            if fault == "429":
                self.send_header("Retry-After", "1")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            return self.wfile.write(text)
        peer = Upstream("localhost")
        headers = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "connection")}
        peer.request(self.command, self.path, body or None, headers)
        response = peer.getresponse()
        if fault == "late":
            response.read()
            return self.reset()
        self.send_response(response.status)
        for name, value in response.getheaders():
            if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                self.send_header(name, value)
        if self.command == "HEAD" or response.status in (204, 304):
            self.send_header("Content-Length", "0")
            return self.end_headers()
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while data := response.read1(65536):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = forward

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), Proxy)
server.daemon_threads = True
server.serve_forever()
