# SPDX-License-Identifier: MIT
"""Host side of trustanchor: everything behind the `trustanchor` command.

Host code encodes and signs. Whatever decodes or decides is imported from the device package
`trustanchor` and never written again here (firmware/DESIGN.md, "The one rule").
"""
