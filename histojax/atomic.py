"""Write a whole file or nothing."""

import os
from pathlib import Path


def write(path: str | Path, data: bytes) -> None:
  """Replaces `path` by `data` in one step: a reader sees the old or the new file."""
  path = Path(path)
  path.parent.mkdir(parents=True, exist_ok=True)
  temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
  try:
    temporary.write_bytes(data)
    os.replace(temporary, path)
  finally:
    temporary.unlink(missing_ok=True)
