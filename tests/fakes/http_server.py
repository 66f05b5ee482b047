#!/usr/bin/env python3
"""A hostile HTTP server: what it does is the first part of the path, /NAME or /NAME/NUMBER.

Prints its port, and ends when its standard input is closed, so that it never outlives a test.
GET /count/NAME tells how many requests NAME has had.
"""
import collections
import os
import socket
import socketserver
import ssl
import struct
import sys
import threading
import time
import warnings

counts = collections.Counter()
lock = threading.Lock()


def answer(body, status="200 OK", extra=""):
    body = body if isinstance(body, bytes) else body.encode()
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{extra}\r\n".encode() + body


class Handler(socketserver.BaseRequestHandler):
    """One connection. `self.served` counts the requests answered on it."""

    def setup(self):
        self.served = 0
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def handle(self):
        pending = b""
        while True:
            while b"\r\n\r\n" not in pending:
                try:
                    more = self.request.recv(65536)
                except OSError:
                    return
                if not more:
                    return
                pending += more
            head, _, pending = pending.partition(b"\r\n\r\n")
            length = 0
            for line in head.decode("latin-1").split("\r\n")[1:]:
                name, _, value = line.partition(":")
                if name.lower() == "content-length":
                    length = int(value)
            while len(pending) < length:
                more = self.request.recv(65536)
                if not more:
                    return
                pending += more
            body, pending = pending[:length], pending[length:]
            try:
                if not self.play(head, body):
                    return
            except OSError:
                return
            self.served += 1

    def play(self, head, body):
        path = head.decode("latin-1").split(" ")[1].split("?")[0]
        parts = path.strip("/").split("/")
        if parts[0] == "count":
            self.send(answer(str(counts[parts[1]])))
            return True
        with lock:
            counts[parts[0]] += 1
        number = int(parts[1]) if len(parts) > 1 else 0
        return getattr(self, "do_" + parts[0])(head, body, number)

    def send(self, data):
        self.request.sendall(data)

    def reset(self):
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.request.close()
        return False

    # What a well-behaved server does.

    def do_ok(self, head, body, number):
        self.send(answer("hello", extra="X-Test:  some value \r\n"))
        return True

    def do_status(self, head, body, number):
        self.send(answer("{}", f"{number} Whatever"))
        return True

    def do_empty(self, head, body, number):
        self.send(b"HTTP/1.1 204 No Content\r\n\r\n")
        return True

    def do_continue(self, head, body, number):
        self.send(b"HTTP/1.1 100 Continue\r\nX-Early: 1\r\n\r\n" + answer("late", extra="X-Late: 1\r\n"))
        return True

    def do_echo(self, head, body, number):
        self.send(answer(head + b"\r\n\r\n" + body))
        return True

    def do_connection(self, head, body, number):
        self.send(answer(f"{self.client_address[1]} {self.served}"))
        return True

    def do_sized(self, head, body, number):
        self.send(answer(b"x" * number))
        return True

    def do_chunked(self, head, body, number):
        self.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(number or 1):
            self.send(b"400\r\n" + b"x" * 1024 + b"\r\n")
        self.send(b"0\r\nX-Trailer: 1\r\n\r\n")
        return True

    def do_wait(self, head, body, number):
        time.sleep(number / 1000)
        return self.do_ok(head, body, 0)

    # What a broken or hostile one does.

    def do_close(self, head, body, number):
        return False

    def do_reset_reused(self, head, body, number):
        return self.do_ok(head, body, 0) if self.served == 0 else self.reset()

    def do_close_reused(self, head, body, number):
        return self.do_ok(head, body, 0) if self.served == 0 else False

    def do_idle_close(self, head, body, number):
        self.do_ok(head, body, 0)
        return False

    def do_cut_body(self, head, body, number):
        self.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"half\":")
        return False

    def do_cut_status(self, head, body, number):
        self.send(b"HTTP/1.1 20")
        return False

    def do_cut_header(self, head, body, number):
        self.send(b"HTTP/1.1 200 OK\r\nContent-Le")
        return False

    def do_status_only(self, head, body, number):
        self.send(b"HTTP/1.1 200 OK\r\n")
        return False

    def do_no_length(self, head, body, number):
        self.send(b"HTTP/1.1 200 OK\r\nX-A: b\r\n\r\n{\"part\":1}")
        return False

    def do_two_lengths(self, head, body, number):
        self.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 2\r\n\r\nhello")
        return False

    def do_cut_chunk(self, head, body, number):
        self.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n400\r\nxxxx")
        return False

    def do_no_last_chunk(self, head, body, number):
        self.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nxxxx\r\n")
        return False

    def do_unsolicited(self, head, body, number):
        self.do_ok(head, body, 0)
        time.sleep(0.05)
        self.send(answer("evil"))
        return True

    def do_huge_length(self, head, body, number):
        self.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1099511627776\r\n\r\nxxxx")
        time.sleep(5)
        return False

    def do_big_header(self, head, body, number):
        self.send(b"HTTP/1.1 200 OK\r\nX-Big: " + b"x" * 400000 + b"\r\nContent-Length: 0\r\n\r\n")
        return True

    def do_many_headers(self, head, body, number):
        self.send(b"HTTP/1.1 200 OK\r\n" + b"X-Many: xxxxxxxxxxxxxxxxxxxxxxxx\r\n" * 3000 +
                  b"Content-Length: 0\r\n\r\n")
        return True

    def do_hang(self, head, body, number):
        time.sleep(30)
        return False

    def do_drip(self, head, body, number):
        self.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(100):
            self.send(b"x")
            time.sleep(0.1)
        return False

    def do_redirect(self, head, body, number):
        self.send(answer("moved", "307 Temporary Redirect", "Location: /ok\r\n"))
        return True


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128


class TlsServer(Server):
    def get_request(self):
        client, address = super().get_request()
        return self.context.wrap_socket(client, server_side=True), address

    def handle_error(self, request, client_address):
        pass


def main():
    warnings.simplefilter("ignore", DeprecationWarning)  # of old TLS, which is the point
    if len(sys.argv) > 2:  # certificate, key, newest version of TLS
        server = TlsServer(("127.0.0.1", 0), Handler)
        server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.context.set_ciphers("DEFAULT:@SECLEVEL=0")
        server.context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        server.context.maximum_version = getattr(ssl.TLSVersion, sys.argv[3])
        server.context.load_cert_chain(sys.argv[1], sys.argv[2])
    else:
        server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    while os.read(0, 4096):
        pass


if __name__ == "__main__":
    main()
