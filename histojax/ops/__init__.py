"""Arrays in, arrays out: each fused operation beside its plain form."""
