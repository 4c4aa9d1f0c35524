"""The schema's history, one module a step in `versions`. Steps are added, never edited once released."""
