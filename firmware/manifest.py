# SPDX-License-Identifier: MIT
# Freezes the package into a firmware build: `include("path/to/firmware/manifest.py")`.
# opt=2 drops asserts, of which there are none, and keeps line numbers for tracebacks.
metadata(  # noqa: F821 - a name of MicroPython's manifest language
    description="Trust anchors, pins and their rollover, with one verdict over a server's chain.",
    version="0.1.0",
)
package("trustanchor", opt=2)  # noqa: F821 - as above
