#!/usr/bin/env python3
"""Checks that the tables of a run folder agree with each other: python3 scripts/check-run.py RUN_DIR

Recomputes accuracy, strong calls and tokens from records.csv and calls.csv, independently of the program's code, and compares
them with the tables that the program wrote. Exit status 1 if a value differs or is missing."""

import csv
import json
import math
import pathlib
import sys
from collections import defaultdict

TABLES = ["records", "calls", "accuracy", "strong_calls", "fees", "calibration", "reliability"]


def rows(folder, name):
    with open(folder / f"{name}.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def main(folder):
    faults = []

    def expect(what, found, expected):
        if isinstance(expected, float):
            good = found != "" and math.isclose(float(found), expected, rel_tol=1e-9, abs_tol=1e-9)
        else:
            good = found == str(expected)
        if not good:
            faults.append(f"{what}: {found!r} instead of {expected!r}")

    needed = [f"{table}.{form}" for table in TABLES for form in ("csv", "parquet")]
    for name in needed + ["manifest.json", "summary.md", "strategies.jsonl", "journal.sqlite"]:
        if not (folder / name).is_file() or (name != "strategies.jsonl" and not (folder / name).stat().st_size):
            faults.append(f"{name} is missing or empty")
    if faults:
        return faults
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    if not manifest["ended"]:
        faults.append("the manifest has no end")
    records, calls = rows(folder, "records"), rows(folder, "calls")
    cells = defaultdict(list)
    for row in records:
        cells[row["arm"], row["threshold"]].append(row)
    arms = manifest["identity"]["arms"]
    expect("arms", str(sorted({arm for arm, _ in cells})), str(sorted(arms)))

    accuracy = {(row["arm"], row["threshold"]): row for row in rows(folder, "accuracy")}
    strong = {(row["arm"], row["threshold"]): row for row in rows(folder, "strong_calls")}
    for key, cell in cells.items():
        right = sum(row["score"] == "correct" for row in cell)
        deferred = sum(row["deferred"] == "true" for row in cell)
        expect(f"{key} accuracy", accuracy[key]["accuracy"], right / len(cell))
        expect(f"{key} coverage", accuracy[key]["coverage"], 1 - deferred / len(cell))
        expect(f"{key} strong_calls", strong[key]["strong_calls"], deferred)
        if key[1]:
            for row in cell:
                low = float(row["confidence"]) < float(key[1])
                expect(f"{key} {row['item_id']} deferred", row["deferred"], "true" if low else "false")

    tokens = defaultdict(lambda: [0, 0])
    for call in calls:
        if call["arm"] == "weak-only" and call["purpose"] == "confidence":
            continue  # weak-only defers nothing, so its fee excludes confidence calls.
        for purpose in (call["purpose"], "total"):
            sums = tokens[call["arm"], call["model"], purpose]
            sums[0] += int(call["input_tokens"])
            sums[1] += int(call["output_tokens"])
    fees = rows(folder, "fees")
    expect("rows of fees", str(len(fees)), str(len(tokens)))
    for row in fees:
        read, written = tokens[row["arm"], row["model"], row["purpose"]]
        what = f"{row['arm']} {row['model']} {row['purpose']}"
        expect(f"{what} input_tokens", row["input_tokens"], read)
        expect(f"{what} output_tokens", row["output_tokens"], written)

    summary = (folder / "summary.md").read_text(encoding="utf-8")
    for arm in arms:
        if f"| {arm} |" not in summary:
            faults.append(f"summary.md has no row for {arm}")
    return faults


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    found = main(pathlib.Path(sys.argv[1]))
    for fault in found:
        print(fault)
    print(f"{sys.argv[1]}: {'the outputs agree' if not found else f'{len(found)} faults'}")
    sys.exit(bool(found))
