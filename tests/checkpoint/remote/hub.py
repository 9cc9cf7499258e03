"""A hub of models on the local server: the few answers that its library asks for."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .server import RangeServer, Served, serve_json

LARGE = 10_000
"""Bytes: larger files are kept elsewhere and redirected to."""


class FakeHub:
    """Models at commits, on a `RangeServer`."""

    def __init__(self, server: RangeServer) -> None:
        self.server = server

    def add(self, repository: str, files: Mapping[str, bytes], revision: str = "main") -> str:
        """Serve a model; returns the commit that the revision stands for."""
        text = repository + revision + "".join(sorted(files))
        commit = hashlib.sha1(text.encode() + b"".join(files.values())).hexdigest()
        siblings = []
        for name, data in files.items():
            large = len(data) > LARGE
            digest = hashlib.sha256(data).hexdigest() if large else hashlib.sha1(data).hexdigest()
            sibling: dict[str, Any] = {"rfilename": name, "size": len(data), "blobId": digest[:40]}
            if large:
                sibling["lfs"] = {"sha256": digest, "size": len(data), "pointerSize": 134}
                self.server.files[f"/cdn/{digest}"] = Served.of(data, etag=f'"cdn-{digest[:8]}"')
            siblings.append(sibling)
            for at in (commit, revision):
                path = f"/{repository}/resolve/{at}/{name}"
                if large:
                    self.server.routes[path] = self._redirect(commit, digest, len(data))
                else:
                    self.server.routes[path] = self._small(commit, digest, data)
        told = serve_json(
            {
                "id": repository,
                "modelId": repository,
                "sha": commit,
                "siblings": siblings,
                "tags": [],
                "private": False,
            }
        )
        for at in (revision, commit):
            self.server.routes[f"/api/models/{repository}/revision/{at}"] = self._allowed(told)
        tree = [
            {
                "type": "file",
                "path": one["rfilename"],
                "size": one["size"],
                "oid": one["blobId"],
                **({"lfs": {"oid": one["lfs"]["sha256"], **one["lfs"]}} if "lfs" in one else {}),
            }
            for one in siblings
        ]
        for at in (revision, commit):
            self.server.routes[f"/api/models/{repository}/tree/{at}"] = serve_json(tree)
        return commit

    def add_folder(self, repository: str, folder: Path, revision: str = "main") -> str:
        files = {p.name: p.read_bytes() for p in sorted(folder.iterdir()) if p.is_file()}
        return self.add(repository, files, revision)

    def _permitted(self, request: Any) -> bool:
        token = self.server.token
        return not token or request.headers.get("Authorization") == f"Bearer {token}"

    def _allowed(self, answer: Any) -> Any:
        def told(request: Any) -> Any:
            if self._permitted(request):
                return answer(request)
            return 401, {"X-Error-Code": "RepoNotFound", "X-Error-Message": "no"}, b""

        return told

    def _redirect(self, commit: str, digest: str, size: int) -> Any:
        def told(request: Any) -> Any:
            if not self._permitted(request):
                return 401, {"X-Error-Code": "RepoNotFound"}, b""
            # Another name of this machine, so another host.
            elsewhere = self.server.url.replace("127.0.0.1", "localhost")
            headers = {
                "Location": f"{elsewhere}/cdn/{digest}?X-Amz-Signature=secret",
                "ETag": f'"{digest}"',
                "X-Linked-ETag": f'"{digest}"',
                "X-Linked-Size": str(size),
                "X-Repo-Commit": commit,
            }
            return 302, headers, b""

        return told

    def _small(self, commit: str, digest: str, data: bytes) -> Any:
        def told(request: Any) -> Any:
            headers = {"ETag": f'"{digest}"', "X-Repo-Commit": commit}
            return 200, {**headers, "Content-Length": str(len(data))}, data

        return told
