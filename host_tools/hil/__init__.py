# SPDX-License-Identifier: MIT
"""Hardware in the loop: pytest fixtures for a board on a cable (plugin.py is the map)."""
