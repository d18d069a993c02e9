"""What evaluation asks, none of which is in any dialogue: facts in a wording kept from training, sums and rows of numbers kept from
training, names that training never saw.

Usage: python -m corpus.questions > questions.json

Each question: {"kind", "turns": what the user says in turn, "expect": what the last reply is scored by}, see benches/eval/score.mjs.
Also "texts": dialogues of a seed of their own, whose replies perplexity is measured on.
"""

import json
import random

from .arithmetic import COUNT_ASKS, DIFFERENCE_ASKS, PRODUCT_ASKS, SUM_ASKS, counting, sum_key
from .dialogues import dialogue, fact_text, small_turn
from .facts import FAMILIES
from .lists import LIST_ASKS, LISTS, NUMBERS, json_request
from .memory import KINDS, NOT_TOLD, pet, told, value_of
from .split import held_out
from .stories import request
from .words import HELD_OUT_NAMES

SEED = 20_000  # training takes 7, its validation 999
EACH = 60


def facts(r):
    kept = [
        fact_text(family, row, ask)
        for family in FAMILIES
        for row in family.rows.items()
        for ask in range(len(family.asks))
        if held_out("fact", family.name, row[0], ask)
    ]
    for ask, reply in r.sample(kept, 2 * EACH):
        yield [ask], {"is": reply}


def pairs(kept, of, count, r):
    """`count` of the (x, y) that are kept from training, again and again if there are fewer."""
    found = [pair for pair in of if kept(*pair)]
    r.shuffle(found)
    return [found[i % len(found)] for i in range(count)]


def sums_within_20(r):
    of = [(x, y) for x in range(21) for y in range(21 - x)]
    for i, (x, y) in enumerate(pairs(lambda x, y: held_out(*sum_key(x, y), one_in=8), of, EACH, r)):
        yield [SUM_ASKS[i % len(SUM_ASKS)].format(x=x, y=y)], {"number": x + y}


def sums_within_100(r):
    of = [(x, y) for x in range(11, 90) for y in range(11, 100 - x)]
    for x, y in pairs(lambda x, y: held_out(*sum_key(x, y), one_in=8), of, EACH, r):
        yield [r.choice(SUM_ASKS).format(x=x, y=y)], {"number": x + y}


def differences_within_20(r):
    of = [(x, y) for x in range(21) for y in range(x + 1)]
    for x, y in pairs(lambda x, y: held_out("difference", x, y, one_in=8), of, EACH, r):
        yield [r.choice(DIFFERENCE_ASKS).format(x=x, y=y)], {"number": x - y}


def times_table(r):
    """All of it is trained: there is too little of it to keep any back."""
    for _ in range(EACH):
        x, y = r.randrange(1, 11), r.randrange(1, 11)
        yield [r.choice(PRODUCT_ASKS).format(x=x, y=y)], {"number": x * y}


def count(r):
    while True:
        kind = r.choice(("to", "from", "down", "by"))
        key, fields, numbers = counting(kind, r)
        if held_out(*key):
            yield [r.choice(COUNT_ASKS[kind]).format(**fields)], {"is": ", ".join(map(str, numbers)) + "."}


def lists(r):
    while True:
        category = r.choice(list(LISTS))
        number = r.randrange(2, min(7, len(LISTS[category])) + 1)
        if held_out("list", category, number):
            yield [r.choice(LIST_ASKS).format(n=NUMBERS[number], c=category)], {"items": number, "of": LISTS[category]}


def copying(r):
    """A name that training never saw has to be the hero's."""
    while True:
        name = r.choice(HELD_OUT_NAMES)
        ask, _ = request(r, name)
        yield [ask], {"names": name}


def conditions(r):
    """Whatever a story was asked to contain has to be in it."""
    while True:
        ask, story = request(r, r.choice(HELD_OUT_NAMES) if r.random() < 0.5 else None)
        words = [
            word
            for word in (
                story.name,
                story.species,
                story.trait,
                story.object,
                story.adjective,
                story.place,
                story.friend,
                story.friend_species,
            )
            if f" {word}" in ask
        ]
        if len(words) > 1:
            yield [ask], {"has": words}


def follow_up(r):
    while True:
        name = r.choice(HELD_OUT_NAMES)
        ask, story = request(r, name)
        if f"{story.species} " in ask:
            s = story.species
            again = r.choice(
                (
                    ("Who is the story about?", [name]),
                    (f"What was the {s}'s name?", [name]),
                    (f"What is {name}?", [name, s]),
                    (f"Who is {name}?", [name, s]),
                    ("Who is the hero?", [name]),
                )
            )
            yield [ask, again[0]], {"has": again[1]}


def memory(r):
    """Told, then two turns about other things, then asked for."""
    while True:
        who = r.choice(HELD_OUT_NAMES)
        kind = r.choice([*KINDS, "name", "pet", "friend"])
        value = who if kind in ("name", "friend", "pet") else value_of(r, kind)
        (tell, _), (ask, _) = pet(r, who) if kind == "pet" else told(r, kind, value)
        yield [tell, small_turn(r)[0], small_turn(r)[0], ask], {"has": [value]}


def never_told(r):
    while True:
        kind = r.choice(list(KINDS))
        yield [small_turn(r)[0], r.choice(KINDS[kind][2])], {"is": NOT_TOLD[kind]}


def valid_json(r):
    while True:
        ask, value = json_request(r, r.choice(HELD_OUT_NAMES))
        yield [ask], {"json": value}


ASKED = {
    "facts": facts,
    "sums within 20": sums_within_20,
    "sums within 100": sums_within_100,
    "differences within 20": differences_within_20,
    "times table": times_table,
    "counting": count,
    "lists": lists,
    "copying a name": copying,
    "all that was asked for": conditions,
    "about the story": follow_up,
    "memory over three turns": memory,
    "never told": never_told,
    "JSON": valid_json,
}


def questions():
    r = random.Random(SEED)
    for kind, make in ASKED.items():
        made = make(r)
        for _ in range(2 * EACH if kind == "facts" else EACH):
            turns, expect = next(made)
            yield {"kind": kind, "turns": turns, "expect": expect}


if __name__ == "__main__":
    r = random.Random(SEED)
    texts = [dialogue(r) for _ in range(60)]
    lines = ",\n  ".join(json.dumps(question) for question in questions())
    print('{"questions": [\n  ' + lines + '\n],\n"texts": [\n  ' + ",\n  ".join(json.dumps(text) for text in texts) + "\n]}")
