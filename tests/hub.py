"""A hub of data sets on this machine: as much of the Hugging Face hub's interface as its client asks for to list and
download one."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import unquote, urlsplit

import huggingface_hub.constants as constants
import pytest

from tests.ports import free_port

COMMIT = "0" * 40
PIECE = 2**16


def ask(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Have the client ask the hub at this address, as HF_ENDPOINT does before it is loaded."""
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}")


@contextmanager
def serving(
    sets: dict[str, dict[str, bytes]],
    sizes: dict[str, int] | None = None,
    asked: list[str] | None = None,
    pause: float = 0,
) -> Iterator[str]:
    """Serve these data sets, by name and file; the hub's address. The list of files tells the `sizes` that are given
    instead of the true ones; `asked` gets the files that were asked for; a `pause` comes after every 64 kB."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path)
            for name, files in sets.items():
                if path.startswith(f"/api/datasets/{name}"):
                    kind = "application/json"
                    if "/tree/" in path:
                        tree = [
                            {"type": "file", "path": file, "oid": sha256(content).hexdigest(),
                             "size": (sizes or {}).get(file, len(content))}
                            for file, content in files.items()
                        ]  # fmt: skip
                        return self.answer(json.dumps(tree).encode(), kind)
                    about = {"id": name, "sha": COMMIT, "siblings": [{"rfilename": file} for file in files]}
                    return self.answer(json.dumps(about).encode(), kind)
                for file, content in files.items():
                    if path == f"/datasets/{name}/resolve/{COMMIT}/{file}":
                        if asked is not None and self.command == "GET":
                            asked.append(file)
                        return self.answer(content, "application/octet-stream")
            return self.answer(b'{"error": "Repository not found"}', "application/json", 404)

        do_HEAD = do_GET

        def answer(self, content: bytes, kind: str, status: int = 200) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("ETag", f'"{sha256(content).hexdigest()}"')
            self.send_header("X-Repo-Commit", COMMIT)
            if status == 404:
                self.send_header("X-Error-Code", "RepoNotFound")
            self.end_headers()
            if self.command == "GET":
                self.send(content)

        def send(self, content: bytes) -> None:
            with suppress(ConnectionError):  # whoever asked has gone away
                for start in range(0, len(content), PIECE):
                    self.wfile.write(content[start : start + PIECE])
                    time.sleep(pause)

        def log_message(self, *given: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", free_port()), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
