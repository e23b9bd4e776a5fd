# SPDX-License-Identifier: MIT
"""The stories of `make demo`, told live by simulated boards and real TLS servers."""
