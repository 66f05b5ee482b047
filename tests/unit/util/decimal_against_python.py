"""Random decimal spellings: weir's parse, order, canonical form and difference against Python's."""
import decimal
import random
import subprocess
import sys

PAIRS = 20000
RNG = random.Random(20261123)
EXACT = decimal.Context(prec=2000, Emax=9999999, Emin=-9999999)


def spelling():
    kind = RNG.random()
    digits = "".join(RNG.choice("0123456789") for _ in range(RNG.choice([1, 2, 3, 10, 37, 38, 39])))
    if kind < 0.3:
        digits = digits.rstrip("0") + "0" * RNG.choice([0, 1, 5, 90, 125])
    text = RNG.choice(["", "", "-", "+"]) + RNG.choice(["", "", "0", "000"]) + (digits or "0")
    if RNG.random() < 0.5:
        point = RNG.randrange(1, 2 + len(text.lstrip("+-")))
        sign = text[: len(text) - len(text.lstrip("+-"))]
        body = text.lstrip("+-")
        text = sign + body[:point] + "." + (body[point:] or "0") + "0" * RNG.choice([0, 0, 3, 130])
    if RNG.random() < 0.5:
        text += RNG.choice("eE") + RNG.choice(["", "+", "-"]) + str(
            RNG.choice([0, 1, 5, 37, 88, 100, 124, 125, 126, 129, 130, 131, 400]))
    return text


def respell(text):
    """Another spelling of the same number, or one that differs in the last digit."""
    value = decimal.Decimal(text)
    sign, digits, exponent = value.as_tuple()
    if RNG.random() < 0.3:
        digits = digits[:-1] + ((digits[-1] + 1) % 10,)
    zeros = RNG.choice([0, 1, 2])
    body = "".join(map(str, digits)) + "0" * zeros
    return f"{'-' if sign else ''}{body}e{exponent - zeros}"


def canonical(text):
    value = EXACT.create_decimal(text)
    if value == 0:
        return "0"
    sign, digits, exponent = value.as_tuple()
    body = "".join(map(str, digits)).lstrip("0")
    exponent += len(body) - 1
    body = body.rstrip("0")
    if len(body) > 38 or not -130 <= exponent <= 125:
        return "!"
    return ("-" if sign else "") + body[0] + ("." + body[1:] if body[1:] else "") + f"e{exponent}"


def difference(a, b):
    delta = EXACT.subtract(EXACT.create_decimal(a), EXACT.create_decimal(b))
    if delta == 0:
        return "0"
    text = format(EXACT.abs(delta), "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    if len(text.replace(".", "")) > 38:
        return "!"
    return ("-" if delta < 0 else "+") + text


def expected(a, b):
    left, right = canonical(a), canonical(b)
    if "!" in (left, right):
        return f"{left} {right} ! !"
    x, y = EXACT.create_decimal(a), EXACT.create_decimal(b)
    return f"{left} {right} {(x > y) - (x < y)} {difference(a, b)}"


def main():
    pairs = []
    for _ in range(PAIRS):
        first = spelling()
        pairs.append((first, respell(first) if RNG.random() < 0.4 else spelling()))
    text = "".join(f"{a} {b}\n" for a, b in pairs)
    done = subprocess.run([sys.argv[1]], input=text, capture_output=True, text=True, check=True)
    answers = done.stdout.splitlines()
    assert len(answers) == len(pairs), (len(answers), len(pairs))
    wrong = 0
    sound = 0
    for (a, b), answer in zip(pairs, answers):
        want = expected(a, b)
        sound += "!" not in want.split(" ")[:2]
        if answer != want:
            wrong += 1
            if wrong <= 10:
                print(f"{a} {b}\n  weir:   {answer}\n  python: {want}")
    print(f"{len(pairs)} pairs, {sound} in range, {wrong} wrong")
    assert sound > PAIRS / 4
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
