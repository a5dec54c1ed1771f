"""What a kubelet answers to /containerLogs/NAMESPACE/POD/CONTAINER, for a node that is none: ADDRESS PORT CERT KEY."""
import http.server
import ssl
import sys
import time


class Logs(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def chunk(self, text):
        data = text.encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def do_GET(self):
        path, _, query = self.path.partition("?")
        _, kind, _, pod, container = (path.split("/") + [""] * 5)[:5]
        if kind != "containerLogs":
            return self.send_error(404)
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.chunk(f"{container} of {pod} starts\nlast words\n")
        if "follow=true" in query and not pod.split("-r")[0].endswith(("before", "after")):
            for number in range(50):
                time.sleep(0.1)
                self.chunk(f"line {number}\n")
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_):
        pass


address, port, cert, key = sys.argv[1:]
server = http.server.ThreadingHTTPServer((address, int(port)), Logs)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(cert, key)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
