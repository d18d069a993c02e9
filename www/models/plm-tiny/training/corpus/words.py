"""Names, heroes, things and places: the nouns that stories, memory and sums share."""

import zlib

GIRLS = (
    "Lily Mia Anna Zoe Ella Rosa Nina Clara Ivy Maya Tess Lucy Ruby Nora Emma Sofia Hana Leila Wendy Greta Molly Pearl Dora Fern Hazel "
    "Alice Amy Bella Carla Daisy Diana Elsa Eva Fiona Flora Gina Grace Heidi Holly Ida Iris Jane Julia Kate Kira Laura Lena Lola Luna Mary "
    "Mina Nadia Olga Olive Paula Petra Poppy Rita Sara Selma Stella Suki Tara Tilda Una Vera Willa Yara Yuki Zara Amina Fatima Priya Mei"
).split()
BOYS = (
    "Tom Ben Max Leo Sam Finn Jack Omar Theo Luca Pip Oscar Hugo Ravi Milo Felix Toby Noah Gus Otto Kai Ned Jasper Rufus Bram "
    "Adam Alex Ali Anton Arlo Basil Bill Boris Carl Dan David Eli Emil Eric Fred George Hans Harry Henry Ian Ivan Jan Jim Joe John "
    "Karl Ken Lars Liam Louis Mark Martin Mike Nico Nils Owen Paul Peter Ralph Remy Rob Simon Sven Ted Tim Vito Will Yusuf Zack Kofi Ming Diego"
).split()
# Names that training never sees: a story or a talk about one shows copying, not recall.
HELD_OUT_NAMES = (
    "Bartholomew Penelope Winston Matilda Quentin Rosalind Barnaby Ophelia Cornelius Beatrice Thaddeus Gwendolyn Ignatius Marigold "
    "Percival Josephine Archibald Clementine Leopold Henrietta Zelda Marlow Tamsin Orlando Dexter Freya Caspian Sybil Gideon Linnea "
    "Rowan Esme Casper Odette Magnus Juniper Lionel Saskia Bruno Wilma"
).split()
PRONOUNS = {"she": ("she", "her", "her"), "he": ("he", "him", "his")}

_START, _VOWEL, _END = (
    "b bl br c ch cl d dr f fl fr g gr h j k l m n p pl qu r s sh sn st t tr v w z".split(),
    "a e i o u ee oo".split(),
    "bo by do fy ko la lo lu ma mo na ni no pa po ra ri ro sa so ta ti to va vi za zo x m n nk ck rt sk ll tt".split(),
)


def nonce(r):
    """A name that nobody has, of two halves of names or of one to four syllables: what is copied from it cannot be known from elsewhere."""
    if r.random() < 0.4:
        return r.choice(GIRLS + BOYS)[: r.randrange(2, 5)] + r.choice(GIRLS + BOYS)[r.randrange(1, 3) :].lower()
    made = "".join(r.choice(_START) + r.choice(_VOWEL) for _ in range(r.choice((1, 1, 2, 2, 3)))) + r.choice(_END)
    return (made + r.choice(_VOWEL + ["", ""])).capitalize()


def name(r, pronoun=None):
    """(name, pronoun); three in ten are made up."""
    pronoun = pronoun or r.choice(("she", "he"))
    if r.random() < 0.3:
        while (made := nonce(r)) in HELD_OUT_NAMES:
            pass
        return made, pronoun
    return r.choice(GIRLS if pronoun == "she" else BOYS), pronoun


# species: (home, food, sound, skill)
ANIMALS = {
    "fox": ("den", "berries", "a soft bark", "run very fast"),
    "rabbit": ("burrow", "carrots", "a tiny squeak", "hop very far"),
    "bear": ("cave", "honey", "a low growl", "climb tall trees"),
    "owl": ("hollow tree", "seeds", "a quiet hoot", "see in the dark"),
    "mouse": ("warm hole", "cheese", "a small squeak", "fit into small places"),
    "cat": ("cottage", "fish", "a happy purr", "jump up high"),
    "dog": ("kennel", "bones", "a loud bark", "smell things from far away"),
    "duck": ("pond", "bread", "a cheerful quack", "swim all day"),
    "frog": ("lily pad", "flies", "a deep croak", "leap over the water"),
    "turtle": ("shell", "leaves", "a slow hum", "carry heavy things"),
    "bird": ("nest", "seeds", "a sweet song", "fly above the clouds"),
    "squirrel": ("oak tree", "nuts", "a quick chatter", "climb without fear"),
    "elephant": ("green valley", "apples", "a great trumpet", "lift heavy logs"),
    "penguin": ("icy bay", "fish", "a funny honk", "slide on the ice"),
    "lion": ("sunny hill", "stew", "a mighty roar", "scare away any thief"),
    "horse": ("barn", "hay", "a gentle neigh", "gallop across the fields"),
    "hedgehog": ("pile of leaves", "mushrooms", "a little sniff", "roll into a ball"),
    "bee": ("hive", "nectar", "a busy buzz", "find every flower"),
    "wolf": ("rocky den", "soup", "a long howl", "walk all night"),
    "pig": ("mud house", "potatoes", "a proud oink", "find hidden food"),
    "cow": ("big barn", "clover", "a calm moo", "wait for a very long time"),
    "sheep": ("wooden shed", "grass", "a soft baa", "keep everyone warm"),
    "goat": ("stone hut", "thistles", "a cheeky bleat", "jump from rock to rock"),
    "hen": ("henhouse", "corn", "a proud cluck", "count all the eggs"),
    "snail": ("round shell", "lettuce", "a tiny sigh", "climb up any wall"),
    "monkey": ("treehouse", "bananas", "a wild chatter", "swing from tree to tree"),
    "whale": ("blue bay", "plankton", "a deep song", "dive to the bottom of the sea"),
    "crab": ("sand castle", "seaweed", "a sharp click", "walk sideways"),
    "deer": ("glade", "fresh buds", "a soft step", "hear every leaf fall"),
    "tiger": ("bamboo hut", "rice cakes", "a rumbling roar", "jump over a river"),
    "giraffe": ("very tall house", "leaves", "a quiet hum", "look over every roof"),
    "snake": ("warm basket", "eggs", "a long hiss", "slip through any gap"),
    "spider": ("silver web", "crumbs", "no sound at all", "tie very good knots"),
    "butterfly": ("rose bush", "nectar", "a light flutter", "dance in the wind"),
    "ant": ("anthill", "sugar", "a tiny march", "carry ten times its weight"),
    "donkey": ("stable", "oats", "a loud hee-haw", "carry bags up the hill"),
    "parrot": ("palm tree", "mangoes", "a loud squawk", "copy any voice"),
    "octopus": ("coral house", "clams", "a soft splash", "do eight things at once"),
    "kangaroo": ("red hut", "grass", "a dull thump", "jump over a fence"),
    "mole": ("tunnel", "roots", "a low grunt", "dig without a light"),
}
BEINGS = {
    "dragon": ("mountain cave", "toast", "a warm puff of smoke", "light a fire"),
    "robot": ("workshop", "batteries", "a friendly beep", "count very quickly"),
    "unicorn": ("moonlit glade", "sugar", "a silver neigh", "make flowers grow"),
    "monster": ("dark cupboard", "old socks", "a terrible roar", "hide under any bed"),
    "ghost": ("old tower", "candle smoke", "a polite boo", "walk through walls"),
    "fairy": ("bluebell", "honey", "a ringing laugh", "shine in the dark"),
    "wizard": ("crooked tower", "porridge", "a strange mumble", "turn water into soup"),
    "witch": ("crooked house", "pumpkin pie", "a long cackle", "fly on a broom"),
    "pirate": ("creaky ship", "biscuits", "a loud ahoy", "sail through any storm"),
    "knight": ("stone castle", "roast apples", "a clank", "lift a heavy shield"),
    "astronaut": ("round rocket", "noodles", "a muffled hello", "float upside down"),
    "farmer": ("farmhouse", "potatoes", "a cheerful whistle", "grow anything"),
    "baker": ("warm bakery", "buns", "a cheerful hum", "bake a cake in the dark"),
    "sailor": ("little boat", "beans", "a sea song", "read the stars"),
    "snowman": ("snowy hill", "ice cream", "a crunchy step", "stand still all day"),
    "mermaid": ("coral cave", "seaweed", "a soft song", "swim with the whales"),
    "giant": ("huge house", "whole pies", "a thundering step", "step over a river"),
    "elf": ("tree stump", "acorn bread", "a merry giggle", "sew with moonlight"),
}
ROYALS = {"princess": "she", "queen": "she", "girl": "she", "prince": "he", "king": "he", "boy": "he"}  # a pronoun of their own
CHILD = ("house", "soup", "a happy song", "tell very good jokes")
ROYAL = ("golden castle", "pancakes", "a royal cough", "dance all night")
# Heroes that have no table of their own: whatever a visitor may think of.
THINGS = (
    "toaster sock pencil potato spoon teapot button shoe pillow candle cloud star train bus tractor kettle sandwich pumpkin snowflake leaf pebble "
    "broom bucket chair lamp clock umbrella banana pancake cookie tomato onion cactus mushroom carrot door window bridge balloon bicycle computer "
    "crayon drum violin suitcase mirror rocket boat submarine wheel puddle raindrop tree rose tulip jellyfish seahorse camel zebra hippo panda koala "
    "otter beaver badger raccoon bat swan goose turkey crow eagle dolphin shark lizard dinosaur hamster pony puppy kitten chick lamb worm ladybug "
    "cricket grandmother grandfather teacher doctor cook painter gardener postman cowboy ninja clown alien vampire troll gnome scarecrow"
).split()
SPARE = (
    ("cozy house", "cake", "a funny little noise", "tell very good jokes"),
    ("small cupboard", "crumbs", "a friendly rattle", "stay awake all night"),
    ("shed", "jam", "a quiet tap", "make anyone laugh"),
)
TRAITS = (
    "brave kind shy curious clever gentle cheerful quiet patient proud lonely sleepy silly careful honest generous hungry busy stubborn greedy "
    "forgetful clumsy lazy grumpy jealous bossy dreamy"
).split()
PLACES = (
    "forest village garden meadow valley harbor farm island castle market park mountain river lake beach town orchard school library desert "
    "bridge mill lighthouse pond hill swamp city jungle field station museum playground tower windmill canyon waterfall"
).split()
WEATHER = "sunny rainy windy cold warm snowy foggy bright cloudy quiet stormy frosty golden lazy".split()
OBJECTS = {
    "ball": "red",
    "key": "golden",
    "lantern": "bright",
    "kite": "blue",
    "book": "old",
    "map": "dusty",
    "ring": "silver",
    "boat": "small",
    "drum": "round",
    "hat": "green",
    "bell": "shiny",
    "cup": "broken",
    "stone": "smooth",
    "feather": "white",
    "box": "wooden",
    "flower": "purple",
    "coin": "copper",
    "scarf": "striped",
    "shell": "pink",
    "cake": "sweet",
    "clock": "tiny",
    "umbrella": "yellow",
    "mirror": "clear",
    "basket": "empty",
    "blanket": "soft",
    "button": "blue",
    "spoon": "silver",
    "whistle": "loud",
    "flute": "wooden",
    "balloon": "red",
    "candle": "little",
    "pencil": "short",
    "star": "glowing",
    "crown": "golden",
    "pillow": "fluffy",
    "rope": "long",
    "jar": "glass",
    "pie": "warm",
    "sock": "odd",
    "marble": "green",
    "torch": "bright",
    "necklace": "shiny",
    "wheel": "wooden",
    "teapot": "spotted",
    "letter": "folded",
    "puppet": "funny",
    "pumpkin": "huge",
    "cookie": "crunchy",
    "ladder": "tall",
    "compass": "brass",
}
ADJECTIVES = "red blue green yellow golden silver tiny huge old new shiny magic broken heavy soft striped purple wooden warm strange lost secret".split()
HELPERS = (
    "an old woman",
    "a wise owl",
    "a tall farmer",
    "a little girl",
    "a friendly baker",
    "a kind teacher",
    "an old sailor",
    "a gray cat",
    "a clever mouse",
    "a quiet shepherd",
    "a brave knight",
    "a singing bird",
    "a slow turtle",
    "a busy ant",
    "an old clockmaker",
    "a round hedgehog",
)


def about(species):
    """(home, food, sound, skill) of any hero."""
    if species in ROYALS:
        return CHILD if species in ("girl", "boy") else ROYAL
    return ANIMALS.get(species) or BEINGS.get(species) or preferred(SPARE, species)


def preferred(choices, *key):
    """The one of `choices` that belongs to this key: so a fox has a fox's name, and greedy stories differ by what they are about."""
    return choices[zlib.crc32("\n".join(map(str, key)).encode()) % len(choices)]


def a(phrase):
    """With its article."""
    vowel = phrase[0].lower() in "aeiou" and not phrase.startswith(("uni", "one", "use"))
    return ("an " if vowel or phrase.startswith(("honest", "hour")) else "a ") + phrase


def cap(text):
    return text[0].upper() + text[1:]
