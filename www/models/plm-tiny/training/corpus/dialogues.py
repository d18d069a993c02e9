"""Whole dialogues: what kinds there are, how often, and how people write."""

from .arithmetic import arithmetic_turn
from .facts import FAMILIES, SENTENCES
from .lists import json_turns, list_turn
from .memory import echo_turn, memory_turns
from .split import held_out
from .stories import Story, story_turns
from .talk import (
    ANOTHER_JOKE_ASKS,
    INTENTS,
    JOKE_ASKS,
    JOKES,
    POEM_ASKS,
    POEMS,
    RIDDLE_ASKS,
    RIDDLE_GIVE_UP,
    RIDDLES,
    UNKNOWN_ASKS,
    UNKNOWN_REPLIES,
    UNKNOWN_V,
    UNKNOWN_W,
    UNKNOWN_X,
)
from .words import BEINGS, a, cap, name

FAMILY_WEIGHTS = [len(family.rows) ** 0.5 for family in FAMILIES]
TALK = [
    intent
    for intent in INTENTS
    if intent[0] not in ("knock_knock", "why", "what", "more", "yes", "no", "youre_welcome", "my_name_is")
]
SYSTEMS = (
    "You are a helpful assistant.",
    "You are a helpful assistant who answers in a few words.",
    "You are a kind storyteller.",
    "Be brief.",
    "You are a friendly assistant for children.",
    "You are a helpful and funny assistant.",
    "Answer in simple words.",
)


def fact_text(family, row, ask):
    q, answer = row
    return family.asks[ask].format(q=q, Q=cap(q)), family.says.format(q=q, Q=cap(q), a=answer, A=cap(answer))


def fact_turn(r):
    if r.random() < 0.2:
        index = r.randrange(len(SENTENCES))
        asks, reply = SENTENCES[index]
        while held_out("sentence", index, ask := r.randrange(len(asks))):
            pass
        return asks[ask], reply
    family = r.choices(FAMILIES, FAMILY_WEIGHTS)[0]
    row = r.choice(list(family.rows.items()))
    while held_out("fact", family.name, row[0], ask := r.randrange(len(family.asks))):
        pass
    return fact_text(family, row, ask)


def talk_turn(r):
    k = r.random()
    if k < 0.62:
        _, ways, replies = r.choice(TALK)
        return r.choice(ways), r.choice(replies)
    if k < 0.72:
        setup, punch = r.choice(JOKES)
        return r.choice(JOKE_ASKS), f"{setup} {punch}"
    if k < 0.80:
        topic = r.choice(list(POEMS))
        return r.choice(POEM_ASKS).format(t=topic), POEMS[topic]
    return unknown_turn(r)


def unknown_turn(r):
    ask = r.choice(UNKNOWN_ASKS).format(
        x=r.choice(UNKNOWN_X), v=r.choice(UNKNOWN_V), w=r.choice(UNKNOWN_W), n=r.randrange(2, 3000)
    )
    return ask, r.choice(UNKNOWN_REPLIES)


def jokes(r):
    told = r.sample(JOKES, r.randrange(1, 4))
    asks = [r.choice(JOKE_ASKS)] + [r.choice(ANOTHER_JOKE_ASKS) for _ in told[1:]]
    return [(ask, f"{setup} {punch}") for ask, (setup, punch) in zip(asks, told)]


def riddle(r):
    question, answer = r.choice(RIDDLES)
    first = (r.choice(RIDDLE_ASKS), question)
    if r.random() < 0.5:
        return [first, (r.choice(RIDDLE_GIVE_UP), f"It is {answer}.")]
    if r.random() < 0.6:
        return [
            first,
            (r.choice((f"It is {answer}.", f"Is it {answer}?", cap(answer), f"{answer}?")), f"Yes! It is {answer}. Well done."),
        ]
    other = r.choice([reply for _, reply in RIDDLES if reply != answer])
    return [
        first,
        (
            r.choice((f"It is {other}.", f"Is it {other}?", f"{other}?")),
            "No, that is not it. Try again, or say that you give up.",
        ),
        (r.choice(RIDDLE_GIVE_UP), f"It is {answer}."),
    ]


def knock_knock(r):
    who = r.choice((name(r)[0], cap(r.choice(list(BEINGS)))))
    return [
        (r.choice(("Knock knock", "Knock knock!", "knock knock", "Knock, knock!")), "Who is there?"),
        (r.choice((who, who + ".")), f"{who} who?"),
        (
            r.choice((f"{who} from next door!", f"{who}, let me in!", f"{who} and a friend!", "It is me!")),
            "Very good! You got me. Come in.",
        ),
    ]


def agreed(r):
    """An offer is made and taken."""
    offers = [
        (way, reply)
        for _, ways, replies in TALK
        for reply in replies
        for way in ways[:3]
        if reply.endswith(("hear a story?", "like a story?", "tell you one?", "tell you a story?", "tell you a new story?"))
    ]
    yes = r.choice(
        ("Yes", "Yes please", "Yes, please!", "yes", "Sure", "Ok", "Please do.", "Of course!", "I would love that", "yes please")
    )
    return [r.choice(offers), (yes, Story(r).text())]


def small_turn(r):
    return r.choices((fact_turn, talk_turn, arithmetic_turn, list_turn, echo_turn), (34, 28, 20, 10, 8))[0](r)


def persona(r):
    """A system message that gives the model a name."""
    who, what = name(r)[0], r.choice(list(BEINGS))
    system = r.choice(
        ("You are {w}, {as_}.", "Your name is {w}. You are {as_}.", "You are {as_} named {w}.", "You are {w} the {s}.")
    ).format(w=who, s=what, as_=a(what))
    turns = [
        (
            r.choice(("Who are you?", "What is your name?", "Tell me about yourself", "What's your name?", "what are you")),
            f"I am {who} the {what}. What can I do for you?",
        )
    ]
    if r.random() < 0.6:
        turns.append(small_turn(r))
    return [{"role": "system", "content": system}], turns


def stories(r):
    return ([small_turn(r)] if r.random() < 0.18 else []) + story_turns(r)


def several(turn, most):
    return lambda r: [turn(r) for _ in range(r.randrange(1, most + 1))]


def memories(r):
    turns = memory_turns(r, small_turn)
    if r.random() < 0.1:
        turns[1:1] = story_turns(r)[:1]
    return turns


def long_talk(r):
    return [
        turn
        for _ in range(r.randrange(2, 5))
        for turn in r.choice((story_turns, json_turns, memories, several(small_turn, 2)))(r)
    ]


# What dialogues there are, and how many of a hundred.
KINDS = {
    stories: 35,
    several(small_turn, 6): 16,
    several(arithmetic_turn, 4): 11,
    several(fact_turn, 6): 12,
    memories: 11,
    several(talk_turn, 4): 3,
    json_turns: 4,
    jokes: 1.5,
    riddle: 1.5,
    agreed: 1.5,
    knock_knock: 0.5,
    long_talk: 3,
}


def turns_of(r):
    kind = r.choices(list(KINDS), KINDS.values())[0]
    return kind(r)


def as_typed(r, text):
    """As people type: now and then without a capital or a full stop, or with a word of courtesy."""
    if r.random() < 0.15:
        text = text.replace("color", "colour")
    k = r.random()
    if k < 0.80 or len(text) < 4:
        return text
    if k < 0.86:
        return text[0].lower() + text[1:]
    if k < 0.92:
        return text.rstrip(".")
    if k < 0.96 and text.endswith("."):
        return text[:-1] + ", please."
    return text[0].lower() + text[1:].rstrip(".?!")


def dialogue(r):
    """Messages of one dialogue: {"role", "content"} each."""
    system = []
    if r.random() < 0.02:
        system, turns = persona(r)
    else:
        turns = turns_of(r)
        if r.random() < 0.08:
            system = [{"role": "system", "content": r.choice(SYSTEMS)}]
    messages = [
        m
        for ask, reply in turns
        for m in ({"role": "user", "content": as_typed(r, ask)}, {"role": "assistant", "content": reply})
    ]
    return system + messages
