"""Weights by name: hf://owner/name[@revision][#file], kept in the cache, verified.

What is in the cache is not asked for again, so a run that goes on needs no network.
"""

import hashlib
import os
from pathlib import Path
from typing import NamedTuple

from histojax.errors import InputError

SCHEME = "hf://"
FILES = ("model.safetensors", "pytorch_model.bin")  # the first that is there


class Name(NamedTuple):
  repo: str
  revision: str | None
  file: str | None


def parse(spec: str) -> Name:
  """The parts of hf://owner/name[@revision][#file].

  Raises:
    InputError: it is not of that form.
  """
  rest, _, file = spec.removeprefix(SCHEME).partition("#")
  repo, _, revision = rest.partition("@")
  if repo.count("/") != 1 or not all(repo.split("/")):
    raise InputError(
      f"init.weights={spec!r}: write hf://owner/name, as hf://timm/resnet50.tv_in1k,"
      " or hf://owner/name@revision#file"
    )
  from huggingface_hub import errors
  from huggingface_hub.utils import validate_repo_id

  try:
    validate_repo_id(repo)
  except errors.HFValidationError as error:
    raise InputError(
      f"init.weights={spec!r}: not a name that the hub has ({_first(error)})"
    ) from error
  return Name(repo, revision or None, file or None)


def fetch(spec: str, cache: Path) -> tuple[Path, Path | None]:
  """(the file of weights, its config.json or None), downloaded now or before.

  Raises:
    InputError: no such repository, revision or file, no access, no network; or what was
      downloaded does not have the checksum that the hub has for it.
  """
  name = parse(spec)
  files = [name.file] if name.file else FILES
  here = [path for file in files if (path := _held(name, file, cache))]
  if here:
    config = _held(name, "config.json", cache)
  else:  # the small file first: whoever has the weights has asked for it
    config = _file(spec, name, "config.json", cache)
    here = [path for file in files if (path := _file(spec, name, file, cache))][:1]
  for path in here:
    for file in filter(None, (path, config)):
      verify(file)
    return path, config
  raise InputError(
    f"init.weights={spec!r}: that repository has no {name.file or ' or '.join(FILES)}"
  )


def _held(name: Name, file: str, cache: Path) -> Path | None:
  from huggingface_hub import try_to_load_from_cache

  given = {"repo_id": name.repo, "filename": file, "revision": name.revision}
  held = try_to_load_from_cache(**given, cache_dir=cache)
  return Path(held) if isinstance(held, str) else None


def _file(spec: str, name: Name, file: str, cache: Path) -> Path | None:
  """Downloads it into the cache; None where the repository has no such file."""
  import huggingface_hub as hub
  from huggingface_hub import errors

  given = {"repo_id": name.repo, "filename": file, "revision": name.revision}
  what = f"init.weights={spec!r}"
  # read at every call: huggingface_hub reads it once, when it is imported
  endpoint = os.environ.get("HF_ENDPOINT") or None
  try:
    # one question first: the download would ask six times, for 23 s, where none answers
    url = hub.hf_hub_url(**given, endpoint=endpoint)
    hub.get_hf_file_metadata(url, endpoint=endpoint)
    return Path(hub.hf_hub_download(**given, cache_dir=cache, endpoint=endpoint))
  except errors.GatedRepoError as error:
    raise InputError(
      f"{what}: its owners want to be asked first: on its page, then hf auth login"
    ) from error
  except errors.RevisionNotFoundError as error:
    raise InputError(
      f"{what}: that repository has no revision {name.revision or 'main'!r}"
    ) from error
  except errors.RepositoryNotFoundError as error:
    raise InputError(
      f"{what}: the hub has no such repository, or it is private (hf auth login)"
    ) from error
  except errors.RemoteEntryNotFoundError:
    return None
  except errors.OfflineModeIsEnabled as error:
    raise InputError(
      f"{what}: not in {cache}, and HF_HUB_OFFLINE forbids to ask the hub: unset it, or"
      " give a local file"
    ) from error
  except OSError as error:
    if error.errno is not None and not isinstance(error, errors.HfHubHTTPError):
      raise  # a full disk, say
    raise InputError(
      f"{what}: the hub did not give it ({_first(error)}): try again later"
    ) from error
  except Exception as error:  # of the network, in types of the library below
    raise InputError(
      f"{what}: not in {cache}, and the hub cannot be reached ({_first(error)}): fetch"
      " it where there is a network (--mode=prepare does), or give a local file"
    ) from error


def _first(error: Exception) -> str:
  return (str(error).strip().splitlines() or [type(error).__name__])[0]


def verify(path: Path) -> None:
  """Compares a file of the cache with the hub's checksum, which is its blob's name.

  That is the SHA-256 of a large file, and git's SHA-1 of a small one.

  Raises:
    InputError: it is another file than the hub's.
  """
  blob = path.resolve()
  with blob.open("rb") as file:
    if len(blob.name) == 64:
      found = hashlib.file_digest(file, "sha256").hexdigest()
    elif len(blob.name) == 40:
      begun = hashlib.sha1(b"blob %d\0" % blob.stat().st_size, usedforsecurity=False)
      found = hashlib.file_digest(file, lambda: begun).hexdigest()
    else:
      raise InputError(f"{blob}: the hub gave no checksum to compare it with")
  if found != blob.name:
    raise InputError(
      f"{blob} is damaged: its checksum is {found[:12]}..., not the hub's; delete it,"
      " and the same command downloads it again"
    )
