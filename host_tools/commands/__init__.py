# SPDX-License-Identifier: MIT
"""One file a subcommand of `trustanchor`; the file's name is the subcommand's."""
