"""Whether `datasets` opens data-set folders of this program, with the rows that it writes as JSON lines.

    python tests/data_sets/check.py FOLDER SPLIT=ROWS.jsonl ...

A row has every column of its set; what JSON lines leave out is null there. A column of several kinds of values is one
of JSON in the folder. Prints a line a split; ends with an error at the first that differs.
"""

import json
import os
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"

from datasets import disable_progress_bars, load_dataset  # noqa: E402


def same(cell, value):
    if cell == value:
        return True
    if isinstance(value, list) and isinstance(cell, list):
        return len(cell) == len(value) and all(map(same, cell, value))
    if isinstance(value, dict) and isinstance(cell, dict):
        return all(same(cell[key], value.get(key)) for key in cell) and value.keys() <= cell.keys()
    return isinstance(cell, str) and not isinstance(value, str) and json.loads(cell) == value


def main(folder, *splits):
    disable_progress_bars()
    with tempfile.TemporaryDirectory() as cache:
        found = load_dataset(folder, cache_dir=cache)
        wanted = dict(split.split("=", 1) for split in splits)
        assert set(found) == set(wanted), f"{folder}: the splits are {sorted(found)}, expected {sorted(wanted)}"
        for split, file in wanted.items():
            with open(file) as lines:
                rows = [json.loads(line) for line in lines]
            table = found[split]
            assert len(table) == len(rows), f"{folder} {split}: {len(table)} rows, expected {len(rows)}"
            for i, (cells, row) in enumerate(zip(table, rows)):
                assert row.keys() <= cells.keys(), f"{folder} {split} row {i}: no {sorted(row.keys() - cells.keys())}"
                for name, cell in cells.items():
                    assert same(cell, row.get(name)), f"{folder} {split} row {i}, {name}: {cell!r}, expected {row.get(name)!r}"
            print(f"{folder} {split}: {len(rows)} rows, {len(table.column_names)} columns")


main(*sys.argv[1:])
