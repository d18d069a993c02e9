"""Stories that hold what was asked of them, and questions about a story just told."""

from dataclasses import dataclass, field

from .plots import PLOTS
from .words import (
    ADJECTIVES,
    ANIMALS,
    BEINGS,
    BOYS,
    GIRLS,
    HELPERS,
    OBJECTS,
    PLACES,
    PRONOUNS,
    ROYALS,
    THINGS,
    TRAITS,
    WEATHER,
    a,
    about,
    cap,
    name,
    preferred,
)

THEMES = {plot.theme: plot for plot in PLOTS}


def suited(trait):
    """The plots that happen to heroes of this trait."""
    return [plot for plot in PLOTS if trait in plot.traits] or PLOTS


def favorites():
    """For each trait a plot that suits it and belongs to few others: the likeliest story differs with the hero's trait."""
    chosen = {}
    for trait in sorted(TRAITS, key=lambda trait: sum(trait in plot.traits for plot in PLOTS)):
        chosen[trait] = min(suited(trait), key=lambda plot: list(chosen.values()).count(plot))
    return chosen


FAVORITES = favorites()


@dataclass
class Story:
    """
    What a story is about. Whatever is not asked for is drawn, often what the hero's species, its trait or the plot prefers:
    a model that always takes the likeliest word would otherwise tell everybody the same story.
    """

    r: object
    species: str = None
    name: str = None
    pronoun: str = None
    trait: str = None
    object: str = None
    adjective: str = None
    place: str = None
    friend: str = None
    friend_species: str = None
    plot: object = None
    fields: dict = field(default_factory=dict)

    def __post_init__(self):
        r = self.r
        self.species = self.species or drawn_species(r)
        self.pronoun = (
            self.pronoun
            or ROYALS.get(self.species)
            or (preferred(("she", "he"), self.species) if r.random() < 0.6 else r.choice(("she", "he")))
        )
        if not self.name:
            names = GIRLS if self.pronoun == "she" else BOYS
            self.name = preferred(names, self.species) if r.random() < 0.4 else name(r, self.pronoun)[0]
        if self.plot and not self.trait:
            self.trait = r.choice(self.plot.traits)
        self.trait = self.trait or preferred(TRAITS, self.species, r.randrange(3))
        if not self.plot:
            self.plot = r.choices((FAVORITES[self.trait], r.choice(suited(self.trait)), r.choice(PLOTS)), (45, 35, 20))[0]
        self.object = self.object or (
            preferred(list(OBJECTS), self.species, self.plot.name, r.randrange(2))
            if r.random() < 0.5
            else r.choice(list(OBJECTS))
        )
        self.adjective = self.adjective or OBJECTS.get(self.object) or preferred(ADJECTIVES, self.object)
        self.place = self.place or (preferred(PLACES, self.species) if r.random() < 0.5 else r.choice(PLACES))
        friend_pronoun = r.choice(("she", "he"))
        if not self.friend_species and r.random() < 0.35:
            self.friend_species = preferred(list(ANIMALS), self.species, self.plot.name)
        while not self.friend or self.friend == self.name:
            self.friend, friend_pronoun = name(r)
        while not self.friend_species or self.friend_species == self.species:
            self.friend_species = drawn_species(r)
        friend_pronoun = ROYALS.get(self.friend_species, friend_pronoun)
        home, food, sound, skill = about(self.species)
        near = preferred(PLACES, self.species, self.plot.name) if r.random() < 0.35 else r.choice(PLACES)
        while near == self.place or (self.plot.name == "bridge" and near in ("bridge", "river")):
            near = r.choice(PLACES)
        weather = preferred(WEATHER, self.species, self.plot.name) if r.random() < 0.35 else r.choice(WEATHER)
        helper = r.choice(HELPERS)
        sub, ob, pos = PRONOUNS[self.pronoun]
        fsub, fob, fpos = PRONOUNS[friend_pronoun]
        self.fields = dict(
            n=self.name,
            N=self.name,
            s=self.species,
            sub=sub,
            ob=ob,
            pos=pos,
            Sub=cap(sub),
            Pos=cap(pos),
            f=self.friend,
            fs=self.friend_species,
            fsub=fsub,
            fob=fob,
            fpos=fpos,
            Fsub=cap(fsub),
            Fpos=cap(fpos),
            o=self.object,
            adj=self.adjective,
            ao=a(f"{self.adjective} {self.object}"),
            place=self.place,
            near=near,
            food=food,
            home=home,
            skill=skill,
            sound=sound,
            weather=weather,
            helper=helper,
            Helper=cap(helper),
            t=self.trait,
            at=a(self.trait),
            asp=a(self.species),
            ahome=a(home),
        )
        self.lesson = r.choice(self.plot.lessons)

    def fill(self, text):
        return text.format(**self.fields)

    def opening(self):
        r = self.r
        first = r.choice(
            (
                "Once upon a time, there was {at} {s} named {n}. {Sub} lived near the {place}.",
                "Near the {place}, there lived {at} {s} called {n}.",
                "{n} was {at} {s} who lived near the {place}.",
                "Long ago, {at} little {s} named {n} lived near the {place}.",
                "There once was {asp} named {n}. {Sub} was very {t}, and {sub} lived near the {place}.",
            )
        )
        second = r.choice(
            (
                "{Pos} home was {ahome}, and {sub} loved {food}.",
                "Every morning, {sub} ate {food} and made {sound}.",
                "{Sub} could {skill}, and everyone knew it.",
                "{Sub} had a best friend, {f} the {fs}.",
                "{Sub} had a little {home} and a big heart.",
                "{Sub} liked {food} more than anything else.",
            )
        )
        return self.fill(first + " " + second)

    def ending(self):
        return self.r.choice(
            (
                "From that day on, {n} knew that {lesson}.",
                "{n} learned that {lesson}. The end.",
                "And so {n} found out that {lesson}.",
                "That night, {n} fell asleep with a smile, because {sub} had learned that {lesson}.",
            )
        ).format(**self.fields, lesson=self.lesson)

    def beats(self):
        return [self.fill(self.r.choice(wordings)) for wordings in self.plot.beats]

    def rest(self):
        """The story without its opening."""
        beats = self.beats()
        half = (len(beats) + 1) // 2
        return " ".join(beats[:half]) + "\n\n" + " ".join(beats[half:]) + " " + self.ending()

    def text(self):
        return self.opening() + "\n\n" + self.rest()

    def summary(self):
        return self.fill(self.plot.summary)

    def title(self):
        return f"The {cap(self.trait)} {cap(self.species)} and the {cap(self.adjective)} {cap(self.object)}"

    def follow_up(self):
        """(question, reply) about this story."""
        r = self.r
        if r.random() < 0.45:
            asks, reply = r.choice(self.plot.asks)
            return self.fill(r.choice(asks)), self.fill(reply)
        asks, reply = r.choice(
            (
                (("Who is the story about?", "Who was it about?", "Who is the hero?"), "The story is about {n}, {at} {s}."),
                (
                    ("What was the {s}'s name?", "What is the name of the {s}?", "What was the {s} called?"),
                    "The {s} is called {n}.",
                ),
                (
                    ("Who was {n}'s friend?", "Who is the friend of {n}?", "What was the name of {n}'s friend?"),
                    "{n}'s friend was {f} the {fs}.",
                ),
                (("Where did {n} live?", "Where does {n} live?", "Where was {n}'s home?"), "{n} lived near the {place}."),
                (
                    ("What did {n} learn?", "What is the moral of the story?", "What can we learn from it?"),
                    "{n} learned that " + self.lesson + ".",
                ),
                (
                    ("What kind of animal is {f}?", "What is {f}?", "Who is {f}?")
                    if self.friend_species in ANIMALS
                    else ("What is {f}?", "Who is {f}?"),
                    "{f} is {fasp}, and a friend of {n}.",
                ),
                (("What is {n}?", "Who is {n}?", "What was {n} like?"), "{n} is {at} {s}."),
                (("What was the {o} like?", "Tell me about the {o}.", "What did the {o} look like?"), "It was {ao}."),
                (
                    ("Give the story a title.", "What is the title?", "What would be a good title?", "Can you give it a title?"),
                    "A good title is: " + self.title() + ".",
                ),
                (
                    ("Tell it in one sentence.", "Can you make it shorter?", "Make it shorter.", "Sum it up.", "What happened?"),
                    self.plot.summary,
                ),
            )
        )
        return r.choice(asks).format(**self.fields), reply.format(**self.fields, fasp=a(self.friend_species))


def drawn_species(r):
    k = r.random()
    if k < 0.55:
        return r.choice(list(ANIMALS))
    if k < 0.72:
        return r.choice(list(BEINGS))
    if k < 0.86:
        return r.choice(list(ROYALS))
    return r.choice(THINGS)


VERBS = (
    "Tell me",
    "Write",
    "Can you tell me",
    "Please tell me",
    "Please write",
    "Can you write",
    "I want to hear",
    "Make up",
    "Could you tell me",
    "I would like",
    "tell me",
    "write me",
    "Give me",
)
KINDS = (
    "story",
    "story",
    "story",
    "story",
    "short story",
    "little story",
    "bedtime story",
    "nice story",
    "new story",
    "fairy tale",
)


def request(r, hero=None):
    """(what a visitor asks, the Story that holds all of it). `hero`: a name that the story has to be about."""
    verb = r.choice(VERBS)
    u = f"{verb} a {r.choice(KINDS)}"
    species = drawn_species(r)
    who, pronoun = (hero, None) if hero else name(r, ROYALS.get(species))
    trait, place = r.choice(TRAITS), r.choice(PLACES)
    thing = r.choice(list(OBJECTS)) if r.random() < 0.8 else r.choice(THINGS)
    adjective = r.choice(ADJECTIVES) if r.random() < 0.35 else None
    a_thing = a(f"{adjective} {thing}" if adjective else thing)
    near = r.choice(("in", "near", "at", "by"))
    called = r.choice(("named", "named", "called"))
    kw = dict(species=species)
    named = dict(species=species, name=who, pronoun=pronoun)
    if hero:
        k = r.choice((0.1, 0.2, 0.3, 0.34, 0.88, 0.93))
    else:
        k = r.random()
    if k < 0.06:
        kw = {}
    elif k < 0.19:
        u, kw = f"{u} about {a(species)} {called} {who}", named
    elif k < 0.28:
        u, kw = f"{u} about {a(trait)} {species} {called} {who}", named | dict(trait=trait)
    elif k < 0.33:
        u, kw = f"{u} about {a(species)} {called} {who} and {a_thing}", named | dict(object=thing, adjective=adjective)
    elif k < 0.36:
        u, kw = (
            f"{u} about {a(species)} {called} {who} {near} {f'the {place}' if r.random() < 0.6 else a(place)}",
            named | dict(place=place),
        )
    elif k < 0.45:
        u = f"{u} about {a(species)}"
    elif k < 0.52:
        u, kw = f"{u} about {a(trait)} {species}", kw | dict(trait=trait)
    elif k < 0.59:
        u, kw = f"{u} about {a(species)} and {a_thing}", kw | dict(object=thing, adjective=adjective)
    elif k < 0.64:
        u, kw = f"{u} about {a(species)} {near} {f'the {place}' if r.random() < 0.4 else a(place)}", kw | dict(place=place)
    elif k < 0.69:
        u, kw = f"{u} about {a(trait)} {species} and {a_thing}", kw | dict(trait=trait, object=thing, adjective=adjective)
    elif k < 0.73:
        other = drawn_species(r)
        if other != species:
            u, kw = f"{u} about {a(species)} and {a(other)}", kw | dict(friend_species=other)
        else:
            u, kw = f"{u} about {a_thing}", dict(object=thing, adjective=adjective)
    elif k < 0.77:
        u, kw = f"{u} about {a_thing}", dict(object=thing, adjective=adjective)
    elif k < 0.83:
        theme = r.choice(list(THEMES))
        u, kw = f"{u} about {theme}", dict(plot=THEMES[theme])
        if r.random() < 0.4:
            u, kw = f"{u} and {a(species)}", kw | dict(species=species)
    elif k < 0.87:
        words = [species, thing, place]
        kw |= dict(object=thing, place=place)
        if r.random() < 0.3:
            words, kw = words[:2], dict(species=species, object=thing)
        r.shuffle(words)
        u = f"{u} with {r.choice(('these words', 'the words'))}: {', '.join(words)}"
        if len(words) == 2:
            u = u.replace(", ", " and ")
    elif k < 0.91:
        u, kw = f"{u} about {who} the {species}", named
    elif k < 0.95:
        friend = name(r)[0]
        while friend == who:
            friend = name(r)[0]
        u, kw = (
            f"{u} about {who} and {friend}",
            dict(name=who, pronoun=pronoun, friend=friend) | (dict(species=species) if species in ROYALS else {}),
        )
    elif k < 0.98:
        u, kw = (
            f"{u} about {a(trait)} {species} {called} {who} and {a_thing} {near} the {place}",
            named | dict(trait=trait, object=thing, adjective=adjective, place=place),
        )
    else:
        u, kw = f"{u} about {who}", dict(name=who, pronoun=pronoun) | (dict(species=species) if species in ROYALS else {})
    u += "?" if verb.startswith(("Can", "Could")) else "."
    return u, Story(r, **kw)


def story_turns(r, hero=None):
    """A story, and often questions about it or another one about the same hero."""
    k = r.random()
    u, story = request(r, hero)
    if k < 0.04:
        ask = r.choice(
            ("Continue this story: {x}", "Finish this story: {x}", "Go on with this story: {x}", "How does this story go on? {x}")
        )
        turns = [(ask.format(x=story.opening()), story.rest())]
    elif k < 0.09:
        u = (
            u[:-1] + r.choice((" in one sentence.", " in a single sentence."))
            if not u.endswith("?")
            else u[:-1] + " in one sentence?"
        )
        turns = [(u, story.summary())]
    else:
        turns = [(u, story.text())]
    while r.random() < 0.42 and len(turns) < 5:
        turns.append(story.follow_up())
    if r.random() < 0.12:
        if r.random() < 0.5:
            again = Story(
                r,
                species=story.species,
                name=story.name,
                pronoun=story.pronoun,
                trait=story.trait,
                place=story.place,
                friend=story.friend,
                friend_species=story.friend_species,
                plot=r.choice([p for p in PLOTS if p != story.plot]),
            )
            ask = r.choice(
                (
                    f"Tell me another story about {story.name}.",
                    f"Tell me one more about {story.name}.",
                    f"What did {story.name} do the next day?",
                    f"Another one about {story.name}, please.",
                )
            )
        else:
            again = Story(r)
            ask = r.choice(
                (
                    "Tell me another story.",
                    "Another one, please.",
                    "One more story!",
                    "Tell me a different story.",
                    "another story",
                )
            )
        turns.append((ask, again.text()))
        if r.random() < 0.4:
            turns.append(again.follow_up())
    return turns
