"""Sums whose answers show the way: counting on with fingers, tens and ones."""

from .split import held_out
from .words import cap, name

NUMBERS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty".split()
GOODS = "apples pears cookies marbles balls books stones shells eggs stars flowers coins cakes buttons kites pencils nuts stamps toys cards".split()


def fingers(start, step, count):
    """'9 (1), 10 (2), 11 (3)': each number with the finger that counts it."""
    return ", ".join(f"{start + step * i} ({i})" for i in range(1, count + 1))


def sum_method(x, y):
    small, large = sorted((x, y))
    if small == 0:
        return f"Adding nothing changes nothing. So {x} + {y} = {x + y}."
    if small <= 10:
        return (
            f"I count on from {large} with {small} finger{'s' * (small > 1)}: {fingers(large, 1, small)}. So {x} + {y} = {x + y}."
        )
    tens, ones = x // 10 * 10 + y // 10 * 10, x % 10 + y % 10
    return f"Tens: {x // 10 * 10} + {y // 10 * 10} = {tens}. Ones: {x % 10} + {y % 10} = {ones}. {tens} + {ones} = {x + y}. So {x} + {y} = {x + y}."


def difference_method(x, y):
    if y == 0:
        return f"Taking nothing away changes nothing. So {x} - 0 = {x}."
    if y <= 10:
        return f"I count back from {x} with {y} finger{'s' * (y > 1)}: {fingers(x, -1, y)}. So {x} - {y} = {x - y}."
    rest = x - y // 10 * 10
    return f"Tens: {x} - {y // 10 * 10} = {rest}. Ones: {rest} - {y % 10} = {x - y}. So {x} - {y} = {x - y}."


def product_method(x, y):
    if x == 0 or y == 0:
        return f"Nothing is left when you take zero of it. So {x} x {y} = 0."
    return f"I count by {y} with {x} finger{'s' * (x > 1)}: {fingers(0, y, x)}. So {x} x {y} = {x * y}."


def quotient_method(x, y):
    return f"I count by {y} up to {x}: {fingers(0, y, x // y)}. So {x} / {y} = {x // y}."


def sum_key(x, y):
    return ("sum", min(x, y), max(x, y))


SUM_ASKS = (
    "What is {x} + {y}?",
    "What is {x} plus {y}?",
    "{x} + {y} = ?",
    "{x}+{y}",
    "Add {x} and {y}.",
    "How much is {x} + {y}?",
    "{x} plus {y}",
    "Can you add {x} and {y}?",
    "What do you get when you add {x} and {y}?",
    "what's {x} + {y}",
    "Calculate {x} + {y}.",
)
DIFFERENCE_ASKS = (
    "What is {x} - {y}?",
    "What is {x} minus {y}?",
    "{x} - {y} = ?",
    "{x}-{y}",
    "Take {y} away from {x}.",
    "How much is {x} - {y}?",
    "{x} minus {y}",
    "Subtract {y} from {x}.",
    "Calculate {x} - {y}.",
)
PRODUCT_ASKS = (
    "What is {x} times {y}?",
    "What is {x} x {y}?",
    "{x} x {y} = ?",
    "{x}*{y}",
    "How much is {x} times {y}?",
    "{x} times {y}",
    "Multiply {x} by {y}.",
    "What is {x} * {y}?",
)
QUOTIENT_ASKS = (
    "What is {x} / {y}?",
    "What is {x} divided by {y}?",
    "Divide {x} by {y}.",
    "{x} / {y} = ?",
    "How much is {x} divided by {y}?",
)


def drawn_sum(r):
    """Mostly within 20, where most questions are; then up to 100."""
    if r.random() < 0.7:
        total = r.randrange(0, 21)
        x = r.randrange(0, total + 1)
        return x, total - x
    if r.random() < 0.5:
        x, y = r.randrange(10, 91), r.randrange(1, 10)
        return r.choice(((x, y), (y, x)))
    return r.randrange(10, 90), r.randrange(10, 90)


def sum_turn(r):
    while held_out(*sum_key(*(pair := drawn_sum(r))), one_in=8):
        pass
    return r.choice(SUM_ASKS).format(x=pair[0], y=pair[1]), sum_method(*pair)


def drawn_difference(r):
    x = r.randrange(0, 21) if r.random() < 0.7 else r.randrange(11, 100)
    return x, r.randrange(0, min(x, 10) + 1) if r.random() < 0.8 else r.randrange(0, x + 1)


def difference_turn(r):
    while held_out("difference", *(pair := drawn_difference(r)), one_in=8):
        pass
    return r.choice(DIFFERENCE_ASKS).format(x=pair[0], y=pair[1]), difference_method(*pair)


def product_turn(r):
    x, y = r.randrange(0, 11), r.randrange(0, 11)
    if r.random() < 0.7:
        return r.choice(PRODUCT_ASKS).format(x=x, y=y), product_method(x, y)
    x, y = r.randrange(1, 11), r.randrange(1, 11)
    return r.choice(QUOTIENT_ASKS).format(x=x * y, y=y), quotient_method(x * y, y)


def word_problem_turn(r):
    while held_out(*sum_key(*(pair := (r.randrange(2, 13), r.randrange(1, 9)))), one_in=8):
        pass
    (x, y), (who, pronoun), goods = pair, name(r), r.choice(GOODS)
    if r.random() < 0.6:
        small, large = sorted((x, y))
        ask = r.choice(
            (
                f"{who} has {x} {goods} and gets {y} more. How many {goods} does {who} have now?",
                f"{who} finds {x} {goods}, and then {y} more. How many are there?",
                f"There are {x} {goods} in a box. {who} puts in {y} more. How many {goods} are in the box?",
                f"If {who} has {x} {goods} and I give {'her' if pronoun == 'she' else 'him'} {y}, how many does {who} have?",
            )
        )
        return (
            ask,
            f"I count on from {large} with {small} finger{'s' * (small > 1)}: {fingers(large, 1, small)}. So there are {x + y} {goods}.",
        )
    x += y
    ask = r.choice(
        (
            f"{who} has {x} {goods} and gives away {y}. How many {goods} are left?",
            f"There are {x} {goods}. {who} takes {y} of them. How many are left?",
            f"{who} had {x} {goods} but lost {y}. How many does {who} have now?",
        )
    )
    return ask, f"I count back from {x} with {y} finger{'s' * (y > 1)}: {fingers(x, -1, y)}. So {x - y} {goods} are left."


def comparison_turn(r):
    kind = r.randrange(5)
    if kind == 0:
        x, y = r.sample(range(0, 101 if r.random() < 0.4 else 21), 2)
        bigger = r.random() < 0.6
        ask = r.choice(("Which is {w}, {x} or {y}?", "Which number is {w}, {x} or {y}?", "What is {w}: {x} or {y}?"))
        word, winner, loser = ("bigger", max(x, y), min(x, y)) if bigger else ("smaller", min(x, y), max(x, y))
        return ask.format(w=word, x=x, y=y), f"{winner} is {word} than {loser}."
    if kind == 1:
        x = r.randrange(0, 51)
        word = "even" if x % 2 == 0 else "odd"
        return r.choice(("Is {x} even or odd?", "Is {x} an even or an odd number?", "Tell me if {x} is odd or even.")).format(
            x=x
        ), f"{x} is {word}."
    if kind == 2:
        start, step = r.randrange(1, 11), r.choice((1, 1, 2, 2, 3, 5, 10))
        run = [start + step * i for i in range(4)]
        return r.choice(("What comes next: {s}?", "Which number comes next? {s}", "Continue the row: {s}")).format(
            s=", ".join(map(str, run))
        ), (f"Each number is {step} more than the one before. So {run[-1] + step} comes next.")
    if kind == 3:
        x = r.randrange(1, 21)
        return r.choice(("What is double {x}?", "Double {x}.", "What is twice {x}?")).format(x=x), f"Double {x} is {x + x}."
    x = r.randrange(1, 21) * 2
    return r.choice(("What is half of {x}?", "Half of {x}?", "Tell me half of {x}.")).format(x=x), f"Half of {x} is {x // 2}."


COUNT_ASKS = {
    "to": (
        "Count to {n}.",
        "Can you count to {n}?",
        "Please count from 1 to {n}.",
        "count to {n}",
        "Count up to {n}.",
        "I want you to count to {n}.",
    ),
    "from": (
        "Count from {m} to {n}.",
        "Can you count from {m} to {n}?",
        "Start at {m} and count to {n}.",
        "Please count from {m} up to {n}.",
    ),
    "down": (
        "Count down from {n}.",
        "Count backwards from {n} to 1.",
        "Can you count down from {n}?",
        "Start at {n} and count down.",
    ),
    "by": ("Count by {step} to {n}.", "Count to {n} in steps of {step}.", "Can you count by {step} up to {n}?"),
}


def counting(kind, r):
    """(key, fields, numbers) of something to count."""
    if kind == "to":
        n = r.randrange(2, 31)
        return ("count", "to", n), {"n": n}, range(1, n + 1)
    if kind == "from":
        m = r.randrange(2, 81)
        n = m + r.randrange(2, 13)
        return ("count", "from", m, n), {"m": m, "n": n}, range(m, n + 1)
    if kind == "down":
        n = r.randrange(3, 21)
        return ("count", "down", n), {"n": n}, range(n, 0, -1)
    step = r.choice((2, 3, 5, 10))
    n = step * r.randrange(3, 11)
    return ("count", "by", step, n), {"step": step, "n": n}, range(step, n + 1, step)


def counting_turn(r):
    kind = r.choice(("to", "to", "from", "down", "by"))
    while held_out(*(drawn := counting(kind, r))[0]):
        pass
    _, fields, numbers = drawn
    ask = r.choice(COUNT_ASKS[kind])
    if kind == "to" and fields["n"] <= 20 and r.random() < 0.2:
        fields = {"n": NUMBERS[fields["n"]]}
    return ask.format(**fields), ", ".join(map(str, numbers)) + "."


def arithmetic_turn(r):
    turn = r.choices(
        (sum_turn, difference_turn, product_turn, word_problem_turn, comparison_turn, counting_turn), (34, 20, 14, 10, 10, 12)
    )[0]
    ask, reply = turn(r)
    return cap(ask) if r.random() < 0.9 else ask, reply
