"""Proves that `sightline pull` and huggingface_hub share one cache: each finds what the other downloaded. See README.md."""

import hashlib
import http.server
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import urllib.parse

REPOSITORY = "someone/model-GGUF"
COMMITS = ["1" * 40, "2" * 40]
LARGE = 1000
ROOT = pathlib.Path(__file__).resolve().parents[3]


def bytes_of(seed: int, length: int) -> bytes:
    return b"".join(hashlib.sha256(f"{seed} {i}".encode()).digest() for i in range(length // 32 + 1))[:length]


FILES = [
    {"model-Q4_K_M.gguf": bytes_of(1, 3_000_000), "mmproj-model-f16.gguf": bytes_of(2, 200_000), "config.json": b"{}", "sub/notes.txt": b"notes"},
    {"model-Q4_K_M.gguf": bytes_of(3, 1_000_000), "mmproj-model-f16.gguf": bytes_of(2, 200_000), "config.json": b'{"a": 1}', "sub/notes.txt": b"notes"},
]
state = {"head": 0, "transfers": 0}


def blob(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest() if len(data) >= LARGE else hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Hub(http.server.BaseHTTPRequestHandler):
    """As much of the hub as the two clients ask for."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status: int, headers: dict, body: bytes = b""):
        self.send_response(status)
        for name, value in {"content-length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        if match := re.match(rf"/(?:cdn/)?{REPOSITORY}/resolve/([^/]+)/(.+)", path):
            return self.file(path, *match.groups())
        if match := re.match(rf"/api/models/{REPOSITORY}/(revision|tree)/([^/?]+)", path):
            commit = self.commit(match[2])
            files = FILES[COMMITS.index(commit)]
            if match[1] == "revision":
                value = {"_id": "x", "id": REPOSITORY, "sha": commit, "private": False, "gated": False, "downloads": 0, "likes": 0, "tags": [], "lastModified": "2026-01-01T00:00:00.000Z", "siblings": [{"rfilename": name} for name in files]}
            else:
                value = [{"type": "file", "path": name, "size": len(data), "oid": blob(data), **({"lfs": {"oid": blob(data), "size": len(data), "pointerSize": 130}} if len(data) >= LARGE else {})} for name, data in files.items()]
            return self.reply(200, {"content-type": "application/json"}, json.dumps(value).encode())
        return self.reply(404, {"x-error-code": "RepoNotFound"})

    do_HEAD = do_GET

    def commit(self, revision: str) -> str:
        return revision if revision in COMMITS else COMMITS[state["head"]]

    def file(self, path: str, revision: str, name: str):
        commit = self.commit(revision)
        data = FILES[COMMITS.index(commit)][name]
        headers = {"etag": f'"{blob(data)}"', "x-repo-commit": commit, "accept-ranges": "bytes"}
        if len(data) >= LARGE and not path.startswith("/cdn/"):
            return self.reply(302, {**headers, "x-linked-etag": f'"{blob(data)}"', "x-linked-size": str(len(data)), "location": f"http://localhost:{self.server.server_port}/cdn{self.path}"})
        if self.command == "HEAD":
            return self.reply(200, {**headers, "content-length": str(len(data))})
        state["transfers"] += 1
        if match := re.match(r"bytes=(\d+)-(\d*)", self.headers.get("range", "")):
            first, last = int(match[1]), min(int(match[2] or len(data) - 1), len(data) - 1)
            return self.reply(206, {**headers, "content-range": f"bytes {first}-{last}/{len(data)}"}, data[first : last + 1])
        return self.reply(200, headers, data)


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_HOME": folder, "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
        import huggingface_hub
        from huggingface_hub import hf_hub_download, scan_cache_dir, snapshot_download, try_to_load_from_cache

        huggingface_hub.utils.disable_progress_bars()
        cache = pathlib.Path(folder, "hub")

        def ours(model: str, *options: str) -> dict:
            command = ["node", str(ROOT / "packages/sightline/bin/sightline.js"), "pull", model, "--json", *options]
            return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

        def clean(revisions: int):
            info = scan_cache_dir(cache)
            assert not info.warnings, info.warnings
            (repository,) = info.repos
            assert repository.repo_id == REPOSITORY and len(repository.revisions) == revisions

        # What we downloaded, huggingface_hub finds, without a network and with one, and fetches nothing.
        pulled = ours(f"{REPOSITORY}:**")
        assert pulled["downloadedBytes"] == sum(map(len, FILES[0].values()))
        for name, data in FILES[0].items():
            found = try_to_load_from_cache(REPOSITORY, name)
            assert isinstance(found, str) and pathlib.Path(found).read_bytes() == data, name
        assert snapshot_download(REPOSITORY, local_files_only=True) == pulled["directory"]
        clean(1)
        before = state["transfers"]
        assert snapshot_download(REPOSITORY) == pulled["directory"]
        assert hf_hub_download(REPOSITORY, "model-Q4_K_M.gguf") == f"{pulled['directory']}/model-Q4_K_M.gguf"
        assert state["transfers"] == before
        print("huggingface_hub finds what sightline pull downloaded, and fetches nothing")

        # A new commit that huggingface_hub downloads, we find.
        state["head"] = 1
        directory = snapshot_download(REPOSITORY)
        before = state["transfers"]
        again = ours(f"{REPOSITORY}:**")
        assert again["directory"] == directory and again["downloadedBytes"] == 0 and state["transfers"] == before
        offline = ours(REPOSITORY, "--offline")
        assert offline["directory"] == directory and [file["path"] for file in offline["files"]] == ["model-Q4_K_M.gguf", "mmproj-model-f16.gguf"]
        clean(2)
        print("sightline pull finds what huggingface_hub downloaded, and fetches nothing")

        # The two take turns: half of a model each.
        for path in sorted(cache.iterdir()):
            subprocess.run(["rm", "-r", str(path)], check=True)
        hf_hub_download(REPOSITORY, "mmproj-model-f16.gguf")
        mixed = ours(REPOSITORY)
        assert [file["downloaded"] for file in mixed["files"]] == [True, False]
        before = state["transfers"]
        hf_hub_download(REPOSITORY, "model-Q4_K_M.gguf")
        assert state["transfers"] == before
        clean(1)
        print(f"each goes on where the other was (huggingface_hub {huggingface_hub.__version__}, Python {sys.version.split()[0]})")


if __name__ == "__main__":
    main()
