"""Who may do what. Pure: a table of roles and actions, and one function that reads it."""

from spin.access.roles import OPERATOR_ACTIONS, ROLE_ACTIONS, SITE_ACTIONS, Action, can, least_role

__all__ = ["OPERATOR_ACTIONS", "ROLE_ACTIONS", "SITE_ACTIONS", "Action", "can", "least_role"]
