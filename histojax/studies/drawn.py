"""Which pictures a study has, by its layout and by what was recorded."""

from pathlib import Path

from histojax.studies import figures, layouts


def all_of(folder: Path, study: dict, content: dict, found: dict) -> dict:
  """Draws them into `folder`; {name: (title, path)} in the order of the page.

  Args:
    content: of `table.write`: rows, classes, metric, synthetic.
    found: of `gather.variants`.
  """
  metric, synthetic = content["metric"], content["synthetic"]
  rows = {row["name"]: row for row in content["rows"]}
  histories = {name: v.histories for name, v in found.items() if any(v.histories)}
  look, made = {"synthetic": synthetic}, {}

  def put(name, title, draw, *arguments):
    if path := draw(folder / f"{name}.png", *arguments, **look):
      made[name] = title, path

  told = {k: r["difference"] for k, r in rows.items() if "p" in r.get("difference", {})}
  if told:
    baselines = dict.fromkeys(d["baseline"] for d in told.values())
    to = [*baselines][0] if len(baselines) == 1 else f"each {study['baseline']}"
    title = f"Difference to {to}, 95 % intervals; filled: Holm's p is below 0.05"
    if len(told) > figures.TALLEST:
      title += f"; the first {figures.TALLEST} of {len(told)}"
    put("differences", title, figures.differences, told, to, metric)
  points = {
    name: (row["images_per_second"], *(row["means"][metric][k] for k in ("mean", "sd")))
    for name, row in rows.items()
    if row.get("images_per_second")
  }
  if len(points) > 1:
    title = "Score against throughput; bars: sd over trainings; dashed: beaten by none"
    put("pareto", title, figures.pareto, points, metric)
  layout = study.get("layout")
  if layout == "liver" and histories:
    title = "The paper's Figure 3: accuracy as training goes, and its second half"
    put("figure3", title, figures.four_panels, histories)
  matrices = {k: r["scores"]["confusion"] for k, r in rows.items() if "scores" in r}
  if layout in MATRICES and matrices:
    title = f"{MATRICES[layout]}: confusion matrices, rows true, all test images"
    put("matrices", title, figures.matrices, matrices, content["classes"])
  if layout == "breakhis_vgg":
    scores = {
      title: [
        layouts.over_columns(rows, k, "accuracy", c) for c in layouts.MAGNIFICATIONS
      ]
      for k, title in layouts.STRATEGIES.items()
    }
    title = "Accuracy under four training strategies"
    put("figure4", f"The paper's Figure 4: {title.lower()}", figures.by_column, scores,
        layouts.MAGNIFICATIONS, title)  # fmt: skip
  if histories:
    put("curves", "Loss and accuracy as training goes", figures.curves, histories)
  return made


MATRICES = {"liver": "The paper's Figure 4", "cervix": "The paper's Figure 6"}
