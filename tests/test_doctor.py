"""The doctor, on this machine and on machines that are really broken."""

import os
import re
import subprocess
import sys
import venv

import pytest
from conftest import ROOT

from histojax.doctor import devices, holdings, machine, packages, probe
from histojax.doctor.line import BROKEN, NOTE, OK
from histojax.startup import Request


def doctor(*arguments, python=sys.executable, **environment):
  command = [python, str(ROOT / "launch.py"), "--mode=doctor", *arguments]
  return subprocess.run(
    command, capture_output=True, text=True, cwd=ROOT, env=os.environ | environment
  )


def test_a_healthy_machine(tmp_path):
  config = f"--config={ROOT / 'configs' / 'liver_senet.py'}:quick"
  result = doctor(config, XDG_CACHE_HOME=str(tmp_path))
  assert result.returncode == 0, result.stdout + result.stderr
  lines = result.stdout.splitlines()
  assert "broken" not in result.stdout and lines[-1].startswith("healthy")
  assert len(lines) <= 24 and not result.stderr
  shown = " ".join(result.stdout.split())
  assert f"packages {len(packages.pins())} as pinned" in shown
  assert re.search(r"devices 1 x cpu, computes \(jax [\d.]+\)", shown)
  assert "444 SYNTHETIC images of synthetic_liver, not built yet" in shown
  assert not list(tmp_path.iterdir()), "looking must leave nothing"


def test_a_broken_machine_is_told_every_fault_with_its_command(tmp_path):
  overlay, library = tmp_path / "overlay", tmp_path / "lib"
  (overlay / "optax-0.2.4.dist-info").mkdir(parents=True)
  (overlay / "optax-0.2.4.dist-info" / "METADATA").write_text(
    "Metadata-Version: 2.1\nName: optax\nVersion: 0.2.4\n"
  )
  (overlay / "grain.py").write_text("raise ImportError('of another glibc')\n")
  library.mkdir()
  (library / "libcudnn.so.9").touch()
  (tmp_path / "cache").write_text("a file where the folder should be")
  result = doctor(
    PYTHONPATH=str(overlay),
    LD_LIBRARY_PATH=f"/nowhere:{library}",
    XDG_CACHE_HOME=str(tmp_path / "cache"),
    XLA_FLAGS="--xla_nonsense=1",
    XLA_PYTHON_CLIENT_MEM_FRACTION="75",
  )
  assert result.returncode == 1 and not result.stderr
  broken = [n for n in result.stdout.splitlines() if n.startswith(" broken")]
  for said, fix in (
    ("optax 0.2.4 where", "-m pip install -r requirements.txt"),
    ("grain cannot be imported: ImportError: of another glibc", "grain=="),
    ("Unknown flag in XLA_FLAGS: --xla_nonsense=1", "unset XLA_FLAGS"),
    ("MEM_FRACTION='75'", "export XLA_PYTHON_CLIENT_MEM_FRACTION=0.75"),
    ("not a directory", "export XDG_CACHE_HOME="),
  ):
    assert [n for n in broken if said in n and fix in n.split("  fix: ")[1]], said
  assert len(broken) == 5 and result.stdout.splitlines()[-1].startswith("5 broken")
  shadow = next(n for n in result.stdout.splitlines() if "libcudnn.so.9" in n)
  assert shadow.endswith("fix: export LD_LIBRARY_PATH=/nowhere")


def test_nothing_is_installed(tmp_path):
  venv.create(tmp_path / "bare", with_pip=False)
  python = str(tmp_path / "bare" / "bin" / "python")
  result = doctor(python=python, XDG_CACHE_HOME=str(tmp_path / "cache"))
  assert result.returncode == 1 and not result.stderr
  assert "missing: " + ", ".join(packages.pins()) in result.stdout
  assert "JAX is missing" in result.stdout
  command = [python, str(ROOT / "launch.py"), "--config=configs/folder.py"]
  train = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
  assert train.returncode == 2 and "Traceback" not in train.stderr
  assert train.stderr.startswith("error: absl cannot be imported: pip install -r")


def test_a_mistyped_flag_is_a_mistake_of_typing():
  assert doctor("--confg=x").returncode == 2


def answer(devices=(("cpu", "cpu"),), errors=(), ended=""):
  text = str([list(d) for d in devices]).replace("'", '"')
  lines = [f'found {{"jax": "0.10.1", "devices": {text}}}'] if devices else []
  return type("P", (), {"answer": lambda _: probe.Answer(lines, list(errors), ended)})()


@pytest.fixture
def gpu(tmp_path, monkeypatch):
  """A folder where the driver shows one GPU, and an environment that says nothing."""
  for key in ("JAX_PLATFORMS", "CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH"):
    monkeypatch.delenv(key, raising=False)
  for name in ("nvidia0", "nvidiactl", "nvidia-uvm"):
    (tmp_path / name).touch()
  tool = tmp_path / "nvidia-smi"
  tool.write_text("#!/bin/sh\necho 570.86.15, NVIDIA H200\n")
  tool.chmod(0o755)
  monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
  return tmp_path


def plugin(folder, monkeypatch, name, version):
  held = folder / f"{name.replace('-', '_')}-{version}.dist-info"
  held.mkdir()
  (held / "METADATA").write_text(f"Name: {name}\nVersion: {version}\n")
  monkeypatch.syspath_prepend(str(folder))


def line(lines, name):
  return next(n for n in lines if n.name == name)


def test_an_unused_gpu_and_why(gpu, monkeypatch, tmp_path):
  def found(**kwargs):
    return line(devices.look(answer(**kwargs), "0.10.1", dev=gpu), "GPU")

  # its driver is too old for CUDA 13
  bare = found()
  assert bare.state == BROKEN and "1 x NVIDIA H200, driver 570.86.15" in bare.text
  assert "plugin is not installed" in bare.text
  assert bare.fix.endswith('-m pip install "jax[cuda12]==0.10.1"')
  used = found(devices=[("gpu", "NVIDIA H200")])
  assert used.state == OK and used.text.endswith("in use")

  monkeypatch.setenv("JAX_PLATFORMS", "cpu")
  assert found().fix == "unset JAX_PLATFORMS"
  monkeypatch.delenv("JAX_PLATFORMS")
  monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
  assert found().fix == "unset CUDA_VISIBLE_DEVICES"
  monkeypatch.delenv("CUDA_VISIBLE_DEVICES")

  jaxlib = packages.version("jaxlib")
  plugin(tmp_path, monkeypatch, "jax-cuda13-plugin", jaxlib)
  assert "too old for jax-cuda13-plugin" in found().text
  plugin(tmp_path, monkeypatch, "jax-cuda12-plugin", "0.4.30")
  assert "exclude each other" in found().text
  assert found().fix.endswith("pip uninstall jax-cuda13-plugin")


def test_a_plugin_of_another_version(gpu, monkeypatch, tmp_path):
  plugin(tmp_path, monkeypatch, "jax-cuda12-plugin", "0.4.30")
  found = line(devices.look(answer(), "0.10.1", dev=gpu), "GPU")
  assert "jax-cuda12-plugin is 0.4.30, jaxlib" in found.text
  assert found.fix.endswith('"jax[cuda12]==0.10.1"')


def test_a_shadowing_cudnn_is_broken_where_there_is_a_gpu(gpu, monkeypatch, tmp_path):
  (tmp_path / "libcudnn.so.9").touch()
  (tmp_path / "libcuda.so.1").touch()  # the driver's own: belongs there
  monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
  found = line(devices.look(answer(), "0.10.1", dev=gpu), "CUDA")
  assert found.state == BROKEN and found.fix == "unset LD_LIBRARY_PATH"
  assert "libcudnn.so.9" in found.text and "libcuda.so" not in found.text
  (gpu / "nvidia0").unlink()
  found = line(devices.look(answer(), "0.10.1", dev=gpu), "CUDA")
  assert found.state == NOTE


def test_what_hangs_or_aborts_only_ends_its_own_process():
  hanging = probe.Probe("import time; time.sleep(60)", seconds=0.3).answer()
  assert hanging.ended == "hangs: no answer within 0.3 s"
  aborted = probe.Probe("import os; print(1, flush=True); os.abort()", seconds=20)
  assert aborted.answer().ended == "ends with SIGABRT"
  assert aborted.answer.__self__ is aborted
  lines = devices.look(answer(devices=(), ended="ends with SIGABRT"), "0.10.1")
  assert lines[0].state == BROKEN and "JAX ends with SIGABRT" in lines[0].text


def test_room_and_quota(tmp_path):
  deep = tmp_path / "a" / "b"
  assert machine.room("runs", deep, "move").state == OK and not deep.parent.exists()
  (tmp_path / "a").write_text("")
  found = machine.room("runs", deep, "move")
  assert found.state == BROKEN and found.fix == "move"
  assert machine._shared_memory(tmp_path / "none").state == BROKEN
  (tmp_path / "cpu.max").write_text("50000 100000\n")
  found = machine._cores(tmp_path)
  assert found.state == NOTE and found.fix.startswith("taskset -c 0-0 ")
  (tmp_path / "cpu.max").write_text("max 100000\n")
  assert machine._cores(tmp_path).state == OK


def test_data_sets_and_the_source_of_a_config(cache, image_folder):
  from histojax import experiment, startup
  from histojax.data import catalogue, tiles

  file = str(ROOT / "configs" / "folder.py")
  config = startup.load_config(f"{file}:quick")
  request = Request(config, config, file, "quick", "doctor", "", "")
  lost = line(holdings.look(request), "config")
  assert lost.state == BROKEN and "data.source is empty" in lost.text
  config.data.source = str(image_folder())
  assert line(holdings.look(request), "config").text.endswith("folder, not built yet")
  held = tiles.prepare(catalogue.find(config.data), *experiment.storage(config.augment))
  found = holdings.look(request)
  assert line(found, "config").text.endswith("30 images of folder, built")
  text = line(found, "folder").text
  assert "30 images built" in text and f"{len(held)} images decoded" in text
