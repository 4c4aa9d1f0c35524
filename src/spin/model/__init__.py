"""Frozen values and enums: what the rest of the platform talks about. No I/O, no methods that reach out."""
