"""What happens in stories: each plot has beats that can be told in several ways, a lesson, a summary, and questions that it answers.

Fields in braces are filled by stories.Story: {n} {s} the hero's name and species, {sub} {ob} {pos} the hero's pronouns; {f} {fs} {fsub} {fob} {fpos}
the same of a friend; {o} {adj} {ao} an object, its adjective, and both with an article; {place} {near} where it happens; {food} {home} {skill} {sound}
what the hero's kind likes and does; {weather}, {helper}. A capital letter starts a sentence. Every wording of a beat fits every wording of the next.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Plot:
    name: str
    theme: str  # completes "Tell me a story about ..."
    traits: tuple  # of heroes that this happens to
    beats: tuple  # of tuples of wordings
    lessons: tuple  # complete "Pip learned that ..."
    summary: str
    asks: tuple  # of (ways to ask, the answer)


PLOTS = (
    Plot(
        name="lost",
        theme="helping a friend",
        traits=("forgetful", "clumsy", "silly", "dreamy", "hungry"),
        beats=(
            (
                "One {weather} day, {n} set out with {ao} and a basket of {food}. At the {near}, {sub} stopped to rest, and the {o} was gone.",
                "One {weather} morning, {n} went for a walk with {ao} and a basket full of {food}. When {sub} came to the {near}, the {o} was nowhere to be seen.",
                '{N} left home one {weather} morning with {ao} and a big basket of {food}. "Oh no!" {sub} cried at the {near}. "My {o} is gone!"',
            ),
            (
                '{f} the {fs} heard a very sad sigh and came at once. "Two can look better than one," said {f}.',
                'Just then {f} the {fs} came by. "Do not be sad," said {f}. "I am very good at looking for things."',
                '"What is the matter?" asked {f} the {fs}. When {n} told the whole story, {f} said, "Then we will look together."',
            ),
            (
                "They looked under every leaf and behind every stone. They found one old sock, two snails and no {o}.",
                "They peeked under the bushes, and they even asked a snail. The snail thought about it for a long time, but it did not know.",
                "They searched high and low. {f} even looked inside a puddle and got mud all over {fpos} face.",
            ),
            (
                '"You can go home now," said {n} in a small voice. "No, I am staying," said {f}, "but first we should eat something."',
                'It grew late, and {n} was ready to give up, but {f} stayed. "Let us have a snack," {fsub} said, "and then we will try again."',
                '{N} felt tired, but {f} stayed right beside {ob}. "I will not go home without your {o}," said {f}. "Shall we eat first?"',
            ),
            (
                "{N} opened the basket, and there, under the {food}, was the {o}! They both laughed until they fell over.",
                'So {n} reached into the basket. Under the {food} lay the {o}, safe and a little sticky. "It was having lunch without us!" said {f}.',
                "{N} looked into the basket and made {sound}. The {o} had been under the {food} all day, and nobody had looked there!",
            ),
            (
                "Then it was time to eat, and {f} got the biggest part.",
                "{N} hugged the {o}, thanked {f}, and gave {fob} the biggest part of the lunch.",
                '"Thank you for staying with me," said {n}, and {sub} gave {f} the biggest part of the meal.',
            ),
        ),
        lessons=(
            "a friend is someone who helps",
            "a good friend stays, even when the day is long",
            "two friends looking are better than one",
        ),
        summary="{N} lost {ao}, and {f} helped to look until they found it in the basket.",
        asks=(
            (("What did {n} lose?", "What was lost?"), "{N} lost {ao}."),
            (("Who helped {n}?", "Who helped to look for the {o}?"), "{f} the {fs} helped {n}."),
            (("Where was the {o} in the end?", "Where did {n} find the {o}?"), "The {o} was in the basket, under the {food}."),
            (("Where did {n} see that the {o} was gone?",), "{N} saw it at the {near}."),
            (("What was in the basket of {n}?", "What did {n} bring to eat?"), "There was a lunch of {food} in the basket."),
            (("Who got the biggest part of the food?",), "{f} got the biggest part."),
        ),
    ),
    Plot(
        name="found",
        theme="telling the truth",
        traits=("greedy", "jealous", "curious", "proud"),
        beats=(
            (
                "One {weather} day, {n} found {ao} near the {near}. It was so lovely that {sub} took it home and hid it.",
                "One {weather} morning, something lay in the grass near the {near}. It was {ao}! {N} looked left, looked right, and took it home to hide it.",
                'Near the {near}, one {weather} day, {n} found {ao}. "Finders keepers," {sub} whispered, and {sub} hid it at home.',
            ),
            (
                'Soon {f} the {fs} came along and looked worried. "Have you seen my {o}?" asked {f}. "No," said {n}, much too fast.',
                'That afternoon, {f} the {fs} was looking everywhere. "I lost my {o}. Did you see it?" asked {f}. "No, no, no," said {n}, which was three times too many.',
                'Then {f} the {fs} came by and sniffled. "My {o} is gone. Have you seen it?" {N} looked up at a cloud and said, "No."',
            ),
            (
                "The lie felt as heavy as a wet stone. That evening, even the {food} tasted like mud.",
                "At dinner there was a big plate of {food}, but {n} could not enjoy one bite. The lie felt heavy, and it did not go away.",
                "All night long {n} could not sleep. The lie was heavy, and it seemed to take up the whole bed.",
            ),
            (
                'In the morning, {n} carried the {o} to {f}. "I had it all the time," {sub} said. "I told you a lie, and I am sorry."',
                'As soon as the sun came up, {n} went to {f} with the {o}. "Here it is. I did not tell the truth," {sub} said softly. "I am sorry."',
                'The next morning, {n} took a deep breath and brought the {o} back to {f}. "I said no, but the truth was yes," {sub} said. "I am so sorry."',
            ),
            (
                '{f} was quiet for a moment, and then {fsub} smiled. "That was hard to say. Thank you for saying it."',
                '{f} looked at the {o}, then at {n}, and began to smile. "It takes a big heart to say that," said {f}. "Thank you."',
                'First {f} frowned, then {fsub} thought, and then {fsub} smiled. "Thank you for telling me," said {f}. "Now we are friends again."',
            ),
            (
                '"You may visit my {o} every Sunday," said {f}. {N} felt as light as a feather.',
                "{f} even said that {n} could come and visit the {o} every Sunday. The heavy feeling was gone, and {n} felt as light as a soap bubble.",
                "{N} felt so light that {sub} almost floated home. And every Sunday, {f} let {ob} come and visit the {o}.",
            ),
        ),
        lessons=("the truth makes a heart light", "a lie is heavy to carry", "it is never too late to tell the truth"),
        summary="{N} found {ao} and told a lie about it, but then told {f} the truth and gave it back.",
        asks=(
            (("What did {n} find?",), "{N} found {ao}."),
            (("Who had lost the {o}?", "Whose {o} was it?"), "It was {f} the {fs} who had lost the {o}."),
            (("Where did {n} find the {o}?",), "{N} found it near the {near}."),
            (("Did {n} tell the truth at first?", "What did {n} say at first?"), "At first {n} said no, and that was a lie."),
            (("How did the lie feel?",), "The lie felt heavy."),
            (
                ("What did {n} do in the morning?", "How did {n} make it right?"),
                "{N} gave the {o} back, told the truth and said sorry.",
            ),
        ),
    ),
    Plot(
        name="storm",
        theme="being brave",
        traits=("shy", "gentle", "kind", "quiet"),
        beats=(
            (
                "One {weather} day ended with a big storm. {N} hid at home and held {ao} very tight, because it was lucky.",
                "Late one {weather} day, a great storm came over the {near}. {N} sat at home under a blanket with {ao}, which was good for luck.",
                'It had been one long {weather} day, and then a wild storm began. At home, {n} held on to {ao} and whispered, "Bring me luck."',
            ),
            (
                "Between two claps of thunder, {n} heard a small voice. It was {f} the {fs}, calling for help from the {near}!",
                'Then there was a cry in the wind. "Help!" called {f} the {fs}, who was all alone at the {near}.',
                '"Help! Is anybody there?" someone called. {N} knew that voice: it was {f} the {fs}, stuck at the {near}.',
            ),
            (
                '{N} shook like a leaf. "I am afraid," {sub} said to the {o}, "so I will just have to be afraid and go." And out {sub} went.',
                '{N} was afraid from top to bottom. "Somebody should go," {sub} said. "Oh dear, I think I am somebody!" So {sub} took the {o} and went out.',
                '"I am much too afraid to go," said {n}. But {sub} was already outside, with the {o} held close and rain all over {pos} face.',
            ),
            (
                'At the {near}, {f} was wet and cold. {N} gave {fob} the {o} to hold and said, "It is lucky. I will hold on to you."',
                '{N} found {f} curled up like a ball. "Here, hold my lucky {o}," {n} said, "and we will go home together."',
                '"You came!" cried {f}. "Of course," said {n}, and {sub} gave {f} the lucky {o} to hold.',
            ),
            (
                'All the way back, whenever the thunder said boom, they shouted "Boom!" right back. The thunder was so surprised that it went away.',
                'On the way home the thunder went boom, so they shouted "Boom!" even louder. Soon they were laughing in the rain.',
                'They shouted "Boom!" at the thunder with every step. By the time they got home, it had gone to grumble somewhere else.',
            ),
            (
                '"Were you not afraid?" asked {f} over a plate of {food}. "Yes, very," said {n}. "But you were out there."',
                'At home they sat close together and had some {food}. "You are so brave," said {f}. "I was shaking all the time," said {n}, and they both laughed.',
                'Soon they were dry and had a big plate of {food}. "The {o} is lucky," said {f}, "but you are brave, and that is better."',
            ),
        ),
        lessons=(
            "being brave means being afraid and going anyway",
            "even a shaking heart can be a brave one",
            "it is easier to be brave for a friend",
        ),
        summary="{N} was afraid of the storm, but went out with {ao} to bring {f} home.",
        asks=(
            (("What lucky thing did {n} have?", "What did {n} hold at home in the storm?"), "{N} had {ao} for luck."),
            (("Who called for help?", "Who needed help in the storm?"), "{f} the {fs} called for help."),
            (("Where was {f} when the storm came?", "Where did {n} find {f}?"), "{f} was at the {near}."),
            (("Was {n} afraid?",), "Yes, {n} was afraid, but {sub} went out anyway."),
            (("What did {n} give to {f}?",), "{N} gave {f} the lucky {o} to hold."),
            (("What did they shout at the thunder?",), 'They shouted "Boom!" at the thunder.'),
        ),
    ),
    Plot(
        name="gift",
        theme="never giving up",
        traits=("stubborn", "clumsy", "busy", "generous"),
        beats=(
            (
                "{f} the {fs} was going to have a birthday. So, one {weather} day, {n} began to make {ao} as a gift.",
                'One {weather} day, {n} had a fine idea. "Soon it is the birthday of {f} the {fs}," {sub} said. "I will make {ao}!"',
                "The birthday of {f} the {fs} was near, and {n} wanted to give {fob} {ao}. One {weather} day, {sub} sat down to make it.",
            ),
            (
                "The first {o} looked good for as long as it takes to blink. Then it fell apart.",
                "{N} made the first {o} in a great hurry. Somewhere a fly sneezed, and the {o} fell apart.",
                "The first {o} was almost ready when it went crick, crack, plop and fell apart.",
            ),
            (
                'The second {o} did not fall apart, but it looked just like a potato. {Helper} came by and said, "What a nice potato!"',
                "So {n} made a second one. It was brown and lumpy, and anybody would have called it a potato.",
                "The second try was strong, but it looked like a potato. {N} turned it around, and then it looked like the back of a potato.",
            ),
            (
                '{N} wanted to stop, but then {sub} thought of the birthday. "One more time," {sub} said. The third time {sub} worked slowly, and it came out right.',
                '"Maybe I should give up," sighed {n}. But {sub} thought about what had gone wrong, tried a third time, and at last it was a real {o}.',
                "{N} made a long face and almost gave up. Then {sub} had some {food}, took a deep breath and tried a third time, and it worked!",
            ),
            (
                'On the birthday, {n} gave {f} the {o}. "It is a little crooked," said {n}. "So am I," said {f}, "and I love it!"',
                '"Happy birthday!" said {n}, and {sub} held out the {o}. "I am sorry that it leans to one side." {f} leaned the same way and said, "Now it is perfect. I love it!"',
                'The birthday came, and {f} got the {o}. "You made this for me?" {fsub} asked. "I love it more than all my other things!"',
            ),
            (
                'Then {f} saw the potato and laughed. "May I keep that one too?" asked {f}, and {n} said yes.',
                "When {n} told {fob} about the potato, {f} wanted to have it as well. It got the best place on the shelf.",
                '"And what is this?" asked {f}. "That is my potato," said {n}, and {f} laughed and kept that one too.',
            ),
        ),
        lessons=(
            "every try teaches you something",
            "the third try needs the first two",
            "good things come to those who try once more",
        ),
        summary="{N} tried three times to make {ao} for {f}, and never gave up.",
        asks=(
            (("What did {n} want to make?", "What was the gift?"), "{N} wanted to make {ao}."),
            (("Who was the gift for?", "Who had a birthday?"), "The gift was for the birthday of {f} the {fs}."),
            (("What happened to the first {o}?",), "The first {o} fell apart."),
            (
                ("What did the second {o} look like?", "What was wrong with the second {o}?"),
                "The second {o} looked like a potato.",
            ),
            (("How many times did {n} try?", "Which try worked?"), "{N} tried three times, and the third one worked."),
            (("Did {f} like the gift?",), "Yes, {f} loved it, and {fsub} kept the potato too."),
        ),
    ),
    Plot(
        name="share",
        theme="sharing",
        traits=("hungry", "greedy", "kind", "grumpy"),
        beats=(
            (
                "One {weather} day, there was almost nothing left to eat. {N} had just one small bowl of {food}, and it had to last.",
                "It was one {weather} day too many, and all the food was running out. Only one small bowl of {food} was left for {n}.",
                "One {weather} morning, {n} looked into every pot and every corner. There was one small bowl of {food}, and that was all.",
            ),
            (
                "Then there was a knock. It was {f} the {fs}, who had not eaten since yesterday.",
                'Along came {f} the {fs}, very slowly. "I have had nothing to eat since yesterday," said {f}. "I tried to eat a cloud, but it was too high up."',
                "Outside, something rumbled like thunder. It was only {f} the {fs}, who had not eaten since yesterday.",
            ),
            (
                "{N} looked at the bowl, and it seemed to get smaller. {Sub} hid it, but the hungry rumbling of {f} sounded so sad.",
                '"If I share, I will only have half," thought {n}, and {sub} hid the bowl. But {f} looked so thin and so polite.',
                "Quickly, {n} hid the bowl and talked about the weather. But {f} sat there so hungry and so quiet that {n} felt ashamed.",
            ),
            (
                'So {n} brought the bowl out again. "Half for you and half for me," {sub} said, and they ate every bit of it together.',
                '"Wait," said {n}, and {sub} put the bowl between them. "Half is yours." They ate slowly and told each other stories about cake.',
                'In the end {n} took the bowl out again and made two halves. "One is for you," {sub} said, and {f} smiled from side to side.',
            ),
            (
                'The next day, {f} came back with {ao}. "It is the best thing that I have," {fsub} said, "and it is my thanks."',
                'In the morning, {f} was there again, and this time {fsub} had brought {ao}. "This is to say thank you," said {f}.',
                'The next morning, {n} found {ao} outside. "It is to say thank you," said {f}, who was very bad at hiding.',
            ),
            (
                "{N} held the {o} and made {sound}. The bowl was empty, but {n} felt full all the way up.",
                '"It is lovely," said {n}, and {sub} put the {o} into the empty bowl. Now the bowl looked full again, and so did {pos} heart.',
                "{N} put the {o} where {sub} could always see it. The bowl was empty, but it had never felt so good to have an empty bowl.",
            ),
        ),
        lessons=(
            "half of something tastes better with a friend",
            "sharing fills more than a bowl",
            "there is always enough for two",
        ),
        summary="{N} shared the last bowl of {food} with {f}, who said thank you with {ao}.",
        asks=(
            (("What did {n} have left to eat?", "What was in the bowl?"), "{N} had one small bowl of {food}."),
            (("Who came and was hungry?", "Who had not eaten since yesterday?"), "{f} the {fs} was hungry."),
            (("What did {n} do with the bowl at first?",), "At first {n} hid the bowl."),
            (("How did {n} share the food?", "How much did {f} get?"), "{N} gave half of it to {f}."),
            (("What did {f} bring to say thank you?", "What did {n} get as thanks?"), "{f} brought {ao} to say thank you."),
        ),
    ),
    Plot(
        name="race",
        theme="being patient",
        traits=("proud", "busy", "bossy", "stubborn", "silly"),
        beats=(
            (
                "One {weather} day, {n} and {f} the {fs} had a race to the {near}. The prize was {ao}.",
                '"Let us race to the {near}!" said {n} to {f} the {fs} one {weather} morning. "The prize will be {ao}."',
                "There was {ao} waiting at the {near} one {weather} day. It was the prize for a race between {n} and {f} the {fs}.",
            ),
            (
                '"One, two, go!" cried {n}, because three took too long. {Sub} was off so fast that {sub} did not look at the map.',
                "Before anyone could say go, {n} was gone. There was a map, but {sub} had no time for maps.",
                '{N} started in a cloud of dust. "Do you not want to see the map?" called {f}, but nobody was there to hear it.',
            ),
            (
                "{f} looked at the map and set off slowly. {Fsub} said good morning to the bees and stepped around every snail.",
                "{f} read the map twice, hummed a tune and started slowly. It was a nice path, and {fsub} did not want to miss it.",
                "So {f} took the map and went along slowly, one little step and then another little step.",
            ),
            (
                'Meanwhile, {n} rushed past a big oak tree, then another, then another. "They all look the same!" {sub} puffed. It was one tree, and {n} was running in circles.',
                'But {n} was running in circles. "Hello," said a snail. Soon after, it said, "Hello again." The third time, it only waved.',
                "As for {n}, {sub} turned left, and left, and left again. {Sub} was running in circles, and a beetle on a stone cheered every time.",
            ),
            (
                'When {n} came to the {near} at last, {f} was already there with the {o}. "How did you get here so quickly?" asked {n}. "Slowly," said {f}.',
                'Much later, {n} fell over the finish line at the {near}. There sat {f} with the {o}, not tired at all. "I took my time," said {f}, "and it took me here."',
                'At last {n} found the {near}, but {f} had won the {o} long ago. "You were so fast," said {f}, "that you forgot to arrive."',
            ),
            (
                "They walked back together, and they took turns with the {o}. This time {n} went slowly, and {sub} saw a hundred things that {sub} had missed.",
                "{f} shared the {o} with {n}, and they went home side by side. {N} went slowly and smelled every flower on the way.",
                '"Let us share the {o}," said {f}. They went home slowly, with a long stop for {food}, and {n} did not hurry once.',
            ),
        ),
        lessons=(
            "slow and careful is sometimes the fastest way",
            "it is good to look at the map before you run",
            "a patient step is better than ten wild ones",
        ),
        summary="{N} hurried and ran in circles, while {f} went slowly and won {ao}.",
        asks=(
            (("What was the prize?", "What could {n} win?"), "The prize was {ao}."),
            (("Who won the race?", "Who got the prize?"), "{f} the {fs} won the race."),
            (("Where did the race end?", "Where did they race to?"), "The race ended at the {near}."),
            (("What did {n} not look at?", "What did {n} forget to read?"), "{N} did not look at the map."),
            (("Why was {n} so late?", "What went wrong for {n}?"), "{N} was running in circles."),
            (("How did they go home?",), "They went home together, slowly, and shared the {o}."),
        ),
    ),
    Plot(
        name="noise",
        theme="a noise in the night",
        traits=("sleepy", "curious", "shy", "silly"),
        beats=(
            (
                'In the middle of the night, {n} woke up. "Hup!" said something outside in the dark.',
                'It was late, and the moon was up, and {n} was dreaming of {food}. "Hup!" went a noise outside, and the dream was over.',
                'One night, after a long {weather} day, {n} was almost asleep. Then a strange noise came from outside. "Hup!"',
            ),
            (
                '"It must be a monster," thought {n}, "with a hundred knees and no manners." {Sub} pulled the blanket up. "Hup!" went the noise again.',
                '{N} sat up and listened. Was it a monster? Was it a monster jumping rope? "Hup!" it went. "Hup!"',
                '"Monsters do not say hup," {n} told the pillow. The pillow said nothing, but the noise said, "Hup!" Maybe some monsters did.',
            ),
            (
                'At last {n} took a lantern and tiptoed outside. One bush was shaking. "Hup!" said the bush.',
                '"I have to know," whispered {n}, and out {sub} went under the stars. The noise came from a bush, and it made the bush jump a little every time.',
                "{N} counted to three, then to ten to be sure, and went outside. Something was hiding behind a bush, and all the leaves were shaking.",
            ),
            (
                "{N} looked behind the bush. There sat {f} the {fs} with {ao}, and {f} had the hiccups!",
                '"Come out, monster!" said {n}. Out came {f} the {fs}, who was holding {ao} and had terrible hiccups.',
                "It was not a monster at all. It was {f} the {fs} with {ao} and the worst hiccups in the world.",
            ),
            (
                '"I wanted to, hup, surprise you," said {f}. "This is for you, but then the hup, hup, hiccups came."',
                '"This {o} was going to be a, hup, surprise for you," said {f}. "I was as quiet as a, hup, mouse."',
                '"Surprise!" said {f}. "I wanted to leave this {o} for you in, hup, secret. Did you, hup, hear me?"',
            ),
            (
                '{N} took the {o} and laughed so hard that the hiccups of {f} stopped. "Thank you," said {n}. "I, hup! Oh no."',
                'They laughed and laughed until {f} had no more hiccups. {N} hugged the {o} and wanted to say good night, but all that came out was "Hup!"',
                '"It is the best surprise ever," said {n}, and they laughed until {f} was well again. But now somebody else had the hiccups. "Hup!" said {n}.',
            ),
        ),
        lessons=(
            "most monsters are only friends in the dark",
            "a scary noise can have a funny reason",
            "it is better to look than to be afraid",
        ),
        summary="{N} heard a noise in the night, but it was only {f}, who had the hiccups and a surprise: {ao}.",
        asks=(
            (("What noise did {n} hear?", "What did the noise sound like?"), 'The noise went "Hup!"'),
            (("What did {n} think it was?", "Was {n} afraid of something?"), "{N} thought that it might be a monster."),
            (("Who made the noise?", "Who was outside?"), "It was {f} the {fs}."),
            (("Why did {f} make the noise?", "What was wrong with {f}?"), "{f} had the hiccups."),
            (("What did {f} bring?", "What was the surprise?"), "The surprise was {ao}."),
            (("Who had the hiccups at the end?",), "At the end {n} had the hiccups."),
        ),
    ),
    Plot(
        name="shy",
        theme="making a new friend",
        traits=("shy", "quiet", "lonely", "gentle", "dreamy"),
        beats=(
            (
                "One {weather} day, {n} came to the {near} with {ao}. Somebody new was there, all alone: it was {f} the {fs}.",
                "One {weather} morning, {n} took {ao} to the {near}. There sat {f} the {fs}, who was new and had nobody to talk to.",
                "{N} was on the way to the {near} with {ao} one {weather} day. Then {sub} saw someone new: {f} the {fs}, sitting all alone.",
            ),
            (
                "{N} wanted to say hello, but the word got stuck. So {sub} hid behind a tree to practise.",
                '"I will say hello," thought {n}. But only {sound} came out, and {sub} jumped behind a tree to practise.',
                "Saying hello is only one word, but to {n} it felt like a hundred. {Sub} went behind a tree to practise first.",
            ),
            (
                '"Hello, tree," said {n}. "How do you do, tree?" The tree was a very good listener.',
                '"Hello," {n} whispered to the tree. "I hope that you like {food}." The tree did not say that it did, but it did not run away.',
                '"Hello, tree," {n} said, once too softly and once too loudly. One leaf fell down, and {n} took that for a yes.',
            ),
            (
                "Just then the {o} slipped and fell. It landed right in front of {f}!",
                "{N} was so busy with the tree that {sub} dropped the {o}. Down it went, and it stopped right next to {f}.",
                "The tree went so well that {n} gave a little hop. Oops! The {o} fell down and landed right beside {f}.",
            ),
            (
                '{f} picked it up. "Is this yours?" {fsub} asked. "I wanted to say hello too, but I was shy. I have been practising with this stone."',
                '"What a lovely {o}!" said {f}. "I saw you, but I was too shy to say hello. I was just practising with a stone."',
                '{f} gave it back with a shy smile. "I have said hello to this stone eleven times," {fsub} said. "May I try it with you?"',
            ),
            (
                '"Hello!" they said at the same time, and then they both laughed. They played all day, and the tree and the stone could come too.',
                '"Hello," said {n}, and it was easy. They looked at the {o} together until the sun went down, and then they said good night to the tree and to the stone.',
                "So {n} said hello to {f}, and {f} said hello to {n}. By evening they were friends, and they thanked the tree and the stone for their help.",
            ),
        ),
        lessons=("the other one may be shy too", "a small hello can make a big friend", "a new friend is only one hello away"),
        summary="{N} was too shy to say hello to {f}, until {ao} fell down and made them friends.",
        asks=(
            (("Who was the new friend?", "Who was all alone?"), "The new friend was {f} the {fs}."),
            (("Where did {n} meet {f}?",), "{N} met {f} at the {near}."),
            (("What did {n} have?", "What fell down?"), "{N} had {ao}, and it fell down."),
            (("Who did {n} practise with?", "What did {n} hide behind?"), "{N} went behind a tree and said hello to the tree."),
            (("Who did {f} practise with?",), "{f} was practising with a stone."),
            (("What did {n} want to say?",), "{N} wanted to say hello."),
        ),
    ),
    Plot(
        name="seed",
        theme="growing something",
        traits=("patient", "careful", "dreamy", "curious"),
        beats=(
            (
                "One {weather} day, {n} put a tiny seed into the ground near the {near}. {Sub} set {ao} beside it to mark the spot.",
                'One {weather} morning, {n} planted one small seed near the {near}. "So that I do not forget the place," {sub} said, and {sub} marked it with {ao}.',
                "{N} had one little seed and one big plan. One {weather} day, {sub} planted it near the {near} and marked the spot with {ao}.",
            ),
            (
                "Every day, {n} brought water and looked. There was the {o}, there was the mud, and there was nothing else.",
                "{N} gave it water on Monday, on Tuesday and on Wednesday. Nothing came up, and the {o} only got a little dusty.",
                "{N} watered the spot and sat down to watch. {Sub} watched so hard that a passing ant felt shy, but nothing came up.",
            ),
            (
                '"Maybe it is bored down there," said {f} the {fs}. So every evening {f} came and told the seed a joke.',
                '{f} the {fs} came to help. "I will tell it jokes," said {f}. "Nobody can stay in bed when there are jokes."',
                '"It needs water, sun and jokes," said {f} the {fs}, who knew a lot of jokes. The seed heard a new one every day.',
            ),
            (
                "A week went by, and then one more. {N} wanted to dig it up and look, but {sub} waited.",
                'Still nothing happened. "Shall I dig and see?" asked {n}. "Only if you like to be woken up like that," said {f}, and so they waited.',
                "Days and days went by. {N} almost started to dig, but {sub} had some {food} instead, and waited.",
            ),
            (
                'Then, one morning, the {o} was leaning to one side. Something green had pushed it. "At last it got the joke!" cried {f}.',
                'One morning, {n} made {sound}. A little green sprout was pushing the {o} out of the way! "It wants to hear the end of my joke," said {f}.',
                '"Who moved my {o}?" asked {n} one morning. It was a small green sprout, pushing with all its might. "It liked my joke," said {f}.',
            ),
            (
                "It grew and grew into a sunflower that was taller than both of them. And the {o} went on to mark the next seed.",
                "By summer it was a great yellow sunflower. {N} gave {f} its first new seed, and together they marked that spot with the {o}.",
                "Soon there was a sunflower with a face as round as the moon. The {o} got a new job, right beside the next little seed.",
            ),
        ),
        lessons=(
            "good things need time to grow",
            "things can grow where nobody can see them",
            "waiting is easier with a friend and a joke",
        ),
        summary="{N} planted a seed, marked it with {ao}, and waited with {f} until it became a sunflower.",
        asks=(
            (("What did {n} plant?", "What did {n} put into the ground?"), "{N} planted a tiny seed."),
            (("What marked the spot?", "How did {n} mark the place?"), "{N} marked the spot with {ao}."),
            (("Where was the seed?", "Where did {n} plant the seed?"), "The seed was near the {near}."),
            (("Who told jokes to the seed?", "Who helped {n}?"), "{f} the {fs} told jokes to the seed."),
            (("What pushed the {o}?",), "A little green sprout pushed the {o}."),
            (("What did the seed become?", "What grew from the seed?"), "The seed became a sunflower."),
        ),
    ),
    Plot(
        name="broken",
        theme="saying sorry",
        traits=("clumsy", "silly", "jealous", "curious", "busy"),
        beats=(
            (
                "{f} the {fs} had {ao} and was very proud of it. One {weather} day, {n} asked to hold it, just for a moment, and {f} said yes.",
                'One {weather} day, {f} the {fs} came to visit {n} and brought {ao}. "Look at it as long as you like," said {f}, and {fsub} went to smell the flowers.',
                "Of all the things that {f} the {fs} had, the {adj} {o} was the dearest. One {weather} day, {f} let {n} hold it.",
            ),
            (
                "{N} held it up, spun around once, and oops! The {o} fell to the ground and broke in two.",
                '"I will be so careful," said {n}, and then {sub} sneezed. The {o} fell down and broke in two.',
                "{N} tried to balance it, and that was not a good idea. Down it fell, and then there were two halves of one {o}.",
            ),
            (
                'Before {f} could see it, {n} pushed both halves under a bush. "It flew away," {sub} said, and {sub} pointed at the sky.',
                '{N} hid both halves under a bush and tried to look like someone who had never seen {ao}. "It must have walked away," {sub} said to {f}.',
                '{f} had not seen it happen, so {n} quickly hid the pieces under a bush. "I think a cloud took it," {sub} said.',
            ),
            (
                "{f} looked up and down and grew very quiet. A tear rolled over {fpos} face, and that hurt {n} more than any bump.",
                "So {f} began to search, and {fsub} even called the {o} by its name. Then a tear fell, and {n} felt terrible.",
                "{f} believed it and went looking, with a tear in each eye. {N} could not watch it for one more minute.",
            ),
            (
                '"Stop," said {n}, and {sub} took the halves from under the bush. "I broke it, and then I hid it. I am sorry."',
                '{N} brought the two halves out again. "It was me," {sub} said in a tiny voice. "I broke your {o}, and I am very, very sorry."',
                '"It is all my fault," said {n}, and {sub} showed {f} the pieces. "I broke your {o}. I am sorry, and I want to help."',
            ),
            (
                '{f} was sad, but {fsub} was not angry for long. They mended the {o} with string, and it looked like a birthday parcel. "Now it has a story," said {f}.',
                '"Thank you for saying so," said {f}. They tied the {o} together with a lot of string and one big bow, and {f} liked it even better than before.',
                "{f} took a deep breath and forgave {n}. With a long piece of string they mended the {o}. By mistake they tied themselves together too, and then they had to laugh.",
            ),
        ),
        lessons=(
            "saying sorry is the first step to mending things",
            "a friend is worth more than any excuse",
            "a mistake gets smaller when you say sorry",
        ),
        summary="{N} broke {ao} that belonged to {f}, hid it, then said sorry and helped to mend it.",
        asks=(
            (("What did {n} break?", "What fell down?"), "{N} broke {ao}."),
            (("Whose {o} was it?", "Who owned the {o}?"), "The {o} belonged to {f} the {fs}."),
            (("Where did {n} hide the pieces?",), "{N} hid the pieces under a bush."),
            (("Did {n} tell the truth at first?",), "No, at first {n} hid the pieces and made up a silly story."),
            (("What did {n} say in the end?", "How did {n} make it right?"), "{N} said sorry and helped to mend the {o}."),
            (("How did they mend the {o}?", "What did they use to mend the {o}?"), "They mended the {o} with string."),
        ),
    ),
    Plot(
        name="surprise",
        theme="a birthday surprise",
        traits=("silly", "generous", "kind", "clever", "cheerful"),
        beats=(
            (
                "It was the birthday of {f} the {fs}, and {n} had a secret: {ao}, the best present in the world.",
                "{N} had found the perfect birthday present for {f} the {fs}. It was {ao}, and it was a big secret.",
                "Today was the birthday of {f} the {fs}. {N} had {ao} as a present, and nobody was allowed to know.",
            ),
            (
                "But {f} came to visit much too early. Quick as a wink, {n} threw a blanket over the {o}.",
                "Then came a knock, and there was {f}, three hours too early! {N} hid the {o} under a blanket.",
                'Suddenly {f} looked in at the door. "Too early!" thought {n}, and pulled a blanket over the {o}.',
            ),
            (
                '"What is under that blanket?" asked {f}. "My grandmother," said {n}. "She is asleep."',
                '"That blanket has a funny shape," said {f}. {N} thought hard. "It is my grandmother," {sub} said. "She is taking a nap."',
                '{f} looked at the blanket. "Who is that?" "Only my grandmother," said {n} quickly. "She sleeps a lot."',
            ),
            (
                '"Sleep well, Grandmother," whispered {f}, and left very quietly, sad that nobody had said a word about a birthday.',
                "{f} whispered good night to the blanket and went home with a sad face. Had everybody forgotten the birthday?",
                '"Good night, Grandmother," said {f} softly. Then {fsub} went away, a little sad, because nobody had said "happy birthday".',
            ),
            (
                'In the evening {n} asked {f} to come back. The room was full of friends and candles, and {n} pulled the blanket away. "Surprise!"',
                'That evening {n} called {f} back. Candles shone, friends cheered, and off came the blanket. "Surprise!" shouted {n}.',
                'When the sun went down, {n} fetched {f} again. "Surprise!" cried all the friends between the candles, and {n} pulled off the blanket.',
            ),
            (
                '{f} laughed until the candles shook. "Thank you! But your grandmother looks just like {ao}!"',
                '"Oh!" said {f}, and laughed for a very long time. "Your grandmother is {ao}! This is my best birthday ever."',
                '{f} stared, and then {fsub} began to laugh. "So your grandmother is {ao}! I will take good care of her."',
            ),
        ),
        lessons=(
            "a surprise is a way to say that you care",
            "the best present is the one you give with love",
            "nobody should be forgotten on a birthday",
        ),
        summary="{N} hid {ao} under a blanket and gave it to {f} as a birthday surprise.",
        asks=(
            (("Whose birthday was it in the story of {n}?", "Who had a birthday, {n} or {f}?"), "It was the birthday of {f}."),
            (("What present did {n} have?", "What did {n} give to {f}?"), "{N} had {ao} for {f}."),
            (("Where did {n} hide the present?", "How did {n} hide the {o}?"), "{N} hid it under a blanket."),
            (
                ("Who did {n} say was under the blanket?", "What did {n} tell {f} about the blanket?"),
                "{N} said that it was a sleeping grandmother.",
            ),
            (
                ("Why was {f} sad when {n} hid the present?", "Why did {f} leave sadly?"),
                "{f} thought that everybody had forgotten the birthday.",
            ),
        ),
    ),
    Plot(
        name="star",
        theme="a wish",
        traits=("dreamy", "kind", "gentle", "lonely", "generous"),
        beats=(
            (
                "Every night {n} looked up at the sky and made the same wish: {ao}.",
                "There was one thing that {n} wished for every single night, and that was {ao}.",
                '{N} had only one wish. Each night {sub} whispered to the sky, "Please, may I have {ao}?"',
            ),
            (
                "One night a little star fell down, plop, right into a bush. {N} ran to see it, together with {f} the {fs}.",
                "Then one night a small star fell out of the sky and landed in a bush. {N} and {f} the {fs} hurried to look.",
                "One night something bright fell into a bush. {N} and {f} the {fs} looked inside, and there sat a tiny star.",
            ),
            (
                '"I leaned out too far," said the star. "I can grant one wish. But I can only go home if that wish is for me."',
                '"Ouch," said the star. "I slipped. I have one wish to give away, and only a wish can take me home."',
                '"I was dancing and I missed a step," sighed the star. "I have one wish to grant. Without it I can never go home."',
            ),
            (
                '{N} thought of the {o}. "What will you do?" asked {f} softly, and the star shivered and tried to be brave.',
                "One wish! {N} could almost see the {o}. But {f} pointed at the star, and it looked so small and so cold.",
                'Only one wish, and {n} wanted the {o} so much. "Look," whispered {f}. The star was crying tears of light.',
            ),
            (
                '{N} took a deep breath. "I wish that you were home," {sub} said, and up flew the star like a spark.',
                '"Then I wish you home," said {n}. Whoosh! The star shot up into the sky and was gone.',
                '"Go home, little star," said {n}. "That is my wish." And the star rose up, past the trees and past the moon.',
            ),
            (
                'In the morning the {adj} {o} lay at the door, still warm from the sky. "The star must have told its mother," said {f}.',
                "But in the morning {n} found the {adj} {o} at the door. It smelled a little of night, and {f} laughed with joy.",
                'The next morning {f} called, "Come and see!" At the door of {n} lay the {adj} {o}, with a bit of star dust on it.',
            ),
        ),
        lessons=(
            "a wish for somebody else can come back to you",
            "the kindest wish is the one you give away",
            "everyone needs a way home",
        ),
        summary="{N} gave up a wish for {ao} to send a fallen star home, and the star said thank you with a gift.",
        asks=(
            (("What did {n} wish for every night?", "What was the wish of {n}?"), "{N} wished for {ao}."),
            (("What fell from the sky near {n}?", "Who fell into the bush?"), "A little star fell into a bush."),
            (("Who was with {n} when the star fell?", "Who went to see the star with {n}?"), "{f} the {fs} was there too."),
            (("How did {n} help the star?", "How did the star get home?"), "{N} used the only wish to send the star home."),
            (("What did {n} find in the morning?", "What lay at the door of {n}?"), "{N} found {ao} at the door."),
        ),
    ),
    Plot(
        name="treasure",
        theme="a treasure hunt",
        traits=("forgetful", "curious", "brave", "silly", "greedy"),
        beats=(
            (
                "One {weather} day, {n} found an old map behind a cupboard. It had a big red cross on it.",
                "One {weather} morning, {n} cleaned behind the cupboard and found an old map with a red cross.",
                "An old map fell from behind the cupboard one {weather} day. {N} saw a red cross on it and gasped.",
            ),
            (
                '"Treasure!" cried {n}, and {sub} ran to fetch {f} the {fs} and two spades.',
                '{N} showed it to {f} the {fs}. "A cross means treasure," said {f}. "I will bring the spades."',
                '"We are going to be rich!" {n} told {f} the {fs}. So they packed two spades and some {food}.',
            ),
            (
                "The map led them over a hill, around a puddle, and around the same puddle again. At last they stood near the {near}.",
                "They followed the map uphill and downhill. Twice they held it upside down, but at last they came to the {near}.",
                "They walked and walked. Once they were lost because a snail sat on the map, but at last they reached the {near}.",
            ),
            (
                'They dug until they hit a wooden box. "Gold!" said {n}. But in the box lay only one thing: {ao}.',
                "There they dug and dug. Bump! It was a wooden box, but no crown was in it and no coins, just {ao}.",
                "They dug a deep hole and found a wooden box. {N} opened it with a pounding heart, and there lay {ao}.",
            ),
            (
                '"Look, a note," said {f}, and read it aloud. "Dear me, I hid this {o} so that I would never lose it. Love, {N}."',
                'Under it {f} found a note. It said: "This is the {o} of {n}. I hid it well, so that I will not forget where it is."',
                'There was a note too, and {f} read: "Dear {N}, here is your {o}. You hid it here to keep it safe. Love, yourself."',
            ),
            (
                '"Oh!" said {n}. "I looked for it everywhere!" They laughed all the way home, and that was the best part of the treasure.',
                '{N} turned red. "I had forgotten all about it!" Then both of them laughed so much that they fell into the hole.',
                '"So the treasure was mine all along," said {n}. {f} laughed, {n} laughed, and they went home happier than two kings.',
            ),
        ),
        lessons=(
            "the hunt with a friend is half of the treasure",
            "a treasure is something you love, even if it is not gold",
            "it is good to laugh about your own mistakes",
        ),
        summary="{N} and {f} followed a treasure map and dug up {ao} that {n} had once hidden.",
        asks=(
            (
                ("What did {n} find behind the cupboard?", "What was behind the cupboard of {n}?"),
                "{N} found an old map with a red cross.",
            ),
            (("Who went on the treasure hunt with {n}?", "Who helped {n} to dig?"), "{f} the {fs} went with {n}."),
            (("Where did {n} dig for the treasure?", "Where was the treasure of {n}?"), "The treasure was near the {near}."),
            (("What was the treasure that {n} found?", "What did {n} find in the box?"), "The treasure was {ao}."),
            (
                ("Who had hidden the treasure that {n} found?", "Who had put the {o} in the box?"),
                "{N} had hidden it and had forgotten it.",
            ),
        ),
    ),
    Plot(
        name="learn",
        theme="learning something new",
        traits=("shy", "stubborn", "patient", "cheerful", "clumsy"),
        beats=(
            (
                "{N} could {skill}, but {sub} could not sing, and {sub} wanted to sing more than anything.",
                'More than anything, {n} wanted to learn to sing. "I can {skill}," {sub} said. "Can singing be so hard?"',
                'One {weather} day, {n} made a plan. "I can already {skill}. Now I will learn to sing!"',
            ),
            (
                "{Sub} took a deep breath and began, but out came only {sound}. A flower closed. A cloud left.",
                "So {n} tried, but it was only {sound}, and very much out of tune. Two beetles asked if somebody was hurt.",
                "The first song was {sound} and then a hiccup. A snail that was passing by began to run.",
            ),
            (
                '"I am terrible," said {n}. But {f} the {fs} came by with {ao}. "You only need someone to listen," said {f}.',
                '{N} wanted to give up. Then {f} the {fs} brought {ao}. "This will help you," said {f}.',
                '"I will never sing again," said {n} sadly. "Oh yes, you will," said {f} the {fs}, and gave {ob} {ao}.',
            ),
            (
                '"Sing to the {o} every day. It never laughs, and it never runs away."',
                '"Sing to it every evening. It is the best listener, because it cannot hide."',
                '"This {o} is very polite. It will listen to every song, and it will not say one bad word."',
            ),
            (
                "So {n} sang to the {o}, day after day. Monday was awful and Tuesday was bad, but by Sunday the flowers stayed open.",
                "Every day {n} sang to the {o}. The first week was bad, the second was better, and in the third the birds came closer.",
                "{N} sang to the {o} in the morning and in the evening. Little by little, the wrong notes became right ones, and the right ones became a song.",
            ),
            (
                'At last {n} sang for {f}, soft and clear, and {f} had to wipe away a tear. "The {o} taught me," said {n}.',
                'Then came the great evening, and {n} sang for {f}. "Again!" cried {f}. Even the {o} looked proud.',
                "One evening {n} sang for {f} under the stars. {f} clapped and clapped, and {n} bowed, first to {f} and then to the {o}.",
            ),
        ),
        lessons=(
            "everybody is bad at the start, and practice makes it better",
            "you can learn nearly anything if you do not give up",
            "a little trust from a friend can make you sing",
        ),
        summary="{N} learned to sing by singing every day to {ao}, a gift from {f}.",
        asks=(
            (("What did {n} want to learn?", "What could {n} not do at first?"), "{N} wanted to learn to sing."),
            (
                ("What did it sound like when {n} first sang?", "Was {n} good at singing at first?"),
                "It was bad at first. It was only {sound}.",
            ),
            (("What did {f} give to {n}?", "What helped {n} to learn?"), "{f} gave {n} {ao}."),
            (("How did {n} learn to sing?", "Who listened to {n} every day?"), "{N} sang to the {o} every day."),
            (("Who did {n} sing for at the end?", "Who heard the song of {n} at last?"), "{N} sang for {f}."),
        ),
    ),
    Plot(
        name="bridge",
        theme="working together",
        traits=("stubborn", "bossy", "patient", "clever", "busy"),
        beats=(
            (
                "One morning {n} set out to bring {ao} to {f} the {fs}, who lived on the other side of the river.",
                "{N} had promised to bring {ao} to {f} the {fs} across the river, and a promise is a promise.",
                '"Today I will take {ao} to {f} the {fs} on the other side of the river," said {n}, and off {sub} went.',
            ),
            (
                "But a storm had broken the bridge! The wind was wild, and {f} stood waving on the other side.",
                "But where was the bridge? A storm had broken it in the night. On the far side {f} stood in the wild wind.",
                "But the bridge was broken. A storm had eaten the middle of it, the wind still howled, and {f} waited on the other side.",
            ),
            (
                '"I will do it alone!" shouted {n}. "What?" shouted {f}. "ALONE!" shouted {n}. "A BONE?" shouted {f}.',
                '"Stay there, I can do it alone!" called {n}. "You want a loan?" called {f} through the wind.',
                '"I can fix it alone!" cried {n}. "You have a cold?" cried {f}, because the wind was so loud.',
            ),
            (
                "{N} laid plank after plank, but {pos} planks reached only to the middle. There {sub} sat, with the {o} and no more wood.",
                "{N} worked hard, one plank after another. But when the wood was all used up, the bridge reached only halfway.",
                "Plank by plank {n} built, until there was not one plank left. It was just half a bridge, and half a bridge is a bad joke.",
            ),
            (
                '"Please help me!" {sub} called at last. This time {f} understood, and built the other half from the far side.',
                '"{f}, I need you!" called {n}. {f} heard that very well, fetched some wood and built from the other side.',
                'Then {n} called, "Can you help me?" "I thought you would never ask!" called {f}, and began to build on the other side.',
            ),
            (
                'Bump! They met in the middle, and {n} put the {o} safely in front of {f}. "What a fine bridge," said {f} with a smile. "We are good at this."',
                "In the middle the two halves met, and so did the two friends. {N} gave the {o} to {f}, and both of them danced on the new bridge.",
                'The last plank fitted. {N} carried the {o} across to {f}, who said, "What a fine bridge. Half of it is yours, and half of it is mine."',
            ),
        ),
        lessons=("two halves make a whole bridge", "it is not weak to ask for help", "together you get across"),
        summary="{N} and {f} built a broken bridge together, so that {n} could bring {ao} to {f}.",
        asks=(
            (("What did {n} want to bring to {f}?", "What did {n} carry?"), "{N} wanted to bring {ao} to {f}."),
            (("Where was {f} when {n} came to the river?", "Where was {f} waiting?"), "{f} was on the other side of the river."),
            (("Why could {n} not cross the river?", "What had happened to the bridge?"), "The storm had broken the bridge."),
            (
                ("How far did {n} get alone?", "How much of the bridge did {n} build alone?"),
                "{N} built only half of the bridge alone.",
            ),
            (("Who helped {n} to build the bridge?", "Who built the other half?"), "{f} built the other half."),
        ),
    ),
    Plot(
        name="contest",
        theme="being proud",
        traits=("proud", "jealous", "bossy", "greedy", "silly"),
        beats=(
            (
                "One {weather} day there was a contest at the {near}. The first prize was {ao}.",
                "A great contest was held at the {near}, and the winner would get {ao}.",
                '"Contest today!" said a sign at the {near}. "The prize is {ao}."',
            ),
            (
                '"It is already mine," said {n} to {f} the {fs}. "I can {skill}. I win everything!" {f} only smiled.',
                '"I can {skill}, so I will win," {n} told {f} the {fs}, and everyone else, and a tree. {f} just nodded.',
                '{N} laughed. "Who could beat me? I can {skill}!" {f} the {fs} stood next to {ob} and said nothing.',
            ),
            (
                'Then the judge explained the rules. "The winner is the one who stays quiet the longest."',
                '"Here are the rules," said the judge. "Be quiet. Whoever stays quiet the longest wins."',
                'The judge rang a bell. "This is a contest in being quiet," said the judge. "The last one to speak is the winner."',
            ),
            (
                'It began. One second passed, and then two. "See how well I do this!" cried {n}, and was out.',
                'Everybody fell silent. For three seconds {n} was silent too. Then {sub} called, "I am the best at this!" and was out.',
                'It became very still. "I am winning!" shouted {n}, and so {sub} was the first one to lose.',
            ),
            (
                "{f} sat still until the stars came out, and won the {o} without a single word. {N} hung {pos} head.",
                "Hour after hour {f} did not say a word, not even to a bee, and so {f} won the {o}. {N} felt very small.",
                "When evening came, only {f} was still quiet, and the judge gave {fob} the {o}. {N} felt {pos} cheeks burn.",
            ),
            (
                '"You were wonderful," said {n} at last. "Then we will share it," said {f}. "Two happy winners are better than one."',
                '"Well done," said {n} quietly, and meant it. "Half of it is yours," said {f}. "Sharing is more fun than winning."',
                '"I am sorry that I boasted," said {n}. "You are better at this than I am." So {f} shared the prize with {ob}, and they took turns.',
            ),
        ),
        lessons=(
            "those who are good at something need not shout it",
            "it is better to share than to boast",
            "a good friend is a bigger prize than any other",
        ),
        summary="{N} boasted and lost a contest for {ao}, but {f} won it and shared it.",
        asks=(
            (("What was the prize in the contest of {n}?", "What did {n} want to win?"), "The prize was {ao}."),
            (("Where was the contest of {n}?", "Where was the contest?"), "The contest was at the {near}."),
            (("What did {n} have to do in the contest?", "What kind of contest was it?"), "It was a contest in being quiet."),
            (("Why did {n} lose?", "How did {n} lose the contest?"), "{N} spoke first, to boast."),
            (("Who won the contest?", "Who beat {n}?"), "{f} the {fs} won the contest."),
            (("What did {f} do with the prize?", "What happened to the {o} at the end?"), "{f} shared it with {n}."),
        ),
    ),
    Plot(
        name="letter",
        theme="a letter",
        traits=("honest", "lonely", "shy", "curious", "dreamy"),
        beats=(
            (
                "{N} had never had a letter in {pos} life. Then, one {weather} morning, a letter came through the door.",
                "One {weather} day, a letter lay at the door. It was the first one ever, and {n} read it at once.",
                "One {weather} morning, the post brought a letter. {N} read it three times, and once backwards.",
            ),
            (
                'It said: "Come to the {near} at noon, my dear. I have {ao} for you. Your loving aunt."',
                '"Dear child," it said, "meet me at the {near} at noon. I have {ao} for you. Kisses from your aunt."',
                '"My dear," it said, "I am waiting at the {near} with {ao} for you. Please come at noon. Your aunt."',
            ),
            (
                '"How strange," thought {n}. "I have no aunt." Then {sub} turned the letter over. It was for {f} the {fs} next door.',
                "{N} danced, and then {sub} stopped. {Sub} had no aunt! On the back stood the right name: {f} the {fs}, next door.",
                "But {n} had no aunt at all. On the other side, under a spot of jam, stood the name of {f} the {fs} next door.",
            ),
            (
                '{N} sighed. But {sub} ran next door to {f} and said, "This is yours. I am sorry that I read it."',
                'Nobody would ever know. But {n} went next door and gave the letter to {f}. "Sorry, I read it," {sub} said.',
                'For a moment {n} wanted to keep it. Then {sub} shook {pos} head and took the letter to {f}. "It is yours," {sub} said. "I read it by mistake."',
            ),
            (
                '"Thank you!" said {f}. "Come with me!" So they went together, and the aunt gave {f} the {o} and kissed them both.',
                "{f} was not angry. They hurried off together, and the aunt handed {f} the {o} and gave {n} a hug as well.",
                '"You are honest," said {f}. "I like that. Come along!" And the aunt gave the {o} to {f}, and a kiss to {n}.',
            ),
            (
                'The next day another letter came. This one said: "Dear {N}, please come to tea and bring nothing. Your friend {f}."',
                'In the morning {n} found a new letter. "Dear {N}," it said, "let us be friends. Love, {f}."',
                'And the next morning there was a letter with the name of {n} on both sides, to be quite sure. "Will you be my friend?" wrote {f}.',
            ),
        ),
        lessons=(
            "being honest can bring you a friend",
            "a few kind words on paper can make someone very happy",
            "what belongs to others must go to them",
        ),
        summary="{N} got a letter about {ao} that was meant for {f}, took it next door, and won a friend.",
        asks=(
            (("What came to the door of {n}?", "What did {n} get one morning?"), "A letter came to {n}."),
            (("Who was the letter for?", "Whose letter did {n} read?"), "The letter was for {f} the {fs}."),
            (("Who wrote the first letter that {n} read?", "Who was waiting at the {near}?"), "The aunt of {f} wrote it."),
            (
                ("What did the aunt have for {f}?", "What present was in the story of {n} and the letter?"),
                "The aunt had {ao} for {f}.",
            ),
            (("What did {n} do with the letter?", "Did {n} keep the letter?"), "{N} took the letter to {f} and said sorry."),
            (("Who wrote to {n} the next day?", "Who sent the last letter?"), "{f} wrote a letter to {n}."),
        ),
    ),
    Plot(
        name="cold",
        theme="kindness",
        traits=("kind", "generous", "gentle", "lonely", "quiet"),
        beats=(
            (
                "{N} had {ao} that {sub} loved very much. Every night {sub} put it on the shelf and told it good night.",
                "The dearest thing that {n} had was {ao}. It lived on the shelf, and {n} said good night to it every evening.",
                "On a shelf at home {n} kept {ao}. It was {pos} dearest thing, and {sub} wished it good night every evening.",
            ),
            (
                "One icy evening, {n} took it out for a walk and met {f} the {fs}, alone in the cold wind.",
                "One freezing evening, {n} was out with it when {sub} saw {f} the {fs}, who sat alone in the wind and shivered.",
                "On a bitter cold evening, {n} carried it home from the {near}. There sat {f} the {fs}, alone and shaking in the wind.",
            ),
            (
                '"The cold is not so bad," said {f}. "But I have nothing, not even something to say good night to."',
                '"Are you cold?" asked {n}. "A little," said {f}. "But it is worse to have nothing to say good night to."',
                '"I own nothing at all," said {f}. "At night I say good night to my own shadow, and then even that goes away."',
            ),
            (
                '{N} looked at the {o} for a long time. "Take it," {sub} said. "You need it more than I do."',
                '{N} held the {o} close one last time and gave it to {f}. "It likes to be told about the day."',
                '{N} swallowed hard. "Here," {sub} said, and gave {fob} the {o}. "Please wish it good night for me."',
            ),
            (
                "At home {n} said good night to the empty shelf. It felt strange, but {n} was warm inside.",
                "That night {n} looked at the empty shelf. {Sub} was a little sad, and very warm inside.",
                "The shelf looked very empty that night. Still, {n} felt as warm inside as if {sub} had eaten a small sun.",
            ),
            (
                'Then there was a knock, and in came {f} with the {o}. "It wanted to say good night to you," said {f}, and stayed for {food}.',
                'Knock, knock! It was {f}. "The {o} misses you," said {f}, "so we came to visit." They ate {food} together until both were warm.',
                'Just then {f} knocked at the door, with the {o} and a big smile. "May we both say good night to you?" And they shared some {food}.',
            ),
        ),
        lessons=(
            "what you give away with love is never quite gone",
            "a kind heart keeps you warm",
            "kindness turns strangers into friends",
        ),
        summary="{N} gave {ao} to {f}, who had nothing, and found a friend.",
        asks=(
            (("What did {n} love very much?", "What was on the shelf of {n}?"), "{N} loved {ao}."),
            (("Who did {n} meet in the cold?", "Who sat alone in the wind?"), "{N} met {f} the {fs}."),
            (("What did {n} give away?", "What did {n} give to {f}?"), "{N} gave the {o} to {f}."),
            (("Why did {n} give away the {o}?", "Why did {f} need the {o}?"), "{f} had nothing to say good night to."),
            (("How did {n} feel when the shelf was empty?", "How did {n} feel that night?"), "{N} felt warm inside."),
            (("Who knocked at the door of {n}?", "Who came to visit {n}?"), "{f} came to visit with the {o}."),
        ),
    ),
    Plot(
        name="moon",
        theme="the moon",
        traits=("dreamy", "silly", "greedy", "sleepy", "curious"),
        beats=(
            (
                '{N} loved the moon so much that {sub} wanted to take it home. "It would look good next to my bed," {sub} said.',
                'One clear night {n} looked up and said, "I want to take the moon home with me. It could be my night light."',
                '"The moon looks lonely up there," said {n} one night. "I will bring it home and give it some {food}."',
            ),
            (
                "So {n} took {pos} {adj} {o} as a tool and went out. And there lay the moon, in a puddle!",
                "{Sub} packed only one thing, {pos} {adj} {o}, and marched off. Soon {sub} saw the moon. It was swimming in a puddle!",
                'With {pos} {adj} {o} for good luck, {n} went out into the night. "There it is!" {sub} cried. The moon lay in a puddle.',
            ),
            (
                '"Wake up, Moon," said {n}, and tapped it gently with the {o}. Splash! The moon broke into a hundred pieces.',
                "{N} leaned down and knocked on the moon with the {o}, very politely. Splish! The moon fell to pieces.",
                "{N} tried to lift the moon out with the {o}. Plop! Now there were a hundred pieces, and not one was round.",
            ),
            (
                '"Help! I broke the moon!" {n} cried. {f} the {fs} came running. "Wait," said {f}, "and be very still."',
                '"I broke it! I broke the moon!" wailed {n}, so loudly that {f} the {fs} woke up. "Shh," said {f}. "Just wait a little."',
                '"Oh no, I broke the moon!" cried {n}. "Hush," said {f} the {fs}, who had heard the splash. "Wait and watch."',
            ),
            (
                "The water became calm, and the moon was whole again. Then {f} filled a bucket with water, and there was a moon in it too!",
                'Slowly the water became still, and there was the moon again. "Now we fill a bucket," said {f}. In it shone a second moon.',
                "The pieces swam back together until the moon was round. {f} dipped a bucket into the puddle, and it came out full of water and moon.",
            ),
            (
                "So {n} carried the moon home in a bucket. The wet {o} dried by the window, and {n} wished both moons good night.",
                'They took the bucket home and put it by the window, next to the dripping {o}. "Good night, Moon," said {n}. "Good night, other Moon."',
                "{N} took the bucket home without spilling a drop of moon, put the {o} beside it to dry, and slept with a smile.",
            ),
        ),
        lessons=(
            "some things are most beautiful where they are",
            "there is enough moon for everyone",
            "when things seem broken, it can help to be still and wait",
        ),
        summary="{N} tried to catch the moon in a puddle with {ao}, and took it home in a bucket of water with the help of {f}.",
        asks=(
            (("What did {n} want to bring home?", "What did {n} want to have?"), "{N} wanted to bring home the moon."),
            (("What did {n} take along to get the moon?", "What did {n} take along that night?"), "{N} took {ao} along."),
            (("Where did {n} find the moon?", "Where was the moon?"), "{N} saw the moon in a puddle."),
            (
                ("What did {n} think had happened to the moon?", "Why did {n} cry for help?"),
                "{N} thought that the moon was broken.",
            ),
            (("Who helped {n} with the moon?", "Who told {n} to wait?"), "{f} the {fs} helped {n}."),
            (("How did {n} get the moon home?", "What was the moon carried in?"), "{N} took it home in a bucket of water."),
        ),
    ),
    Plot(
        name="monster",
        theme="a monster",
        traits=("brave", "curious", "shy", "stubborn", "kind"),
        beats=(
            (
                "Everyone was afraid of the monster near the {near}. Each night it went HUP! HUP! in the dark.",
                '"Never go near the {near}!" people said. "A monster lives there." And at night one could hear it: HUP! HUP!',
                'A terrible HUP! HUP! came from the {near} every night. "That is a monster," people whispered, and hid under their beds.',
            ),
            (
                '"I will go and look," said {n}. {Sub} took {pos} {adj} {o} along, so as not to be alone.',
                "{N} could not sleep because of it. So {sub} took {pos} {adj} {o} to feel brave, and went to see.",
                "But {n} wanted to know what it was. {Sub} set out in the dark with {pos} {adj} {o}, because it made {ob} feel safe.",
            ),
            (
                "HUP! It was so close that {n} jumped with fright, and the {o} fell somewhere into the dark.",
                "Suddenly there was a HUP! right behind a bush. {N} jumped and dropped the {o} in the dark.",
                "It was very dark. HUP! went something close by, and {n} got such a fright that {sub} dropped the {o}.",
            ),
            (
                '"Excuse me," said a small voice, "you dropped your {o}." "Are you the monster?" asked {n}.',
                'Something pushed the {o} gently back to {ob}. "I think this is yours," whispered a voice. "Are you the monster?" asked {n}.',
                'Then the {o} came back out of the dark, all by itself. "Here you are," said a shy voice. "Are you the monster?" asked {n}.',
            ),
            (
                '"A MONSTER? Where?" cried the voice, and hid behind {n}. "I am only {f} the {fs}, and I have the hiccups. HUP!"',
                '"Is there a monster?" squeaked the voice. "Oh, help! I am {f} the {fs}, I have had hiccups for a week, and I am afraid of monsters. HUP!"',
                '"No! I am {f} the {fs}," said the voice. "I hide here because I am shy, and my hiccups are so loud. HUP! But which monster do you mean?"',
            ),
            (
                '{N} laughed, and then {f} laughed too, and the hiccups were gone. "Come home with me," said {n}. "Nobody will be afraid of you now."',
                "Then {n} laughed so hard that {f} forgot to hiccup. They went home together for some {food}, and the nights were quiet again.",
                '"You are the monster!" laughed {n}, and {f} was so surprised that the hiccups stopped. Soon {n} had told everyone, and all of them wanted to be friends with {f}.',
            ),
        ),
        lessons=(
            "a monster may only be a friend you have not met",
            "what is scary in the dark is often small and shy",
            "it is better to ask than to be afraid",
        ),
        summary="{N} took {ao} to look for a monster, and the monster was only {f}, who was shy and had the hiccups.",
        asks=(
            (("Where did the monster in the story of {n} live?", "Where did the monster live?"), "It lived near the {near}."),
            (("What noise did the monster make?", "What did {n} hear at night?"), "The monster went HUP! HUP! in the night."),
            (
                ("What did {n} take along to the monster?", "What did {n} drop in the dark?"),
                "{N} took {ao} and dropped it in the dark.",
            ),
            (("Who was the monster that {n} met?", "Who was the monster really?"), "The monster was only {f} the {fs}."),
            (("Why did the monster make that noise?", "What was wrong with {f}?"), "{f} had the hiccups."),
        ),
    ),
)
