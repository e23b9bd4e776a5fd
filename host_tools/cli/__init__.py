# SPDX-License-Identifier: MIT
"""How commands are found, how they speak, and the sentence behind every code."""
