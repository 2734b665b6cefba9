"""Weights from a hub, which here is a server on this machine that speaks its API."""

import hashlib
import json

import numpy as np
import pytest
from hub_server import COMMIT, serving
from safetensors.numpy import save

from histojax.errors import InputError
from histojax.models.pretrained import files, hub, normalisation

WEIGHTS = save({"a": np.arange(1000, dtype=np.float32)})
CONFIG = json.dumps({"pretrained_cfg": {"mean": [0.1, 0.2, 0.3], "std": [0.4] * 3}})
NAME = "hf://timm/tiny.tv_in1k"


@pytest.fixture
def server(monkeypatch):
  monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
  with serving() as found:
    monkeypatch.setenv("HF_ENDPOINT", found.endpoint)
    found.files["timm/tiny.tv_in1k", "model.safetensors"] = WEIGHTS
    found.files["timm/tiny.tv_in1k", "config.json"] = CONFIG.encode()
    yield found


def refused(spec, cache, says):
  with pytest.raises(InputError, match=says) as caught:
    hub.fetch(spec, cache)
  assert repr(spec) in str(caught.value) and "\n" not in str(caught.value)


def test_downloaded_once_then_kept(server, tmp_path):
  path, config = hub.fetch(NAME, tmp_path)
  assert tmp_path in path.parents and path.read_bytes() == WEIGHTS
  assert files.sha256(path) == hashlib.sha256(WEIGHTS).hexdigest()
  found = normalisation.of(NAME, config)
  assert (found.mean, found.std) == ((0.1, 0.2, 0.3), (0.4,) * 3)
  asked = len(server.asked)
  for spec in (NAME, f"{NAME}@main", f"{NAME}@{COMMIT}#model.safetensors"):
    assert hub.fetch(spec, tmp_path) == (path, config)
  assert len(server.asked) == asked  # nothing was asked for again


def test_a_repository_without_safetensors_or_config(server, tmp_path):
  server.files["a/b", "pytorch_model.bin"] = b"weights"
  path, config = hub.fetch("hf://a/b", tmp_path)
  assert path.read_bytes() == b"weights" and config is None
  asked = len(server.asked)
  assert hub.fetch("hf://a/b", tmp_path) == (path, None)
  assert len(server.asked) == asked


def test_a_file_of_a_revision(server, tmp_path):
  server.files["a/b", "folder/x.pth"] = b"1"
  path, _ = hub.fetch(f"hf://a/b@{COMMIT}#folder/x.pth", tmp_path)
  assert path.read_bytes() == b"1" and path.name == "x.pth"


def test_what_the_hub_does_not_have(server, tmp_path):
  refused("hf://timm/tiny.tv_in2k", tmp_path, "no such repository")
  refused(f"{NAME}@v9", tmp_path, "no revision 'v9'")
  refused(f"{NAME}#other.bin", tmp_path, "has no other.bin")
  server.files["a/b", "readme.txt"] = b""
  refused("hf://a/b", tmp_path, "has no model.safetensors or pytorch_model.bin")
  server.gated.add("a/b")
  refused("hf://a/b", tmp_path, "want to be asked first")


@pytest.mark.parametrize("spec", ["hf://timm", "hf://", "hf://a/b/c", "hf:///b"])
def test_names_of_another_form(spec, tmp_path):
  refused(spec, tmp_path, "write hf://owner/name")


def test_a_name_no_repository_can_have(server, tmp_path):
  refused("hf://a/b--c..d", tmp_path, "not a name that the hub has")


@pytest.mark.parametrize("change", ["weights", "config"])
def test_damage_in_the_cache_is_told(server, tmp_path, change):
  path, config = hub.fetch(NAME, tmp_path)
  blob = (path if change == "weights" else config).resolve()
  content = bytearray(blob.read_bytes())
  content[-1] ^= 1
  blob.write_bytes(content)
  with pytest.raises(InputError, match="is damaged: its checksum is .*; delete it"):
    hub.fetch(NAME, tmp_path)
  blob.unlink()  # as told
  path, _ = hub.fetch(NAME, tmp_path)
  assert path.read_bytes() == WEIGHTS


def test_damage_on_the_way_is_told(server, tmp_path):
  digest = hashlib.sha256(WEIGHTS).hexdigest()
  server.broken[digest] = WEIGHTS[:-1] + b"!"
  with pytest.raises(InputError, match="is damaged"):
    hub.fetch(NAME, tmp_path)


def test_nobody_answers(server, tmp_path, monkeypatch):
  monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
  refused(NAME, tmp_path, "hub cannot be reached .*refused.*or give a local file")
  monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
  held = hub.fetch(NAME, tmp_path)
  monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
  assert hub.fetch(NAME, tmp_path) == held  # no network needed


def test_normalisation(tmp_path):
  imagenet = normalisation.of("resnet50.pth", None)
  assert imagenet.mean == (0.485, 0.456, 0.406) and "ImageNet" in imagenet.source
  half = normalisation.of("hf://timm/vit_base_patch16_224.augreg_in1k", None)
  assert half.mean == half.std == (0.5, 0.5, 0.5)
  config = tmp_path / "config.json"
  config.write_text('{"architecture": "x"}')  # says nothing of it
  assert normalisation.of("a", config) == imagenet
  config.write_text('{"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}')
  assert normalisation.of("a", config).std == (0.25,) * 3
  for text in ("{", "[1]", '{"mean": [1], "std": [1]}', '{"mean": 3, "std": 4}',
               '{"mean": [123.7, 116.8, 103.9], "std": [1, 1, 1]}',
               '{"mean": [0, 0, 0], "std": [0, 1, 1]}'):  # fmt: skip
    config.write_text(text)
    with pytest.raises(InputError, match="config.json"):
      normalisation.of("a", config)
