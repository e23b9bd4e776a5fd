# SPDX-License-Identifier: MIT
"""Simulated boards: real MicroPython behind a serial port, with a power switch."""
