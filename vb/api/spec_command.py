"""``vb spec``: print a specification."""

from __future__ import annotations

import argparse
import sys

import msgspec

from vb.api.asyncapi import asyncapi
from vb.api.openapi import openapi
from vb.api.yaml_text import to_yaml


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("document", choices=("openapi", "asyncapi"))
    parser.add_argument("--json", action="store_true", help="JSON instead of YAML")


def run(arguments: argparse.Namespace) -> int:
    """Always 0."""
    document = openapi() if arguments.document == "openapi" else asyncapi()
    text = msgspec.json.format(msgspec.json.encode(document)).decode() + "\n" if arguments.json else to_yaml(document)
    sys.stdout.write(text)
    return 0
