"""ZeroGPU's own package `spaces`, with a stand-in of its service: the start is reported.

The package is asked of the environment's index and put into a folder of its own. On a real ZeroGPU
none of this has run.

    python -m tests.prove.zero_gpu
"""

import os
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
sys.modules["torch"] = None  # a Space that serves installs none
import gradio
from webapp.hub.zero_gpu import announce
announce()
"""


def main() -> int:
    """Prove it; returns the exit status."""
    said: list[str] = []

    class Service(BaseHTTPRequestHandler):
        """Notes what it is told."""

        def do_POST(self) -> None:
            """Take a report."""
            said.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *row: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder]
        subprocess.run([*pip, "spaces"], check=True)
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": folder,
            "PYTHONPATH": f"{folder}:{ROOT}",
            "SPACES_ZERO_GPU": "true",
            "SPACES_ZERO_DEVICE_API_URL": f"http://127.0.0.1:{server.server_port}",
        }
        subprocess.run([sys.executable, "-c", PROGRAM], check=True, env=environment)
    server.shutdown()
    server.server_close()
    assert said == ["/startup-report"], said
    print("proved     the start is reported to ZeroGPU")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
