"""Recorded sets for choosing settings, and offline runs on them."""

import csv
import os
import subprocess
import sys
import tempfile

SETS = ["pair-gsm-templates-dev", "pair-gsm-templates-dev-2"]


def quoted(names):
    """Formats a list of names as TOML."""
    return "[" + ",".join(f'"{name}"' for name in names) + "]"


def records(program, name, sets):
    """Returns the records of an offline run of a set with these overrides. Exits if the run fails."""
    with tempfile.TemporaryDirectory() as out:
        command = [program, "run", "--config", f"configs/{name}.toml", "--journal", f"results/{name}", "--offline", "--out", out]
        for value in sets:
            command += ["--set", value]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(done.stderr)
        return list(csv.DictReader(open(os.path.join(out, "records.csv"), newline="")))
