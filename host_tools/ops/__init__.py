# SPDX-License-Identifier: MIT
"""What the operator's commands think with: deployed states, and what devices say of a chain."""
