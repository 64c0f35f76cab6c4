"""``vb serve``: read the environment, log, run."""

from __future__ import annotations

import argparse
import logging
import os
import sys

import attrs
import trio

from vb import log as logs
from vb.config import Config
from vb.environment import ConfigError

log = logging.getLogger("vb.app")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--check", action="store_true", help="only read the settings: exit status 0 if the server could start with them"
    )
    parser.epilog = "Variables: " + ", ".join(field.name.upper() for field in attrs.fields(Config)) + "."


def run(arguments: argparse.Namespace) -> int:
    """1 when a setting cannot be read or an address cannot be had, else 0 after an orderly stop."""
    try:
        config = Config.from_environment(os.environ)
    except ConfigError as error:
        print(f"vb: {error}", file=sys.stderr)  # noqa: T201 - the one line that a failed start gives
        return 1
    if arguments.check:
        return 0
    logs.set_up(config.log_level, secrets=config.secrets, instance_id=config.instance_id)
    for warning in config.warnings(os.environ):
        log.warning(warning)
    from vb.app import StartError, serve  # the heavy part, after everything that can fail quickly

    try:
        trio.run(serve, config)
    except StartError as error:
        print(f"vb: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0
