"""Listens with TLS at port 8443 of the loopback address, and says nothing but its certificate.

Argument: a PEM file with key and certificate.
"""

import contextlib
import socket
import ssl
import sys

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1])
with socket.create_server(("127.0.0.1", 8443)) as server:
    print("listening", flush=True)
    while True:
        connection, _ = server.accept()
        # A client that does not like the certificate hangs up.
        with contextlib.suppress(OSError):
            context.wrap_socket(connection, server_side=True).close()
