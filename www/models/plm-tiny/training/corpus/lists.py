"""Lists and JSON: replies whose shape matters."""

import json

from .arithmetic import NUMBERS
from .split import held_out
from .words import ADJECTIVES, ANIMALS, a, cap, name

# Each in a fixed round: a list starts anywhere and goes on in this order, so that nothing is named twice.
LISTS = {
    "fruits": "apple banana cherry grape lemon mango orange peach pear plum strawberry melon".split(),
    "vegetables": "carrot potato onion pea cabbage bean pumpkin corn spinach leek beet radish".split(),
    "colors": "red blue green yellow purple orange white black pink brown gray".split(),
    "animals": "cat dog horse lion rabbit bear duck fox owl cow wolf mouse".split(),
    "birds": "owl eagle robin crow duck swan parrot penguin sparrow goose".split(),
    "tools": "hammer saw wrench drill shovel rake knife ladder brush axe".split(),
    "planets": "Mercury Venus Earth Mars Jupiter Saturn Uranus Neptune".split(),
    "instruments": "piano drum violin flute guitar harp trumpet cello bell whistle".split(),
    "countries": "France Italy Spain Japan Egypt Norway Kenya Peru Canada India Greece".split(),
    "cities": "Paris Rome Madrid Tokyo Cairo Oslo Nairobi Lima Ottawa Athens".split(),
    "flowers": "rose tulip daisy lily sunflower violet poppy orchid".split(),
    "trees": "oak pine birch maple willow apple palm ash".split(),
    "drinks": "water milk tea juice coffee lemonade cocoa".split(),
    "sports": "football tennis swimming running hockey skiing cycling golf".split(),
    "jobs": "baker teacher doctor farmer painter sailor cook driver gardener nurse".split(),
    "clothes": "shirt sock shoe hat coat scarf glove dress".split(),
    "toys": "ball doll kite puzzle train top drum teddy".split(),
    "rooms": "kitchen bathroom bedroom cellar attic hall office".split(),
    "insects": "bee ant fly butterfly beetle moth wasp ladybug".split(),
    "days of the week": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split(),
    "months": "January February March April May June July August September October November December".split(),
    "shapes": "circle square triangle star heart oval diamond".split(),
    "pets": "cat dog rabbit hamster parrot fish turtle mouse".split(),
    "things in a kitchen": "pot pan spoon fork knife plate cup bowl".split(),
    "things to do on a rainy day": [
        "read a book",
        "draw a picture",
        "bake a cake",
        "build a tent",
        "write a letter",
        "play a game",
        "tell a story",
    ],
    "foods": "bread cheese soup rice pasta egg apple cake salad fish".split(),
}
LIST_ASKS = (
    "Name {n} {c}.",
    "Give me a list of {n} {c}.",
    "List {n} {c}.",
    "Can you name {n} {c}?",
    "Tell me {n} {c}.",
    "Write a list of {n} {c}.",
    "What are {n} {c}?",
    "I need {n} {c}.",
    "name {n} {c}",
    "Please name {n} {c}.",
)


def chosen(r, category, count):
    items = LISTS[category]
    start = r.randrange(len(items)) if r.random() < 0.6 else 0
    return [items[(start + i) % len(items)] for i in range(count)]


def list_turn(r):
    category = r.choice(list(LISTS))
    while held_out("list", category, count := r.randrange(2, min(7, len(LISTS[category])) + 1)):
        category = r.choice(list(LISTS))
    items = [cap(item) for item in chosen(r, category, count)]
    ask = r.choice(LIST_ASKS).format(n=NUMBERS[count] if r.random() < 0.75 else count, c=category)
    k = r.random()
    if k < 0.1:
        return ask.rstrip(".?") + r.choice((" separated by commas.", " with commas.", " in one line.")), ", ".join(items) + "."
    if k < 0.2:
        return ask.rstrip(".?") + r.choice((" with bullets.", " as bullet points.", " as a bullet list.")), "\n".join(
            f"- {item}" for item in items
        )
    return ask, "\n".join(f"{i}. {item}" for i, item in enumerate(items, 1))


CITIES = "Paris Rome Oslo Lima Cairo Tokyo Berlin London Madrid Athens Dublin Vienna Boston Prague Lisbon".split()


def field(r, key, who):
    return {
        "name": who,
        "age": r.randrange(2, 100),
        "color": r.choice(LISTS["colors"]),
        "animal": r.choice(list(ANIMALS)),
        "city": r.choice(CITIES),
        "food": r.choice(LISTS["foods"]),
        "size": r.choice(("small", "big", "tiny", "huge")),
        "price": r.randrange(1, 51),
        "count": r.randrange(1, 13),
        "happy": r.choice((True, False)),
        "job": r.choice(LISTS["jobs"]),
        "pet": r.choice(LISTS["pets"]),
        "fruit": r.choice(LISTS["fruits"]),
        "hobby": r.choice(LISTS["sports"]),
        "year": r.randrange(1990, 2030),
        "legs": r.choice((2, 4, 6, 8)),
        "title": r.choice(ADJECTIVES) + " " + r.choice(LISTS["toys"]),
    }[key]


KEYS = "age color animal city food size price count happy job pet fruit hobby year legs title".split()


def shown(value):
    return {True: "true", False: "false"}.get(value, value) if isinstance(value, bool) else value


def json_request(r, who):
    """(question, the value that the reply has to be)"""
    k = r.random()
    if k < 0.2:
        species, age = r.choice(list(ANIMALS)), r.randrange(1, 13)
        return f"Write a JSON object for {a(species)} named {who} who is {age} years old.", {
            "name": who,
            "age": age,
            "animal": species,
        }
    if k < 0.35:
        category = r.choice([c for c in LISTS if " " not in c])
        items = chosen(r, category, count := r.randrange(2, 6))
        ask = r.choice(("Give me a JSON list of {n} {c}.", "Write a JSON array with {n} {c}.", "List {n} {c} as JSON."))
        return ask.format(n=NUMBERS[count], c=category), items
    keys = r.sample(KEYS, r.randrange(1, 4))
    if k < 0.85:
        keys.insert(0, "name")
    value = {key: field(r, key, who) for key in keys}
    told = [f"the {key} {shown(value[key])}" for key in keys]
    if k < 0.7:
        listed = told[0] if len(told) == 1 else ", ".join(told[:-1]) + " and " + told[-1]
        ask = r.choice(
            (
                "Give me JSON with {x}.",
                "Write a JSON object with {x}.",
                "Make JSON with {x}.",
                "Can you write JSON with {x}?",
                "Write {x} as JSON.",
            )
        )
    else:
        listed = ", ".join(f"{key}: {shown(value[key])}" for key in keys)
        ask = r.choice(("Turn this into JSON: {x}", "Write this as JSON: {x}", "As JSON, please: {x}", "JSON for {x}"))
    return ask.format(x=listed), value


def json_turns(r, who=None):
    who = who or name(r)[0]
    ask, value = json_request(r, who)
    turns = [(ask, json.dumps(value))]
    if isinstance(value, dict) and r.random() < 0.25:
        key = r.choice([key for key in KEYS if key not in value])
        value = value | {key: field(r, key, who)}
        turns.append(
            (
                r.choice(("Add the {k} {v}.", "Now add the {k} {v}.", "Please add the {k} {v}.")).format(
                    k=key, v=shown(value[key])
                ),
                json.dumps(value),
            )
        )
    elif isinstance(value, dict) and r.random() < 0.2:
        key = r.choice(list(value))
        turns.append(
            (
                r.choice(("What is the {k}?", "Which {k} is in it?", "Tell me the {k}.")).format(k=key),
                f"The {key} is {shown(value[key])}.",
            )
        )
    return turns
