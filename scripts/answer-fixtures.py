#!/usr/bin/env python3
"""Writes the numbers that tests/integration/answers.rs reads: python3 scripts/answer-fixtures.py > tests/fixtures/numbers.jsonl

Needs Babel 2.19.0, num2words 0.5.14 and sympy 1.14.0. Each row has a text that one of these packages wrote and the exact value
as a fraction. Texts whose value depends on an unstated locale are left out:

- one separator, a comma or a point, with three digits after it and one to three before it, the first of which is not 0:
  `1.234` is 1234 in German and 1.234 in English, and the program reads the English value;
- compact and percent forms in languages other than English, because their scales are words of these languages.
"""

import json
import re
from decimal import Decimal
from fractions import Fraction

import num2words
import sympy
from babel import Locale
from babel.numbers import format_compact_decimal, format_currency, format_decimal, format_percent, format_scientific

LOCALES = [
    "en_US", "en_GB", "en_IN", "hi_IN", "de_DE", "de_CH", "de_AT", "fr_FR", "fr_CH", "it_IT", "es_ES", "pt_BR", "nl_NL", "sv_SE", "nb_NO",
    "pl_PL", "cs_CZ", "ru_RU", "uk_UA", "fi_FI", "ja_JP", "zh_CN", "ko_KR", "tr_TR",
]
# Locales with native digits.
SCRIPTS = [("ar_EG", "arab"), ("fa_IR", "arabext"), ("bn_BD", "beng"), ("mr_IN", "deva"), ("ne_NP", "deva"), ("my_MM", "mymr")]
NUMBERS = ["0", "7", "42", "-5", "999", "12345", "-98765", "1234567", "123456789", "0.5", "-0.25", "3.75", "1234.5", "98765.43", "1234567.89", "1000000"]
CURRENCIES = {
    "en_US": "USD", "en_GB": "GBP", "en_IN": "INR", "de_DE": "EUR", "de_CH": "CHF", "fr_FR": "EUR", "ja_JP": "JPY", "es_ES": "EUR", "it_IT": "EUR",
    "nl_NL": "EUR", "fi_FI": "EUR", "hi_IN": "INR", "zh_CN": "CNY", "ko_KR": "KRW", "uk_UA": "UAH", "ru_RU": "RUB", "tr_TR": "TRY", "pl_PL": "EUR",
}
AMBIGUOUS = re.compile(r"(?<![\d.,])[1-9]\d{0,2}\.\d{3}(?![\d.,])|(?<![\d.,])0,\d{3}(?![\d.,])")
DIRECTIONS = dict.fromkeys(map(ord, "\u200e\u200f\u061c\u2066\u2067\u2068\u2069"))

rows = []


def add(source, text, value):
    # Direction marks are not part of the number.
    text = text.translate(DIRECTIONS)
    if not AMBIGUOUS.search(text):
        row = {"source": source, "text": text, "value": str(Fraction(value))}
        if all(row["text"] != known["text"] for known in rows):
            rows.append(row)


def locales():
    for name in LOCALES:
        for number in NUMBERS:
            add(f"babel decimal {name}", format_decimal(Decimal(number), locale=name, decimal_quantization=False), number)
    for name, system in SCRIPTS:
        for number in NUMBERS:
            add(f"babel decimal {name} {system}", format_decimal(Decimal(number), locale=name, decimal_quantization=False, numbering_system=system), number)


def currencies():
    for name, currency in CURRENCIES.items():
        for number in ["5", "18.5", "-7.25", "12345.5", "1234567.89"]:
            text = format_currency(Decimal(number), currency, locale=name, currency_digits=False, decimal_quantization=False)
            add(f"babel currency {name}", text, number)
    for number in ["-500", "-1250.75"]:
        text = format_currency(Decimal(number), "USD", locale="en_US", format_type="accounting", currency_digits=False)
        add("babel accounting en_US", text, Decimal(number))


def percents():
    # The program reads the number before the percent sign.
    for name in ["en_US", "de_DE", "fr_FR", "hi_IN"]:
        for number in ["0.25", "0.07", "1.5", "0.125", "-0.4"]:
            add(f"babel percent {name}", format_percent(Decimal(number), locale=name, decimal_quantization=False), Decimal(number) * 100)


def powers_of_ten():
    for number in ["120000", "-4500", "0.00032", "7", "123456", "6.02e23", "1e-9"]:
        add("babel scientific", format_scientific(Decimal(number), locale="en_US", decimal_quantization=False), Decimal(number))
    for number in ["1200", "45000", "3000000", "2500000", "7000000000", "1000000000000"]:
        for form in ["short", "long"]:
            add(f"babel compact {form}", format_compact_decimal(Decimal(number), format_type=form, locale="en_US", fraction_digits=1), Decimal(number))


def words():
    for number in [*range(101), 105, 117, 120, 200, 250, 342, 999, 1000, 1250, 2024, 12345]:
        add("num2words", num2words.num2words(number), number)
    for number in [-1, -12, -42, -99]:
        add("num2words", num2words.num2words(number), number)


def latex():
    pairs = [(1, 2), (3, 4), (-5, 8), (22, 7), (100, 3), (-1, 12), (17, 100), (365, 12), (1, 1000), (-250, 9)]
    for top, bottom in pairs:
        value = sympy.Rational(top, bottom)
        for style in [{}, {"fold_short_frac": True}, {"itex": True}]:
            add("sympy rational", sympy.latex(value, **style), Fraction(top, bottom))
        tex = sympy.latex(value)
        for command in ["dfrac", "tfrac"]:
            add("sympy rational", tex.replace("frac", command), Fraction(top, bottom))
        if 0 < top < 10 and bottom < 10:
            add("sympy rational, no braces", rf"\frac{top}{bottom}", Fraction(top, bottom))
    for whole, top, bottom in [(1, 1, 2), (2, 3, 4), (10, 5, 8), (7, 1, 3), (100, 99, 100)]:
        fraction = sympy.latex(sympy.Rational(top, bottom))
        value = whole + Fraction(top, bottom)
        add("sympy mixed", f"{whole}{fraction}", value)
        add("sympy mixed", f"{whole} {fraction}", value)
        add("sympy mixed", f"-{whole}{fraction}", -value)
        add("mixed", f"{whole} {top}/{bottom}", value)
    for base, exponent in [(2, 10), (3, 4), (10, 6), (7, 3), (10, -2), (2, 5)]:
        power = sympy.Pow(base, exponent, evaluate=False)
        value = Fraction(base) ** exponent
        if exponent > 0:
            add("sympy power", sympy.latex(power), value)
        add("power", f"{base}^{{{exponent}}}", value)
    for number in ["1.5e10", "6.25e-7", "3.0e20"]:
        add("sympy float", sympy.latex(sympy.Float(number, 5), mul_symbol="times", min=-2, max=3), Decimal(number))
        add("sympy float", sympy.latex(sympy.Float(number, 5), mul_symbol="dot", min=-2, max=3), Decimal(number))


assert Locale.parse("en_US").english_name
for make in [locales, currencies, percents, powers_of_ten, words, latex]:
    make()
for row in rows:
    print(json.dumps(row, ensure_ascii=False))
