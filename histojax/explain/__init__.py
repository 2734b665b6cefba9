"""Where a trained network looks: Grad-CAM, and its attention blocks' own maps.

`layers` finds the map to explain, `gradcam` and `rollout` compute, `blocks` gathers
what attention blocks have recorded, `looking` compiles all of it into one function over
tiles, `place` brings a map back onto its image, `choosing` says which images are shown,
`drawing`, `channels` and `page` show them. `mode` is --mode=explain.
"""
