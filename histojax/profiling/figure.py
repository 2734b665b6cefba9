"""The picture of a profile: where the time goes, and the roofline it stands under."""

import io
from pathlib import Path

from histojax.profiling import trace

COLOURS = {  # Okabe & Ito
  trace.CONVOLUTION: "#0072B2", trace.NORM: "#56B4E9", trace.ATTENTION: "#D55E00",
  trace.OPTIMIZER: "#009E73", trace.AUGMENT: "#E69F00", trace.OTHER: "#9aa5af",
  trace.BETWEEN: "#d3d9de", trace.INPUT: "#CC79A7",
}  # fmt: skip


def draw(stages, dots, ceilings) -> bytes:
  """A PNG of two panels.

  Args:
    stages: {stage: {kind: ms}} in the network's order.
    dots: {stage: (FLOPs per byte, FLOP/s reached)}.
    ceilings: `roofline.Ceilings`.
  """
  import matplotlib
  import numpy as np
  from matplotlib.backends.backend_agg import FigureCanvasAgg
  from matplotlib.figure import Figure
  from matplotlib.ticker import LogLocator

  style = Path(__file__).parents[1] / "evaluation" / "figures.mplstyle"
  with matplotlib.rc_context(fname=style):
    figure = Figure((9.6, 4.4), layout="constrained")
    FigureCanvasAgg(figure)
    bars, roof = figure.subplots(1, 2, width_ratios=(1.25, 1))
    names, left = list(stages), np.zeros(len(stages))
    for kind, colour in COLOURS.items():
      width = np.array([stages[name].get(kind, 0.0) for name in names])
      if width.any():
        bars.barh(names, width, left=left, color=colour, label=kind, height=0.72)
        left += width
    for name, total in zip(names, left, strict=True):
      bars.annotate(f" {total:,.3g}", (total, name), va="center", fontsize=8)
    bars.invert_yaxis()
    bars.grid(axis="y", visible=False)
    bars.margins(x=0.12)
    bars.set(title="Where a step's time goes", xlabel="ms per step, measured")
    figure.legend(loc="outside lower center", ncols=4)

    ridge = ceilings.rate / ceilings.bandwidth
    reach = [x for x, _ in dots.values()] or [ridge]
    x = np.geomspace(min(*reach, ridge) / 3, max(*reach, ridge) * 3, 100)
    roof.loglog(x, np.minimum(x * ceilings.bandwidth, ceilings.rate) / 1e9, "#1b2530")
    for name, (intensity, rate) in dots.items():
      roof.plot(intensity, rate / 1e9, "o", color="#0072B2", markersize=6)
      near = {"textcoords": "offset points", "xytext": (6, -3), "fontsize": 8}
      roof.annotate(name, (intensity, rate / 1e9), **near)
    for axis in (roof.xaxis, roof.yaxis):  # our style draws no formulas
      axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
      axis.set_major_formatter(lambda value, _: f"{value:,.4g}")
      axis.set_minor_formatter(lambda value, _: "")
    roof.set(
      title="How far from the roofline",
      xlabel="training FLOPs per byte, modelled",
      ylabel="GFLOP/s, modelled / measured",
    )
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
  return stream.getvalue()
