#!/usr/bin/env python3
"""Generates the word problems of the data set `gsm-symbolic-reimplemented`.

    python3 scripts/gsm-symbolic-reimplemented.py WHEEL OUT

WHEEL is the file of the Python package `reasoning-gym` 0.1.25 (Apache-2.0). Its family `gsm_symbolic` is a
reimplementation of GSM-Symbolic (arXiv:2410.05229) by other authors, with one generator per template. OUT receives
four problems of each generator that the package lists as good (`tasks_ok`), as JSON lines with `id`, `group`, `question`
and `answer`. `intercascade datasets fetch gsm-symbolic-reimplemented` downloads the package, runs this script and
verifies OUT.

The script runs two modules of the package that need only the standard library. It does not import the package, which would
import its dependencies. Every Python from 3.10 produces the same bytes, because each generator has a separate random number
generator with an integer seed.
"""

import ast
import json
import re
import sys
import types
import zipfile
from random import Random

SEED = 20241007
PER_GROUP = 4
# Maximum number of draws for one problem. A generator without a new problem after it is an error.
MOST_DRAWS = 1000
FAMILY = "reasoning_gym/arithmetic/gsm_symbolic"
NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")


def module(wheel, name, path):
    """Runs one file of the wheel as the module `name`."""
    made = types.ModuleType(name)
    sys.modules[name] = made
    exec(compile(wheel.read(path), path, "exec"), made.__dict__)
    return made


def listed(wheel):
    """Returns the numbers of the generators that the package lists as good."""
    for node in ast.parse(wheel.read(f"{FAMILY}/gsm_symbolic.py")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) == "tasks_ok":
            return ast.literal_eval(node.value)
    raise SystemExit(f"{FAMILY}/gsm_symbolic.py has no list `tasks_ok`: this is another version of the package")


def generators(wheel):
    """Returns the functions that draw a problem, by number."""
    sys.modules["reasoning_gym"] = types.ModuleType("reasoning_gym")
    module(wheel, "reasoning_gym.utils", "reasoning_gym/utils.py")
    found = {}
    for part in ("generators_00_49", "generators_50_99"):
        for name, value in vars(module(wheel, part, f"{FAMILY}/{part}.py")).items():
            if re.fullmatch(r"generate_[0-9]+", name):
                found[int(name.removeprefix("generate_"))] = value
    return found


def solution(problem):
    """The worked solution, which ends in `#### N`; None if the answer is not a number."""
    answer = str(problem["answer"]).strip()
    if not NUMBER.fullmatch(answer):
        return None
    steps = problem["metadata"]["answer_cot"].rpartition("####")[0].rstrip()
    return f"{steps}\n#### {answer}"


def draw(number, generate, count):
    """Returns four problems of one generator with distinct numbers. `count` counts rejected draws by reason."""
    rng = Random(SEED * 1000 + number)
    drawn = {}
    for _ in range(MOST_DRAWS):
        try:
            problem = generate(rng, 1.0)
        except ValueError:
            # The package refuses an answer with more than two decimals.
            count["too many decimals"] += 1
            continue
        question = problem["question"].strip()
        answer = solution(problem)
        numbers = tuple(NUMBER.findall(question))
        if answer is None:
            count["no number as the answer"] += 1
        elif numbers in drawn:
            count["the numbers of an earlier one"] += 1
        else:
            drawn[numbers] = (question, answer)
        if len(drawn) == PER_GROUP:
            return list(drawn.values())
    raise SystemExit(f"generator {number} gives only {len(drawn)} different problems in {MOST_DRAWS} draws")


def main(wheel_path, out):
    count = {"too many decimals": 0, "no number as the answer": 0, "the numbers of an earlier one": 0}
    with zipfile.ZipFile(wheel_path) as wheel:
        known = generators(wheel)
        numbers = sorted(listed(wheel))
        rows = []
        for number in numbers:
            for index, (question, answer) in enumerate(draw(number, known[number], count)):
                group = f"template-{number}"
                rows.append({"id": f"{group}-{index}", "group": group, "question": question, "answer": answer})
    with open(out, "w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")
    again = ", ".join(f"{number} {what}" for what, number in count.items())
    print(f"{len(rows)} problems of {len(numbers)} generators; drawn again: {again}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit("usage: gsm-symbolic-reimplemented.py WHEEL OUT")
    main(sys.argv[1], sys.argv[2])
