# SPDX-License-Identifier: MIT
"""Real and simulated boards on a serial line: what they are, and what is done to them."""
