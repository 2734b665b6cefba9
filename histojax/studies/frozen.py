"""Members of a study whose backbones are frozen: their heads train first, at once.

Each is left as a run at its last step; the study then goes on as if they had been
interrupted there, and finds on cached features what they say of the images.
"""

from pathlib import Path

from histojax import checkpoint, console
from histojax.engine import Engine
from histojax.interrupts import Interrupted, Interrupts
from histojax.studies import features, heads, status, together
from histojax.studies.prepare import Ready


def able(due: list[Ready]) -> list[Ready]:
  """The members that can train on cached features and have not begun to train."""
  return [
    ready
    for ready in due
    if not features.able(ready.request.config, ready.tiles)
    and not checkpoint.reached(ready.folder.checkpoints)
  ]


def train(due: list[Ready], device) -> tuple[dict[Path, tuple], set[Path]]:
  """Trains what is `able` of the members that are due, on one device.

  Returns:
    {run folder: what `engine` asks of it} of those that are trained, and the run
    folders of those that failed, which is written down.

  Raises:
    SystemExit: a signal arrived; whole streams of heads are saved.
  """
  read, lost, chosen = {}, set(), able(due)
  if not chosen:
    return read, lost
  console.say(
    f"{len(chosen)} of {len(due)} members train heads on a frozen backbone: side by"
    " side, on its features",
    style="bold",
  )
  by_images = {}
  for ready in chosen:
    by_images.setdefault(ready.images, []).append(ready)
  with Interrupts() as interrupts:
    try:
      for those in by_images.values():
        for ready in those:
          ready.folder.failed.unlink(missing_ok=True)
        for ready, member in zip(
          those, _train(those, device, interrupts.poll), strict=True
        ):
          if not member.error:
            read[ready.folder.path] = member.features, member.trained
            continue
          lost.add(ready.folder.path)
          status.fail(ready.folder, member.error, "InputError")
          console.say(f"{ready.label}: failed: {member.error}", "bold red")
    except Interrupted as interrupt:
      console.say(f"{interrupt}: the same command continues", style="bold")
      raise SystemExit(128 + interrupt.signum) from None
  return read, lost


def _train(those: list[Ready], device, poll) -> list[together.Member]:
  """Of members that share their images."""
  members = [
    together.Member(r.request.config, r.plan, r.split, r.folder, r.identity)
    for r in those
  ]
  engines, resident = {}, None
  try:
    for ready in those:
      if ready.program not in engines:
        engine = Engine(ready.request.config, ready.tiles, [device], resident)
        engines[ready.program], resident = engine, engine.resident
  except status.FAILURES as error:
    for member in members:
      member.error = status.sentence(error)
    return members
  together.train(members, [engines[ready.program] for ready in those], poll=poll)
  return members


def engine(whole: Engine, ready: Ready, read: dict) -> Engine:
  """The engine of a member, which predicts from its features where `read` has them."""
  if ready.folder.path not in read:
    return whole
  return heads.HeadEngine(ready.request.config, whole, *read[ready.folder.path])
