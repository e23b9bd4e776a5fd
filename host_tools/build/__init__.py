# SPDX-License-Identifier: MIT
"""What is made from the sources: the environment, the interpreters, packages for boards."""
