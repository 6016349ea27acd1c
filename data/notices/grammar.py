"""The sentences of the notices, one template a line.

{role} is a mention of somebody or something; what the sentence states of them stands behind the bar: C captain_of,
O owns, F came_from, G bound_for of the ship, C2 ... of the second ship, D when and W where the event was, P who lost
something, M who moved a decision, R who saved a crew. A line that begins with * occurs in the test split only. Words in
<brackets> are drawn from the lists of words.py.
"""

CAPTAIN = """
The {ship} is in the charge of {captain}. | C
{captain} has commanded the {ship} for <n> years. | C
{captain}, who learned the trade in the {ship2}, has the {ship} now. | C
The {ship} lay beside the {ship2} while {captain}, her master, went ashore. | C
Her master is {captain}. | C
It was {captain}, and not {captain2}, who had the {ship}, as was first reported. | C
{captain2} of the {ship2} spoke with {captain} of the {ship} before noon. | C C2
Not {captain2} but {captain} answers for the {ship}. | C
{captain} stood at her wheel the whole night. | C
Once mate of the {ship2}, {captain} is now master of the {ship}. | C
The crew of the {ship} speaks well of {captain}, their captain. | C
Under {captain} the {ship} has not been late in <n> years. | C
* The articles of the {ship} are signed by {captain} as master. | C
* {captain} took the {ship} over when {captain2} left her for the {ship2}. | C C2
* The {ship}, so long as {captain} gives the orders, carries no passengers. | C
"""

OWNER = """
The {ship} belongs to {owner}. | O
{owner}, who sold the {ship2} last year, still owns the {ship}. | O
{owner} paid for the new sails of the {ship}, as an owner must; those of the {ship2} are no concern of that house. | O
She is the property of {owner}. | O
The {ship}, lately repaired beside the {ship2}, is owned by {owner}. | O
{owner} bought the {ship} from {owner2} some years ago. | O
The {ship} is one of <n> vessels of {owner}. | O
The {ship2} belongs to {owner2}, the {ship} to {owner}. | O O2
For {owner}, the owner of the {ship}, this is the <ordinal> such matter since spring. | O
{owner2} has no share in the {ship}, which is wholly the property of {owner}. | O
* {owner} holds all the shares in the {ship}. | O
* The {ship} was built for {owner2}, but it is {owner} who has the papers today. | O
* Letters about the {ship} should go to {owner}, to whom she belongs. | O
"""

ORIGIN = """
The {ship} had left {origin} <n> days before. | F
The {ship} came from {origin} by way of {place2}. | F
She had taken in <cargo> at {origin}. | F
Out of {origin} and past {place2}, the {ship} met nothing but rain. | F
The {ship} had meant to call at {place2} on her way from {origin}, but the wind forbade it. | F
At {origin}, where the {ship} was loaded, the price of <cargo> is high. | F
The {ship2} came from {origin2}, the {ship} from {origin}. | F F2
The last port of the {ship} was {origin}. | F
She was <n> days out of {origin}. | F
* {origin} was the port that the {ship} had cleared, and nobody there had warned her. | F
* With the ebb from {origin} and no sight of {place2}, the {ship} made a slow passage. | F
"""

GOAL = """
The {ship} sails for {goal} on {date2}. | G
From here the {ship} goes to {goal}, and not to {place2}, as was posted. | G
She is bound for {goal}. | G
The {ship2} will take letters to {goal2}, and the {ship} to {goal}. | G G2
{goal} expects the {ship} by {date2}. | G
The {ship} is to carry <cargo> to {goal}. | G
Whoever has parcels for {goal} may bring them to the {ship} until {date2}. | G
Her next port is {goal}. | G
The {ship} passes {place2} without stopping and puts in at {goal}. | G
* At {goal}, for which the {ship} is cleared, the market for <cargo> is poor. | G
* Passengers of the {ship} for {goal} should not wait at {place2}. | G
"""

CAPTAIN_PAST = """
Her master was {captain}. | C
{captain}, who learned the trade in the {ship2}, had the {ship} that night. | C
{captain} stood at her wheel to the last. | C
The {ship} was in the charge of {captain}, and not of {captain2}, as was first reported. | C
It was {captain} who had the {ship}; {captain2} was in the {ship2}. | C C2
{captain} had commanded the {ship} for <n> years. | C
Not the mate but {captain}, the captain of the {ship}, will have to answer for it. | C
* Whether {captain}, in whose hands the {ship} was, had slept, is to be asked. | C
"""

OWNER_PAST = """
The {ship} belonged to {owner}. | O
She was the property of {owner}. | O
{owner}, who sold the {ship2} last year, had kept the {ship}. | O
The {ship}, lately repaired beside the {ship2}, was owned by {owner}. | O
For {owner}, the owner of the {ship}, it is the <ordinal> loss in <n> years. | O
The {ship2} belongs to {owner2}, and the {ship} was that of {owner}. | O O2
* {owner} held all the shares in the {ship}, and she was not insured. | O
"""

GOAL_PAST = """
She had been bound for {goal}. | G
The {ship} was to have gone to {goal} and never saw it. | G
On board the {ship} was <cargo> for {goal}. | G
The {ship2} has gone on to {goal2}; the {ship} was for {goal}. | G G2
At {goal} they will wait for the {ship} in vain. | G
* {goal}, the port of the {ship}, lay only <n> hours off. | G
"""

OTHER = """
The {ship2}, {captain2}, lies at the east quay. | C2
{captain2} of the {ship2} saw nothing in the fog. | C2
The {ship2} came in from {origin2} on the same tide. | F2
The {ship2} leaves for {goal2} as soon as the wind turns. | G2
{person} was a passenger in the {ship2} and is now at the house of {person2}.
{person} sold <cargo> to the cook of the {ship2}.
The {ship2} belongs to {owner2}, who lives at {place2}. | O2
The mate of the {ship2}, {person}, has gone to {place2} for <cargo>.
{person} of {place2} painted the {ship2} and was paid in <cargo>.
{captain2} has asked for a berth for the {ship2}. | C2
{person}, a cousin of {captain2}, keeps the light at {place2}.
On {date2} the {ship2} is to be sold. Nobody has named a price.
* {captain2}, whose {ship2} is still at {place2}, sends word by the coach. | C2
* The {ship2}, waiting for <cargo>, has not moved since {date2}.
"""

CHATTER = """
The rain came in at the door of the office all morning.
The wind was in the west, and the gulls sat on the roof.
There was a mercy in it: the tide was low.
A little patience is asked of all who wait at the counter.
{person} says it was the wettest {day} in <n> years.
The good intent of the finder is not doubted.
The road to {place2} is still under water.
Fish was dear again, and so was bread.
The office will be shut on {day2}, as the clerk has a cold.
{person} brought a cake, for which the clerk gives thanks.
The lamp on the quay was out, and a new one has been asked for.
It is not true that {person2} has left for {place2}.
The bell of Saint Peter's is to be hung before winter.
Much was said of the matter in the taverns, and little of it was true.
Those who read this aloud to others are asked to read slowly.
* The tide tables are sold out, and {person} has the last copy.
* A heron stood on the slip and would not move.
* The constant noise from the yard has been complained of.
"""

# kind -> key sentences, what may follow, background that sounds like a key sentence, questions of its own, summaries
KINDS = {
    "arrival": {
        "key": """
On {date} the {ship} arrived from {origin} with <cargo>. | F D
Arrived on {date}: {ship}, {captain}, from {origin}, with <cargo>. | F C D
The {ship} came in from {origin} on {date}, deep with <cargo>. | F D
{ship} in from {origin} on {date}, all well. | F D
At first light on {date} the {ship}, not heard of since {place2}, reached the quay from {origin}. | F D
{captain} brought the {ship} in on {date}, <n> days from {origin}. | C F D
* The {ship}, given up by many, is in since {date}, with <cargo> from {origin}. | F D
""",
        "background": """
The {ship2} had come in from {origin2} on {date2}. | F2
A year ago the {ship2} arrived from {origin2} with <cargo>, and nobody bought it. | F2
""",
        "follow": "captain owner goal other",
        "questions": """
D When did the {ship} arrive?
D On what day did the {ship} reach the harbour?
D * Since when has the {ship} been at the quay?
""",
        "summary": """
The {ship} has come from {origin}, in the harbour since {date}.
The {ship} of {captain} came in from {origin} on {date}.
The {ship} arrived on {date} from {origin}.
""",
    },
    "departure": {
        "key": """
The {ship} will leave for {goal} on {date}. | G D
For {goal}: {ship}, {captain}, on {date}, with room for <n> passengers. | G C D
On {date}, weather permitting, the {ship} sets out for {goal}. | G D
{captain} takes the {ship} to {goal} on {date}. | C G D
The {ship}, after <n> weeks at {place2}, sails on {date}, and her port is {goal}. | G D
* {goal} is the port, {date} the day, and {ship} the vessel for all who want to leave. | G D
""",
        "background": """
The {ship2} left for {goal2} on {date2} and has not been seen since. | G2
Those who missed the {ship2} on {date2} wait for the next vessel to {goal2}. | G2
""",
        "follow": "captain owner origin other",
        "questions": """
D When does the {ship} leave?
D On what day will the {ship} set out?
D * What is the sailing day of the {ship}?
""",
        "summary": """
The {ship} sails for {goal} on {date}.
The {ship} of {captain} leaves on {date} for {goal}.
On {date} the {ship} goes to {goal}.
""",
    },
    "wreck": {
        "key": """
On {date} the {ship} struck {rock} and was lost. | D W
The {ship} was driven on {rock} in the night of {date}, and nothing of her is left. | D W
The {ship} is a wreck: she went on {rock} on {date}. | D W
Off {rock}, where the {ship2} lay at anchor, the {ship} sank on {date}. | D W
In the gale of {date} the {ship} broke up on {rock}, and all hands were taken off by the {ship2}. | D W
* What the sea has left of the {ship} lies on {rock} since {date}. | D W
""",
        "background": """
<N> winters ago the {ship2} struck the same rocks and was got off again.
The {ship2} was thought to be lost as well, but came in on {date2}.
""",
        "follow": "captain_past owner_past origin goal_past rescue other",
        "questions": """
D When was the {ship} lost?
D On what day did the {ship} go down?
W Where was the {ship} wrecked?
W On what did the {ship} strike?
W * Where did the {ship} meet her end?
""",
        "summary": """
The {ship} was wrecked on {rock} on {date}.
The {ship} of {captain} was lost on {rock} on {date}.
Since {date} the {ship} is lost, wrecked on {rock}.
""",
    },
    "sale": {
        "key": """
{owner} has bought the {ship} from {owner2}. | O
The {ship} was sold on {date} to {owner} by {owner2}. | O D
{owner2} has sold the {ship} to {owner}, who will keep {captain} as master. | O C
Since {date} the {ship} belongs to {owner}. | O D
The {ship}, for which {owner2} had bid as well, went to {owner} on {date}. | O D
* By the hammer of {date} the {ship} is the property of {owner} and no longer of {owner2}. | O D
""",
        "background": """
The {ship2} was bought by {owner2} at the same price. | O2
{owner2} had wanted the {ship2}, too, but she was sold to {person}.
""",
        "follow": "captain goal origin other",
        "questions": """
O Who bought the {ship}?
O Who is the new owner of the {ship}?
O * Into whose hands did the {ship} pass?
""",
        "summary": """
The {ship} now belongs to {owner}, who bought her.
{owner} bought the {ship}.
The {ship} has a new owner, {owner}.
""",
    },
    "command": {
        "key": """
{captain} takes the {ship} over from {captain2}. | C
From {date} the {ship} will be commanded by {captain}. | C D
{owner} has given the {ship} to {captain}, as {captain2} is ill. | O C
On {date} {captain2} leaves the {ship} for good, and {captain} becomes her master. | C D
The new captain of the {ship} is {captain}, until now mate of the {ship2}. | C
* It is {captain} whom the crew of the {ship} will obey from {date} on, and {captain2} goes home. | C D
""",
        "background": """
{person} had hoped for the {ship2} and was passed over.
The {ship2} has had <n> masters in as many years.
""",
        "follow": "owner goal origin other",
        "questions": """
C Who is the new captain of the {ship}?
C Who takes over the {ship}?
C * Into whose charge is the {ship} given?
""",
        "summary": """
{captain} is the new captain of the {ship}.
The {ship} has a new captain, {captain}.
{captain} now commands the {ship}.
""",
    },
    "council": {
        "key": """
On {date} {org} decided to <decide>. | D
{org} will <decide>, as was moved by {person}.
It was resolved on {date}, against the voice of {person2}, that {org} shall <decide>. | D
At last {org} has voted to <decide>.
* By a single vote, that of {person}, {org} is bound since {date} to <decide>. | D
""",
        "background": """
{person2} had proposed something of the kind to {org2} on {date2}, in vain.
{org2} had decided the opposite in the year of the great storm.
""",
        "follow": "mover other other touched",
        "questions": """
B Which body took the decision?
B Who decided to <decide>?
""",
        "summary": """
{org} will <decide>.
{org} has decided to <decide>.
It was decided by {org} to <decide>.
""",
    },
    "lost": {
        "key": """
{person} has lost <thing> between {place} and {place2}. | P
Lost on {date} by {person}, at {place}: <thing>. | P D
<Thing> was left in the {ship} on {date}, and {person} asks for it. | P D
Whoever has found <thing>, lost at {place}, should bring it to {person}. | P
* Of all that {person} carried from {place} on {date}, <thing> is missing. | P D
""",
        "background": """
{person2} lost something of the kind at {place2} and never saw it again.
What {person2} found on {date2} was something else.
""",
        "follow": "reward captain goal other",
        "questions": """
P Who has lost <thing>?
P Whose is the thing that is missed?
P * To whom should the finder go?
""",
        "summary": """
{person} has lost <thing>.
{person} misses <thing>.
<Thing> has been lost by {person}.
""",
    },
}

FOLLOW = {
    "captain": CAPTAIN,
    "captain_past": CAPTAIN_PAST,
    "owner_past": OWNER_PAST,
    "goal_past": GOAL_PAST,
    "owner": OWNER,
    "origin": ORIGIN,
    "goal": GOAL,
    "other": OTHER,
    "rescue": """
{captain2} took the crew off with the {ship2}. | C2 R
The {ship2} saved all but the cat. Her captain, {captain2}, has been thanked by {org}. | C2 R
{person} saw it from the shore and rode to {place2} for help.
* That all are alive is owed to the {ship2} and to {captain2}, who turned her round. | C2 R
""",
    "mover": """
It was moved by {person}. | M
{person} had asked for it <n> times, and {person2} had always spoken against it. | M
{person2} seconded what {person} moved. | M
* The word was that of {person}, the pen that of {person2}. | M
""",
    "touched": """
{captain} has asked what this means for the {ship}. | C
The first to feel it is the {ship}, of which {owner} is the owner. | O
The {ship}, {captain}, is left out of it. | C
""",
    "reward": """
{org} holds a reward of <n> shillings.
The reward is with {org}, and not with {org2}, who were asked first.
{person2} offers <n> shillings, to be had at {place2}.
""",
}

# What the facts are called, and whom they join.
FACTS = {
    "C": ("captain_of", "captain", "ship"),
    "O": ("owns", "owner", "ship"),
    "F": ("came_from", "ship", "origin"),
    "G": ("bound_for", "ship", "goal"),
    "C2": ("captain_of", "captain2", "ship2"),
    "O2": ("owns", "owner2", "ship2"),
    "F2": ("came_from", "ship2", "origin2"),
    "G2": ("bound_for", "ship2", "goal2"),
}

# fact, * for the test split only, question; the answer is the role behind the arrow
QUESTIONS = """
C Who commands the {ship}? > captain
C Who is the captain of the {ship}? > captain
C Under whose command is the {ship}? > captain
C Which ship does {captain} command? > ship
C * Whose orders does the crew of the {ship} follow? > captain
O Who owns the {ship}? > owner
O To whom does the {ship} belong? > owner
O Whose property is the {ship}? > owner
O * In whose name are the papers of the {ship}? > owner
F Where did the {ship} come from? > origin
F From which port had the {ship} sailed? > origin
F * What was the last port of call of the {ship}? > origin
G Where is the {ship} bound? > goal
G To which port does the {ship} go? > goal
G * Where will the {ship} put in? > goal
"""

# The second sentence of a summary, for the first of these facts that follows the key sentence and is not yet said.
SECOND = """
C {captain} is her captain.
O She belongs to {owner}.
G Her port is {goal}.
F She came from {origin}.
"""
SECOND_OF = {
    "wreck": """
R The crew was saved by {captain2} of the {ship2}.
C {captain} was her captain.
O She belonged to {owner}.
G Her port was {goal}.
F She had come from {origin}.
""",
    "council": """
M The motion came from {person}.
""",
    "lost": "",
}

QUESTIONS_PAST = """
C Who commanded the {ship}? > captain
C Who was the captain of the {ship}? > captain
C Under whose command was the {ship}? > captain
C Which ship did {captain} command? > ship
C * Whose orders did the crew of the {ship} follow? > captain
O Who owned the {ship}? > owner
O To whom did the {ship} belong? > owner
O Whose property was the {ship}? > owner
O * In whose name were the papers of the {ship}? > owner
F Where did the {ship} come from? > origin
F From which port had the {ship} sailed? > origin
F * What was the last port of call of the {ship}? > origin
G Where was the {ship} bound? > goal
G To which port was the {ship} to go? > goal
G * Where was the {ship} to put in? > goal
"""

ANSWERS = {"D": "date", "W": "rock", "O": "owner", "C": "captain", "B": "org", "P": "person", "M": "person"}

DECIDE = """close the ferry stairs, raise the dues for coal, pay for a second pilot, build a wall along the quay, give
the widows coal for the winter, dredge the inner basin, forbid fires on the beach, ring the fog bell every hour, move
the fish market, let the school use the sail loft, buy a new lamp for the pier, count the gulls | take down the old
crane, plant trees on the mole, lend the small boats for the regatta"""
