"""What JAX computes on, and why not on the GPU that is there."""

import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

from histojax.doctor.line import BROKEN, NOTE, OK, Line
from histojax.doctor.packages import pip, version
from histojax.doctor.probe import DEVICES, Probe

CUDA = ("jax-cuda12-plugin", "jax-cuda13-plugin")
CUDA13_DRIVER = 580  # the oldest one that CUDA 13 runs on
# a library found here is loaded in place of the one of JAX's wheels
SHADOWS = re.compile(
  r"lib(cudnn|cublas|cudart|cufft|cusolver|cusparse|cupti|nccl|nvrtc|nvJitLink)\w*\.so"
)


def start() -> Probe:
  return Probe(DEVICES, seconds=30)


def look(probe: Probe, jax_pin: str, dev: Path = Path("/dev")) -> list[Line]:
  """Lines on the devices, the GPUs of this machine and the settings of both.

  Args:
    probe: what `start` returned.
    jax_pin: the version of jax, for the command that installs its CUDA plugin.
    dev: where the driver shows its GPUs, as nvidia0, nvidia1, ...
  """
  gpus, found = sorted(dev.glob("nvidia[0-9]*")), None
  answer = probe.answer()
  for line in answer.lines:
    if line.startswith("found "):
      found = json.loads(line.removeprefix("found "))
  lines = [_devices(found, answer)]
  platforms = {name for name, _ in found["devices"]} if found else set()
  lines.append(_gpu(gpus, platforms, jax_pin))
  return lines + _shadows(bool(gpus or _plugins())) + _variables()


def _devices(found: dict | None, answer) -> Line:
  if found and not answer.ended:
    kinds = [kind for _, kind in found["devices"]]
    text = ", ".join(f"{kinds.count(k)} x {k}" for k in dict.fromkeys(kinds))
    return Line(OK, "devices", f"{text}, computes (jax {found['jax']})")
  said = " ".join(answer.errors)
  if match := re.search(
    r"(Unknown flags? in XLA_FLAGS|Could not open file|XLA_FLAGS)", said
  ):
    text = said[match.start() :].split(" (We ")[0][:160]
    text = text if "XLA_FLAGS" in text else f"XLA_FLAGS: {text}"
    return Line(BROKEN, "devices", f"XLA stops over its settings: {text}", UNSET_XLA)
  if platforms := os.environ.get("JAX_PLATFORMS"):
    text = f"JAX has no device with JAX_PLATFORMS={platforms}: {_last(answer)}"
    return Line(BROKEN, "devices", text, "unset JAX_PLATFORMS")
  if not version("jax"):
    return Line(BROKEN, "devices", "JAX is missing", f"{pip()} -r requirements.txt")
  text = f"JAX {answer.ended or 'finds none'}: {_last(answer)}"
  return Line(
    BROKEN, "devices", text, "JAX_PLATFORMS=cpu python launch.py --mode=doctor"
  )


UNSET_XLA = "unset XLA_FLAGS"


def _last(answer) -> str:
  return answer.errors[-1].strip()[:160] if answer.errors else "it says nothing"


def _gpu(gpus: list[Path], platforms: set[str], jax_pin: str) -> Line:
  plugins = _plugins()
  if not gpus:
    held = ", ".join(f"{name} {v}" for name, v in plugins.items())
    return Line(OK, "GPU", "none here" + (f" ({held} is installed)" if held else ""))
  driver, names = _driver()
  here = f"{len(gpus)} x {names or 'NVIDIA GPU'}" + (
    f", driver {driver}" if driver else ""
  )
  if platforms & {"gpu", "cuda"}:
    return Line(OK, "GPU", f"{here}, in use")
  wanted = (
    "cuda12" if driver and int(driver.split(".")[0]) < CUDA13_DRIVER else "cuda13"
  )
  install = f'{pip()} "jax[{wanted}]=={jax_pin}"'
  unused = f"{here}, but JAX does not use it"
  for key, off in (("JAX_PLATFORMS", ("cpu",)), ("CUDA_VISIBLE_DEVICES", ("", "-1"))):
    if os.environ.get(key) in off:
      text = f"{unused}: {key}={os.environ[key]!r} is set"
      return Line(BROKEN, "GPU", text, f"unset {key}")
  if not plugins:
    return Line(BROKEN, "GPU", f"{unused}: its CUDA plugin is not installed", install)
  if len(plugins) > 1:
    other = next(name for name in plugins if wanted not in name)
    text = f"{unused}: {' and '.join(plugins)} are installed, and exclude each other"
    return Line(BROKEN, "GPU", text, f"{pip().replace('install', 'uninstall')} {other}")
  (name, held), jaxlib = *plugins.items(), version("jaxlib")
  if held != jaxlib:
    text = f"{unused}: {name} is {held}, jaxlib {jaxlib}"
    return Line(BROKEN, "GPU", text, install)
  if wanted not in name:
    text = f"{unused}: driver {driver} is too old for {name}"
    return Line(BROKEN, "GPU", text, f"{install}, or a driver from {CUDA13_DRIVER} on")
  text = f"{unused}: {name} {held} is installed; the line 'devices' may tell why"
  return Line(BROKEN, "GPU", text, "nvidia-smi")


def _plugins() -> dict[str, str]:
  return {name: v for name in CUDA if (v := version(name))}


def _driver() -> tuple[str, str]:
  """(version, name of the first GPU), '' where nobody tells."""
  if tool := shutil.which("nvidia-smi"):
    query = [tool, "--query-gpu=driver_version,name", "--format=csv,noheader"]
    try:
      told = subprocess.run(query, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
      return "", ""
    if match := re.match(r"([\d.]+), (.+)", told.stdout):
      return match[1], match[2]
  try:
    text = Path("/proc/driver/nvidia/version").read_text()
  except OSError:
    return "", ""
  match = re.search(r"Module\D*?([\d.]+)", text)
  return (match[1] if match else ""), ""


def _shadows(matters: bool) -> list[Line]:
  """Libraries of CUDA on LD_LIBRARY_PATH: they win over those of JAX's wheels."""
  folders = [f for f in os.environ.get("LD_LIBRARY_PATH", "").split(":") if f]
  held = {}
  for folder in folders:
    try:
      names = sorted(name for name in os.listdir(folder) if SHADOWS.match(name))
    except OSError:
      continue
    if names:
      held[folder] = names[0]
  if not held:
    return []
  places = ", ".join(f"{name} in {folder}" for folder, name in held.items())
  rest = ":".join(f for f in folders if f not in held)
  fix = (
    f"export LD_LIBRARY_PATH={shlex.quote(rest)}" if rest else "unset LD_LIBRARY_PATH"
  )
  text = f"LD_LIBRARY_PATH puts {places} before the library that JAX was built for"
  return [Line(BROKEN if matters else NOTE, "CUDA", text, fix)]


def _variables() -> list[Line]:
  """What the environment asks of JAX, and what of it is slow, other or wrong."""
  from histojax import startup

  ours, lines = startup.settings(), []
  told = {
    k: v
    for k, v in sorted(os.environ.items())
    if k.startswith(("JAX_", "XLA_", "CUDA_VISIBLE")) and ours.get(k) != v
  }
  if told:
    text = " ".join(f"{k}={shlex.quote(v)}" for k, v in told.items())
    lines.append(Line(OK, "settings", text))
  for key, what in {
    "JAX_DISABLE_JIT": "nothing is compiled, which is many times slower",
    "JAX_DEBUG_NANS": "every result is looked at, which is slow",
    "JAX_ENABLE_X64": "numbers are float64, and results not those of others",
  }.items():
    if told.get(key, "0").lower() not in ("", "0", "false"):
      lines.append(Line(NOTE, "settings", f"{key}={told[key]}: {what}", f"unset {key}"))
  if "JAX_COMPILATION_CACHE_DIR" in told:
    text = (
      "JAX_COMPILATION_CACHE_DIR: if other kinds of CPU share it, programs may crash"
    )
    lines.append(Line(NOTE, "settings", text, "unset JAX_COMPILATION_CACHE_DIR"))
  for key in ("XLA_PYTHON_CLIENT_MEM_FRACTION", "XLA_CLIENT_MEM_FRACTION"):
    if key in told and not re.fullmatch(r"0?\.\d+|1(\.0*)?", told[key]):
      text = f"{key}={told[key]!r} is no share between 0 and 1"
      lines.append(Line(BROKEN, "settings", text, f"export {key}=0.75"))
  if told.get("XLA_PYTHON_CLIENT_ALLOCATOR") == "platform":
    text = (
      "XLA_PYTHON_CLIENT_ALLOCATOR=platform allocates anew each time, which is slow"
    )
    lines.append(Line(NOTE, "settings", text, "unset XLA_PYTHON_CLIENT_ALLOCATOR"))
  return lines
