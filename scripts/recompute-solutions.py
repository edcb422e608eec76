#!/usr/bin/env python3
"""Recomputes the worked solutions of a JSON-lines file: every `expression = value` in plain numbers.

    python3 scripts/recompute-solutions.py FILE [-v]

Prints the incorrect calculations, then the shares of correct calculations and solutions. Units and words around numbers are
ignored. A calculation with letters in its terms (`2x + 80 = 216`) or without numbers is not read and is counted separately; `-v`
prints it.
"""

import json
import re
import sys
from fractions import Fraction

TOKEN = re.compile(r"[0-9]+(?:\.[0-9]+)?%?|[-+*/()]|[^\W\d_]+(?:['’-][^\W\d_]+)*|\S")
ALGEBRA = re.compile(r"[0-9][a-z]\b|\b[a-zA-Z]\s*[-+*/=]|[-+*/=]\s*[a-zA-Z]\b")
CLAUSE = re.compile(r"[.,:;]\s")


def plain(line):
    """Normalizes a line: one sign per operation, without currency signs, thousands separators and list marks."""
    line = re.sub(r"^\s*[-•]\s+", "", line)
    line = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", line)
    line = re.sub(r"[$€£]|\(s\)", "", line)
    line = re.sub(r"\bhalf\b", "1/2", line)
    line = re.sub(r"(?<=[\w)%])\s+[x×]\s*(?=[\d(])|(?<=[\d)])\s*×\s*(?=[\d(])", " * ", line)
    # `14÷2/5` divides by the fraction 2/5.
    return re.sub(r"÷\s*([0-9]+/[0-9]+)", r"/(\1)", line).replace("÷", "/")


def tokens(side):
    """Returns the tokens of one side of an equals sign. Units such as `/day` are words."""
    return TOKEN.findall(re.sub(r"/\s*(?=[A-Za-z])", " per ", side))


def is_word(token):
    return token[0].isalpha()


def is_number(token):
    return token[0].isdigit()


def at_start(found):
    """Returns the expression at the start of the tokens, ignoring units before it."""
    taken, depth, wants = [], 0, True
    for token in found:
        if is_word(token):
            continue
        if wants and is_number(token):
            taken.append(token)
            wants = False
        elif wants and token == "(":
            taken.append(token)
            depth += 1
        elif not wants and token == ")" and depth:
            taken.append(token)
            depth -= 1
        elif not wants and token in "+-*/":
            taken.append(token)
            wants = True
        elif not wants and token == "(":
            taken += ["*", token]
            depth, wants = depth + 1, True
        elif not wants and is_number(token) and taken[-1] == ")":
            taken += ["*", token]
        else:
            break
    while taken and taken[-1] in "+-*/":
        taken.pop()
    return taken


def at_end(found):
    """Returns the expression at the end of the tokens."""
    swap = {"(": ")", ")": "("}
    return [swap.get(token, token) for token in at_start([swap.get(token, token) for token in reversed(found)])[::-1]]


def value(expression):
    """Returns the exact value; None if the tokens form no expression."""
    terms = [f"Fraction('{t.rstrip('%')}'){'/100' if '%' in t else ''}" if is_number(t) else t for t in expression]
    terms = [f"({term})" if "/100" in term else term for term in terms]
    try:
        return eval("".join(terms), {"Fraction": Fraction})
    except (SyntaxError, ZeroDivisionError, TypeError):
        return None


def calculations(solution):
    """Yields each calculation's line, and True if it is correct, False if not, None if it cannot be read."""
    for line in solution.rpartition("####")[0].splitlines():
        sides = plain(line).split("=")
        for left, right in zip(sides, sides[1:]):
            if ALGEBRA.search(f"{CLAUSE.split(left)[-1]}={CLAUSE.split(right)[0]}"):
                yield line, None
                continue
            one, other = value(at_end(tokens(left))), value(at_start(tokens(right)))
            readable = one is not None and other is not None
            yield line, (abs(one - other) < Fraction(1, 10**9) if readable else None)


def main(path):
    count = {True: 0, False: 0, None: 0}
    solutions = held = 0
    with open(path, encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    for number, row in enumerate(rows):
        found = list(calculations(row["answer"]))
        for line, holds in found:
            count[holds] += 1
            if holds is False:
                print(f"{row.get('id', number)}: {line.strip()}")
            if holds is None and "-v" in sys.argv:
                print(f"not read: {row.get('id', number)}: {line.strip()}")
        read = [holds for _, holds in found if holds is not None]
        solutions += bool(read)
        held += bool(read) and all(read)
    read = count[True] + count[False]
    print(f"{count[True]} of {read} calculations are correct, {count[None]} are not read; {held} of {solutions} solutions with calculations have only correct ones, of {len(rows)} rows")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit("usage: recompute-solutions.py FILE [-v]")
    main(sys.argv[1])
