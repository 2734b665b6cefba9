"""The clock: one config's real steps, input and evaluation, timed part by part.

Nothing here is a copy of the step: the program is the engine's, the loop is
`loop.fit`, the input is `Engine.batches`, the evaluation `Engine.predict`.
"""

import contextlib
import itertools
import tempfile
import time

import jax
import numpy as np
from jax.experimental.compilation_cache import compilation_cache

from histojax import experiment, loop, planning
from histojax.data import catalogue, splits
from histojax.data import tiles as tile_cache
from histojax.engine import Engine

AHEAD = 6  # batches that the input may have prepared while nobody looked
DECODED = 48  # images, to time the decoder
PARTS = ("input", "device", "loop", "rest")
PASS = 2.5  # seconds that one part may take in one round, unless that is too few steps


class Bench:
  """A config on the devices: its programs compiled, its parts ready to be timed.

  Attributes:
    seconds: {part: [seconds per batch, ...]}, which `time_parts` fills.
    compiling: {"trace", "cold", "warm"} in seconds.
    stalls: seconds per step for which the device had to wait for its input.
  """

  def __init__(self, config):
    self.config = config
    self.dataset = catalogue.find(config.data)
    stored = experiment.storage(config.augment)
    tiles = tile_cache.prepare(self.dataset, *stored, config.data.on_error)
    self.stored_size = stored[0]
    self.split = splits.asked(tiles, config.split)[0]
    self.plan = planning.make_plan(config, self.split.train, tiles)
    self.engine = Engine(config, tiles)
    self.batch = config.batch_size
    self.seconds, self.compiling, self.stalls = {}, {}, []

  def compile(self) -> None:
    """Compiles the training step into an empty cache folder, then from it.

    The user's own cache is neither read nor touched by that.
    """
    abstract = self.engine.abstract()
    self.given = next(self.engine.batches(self.plan))
    with _cache_in_new_folder():
      begun = time.perf_counter()
      lowered = self.engine.train_step.lower(abstract, *self.given)
      traced = time.perf_counter()
      self.step = lowered.compile()
      cold = time.perf_counter()
      jax.clear_caches()  # else the same object comes back
      lowered = self.engine.train_step.lower(abstract, *self.given)
      again = time.perf_counter()
      lowered.compile()
      warm = time.perf_counter()
    self.compiling = {"trace": traced - begun, "cold": cold - traced}
    self.compiling["warm"] = warm - again

  def prepare(self) -> None:
    """Initialises the state and compiles what only the profile runs."""
    model, view = self.engine.model, self.engine.view

    def forward(state, images):
      variables = {"params": state.all_params, "batch_stats": state.batch_stats}
      options = {"mutable": ["batch_stats"], "rngs": {"dropout": state.key}}
      (logits, _), updated = model.apply(variables, images, train=True, **options)
      return logits, updated  # what nobody reads would not be computed

    self.state = self.engine.init(self.config.seed)
    augment = jax.jit(lambda tiles, row, key: view(tiles, row, key, train=True))
    self.augment = lambda: augment(*self.given, self.state.key)
    self.images = self.augment()
    forward_only = jax.jit(forward)
    self.forward = lambda: forward_only(self.state, self.images)
    jax.block_until_ready(self.forward())
    self.run(3, itertools.repeat(self.given))
    self.evaluate(1)

  def run(self, steps: int, batches) -> list[float]:
    """Runs the real loop; the seconds between the ends of its steps, `steps` - 2."""
    stamps = []
    self.state = loop.fit(
      self.state,
      self.step,
      batches,
      start=0,
      num_steps=steps,
      boundary=lambda *_: None,
      record=lambda rows: None,
      tick=lambda: stamps.append(time.perf_counter()),
    )
    jax.block_until_ready(self.state)
    return np.diff(stamps).tolist()

  def evaluate(self, batches: int) -> float:
    """Seconds per batch of `Engine.predict` on `batches` batches of views."""
    turns = self.config.augment.rotations
    wanted = -(-batches * self.engine.batch_size // turns)
    rows = np.resize(self.split.train, wanted)
    begun = time.perf_counter()
    self.engine.predict(self.state, rows, turns, poll=lambda: None)
    views = wanted * turns
    return (time.perf_counter() - begun) * self.engine.batch_size / views

  def time_input(self) -> None:
    """Batches as fast as they come, with nothing else to do: grain and transfer."""
    feed = self._feed()
    for _ in range(AHEAD):
      jax.block_until_ready(next(feed))
    self._keep("input", _timed(lambda: next(feed)))

  def time_device(self) -> None:
    """The step alone, its input at hand."""
    batches = itertools.repeat(self.given)
    step = np.median(self.seconds.get("step") or self.run(4, batches))
    self._keep("step", self.run(_count(step, PASS) + 2, batches))

  def time_loop(self) -> None:
    """The step with its real input, and for how long the device waits for that."""
    step, feed, waits = self.median("step"), self._feed(), []

    def watched():
      while True:
        begun = time.perf_counter()
        batch = next(feed)
        waits.append(time.perf_counter() - begun)
        yield batch

    skipped = AHEAD if self.median("input") > step / 2 else 0
    count = _count(max(step, self.median("input")), PASS)
    found = self.run(count + skipped + 2, watched())
    self._keep("loop", found[skipped:])
    # asked for when the step before has just ended and the next is running
    self.stalls += [max(0.0, wait - step) for wait in waits[skipped + 2 :]]

  def time_rest(self) -> None:
    """Forward only, augmentation only, evaluation, decoding."""
    self._keep("forward", _timed(self.forward))
    self._keep("augment", _timed(self.augment))
    batches = min(8, _count(self.evaluate(1), PASS / 2))
    self._keep("evaluate", [self.evaluate(batches)])
    images = tile_cache.decoded(self.dataset, self.stored_size, DECODED)
    next(images)  # opens the files
    most = min(DECODED, self.dataset.images) - 2
    self._keep("decode", _timed(lambda: next(images, None), most))

  def median(self, part: str) -> float:
    return float(np.median(self.seconds[part]))

  def rate(self, part: str) -> float:
    """Images/s of a part."""
    size = {"evaluate": self.engine.batch_size, "decode": 1}.get(part, self.batch)
    return size / self.median(part)

  @property
  def stall(self) -> float:
    return float(np.mean(self.stalls))

  def _feed(self):
    """The batches of training, again and again."""
    return itertools.chain.from_iterable(
      self.engine.batches(self.plan) for _ in itertools.count()
    )

  def _keep(self, part: str, seconds: list[float]) -> None:
    self.seconds.setdefault(part, []).extend(seconds)


def time_parts(benches: list[Bench], tick) -> None:
  """Times all parts of all benches in turns, so that a busy minute hits them alike."""
  for part, bench in itertools.product(PARTS, benches):
    getattr(bench, f"time_{part}")()
    tick(part)


@contextlib.contextmanager
def _cache_in_new_folder():
  """Within, compiled programs are looked for in an empty folder only."""
  old = jax.config.jax_compilation_cache_dir
  with tempfile.TemporaryDirectory(prefix="histojax-cold-") as folder:
    try:
      jax.config.update("jax_compilation_cache_dir", folder)
      compilation_cache.reset_cache()
      yield
    finally:
      jax.config.update("jax_compilation_cache_dir", old)
      compilation_cache.reset_cache()


def _timed(call, most: int = 200) -> list[float]:
  """Seconds of each of several calls, each waited for."""
  jax.block_until_ready(call())
  seconds, begun = [], time.perf_counter()
  while len(seconds) < 3 or (sum(seconds) < PASS / 4 and len(seconds) < most):
    jax.block_until_ready(call())
    now = time.perf_counter()
    seconds, begun = [*seconds, now - begun], now
  return seconds


def _count(each: float, budget: float) -> int:
  return int(np.clip(budget / each, 3, 100))
