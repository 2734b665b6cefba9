"""Attention blocks by name: one file and one row each.

A *gate* is a linen module that computes only its factor, x [B, H, W, C] -> g
broadcastable to x; `series.Series` multiplies and records it. A gate that looks at x
only through its mean over H, W says `spatial_mean_only = True`: it is then given that
mean, [B, 1, 1, C], in the place of x, and rides on the normalisation at no cost.
"""

from histojax.attention.squeeze_excite import SqueezeExcite

GATES = {
  "se": SqueezeExcite,
}
