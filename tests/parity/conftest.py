"""Tests against transformers: `make parity` runs them in an environment that has it, and fails without it."""

from __future__ import annotations

import os

if os.environ.get("QMD_PARITY"):
    import torch  # noqa: F401
    import transformers  # noqa: F401
