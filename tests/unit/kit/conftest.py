from support.processes import workplace

__all__ = ["workplace"]
