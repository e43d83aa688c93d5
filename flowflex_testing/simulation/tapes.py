"""Tapes as files: what once failed is kept, and runs for ever."""

from pathlib import Path

from flowflex_testing.simulation.schedule import Finding
from flowflex_testing.simulation.world import MODES, Mode


def write_tape(folder: Path, finding: Finding) -> Path:
    """Write a finding into `folder`, by the name of its rule, and return the path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{finding.rule}-{finding.tape[:16] or '0'}.tape"
    story = "".join(f"# {line}\n" for line in (f"{finding.rule}: {finding.words}", *finding.story[:60]))
    path.write_text(f"{story}{finding.mode}\n{finding.tape}\n", encoding="utf-8")
    return path


def read_tape(path: Path) -> tuple[Mode, str]:
    """Return the mode and the text of a tape; raises ValueError where the file holds none."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    if not lines or lines[0] not in MODES:
        raise ValueError(f"{path} is no tape: its first line is one of {', '.join(MODES)}")
    return MODES[MODES.index(lines[0])], lines[1].strip() if len(lines) > 1 else ""
