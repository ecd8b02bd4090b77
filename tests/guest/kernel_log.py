# SPDX-License-Identifier: GPL-2.0-or-later
# Judges the text of a kernel log: which of its lines are failures?

import pathlib
import re

PATTERN_FILE = pathlib.Path(__file__).with_name("kernel-log.patterns")


def bad_patterns():
    """The patterns of lines that are always a failure."""
    lines = PATTERN_FILE.read_text().splitlines()
    return [re.compile(line) for line in lines if line and not line.startswith("#")]


def bad_lines(text, expected=()):
    """Returns the lines of a kernel log that are failures, less those somebody expects."""
    patterns = bad_patterns()
    allowed = [re.compile(pattern) for pattern in expected]
    return [
        line
        for line in text.splitlines()
        if any(p.search(line) for p in patterns) and not any(a.search(line) for a in allowed)
    ]
