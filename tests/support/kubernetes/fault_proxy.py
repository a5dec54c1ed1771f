"""An API server's proxy that misbehaves on demand: PORT UPSTREAM_PORT CERT KEY RULES.

RULES is a JSON file, read at each request: [{"on": REGEX over "METHOD /path?query", "times": N, "do": FAULT}], FAULT one
of: a status ("429", "500", "503"), "reset" (no answer), "stall" (no answer for long), "cut" (a watch that ends in the
middle of a line), "gone" (a watch whose version is too old), "late" (the answer of a finished write is lost).
Each request is a line on stdout.
"""
import http.client
import http.server
import json
import re
import socket
import ssl
import struct
import sys
import threading
import time

port, upstream, cert, key, rules = sys.argv[1:]
used = {}
lock = threading.Lock()
client = ssl.create_default_context()
client.check_hostname = False
client.verify_mode = ssl.CERT_NONE


def fault_of(request):
    with lock:
        try:
            known = json.load(open(rules))
        except (OSError, ValueError):
            return None
        for rule in known:
            if not re.search(rule["on"], request):
                continue
            name = json.dumps(rule)
            if used.get(name, 0) >= rule.get("times", 1):
                continue
            used[name] = used.get(name, 0) + 1
            return rule["do"]
    return None


class Proxy(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body, headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def reset(self):
        raw = self.connection
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        raw.close()

    def forward(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        print(f"{self.command} {self.path}", flush=True)
        fault = fault_of(f"{self.command} {self.path}")
        if fault == "reset":
            return self.reset()
        if fault == "stall":
            time.sleep(40)
            return self.reset()
        if fault and fault.isdigit():
            text = json.dumps({"kind": "Status", "status": "Failure", "message": "busy", "code": int(fault)}).encode()
            headers = [("Content-Type", "application/json")] + ([("Retry-After", "1")] if fault == "429" else [])
            return self.answer(int(fault), text, headers)
        if fault == "gone":
            text = json.dumps({"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}}).encode()
            return self.answer(200, text + b"\n", [("Content-Type", "application/json")])
        peer = http.client.HTTPSConnection("127.0.0.1", int(upstream), context=client)
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
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while data := response.read1(65536):
            if fault == "cut":
                data = data[: len(data) // 2]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            self.wfile.flush()
            if fault == "cut":
                return self.reset()
        self.wfile.write(b"0\r\n\r\n")

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = forward

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), Proxy)
server.daemon_threads = True
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(cert, key)
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
server.serve_forever()
