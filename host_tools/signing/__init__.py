# SPDX-License-Identifier: MIT
"""From a description to a signed bundle: drafts, keys, signers, and what a person is shown."""
