"""
A fake AWS in one process: moto's server at a plain port, the same behind TLS, and EKS Pod Identity's agent.

/etc/fake-aws may hold tls.pem (key and certificate: AWS is then at 443, too) and pods.json, a JSON object that gives for
each pod's token the ARN of its role: the agent is then at port 80, and hands out keys of that role.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.sts.models import sts_backends
from werkzeug.serving import make_server

FOLDER = Path("/etc/fake-aws")
REGION = "us-east-1"
# moto knows a role's sessions by their names only, so a trust policy has to be able to name them.
SESSION_NAME = "eks-pod"
SESSION_SECONDS = 6 * 3600


class Agent(BaseHTTPRequestHandler):
    """Answers as the agent on a node does: the keys of the pod whose token is shown."""

    def do_GET(self) -> None:
        """GET /v1/credentials, with the token in the header Authorization."""
        roles: dict[str, str] = json.loads((FOLDER / "pods.json").read_text())
        role = roles.get(self.headers.get("Authorization", ""))
        if self.path != "/v1/credentials" or role is None:
            self.answer(403, {"message": "no such pod"})
        else:
            self.answer(200, session(role))

    def answer(self, status: int, content: dict[str, str]) -> None:
        """Sends a JSON object."""
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def session(role: str) -> dict[str, str]:
    """Keys of a role, taken as EKS takes it for a pod, in the form of the container credentials endpoint."""
    account = role.split(":")[4]
    taken = sts_backends[account]["aws"].assume_role(
        region_name=REGION,
        role_session_name=SESSION_NAME,
        role_arn=role,
        policy="",
        duration=SESSION_SECONDS,
        external_id="",
    )
    return {
        "AccessKeyId": taken.access_key_id,
        "SecretAccessKey": taken.secret_access_key,
        "Token": taken.session_token,
        "Expiration": taken.expiration.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "AccountId": account,
    }


def serve_aws(app: Any, port: int, certificate: Path | None = None) -> None:
    """Serves moto at a port, in a thread for each request."""
    context = None if certificate is None else (str(certificate), str(certificate))
    server = make_server(
        "0.0.0.0", port, app, threaded=True, ssl_context=context, request_handler=MotoRequestHandler
    )
    threading.Thread(target=server.serve_forever).start()


def main() -> None:
    """Starts what the files in the folder ask for."""
    app = DomainDispatcherApplication(create_backend_app)
    certificate = FOLDER / "tls.pem"
    if certificate.exists():
        serve_aws(app, 443, certificate)
    if (FOLDER / "pods.json").exists():
        threading.Thread(target=ThreadingHTTPServer(("0.0.0.0", 80), Agent).serve_forever).start()
    serve_aws(app, 5000)


main()
