"""A small hub on this machine: the part of Hugging Face's API that a download needs."""

import contextlib
import hashlib
import http.server
import threading

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def git_sha1(content: bytes) -> str:
  return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class Hub(http.server.ThreadingHTTPServer):
  """`files`: {("owner/name", "file"): bytes}; `asked`: every request.

  Files of weights are large ones: the hub answers with the SHA-256, and sends on.
  """

  daemon_threads = True

  def __init__(self):
    super().__init__(("127.0.0.1", 0), Handler)
    self.files, self.asked, self.gated, self.broken = {}, [], set(), {}

  @property
  def endpoint(self) -> str:
    return f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
  protocol_version = "HTTP/1.1"

  def log_message(self, *_):
    pass

  def answer(self, status, content=b"", **headers):
    self.send_response(status)
    for name, value in headers.items():
      self.send_header(name.replace("_", "-"), value)
    self.send_header("Content-Length", str(len(content)))
    self.end_headers()
    if self.command == "GET":
      self.wfile.write(content)

  def do_GET(self):
    hub = self.server
    hub.asked.append(f"{self.command} {self.path}")
    if self.path.startswith("/cdn/"):
      found = {hashlib.sha256(v).hexdigest(): v for v in hub.files.values()}
      digest = self.path.removeprefix("/cdn/")
      return self.answer(200, hub.broken.get(digest, found[digest]), ETag='"other"')
    owner, name, _, revision, file = self.path.strip("/").split("/", 4)
    repo = f"{owner}/{name}"
    if repo in hub.gated:
      return self.answer(403, X_Error_Code="GatedRepo", X_Error_Message="Ask first")
    if repo not in {known for known, _ in hub.files}:
      return self.answer(404, X_Error_Code="RepoNotFound")
    if revision not in ("main", COMMIT):
      return self.answer(404, X_Error_Code="RevisionNotFound")
    if (repo, file) not in hub.files:
      code = {"X_Error_Code": "EntryNotFound", "X_Repo_Commit": COMMIT}
      return self.answer(404, **code)
    content = hub.files[repo, file]
    if file.endswith(".json"):
      tag = f'"{git_sha1(content)}"'
      return self.answer(200, content, ETag=tag, X_Repo_Commit=COMMIT)
    digest = hashlib.sha256(content).hexdigest()
    return self.answer(
      302,
      Location=f"http://localhost:{hub.server_port}/cdn/{digest}",  # another host
      X_Repo_Commit=COMMIT,
      X_Linked_ETag=f'"{digest}"',
      X_Linked_Size=str(len(content)),
    )

  do_HEAD = do_GET


@contextlib.contextmanager
def serving():
  """A hub without files."""
  hub = Hub()
  thread = threading.Thread(target=hub.serve_forever, args=(0.01,))
  thread.start()
  try:
    yield hub
  finally:
    hub.shutdown()
    thread.join()
    hub.server_close()
