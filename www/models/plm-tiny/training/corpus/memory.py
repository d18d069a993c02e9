"""Talks in which something is told and asked for later, said again, or was never told."""

from .lists import CITIES, LISTS
from .words import ADJECTIVES, ANIMALS, OBJECTS, PLACES, THINGS, a, cap, name

# kind: (ways to tell {v}, what to reply, ways to ask, the answer, the answer when it was never told)
KINDS = {
    "name": (
        (
            "My name is {v}.",
            "I am {v}.",
            "Hello, my name is {v}.",
            "Hi, I am {v}.",
            "Call me {v}.",
            "I'm {v}.",
            "you can call me {v}",
            "My name's {v}.",
            "Hi! My name is {v}.",
        ),
        ("Nice to meet you, {v}!", "Hello, {v}! It is nice to meet you.", "Hello, {v}! What can I do for you?"),
        (
            "What is my name?",
            "Do you remember my name?",
            "What am I called?",
            "what's my name?",
            "Who am I?",
            "Tell me my name.",
            "Can you say my name?",
        ),
        "Your name is {v}.",
    ),
    "color": (
        ("My favorite color is {v}.", "I like {v} best of all colors.", "The color I like most is {v}."),
        ("{V} is a lovely color!", "{V} is a fine color."),
        (
            "What is my favorite color?",
            "Which color do I like best?",
            "What color do I like?",
            "Do you remember my favorite color?",
        ),
        "Your favorite color is {v}.",
    ),
    "food": (
        ("My favorite food is {v}.", "I love to eat {v}.", "I like {v} more than any other food."),
        ("{V}! That sounds good.", "{V} is a very good choice."),
        ("What is my favorite food?", "What do I like to eat?", "Which food do I love?"),
        "Your favorite food is {v}.",
    ),
    "animal": (
        ("My favorite animal is the {v}.", "I love the {v} more than any other animal.", "The animal I like best is the {v}."),
        ("The {v} is a wonderful animal.", "Good choice! I know a story about {av}."),
        ("What is my favorite animal?", "Which animal do I like best?", "Do you remember my favorite animal?"),
        "Your favorite animal is the {v}.",
    ),
    "age": (
        ("I am {v} years old.", "I'm {v} years old.", "I turned {v} this year."),
        ("{v} is a good age!", "{v} years! I am much younger."),
        ("How old am I?", "What is my age?", "Do you know how old I am?"),
        "You are {v} years old.",
    ),
    "city": (
        ("I live in {v}.", "I come from {v}.", "My home is in {v}."),
        ("I have never been to {v}, but it sounds nice.", "{v} is a beautiful city."),
        ("Where do I live?", "Which city do I live in?", "Where is my home?"),
        "You live in {v}.",
    ),
    "job": (
        ("I am {av}.", "I work as {av}.", "My job is to be {av}."),
        ("{Av}! That is important work.", "It must be nice to be {av}."),
        ("What is my job?", "What do I do for work?", "Do you remember my job?"),
        "You are {av}.",
    ),
    "hobby": (
        ("My hobby is {v}.", "I like {v} very much.", "In my free time I love {v}."),
        ("{V} is fun!", "{V} sounds like fun."),
        ("What is my hobby?", "What do I do in my free time?", "Which hobby do I have?"),
        "Your hobby is {v}.",
    ),
    "number": (
        ("My lucky number is {v}.", "My favorite number is {v}.", "The number I like best is {v}."),
        ("{v} is a good number.", "I will remember {v}."),
        ("What is my lucky number?", "Which number do I like?", "What is my favorite number?"),
        "Your number is {v}.",
    ),
    "friend": (
        ("My best friend is {v}.", "My best friend is called {v}.", "I have a friend named {v}."),
        ("{v} is lucky to have you.", "Say hello to {v} from me."),
        ("Who is my best friend?", "What is my friend's name?", "What is my friend called?"),
        "Your friend is {v}.",
    ),
    "place": (
        ("I left my keys {v}.", "My keys are {v}.", "I put my keys {v}."),
        ("I will remember that.", "Good to know."),
        ("Where are my keys?", "Where did I put my keys?", "Do you know where my keys are?"),
        "Your keys are {v}.",
    ),
    "wish": (
        ("For my birthday I want {av}.", "I wish for {av}.", "I would like to have {av}."),
        ("{Av}! I hope that you get it.", "What a nice wish!"),
        ("What do I want?", "What do I wish for?", "What did I wish for?"),
        "You want {av}.",
    ),
}
NOT_TOLD = {
    "name": "You have not told me your name yet.",
    "color": "You have not told me your favorite color yet.",
    "food": "You have not told me your favorite food yet.",
    "animal": "You have not told me your favorite animal yet.",
    "age": "You have not told me your age yet.",
    "city": "You have not told me where you live yet.",
    "job": "You have not told me your job yet.",
    "hobby": "You have not told me your hobby yet.",
    "number": "You have not told me your number yet.",
    "friend": "You have not told me about your friend yet.",
    "place": "You have not told me where your keys are.",
    "wish": "You have not told me your wish yet.",
}
SPOTS = [
    f"{where} the {what}"
    for where in ("under", "on", "behind", "next to")
    for what in ("table", "bed", "box", "chair", "sofa", "door", "lamp", "shelf")
]
FOODS = LISTS["foods"] + LISTS["fruits"] + "pizza pancakes noodles ice cream".split() + ["tomato soup", "apple pie"]
FAMILY = (
    "cat",
    "dog",
    "rabbit",
    "hamster",
    "parrot",
    "turtle",
    "sister",
    "brother",
    "teacher",
    "son",
    "daughter",
    "horse",
    "bird",
    "mouse",
)


def value_of(r, kind, who=None):
    return {
        "name": lambda: who or name(r)[0],
        "friend": lambda: who or name(r)[0],
        "color": lambda: r.choice(LISTS["colors"]),
        "food": lambda: r.choice(FOODS),
        "animal": lambda: r.choice(list(ANIMALS)),
        "age": lambda: str(r.randrange(5, 99)),
        "city": lambda: r.choice(CITIES + LISTS["cities"]),
        "job": lambda: r.choice(LISTS["jobs"]),
        "hobby": lambda: r.choice(LISTS["sports"]),
        "number": lambda: str(r.randrange(1, 100)),
        "place": lambda: r.choice(SPOTS),
        "wish": lambda: r.choice(ADJECTIVES) + " " + r.choice(list(OBJECTS)),
    }[kind]()


def told(r, kind, value):
    """((what is told, the reply), (the question, its answer))"""
    tell, reply, ask, answer = KINDS[kind]
    fields = dict(v=value, V=cap(value), av=a(value), Av=cap(a(value)))
    return (r.choice(tell).format(**fields), r.choice(reply).format(**fields)), (r.choice(ask), answer.format(**fields))


def pet(r, who=None):
    species, who = r.choice(FAMILY), who or name(r)[0]
    tell = r.choice(
        (
            f"I have {a(species)} named {who}.",
            f"My {species} is called {who}.",
            f"I have {a(species)}. The name is {who}.",
            f"My {species}'s name is {who}.",
        )
    )
    reply = r.choice((f"{who} is a lovely name!", f"Say hello to {who} from me."))
    ask = r.choice((f"What is the name of my {species}?", f"What is my {species} called?", f"What is my {species}'s name?"))
    return (tell, reply), (ask, f"Your {species} is called {who}.")


def memory_turns(r, between, who=None, middle=None):
    """`between(r)` -> turns that have nothing to do with it; `who`: a name to be remembered; `middle`: how many turns lie between."""
    if not who and r.random() < 0.13:
        kind = r.choice(list(KINDS))
        turns = [between(r) for _ in range(r.randrange(0, 2))]
        turns.append((r.choice(KINDS[kind][2]), NOT_TOLD[kind]))
        if r.random() < 0.5:
            first, second = told(r, kind, value_of(r, kind))
            turns += [first, *(between(r) for _ in range(r.randrange(0, 2))), second]
        return turns
    kinds = r.sample(list(KINDS) + ["pet", "pet", "name"], r.choice((1, 1, 2, 2, 3)))
    if who:
        kinds = [r.choice(("name", "name", "friend", "pet"))]
    pairs = [pet(r, who) if kind == "pet" else told(r, kind, value_of(r, kind, who)) for kind in dict.fromkeys(kinds)]
    turns = []
    for tell, _ in pairs:
        turns.append(tell)
        if not who and r.random() < 0.25:
            turns.append(between(r))
    turns += [between(r) for _ in range(r.choice((0, 1, 1, 2, 3)) if middle is None else middle)]
    asks = [ask for _, ask in pairs]
    r.shuffle(asks)
    turns += asks
    if not who and "name" in kinds and r.random() < 0.15:
        value = value_of(r, "name")
        turns += [
            (
                r.choice((f"No, my name is {value}.", f"Sorry, my name is {value} now.", f"Please call me {value} from now on.")),
                f"All right, {value}!",
            ),
            (r.choice(KINDS["name"][2]), f"Your name is {value}."),
        ]
    return turns


WORDS = sorted({*OBJECTS, *PLACES, *THINGS, *ANIMALS})


def echo_turn(r, who=None):
    """Say something again: the plainest form of copying."""
    who = who or name(r)[0]
    words = r.sample(WORDS, r.randrange(2, 6))
    return r.choice(
        (
            (f"Say hello to {who}.", f"Hello, {who}!"),
            (f"Say goodbye to {who}.", f"Goodbye, {who}!"),
            (f"Wish {who} a happy birthday.", f"Happy birthday, {who}!"),
            (
                r.choice(("Repeat after me: {x}", "Say this: {x}", "Repeat: {x}", "Please repeat: {x}")).format(
                    x=" ".join(words)
                ),
                " ".join(words),
            ),
            (f"What is the first word of: {' '.join(words)}?", f"The first word is {words[0]}."),
            (f"What is the last word of: {' '.join(words)}?", f"The last word is {words[-1]}."),
            (f"Put these in a list: {', '.join(words)}", "\n".join(f"- {cap(word)}" for word in words)),
            (f"Write a sentence about {who} and {a(words[0])}.", f"{who} found {a(words[0])} and took it home."),
            (f"Make a sentence with the words {words[0]} and {words[1]}.", f"I saw {a(words[0])} next to {a(words[1])}."),
        )
    )
