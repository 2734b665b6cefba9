"""Attention blocks by name: one file and one row each.

A *gate* is a linen module that computes only its factor, x [B, H, W, C] -> g
broadcastable to x; `series.Series` multiplies and records it. A gate that looks at x
only through its mean over H, W says `spatial_mean_only = True`: it is then given that
mean, [B, 1, 1, C], in the place of x, and rides on the normalisation at no cost. One
that looks at x only through its mean over C says `channel_mean_only = True`, and is
given that, [B, H, W, 1]. One that looks at x too, but makes use of what an
`ops.gating.Branch` knows of it, says `wants_branch = True` and is given that. A gate of
channels and of places returns its two factors, [B, 1, 1, C] and [B, H, W, 1].

A *mixer* replaces a bottleneck's 3x3 convolution, norm and ReLU; it is called with the
layer that the backbone is made of. In a spec it stands first: 'sk', 'sk+se'.

A *transform* is x [B, H, W, C] -> the same shape and dtype, at the end of a stage; it
records its own maps.
"""

from histojax.attention.cbam import CBAM
from histojax.attention.disentangled_nonlocal import DisentangledNonLocal
from histojax.attention.efficient_channel import EfficientChannel
from histojax.attention.lightweight import LightweightAttention
from histojax.attention.selective_kernel import SelectiveKernel
from histojax.attention.spatial import SpatialAttention
from histojax.attention.squeeze_excite import SqueezeExcite
from histojax.errors import InputError
from histojax.spec import Stage, Term, per_stage

GATES = {
  "se": SqueezeExcite,
  "cbam": CBAM,
  "eca": EfficientChannel,
  "sam": SpatialAttention,
}
MIXERS = {
  "sk": SelectiveKernel,
}
TRANSFORMS = {
  "dnl": DisentangledNonLocal,
  "lam": LightweightAttention,
}


def gates_only(text: str, count: int, network: str) -> tuple[Stage, ...]:
  """Of a spec, `count` stages for a network without bottlenecks.

  Raises:
    InputError: as `spec.per_stage`, or a mixer.
  """
  stages = per_stage(text, count, known={**GATES, **MIXERS}, what="attention")
  if mixers := [name for stage in stages for name, _ in stage if name in MIXERS]:
    raise InputError(
      f"attention={text!r}: a {network} has no bottleneck whose 3x3 convolution"
      f" {mixers[0]!r} could replace; give gates ({', '.join(GATES)}) or use a ResNet"
    )
  return stages


def mixer_and_gates(stage: Stage) -> tuple[Term | None, Stage]:
  """A stage's terms as (the mixer or None, the gates).

  Raises:
    InputError: a mixer that is not the first term.
  """
  mixer = stage[0] if stage and stage[0][0] in MIXERS else None
  gates = stage[1:] if mixer else stage
  for name, _ in gates:
    if name in MIXERS:
      raise InputError(
        f"attention: {name!r} replaces a block's 3x3 convolution, so it comes first and"
        f" once: write '{name}+se', not 'se+{name}'"
      )
  return mixer, gates
