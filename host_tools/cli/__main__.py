# SPDX-License-Identifier: MIT
"""`python -m host_tools.cli` is the `trustanchor` command."""

import sys

from host_tools.cli.main import main

sys.exit(main())
