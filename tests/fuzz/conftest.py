"""Lets the tests of this folder import what stands beside them: mutation, parsers and trial."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
