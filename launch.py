"""Trains, evaluates and reports: `python launch.py --config=configs/liver_senet.py`."""

from histojax import allocator, interrupts

if __name__ == "__main__":
  allocator.use_huge_pages()
interrupts.stop_at_once()  # from the first import on

from histojax import startup  # noqa: E402

startup.set_environment()  # before jax is imported

try:
  from absl import app, flags
  from ml_collections import config_flags
except ImportError as error:
  startup.without(error)

MODES = {
  "train": "train or resume, evaluate, report",
  "evaluate": "score a trained run again and rewrite its report",
  "prepare": "build the data set and its tiles",
  "compare": "finished runs beside each other: --runs=a,b,c",
  "leak_gap": "train under a split by image and under one by group: what is leak",
  "explain": "where a trained run looks: its test images, or --images=<folder>",
  "ablate": "a study: variants x folds x seeds, of configs/ablate_*.py or of a --grid",
  "audit_data": "copies, shared groups and stain on both sides of the split",
  "audit_tables": "the papers' printed numbers recomputed, or --table=mine.csv",
  "profile": "where the time goes, and how far it is from the roofline",
  "doctor": "what is missing or wrong here, and the command that mends it",
}
CONFIG = config_flags.DEFINE_config_file("config", None, "configs/<name>.py[:variant]")
MODE = flags.DEFINE_string(
  "mode", "train", "; ".join(f"{k}: {v}" for k, v in MODES.items())
)
WORKDIR = flags.DEFINE_string("workdir", "", "run folder; by default runs/<config>/...")
RUNS = flags.DEFINE_string("runs", "", "run folders, a,b,c, for --mode=compare")
GRID = flags.DEFINE_string(
  "grid", "", "for --mode=ablate: key=value,value;key=... or --config.study.grid=..."
)
SLURM = flags.DEFINE_string(
  "slurm", "", "--mode=ablate as a job array: partition=gpu,time=4h,gpus=1, say"
)
DRY_RUN = flags.DEFINE_bool("dry_run", False, "print what --mode=ablate would do")
TABLE = flags.DEFINE_string("table", "", "a CSV of your own for --mode=audit_tables")
IMAGES = flags.DEFINE_string("images", "", "a folder of your own for --mode=explain")
LAYER = flags.DEFINE_string(
  "explain_layer", "", "stage4, say: whose map Grad-CAM shows; the last of 16 places"
)
SEEDS = flags.DEFINE_string("seeds", "", "0,1,2: of each a pair, for --mode=leak_gap")
METRIC = flags.DEFINE_string("metric", "balanced_accuracy", "what is compared")
TRACE = flags.DEFINE_bool("profile_trace", False, "keep the trace of --mode=profile")
AGAINST = flags.DEFINE_string("profile_against", "", "a second config to set beside it")
TARGET = flags.DEFINE_string("profile_target", "", "h200: profile for a GPU not here")


def main(_):
  request = startup.request(CONFIG, MODE.value, MODES, WORKDIR.value)
  if request.mode == "doctor":
    from histojax.doctor import screen

    return screen.run(request)
  if request.mode == "compare":
    from histojax import comparing

    return comparing.run(request, RUNS.value, METRIC.value)
  if request.mode == "audit_tables":
    from histojax import auditing_tables

    return auditing_tables.run(request, TABLE.value)
  if request.mode == "ablate":
    from histojax.studies import execute

    return execute.run(request, GRID.value, DRY_RUN.value, SLURM.value)
  if request.mode == "explain":
    from histojax.explain import mode

    return mode.run(request, IMAGES.value, LAYER.value)
  if request.mode == "leak_gap":
    from histojax import leak_gap

    return leak_gap.run(request, SEEDS.value, METRIC.value)
  if request.mode == "profile":
    from histojax.profiling import profile

    profile.run(request, TRACE.value, AGAINST.value, TARGET.value)
    return
  from histojax import experiment

  experiment.run(request)


if __name__ == "__main__":
  with startup.joined():
    app.run(startup.guarded(main), flags_parser=startup.parse_flags)
