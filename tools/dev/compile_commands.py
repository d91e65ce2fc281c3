#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints a compilation database: compile_commands.py 'COMPILER AND FLAGS' FILE..."""

import json
import os
import shlex
import sys


def main():
    if len(sys.argv) < 2:
        sys.exit("usage: compile_commands.py 'COMPILER AND FLAGS' FILE...")
    command = shlex.split(sys.argv[1])
    entries = [
        {"directory": os.getcwd(), "arguments": [*command, "-c", file], "file": file}
        for file in sys.argv[2:]
    ]
    json.dump(entries, sys.stdout, indent=1)
    print()


main()
