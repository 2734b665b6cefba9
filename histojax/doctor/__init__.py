"""`--mode=doctor`: what is missing or wrong here, each with the command that mends it.

Nothing but Python's own library is imported at the top of these files: they work where
a package is missing or broken.
"""
