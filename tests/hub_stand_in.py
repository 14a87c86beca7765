"""A stand-in for the Hugging Face Hub: the routes that its client library calls, and its sign-in.

It keeps repositories as commits in memory, so that what a rewritten history still holds can be
looked at. It stands for the Hub where that can't be reached; it proves nothing about the real one.
"""

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from tests.serving import serve

CLIENT_ID, CLIENT_SECRET = "the-client", "the-client-secret"


@dataclass
class Repo:
    """A repository: its commits, the newest last, each all files of that moment."""

    kind: str
    name: str
    is_private: bool
    commits: list[dict[str, bytes]] = field(default_factory=lambda: [{}])
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def files(self) -> dict[str, bytes]:
        """The files as they are now."""
        return self.commits[-1]

    @property
    def sha(self) -> str:
        """Something like the id of the newest commit."""
        return hashlib.sha1(str(len(self.commits)).encode()).hexdigest()


@dataclass
class Hub:
    """What the stand-in holds, and how it behaves."""

    tokens: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {
            "hf_write": {"user": "ada", "role": "write"},
            "hf_read": {"user": "ada", "role": "read"},
            "hf_other": {"user": "bob", "role": "write"},
            # Fine-grained: what it may do is told by nothing but trying.
            "hf_fine": {"user": "ada", "role": "fineGrained"},
        }
    )
    repos: dict[tuple[str, str], Repo] = field(default_factory=dict)
    is_down: bool = False
    # Breaks the next so many commits after they are made, as when the line is cut.
    num_lost_answers: int = 0
    requests: list[str] = field(default_factory=list)
    user: dict[str, Any] = field(
        default_factory=lambda: {"sub": "id-1", "preferred_username": "ada", "name": "Ada L."}
    )
    large: dict[str, bytes] = field(default_factory=dict)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def reset(self) -> None:
        """Forget everything, so that one server serves many tests."""
        self.__init__()  # type: ignore[misc]

    def add(self, kind: str, name: str, *, is_private: bool = True) -> Repo:
        """Make a repository."""
        repo = self.repos[kind, name] = Repo(kind, name, is_private)
        return repo

    def dataset(self, name: str = "ada/chats") -> Repo:
        """Return a dataset."""
        return self.repos["dataset", name]


@contextmanager
def serve_hub(hub: Hub, port: int = 0) -> Iterator[str]:
    """Serve `hub`; yields its address."""
    with serve(make_app(hub), port) as address:
        yield address


def make_app(hub: Hub) -> FastAPI:
    """Return the stand-in as an application."""
    app = FastAPI()

    @app.middleware("http")
    async def gate(request: Request, call_next: Any) -> Any:
        hub.requests.append(f"{request.method} {request.url.path}")
        if hub.is_down:
            return Response(status_code=503)
        return await call_next(request)

    _add_account_routes(app, hub)
    _add_repo_routes(app, hub)
    _add_space_routes(app, hub)
    _add_large_file_routes(app, hub)
    _add_sign_in_routes(app, hub)
    return app


def _who(hub: Hub, request: Request) -> dict[str, Any] | None:
    token = request.headers.get("authorization", "").removeprefix("Bearer ")
    return hub.tokens.get(token)


def _refuse(status: int, code: str = "", message: str = "") -> Response:
    headers = {"X-Error-Code": code, "X-Error-Message": message} if code else {}
    return JSONResponse({"error": message or code}, status_code=status, headers=headers)


def _add_account_routes(app: FastAPI, hub: Hub) -> None:
    @app.get("/api/whoami-v2")
    async def whoami(request: Request) -> Response:
        who = _who(hub, request)
        if who is None:
            return _refuse(401, message="Invalid credentials in Authorization header")
        token = {"displayName": "t", "role": who["role"]}
        auth = {"type": "access_token", "accessToken": token}
        body = {"type": "user", "name": who["user"], "orgs": [], "auth": auth}
        return JSONResponse(body)

    @app.post("/api/validate-yaml")
    async def validate_yaml() -> Response:
        return JSONResponse({"errors": [], "warnings": []})

    @app.post("/api/repos/create")
    async def create(request: Request) -> Response:
        who, body = _who(hub, request), await request.json()
        if who is None:
            return _refuse(401)
        owner = body.get("organization") or who["user"]
        name, kind = f"{owner}/{body['name']}", body.get("type", "model")
        if who["role"] != "write" or owner != who["user"]:
            return _refuse(403, message="You don't have the rights to create this repo")
        if (kind, name) in hub.repos:
            return _refuse(409, message="You already created this repo")
        private = body.get("private") or body.get("visibility") == "private"
        repo = hub.add(kind, name, is_private=bool(private))
        repo.settings = {key: body.get(key) for key in ("sdk", "hardware", "secrets", "variables")}
        repo.files[".gitattributes"] = b"*.gz filter=lfs diff=lfs merge=lfs -text\n"
        prefix = "" if kind == "model" else f"{kind}s/"
        return JSONResponse({"url": f"{request.base_url}{prefix}{name}", "name": name})


def _find(hub: Hub, request: Request, kind: str, name: str, *, write: bool = False) -> Any:
    repo, who = hub.repos.get((kind.removesuffix("s"), name)), _who(hub, request)
    owns = who is not None and name.startswith(who["user"] + "/")
    if repo is None or (repo.is_private and not owns):
        return _refuse(404, "RepoNotFound", "Repository not found")
    if write and not (owns and who and who["role"] == "write"):
        return _refuse(403, message="Forbidden: pass a token with write access")
    return repo


def _add_repo_routes(app: FastAPI, hub: Hub) -> None:
    @app.get("/api/{kind}/{owner}/{name}")
    @app.get("/api/{kind}/{owner}/{name}/revision/{revision}")
    async def info(kind: str, owner: str, name: str, request: Request) -> Response:
        repo = _find(hub, request, kind, f"{owner}/{name}")
        if isinstance(repo, Response):
            return repo
        siblings = [{"rfilename": path} for path in repo.files]
        body = {"id": repo.name, "private": repo.is_private, "sha": repo.sha, "tags": []}
        return JSONResponse({**body, "author": owner, "downloads": 0, "siblings": siblings})

    @app.get("/api/{kind}/{owner}/{name}/tree/{revision}")
    async def tree(kind: str, owner: str, name: str, request: Request) -> Response:
        repo = _find(hub, request, kind, f"{owner}/{name}")
        if isinstance(repo, Response):
            return repo
        entries = [
            {"type": "file", "path": path, "size": len(content), "oid": _oid(content)}
            for path, content in repo.files.items()
        ]
        return JSONResponse(entries)

    @app.post("/api/{kind}/{owner}/{name}/preupload/{revision}")
    async def preupload(kind: str, owner: str, name: str, request: Request) -> Response:
        repo = _find(hub, request, kind, f"{owner}/{name}", write=True)
        if isinstance(repo, Response):
            return repo
        files = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if _is_large(file) else "regular",
                "shouldIgnore": False,
                "oid": _oid(repo.files[file["path"]]) if file["path"] in repo.files else None,
            }
            for file in (await request.json())["files"]
        ]
        return JSONResponse({"files": files})

    @app.post("/api/{kind}/{owner}/{name}/commit/{revision}")
    async def commit(kind: str, owner: str, name: str, request: Request) -> Response:
        repo = _find(hub, request, kind, f"{owner}/{name}", write=True)
        if isinstance(repo, Response):
            return repo
        files = dict(repo.files)
        for line in (await request.body()).splitlines():
            row = json.loads(line)
            if row["key"] == "file":
                files[row["value"]["path"]] = base64.b64decode(row["value"]["content"])
            elif row["key"] == "lfsFile":
                files[row["value"]["path"]] = hub.large[row["value"]["oid"]]
            elif row["key"] == "deletedFile":
                if row["value"]["path"] not in files:
                    return _refuse(400, "EntryNotFound", "A file with this name doesn't exist")
                del files[row["value"]["path"]]
            else:
                assert row["key"] == "header", row
        repo.commits.append(files)
        if hub.num_lost_answers:
            hub.num_lost_answers -= 1
            return _refuse(502)
        url = f"{request.base_url}{kind}/{repo.name}/commit/{repo.sha}"
        return JSONResponse({"commitUrl": url, "commitOid": repo.sha, "success": True})

    @app.post("/api/{kind}/{owner}/{name}/super-squash/{revision}")
    async def squash(kind: str, owner: str, name: str, request: Request) -> Response:
        repo = _find(hub, request, kind, f"{owner}/{name}", write=True)
        if isinstance(repo, Response):
            return repo
        repo.commits[:-1] = []
        return JSONResponse({})

    @app.api_route("/{kind}/{owner}/{name}/resolve/{revision}/{path:path}", methods=["GET", "HEAD"])
    async def resolve(kind: str, owner: str, name: str, path: str, request: Request) -> Response:
        repo = _find(hub, request, kind, f"{owner}/{name}")
        if isinstance(repo, Response):
            return repo
        if path not in repo.files:
            return _refuse(404, "EntryNotFound", "Entry not found")
        headers = {"X-Repo-Commit": repo.sha, "ETag": f'"{_oid(repo.files[path])}"'}
        return Response(repo.files[path], headers=headers, media_type="text/plain")


def _is_large(file: dict[str, Any]) -> bool:
    """Say what a new repository's .gitattributes says of it."""
    return bool(file["size"] > 10_000_000 or file["path"].endswith((".onnx", ".gz", ".bin")))


def _oid(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _add_space_routes(app: FastAPI, hub: Hub) -> None:
    @app.post("/api/spaces/{owner}/{name}/{what}")
    async def change(owner: str, name: str, what: str, request: Request) -> Response:
        repo = _find(hub, request, "spaces", f"{owner}/{name}", write=True)
        if isinstance(repo, Response):
            return repo
        body = await request.json()
        if what == "hardware":
            repo.settings["hardware"] = body["flavor"]
            runtime = {"stage": "BUILDING", "hardware": {"current": None, "requested": "x"}}
            return JSONResponse({**runtime, "storage": None, "gcTimeout": 0})
        assert what in ("secrets", "variables"), what
        rows = repo.settings.get(what) or []
        kept = [row for row in rows if row["key"] != body["key"]]
        repo.settings[what] = [*kept, body]
        return JSONResponse({})


def _add_large_file_routes(app: FastAPI, hub: Hub) -> None:
    @app.post("/{path:path}.git/info/lfs/objects/batch")
    async def batch(path: str, request: Request) -> Response:
        objects = [
            {**row, "actions": {"upload": {"href": f"{request.base_url}lfs/{row['oid']}"}}}
            for row in (await request.json())["objects"]
        ]
        return JSONResponse({"transfer": "basic", "objects": objects})

    @app.put("/lfs/{oid}")
    async def put(oid: str, request: Request) -> Response:
        content = await request.body()
        assert hashlib.sha256(content).hexdigest() == oid
        hub.large[oid] = content
        return Response()


def _add_sign_in_routes(app: FastAPI, hub: Hub) -> None:
    @app.get("/.well-known/openid-configuration")
    async def configuration(request: Request) -> Response:
        base = str(request.base_url)
        return JSONResponse(
            {
                "issuer": base.rstrip("/"),
                "authorization_endpoint": f"{base}oauth/authorize",
                "token_endpoint": f"{base}oauth/token",
                "userinfo_endpoint": f"{base}oauth/userinfo",
            }
        )

    @app.get("/oauth/authorize")
    async def authorize(request: Request) -> Response:
        """Say yes at once, as somebody does who has said so before."""
        given = dict(request.query_params)
        assert given["client_id"] == CLIENT_ID and given["response_type"] == "code"
        assert given["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(8)
        hub.codes[code] = given
        query = urlencode({"code": code, "state": given["state"]})
        return RedirectResponse(f"{given['redirect_uri']}?{query}")

    @app.post("/oauth/token")
    async def token(request: Request) -> Response:
        form = {
            name: values[0] for name, values in parse_qs((await request.body()).decode()).items()
        }
        basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {basic}":
            return JSONResponse({"error": "invalid_client"}, status_code=401)
        given = hub.codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if (
            given is None
            or challenge != given["code_challenge"]
            or form["redirect_uri"] != given["redirect_uri"]
        ):
            return JSONResponse({"error": "invalid_grant"}, status_code=400)
        body = {"access_token": "the-access-token", "token_type": "bearer", "expires_in": 28800}
        return JSONResponse({**body, "scope": given["scope"], "issued": time.time()})

    @app.get("/oauth/userinfo")
    async def userinfo(request: Request) -> Response:
        if request.headers.get("authorization") != "Bearer the-access-token":
            return _refuse(401)
        return JSONResponse(hub.user)
