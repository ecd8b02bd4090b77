# SPDX-License-Identifier: GPL-2.0-or-later
# Judges the text of a kernel log: which of its lines are failures?

import pathlib
import re

RACE_BEGIN = re.compile(r"BUG: KCSAN: ")
RACE_END = re.compile(r"={20}")
OUR_MODULE = "[dm_snapdiff]"
PATTERN_FILE = pathlib.Path(__file__).with_name("kernel-log.patterns")


def bad_patterns():
    """The patterns of lines that are always a failure."""
    lines = PATTERN_FILE.read_text().splitlines()
    return [re.compile(line) for line in lines if line and not line.startswith("#")]


def without_foreign_races(lines):
    """Leaves out reports of data races in which our module has no part: the kernel's own."""
    report = None
    for line in lines:
        if report is not None:
            report.append(line)
            if RACE_END.search(line):
                if any(OUR_MODULE in part for part in report):
                    yield from report
                report = None
        elif RACE_BEGIN.search(line):
            report = [line]
        else:
            yield line
    yield from report or ()


def bad_lines(text, expected=()):
    """Returns the lines of a kernel log that are failures, less those somebody expects."""
    patterns = bad_patterns()
    allowed = [re.compile(pattern) for pattern in expected]
    return [
        line
        for line in without_foreign_races(text.splitlines())
        if any(p.search(line) for p in patterns) and not any(a.search(line) for a in allowed)
    ]
