# SPDX-License-Identifier: MIT
"""The rehearsal: every state that devices have, every chain that servers will send, over time."""
