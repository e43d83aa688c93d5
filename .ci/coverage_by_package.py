"""Reads coverage's JSON report and fails where one of the three packages is tested less than all of them must be."""

import json
import sys
from pathlib import Path

LEAST = 95.0

files = json.loads(Path(sys.argv[1]).read_text())["files"]
red = False
for package in ("flowflex_core", "flowflex_transports", "flowflex_testing"):
    summaries = [file["summary"] for path, file in files.items() if Path(path).parts[0] == package]
    if not summaries:
        sys.exit(f"{package}: nothing was measured")
    lines, lines_run, branches, branches_run = (
        sum(summary[key] for summary in summaries)
        for key in ("num_statements", "covered_lines", "num_branches", "covered_branches")
    )
    of_branches = 100 * branches_run / branches if branches else 100.0
    of_both = 100 * (lines_run + branches_run) / (lines + branches) if lines else 100.0
    print(f"{package}: {of_both:.1f} % of lines and branches, {of_branches:.1f} % of branches alone")
    red = red or min(of_branches, of_both) < LEAST
sys.exit(1 if red else 0)
