"""A container engine in memory, for tests and for trying a plan before it is carried out."""

from spin.engines.simulated.behaviour import Behaviour, Fault
from spin.engines.simulated.engine import SimulatedEngine

__all__ = ["Behaviour", "Fault", "SimulatedEngine"]
