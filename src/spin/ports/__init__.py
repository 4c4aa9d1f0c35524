"""Protocols: what the core asks of the world. Adapters live in `spin.engines`, `spin.edge`, `spin.store` and `spin.registry`."""
