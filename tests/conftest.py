"""For all tests."""

import os

from hypothesis import settings

# Continuous integration judges a change, so it tries the same examples each time; at the desk they differ, and find more.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")
