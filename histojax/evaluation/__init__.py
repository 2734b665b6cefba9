"""From predictions to a report: NumPy arrays and files only, no JAX."""
