"""The loop: something happened, so take a look. No decisions here: those are `spin.plan`'s.

A deployment's key goes into a queue without duplicates (`queue`); one worker a key reads the desired state, observes the engine
and the edge, asks for a plan, executes its steps and records the status (`passes`); the plan says when to come back. Nothing is
remembered between two passes that is not in the store or on the engine's own objects, so the process may be killed anywhere; what
`rounds` remembers only saves passes.
"""

from spin.reconcile.controller import Controller

__all__ = ["Controller"]
