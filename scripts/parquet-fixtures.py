#!/usr/bin/env python3
"""Writes tests/fixtures/*.parquet: our own questions in the nested columns of the published MMLU-Pro and ARC files.

Needs pyarrow. Usage: scripts/parquet-fixtures.py tests/fixtures
"""
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

folder = Path(sys.argv[1])

options = pa.table({
    "question_id": pa.array([70, 71, 72], pa.int64()),
    "question": ["Which is a prime?", "Which is a colour?", "Which is a metal?"],
    "options": [["4", "6", "8", "9", "10", "12", "14", "15", "16", "17"], ["red", "loud", "fast"], ["iron", "oak"]],
    "answer": ["J", "A", "A"],
    "answer_index": pa.array([9, 0, 0], pa.int64()),
    "cot_content": ["", "Red is one.", ""],
    "category": ["math", "other", "chemistry"],
    "src": ["ours", "ours", "ours"],
})
# Two row groups, compressed with zstd instead of the hub's usual snappy.
with pq.ParquetWriter(folder / "options.parquet", options.schema, compression="zstd") as writer:
    writer.write_table(options.slice(0, 2))
    writer.write_table(options.slice(2))

labelled = pa.struct([("text", pa.list_(pa.string())), ("label", pa.list_(pa.string()))])
choices = pa.table({
    "id": ["plants-1", "plants-2"],
    "question": ["What do green plants take from the air?", "Which part of a plant is under the ground?"],
    "choices": pa.array([
        {"text": ["carbon dioxide", "iron", "sand", "wool"], "label": ["A", "B", "C", "D"]},
        {"text": ["leaf", "flower", "root"], "label": ["1", "2", "3"]},
    ], labelled),
    "answerKey": ["A", "3"],
})
pq.write_table(choices, folder / "labelled.parquet", compression="snappy")
