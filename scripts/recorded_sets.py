"""The recorded sets that settings are chosen on, and runs of them offline."""

import csv
import os
import subprocess
import sys
import tempfile

SETS = ["pair-gsm-templates-dev", "pair-gsm-templates-dev-2"]


def quoted(names):
    """A list of names as TOML."""
    return "[" + ",".join(f'"{name}"' for name in names) + "]"


def records(program, name, sets):
    """The records of an offline run of a set, with these values laid over its config; ends the program if the run fails."""
    with tempfile.TemporaryDirectory() as out:
        command = [program, "run", "--config", f"configs/{name}.toml", "--journal", f"results/{name}", "--offline", "--out", out]
        for value in sets:
            command += ["--set", value]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(done.stderr)
        return list(csv.DictReader(open(os.path.join(out, "records.csv"), newline="")))
