"""Runs command lines of launch.py in forks of one process that has imported everything.

Reads a JSON list of arguments per line; answers with {"code", "out", "err"} per line. A
fork ends with code 99 where the first program would be compiled, after tracing both
steps: by then the run has its folder, and all that was typed has been looked at.
"""

import json
import os
import runpy
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
STARTS = 99

from histojax import allocator, startup  # noqa: E402

startup.set_environment()
os.environ.setdefault(allocator.TUNABLES, "")  # launch.py would start itself anew

import jax  # noqa: E402
import ml_collections  # noqa: E402, F401
import numpy as np  # noqa: E402
import rich.console  # noqa: E402, F401
import rich.table  # noqa: E402, F401
import sklearn.model_selection  # noqa: E402, F401
import tensorflow_datasets  # noqa: E402, F401
from absl import flags  # noqa: E402, F401
from PIL import Image  # noqa: E402, F401

from histojax import experiment  # noqa: E402
from histojax.data import folder, synthetic_liver  # noqa: E402, F401
from histojax.data.plan import EvalPlan  # noqa: E402
from histojax.profiling import profile  # noqa: E402


def start(engine=None, *_):
  if isinstance(engine, experiment.Engine):
    size = engine.batch_size
    plan = EvalPlan(np.zeros(size, int), size, rotations=1)
    arrays, row = next(engine.batches(plan))
    state, rate = engine.abstract(), {"learning_rate": np.float32(0)}
    row.pop("weight")
    jax.eval_shape(engine.train_step, state, arrays, row | rate)
    evaluate = engine.program.evaluate
    jax.eval_shape(evaluate, state.all_params, state.batch_stats, arrays, row)
  raise SystemExit(STARTS)


def child(arguments, out, err):
  os.dup2(out, 1), os.dup2(err, 2)
  experiment.Engine.init = start
  profile._measure = start
  sys.argv = [str(ROOT / "launch.py"), *map(os.fsdecode, arguments)]
  code = 0
  try:
    runpy.run_path(sys.argv[0], run_name="__main__")
  except SystemExit as end:
    code = end.code or 0
  except BaseException:
    import traceback

    traceback.print_exc()
    code = 1
  sys.stdout.flush(), sys.stderr.flush()
  os._exit(code)


for line in sys.stdin:
  with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
    if not (pid := os.fork()):
      typed = [a.encode("utf-8", "surrogateescape") for a in json.loads(line)]
      child(typed, out.fileno(), err.fileno())
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    answer = {"code": code}
    for name, file in (("out", out), ("err", err)):
      file.seek(0)
      answer[name] = file.read().decode(errors="replace")
  print(json.dumps(answer), flush=True)
