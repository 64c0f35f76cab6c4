"""The command line of `vb demo`."""

from __future__ import annotations

import argparse
from pathlib import Path

from vb.demo import report


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=Path("demo-out"), help="folder for logs, WAV and PNG (demo-out)")


def run(arguments: argparse.Namespace) -> int:
    return report.main(arguments.out)
