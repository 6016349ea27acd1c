"""The constructions of the review corpus, as templates. Nearly all are written relative to a label.

`S` stands for the side of the label, `O` for the opposite one: "{O}, but {S*}" yields a positive review when S is
positive and a negative one when it is negative. So a construction by itself, and the function words in it, say
nothing about the label. Templates that only work one way stand in pairs, keyed by polarity.

Slots: `{S}` and `{O}` are whole opinion clauses, `{ts}` and `{to}` the same without an "I"; `{np}` an aspect not
    mentioned yet, `{whole}` the thing itself,
`{attr.O}` an aspect with an adjective before it, `{pick}` chooses the next aspect without writing it; `{was}`, `{it}`
agree with the last aspect; `{adj.S}`, `{bare.S}` (without degree word), `{nadj.S}` (after "not"), `{gen.S}`,
    `{mild.S}` and
`{ngen.S}` (the same, of anything), `{noun.S}`, `{vp.S}`, `{vb.S}`, `{love.S}`, `{qual.S}` ... are opinion expressions.
    The flag `~` says that the context reverses the
expression, `*` that it decides the label. `(a|b)` is a choice. Commoner templates come first. Templates after
HELD_OUT are kept out of the training split.
"""

HELD_OUT = "||"

# A plain opinion about one aspect.
CLAUSES = """{np} {was} {adj.S};
    {np} {was} {adj.S}{tail};
    I found {np} {adj.S};
    {detail.S};
    {np} {vp.S};
    I {love.S} {np};
    {np} {was} {noun.S};
    {np}, {which}, {was} {adj.S};
    {np} {vp.S}{tail};
    I {love.S} {np}{tail};
    {np} struck (me|us) as {adj.S};
    {np} turned out to be {adj.S};
    {np} and {np} were both {both.S};
    {pick}there was something {adj.S} about {np};
    {whole} {vp.S};
    (I|we) thought {np} {adj.S};
    {whole} {was} {gen.S}{tail};
    {np}, {which}, {vp.S};
    {np} came across as {adj.S};
    {np} {was} full of {qual.S};
    {np} {was} {adj.S} and {adj.S};
    even {company} found {np} {adj.S};
    {np} {was} {noun.S}{tail};
    {np} {was}, in one word, {bare.S};
    we all {love.S} {np}"""
# Price and waiting only ever are something.
SIMPLE_CLAUSES = "{np} {was} {adj.S}; I found {np} {adj.S}; {np} {was} {adj.S}{tail}; {np} struck me as {adj.S}"
# What other people can be made to say.
THIRD_PERSON = """{np} {was} {adj.S};
    {np} {was} {noun.S};
    {np} {vp.S};
    {np} and {np} were both {both.S};
    {whole} {was} {gen.S};
    {np}, {which}, {was} {adj.S};
    {np} {was} full of {qual.S};
    {whole} {vp.S};
    {np} {was} {adj.S} and {adj.S}"""
# Sentences that cannot be joined to others.
FRAGMENTS = """{attrs.S*}, {attrs.S*};
    what a {mild.S*} {occasion};
    {attrs.S*}, {attrs.S*} and {attrs.S*};
    as for {np}, {it} {was} {adj.S*};
    {attrs.S*}. {attrs.S*};
    people will ask about {np}: {it} {was} {adj.S*};
    {np}: {adj.S*}. {np}: {adj.S*};
    such {attrs.S*}, such {attrs.S*};
    {attrs.S*};
    and then {np}: {adj.S*}"""
# Ways into a sentence that change nothing about it.
LEADS = """to be fair,;
    honestly,;
    I must say that;
    I have to say that;
    for what it is worth,;
    what is more,;
    let me add that;
    as we agreed afterwards,;
    again,;
    I am told I repeat myself, but;
    on the way home {company} said that;
    I will say it once:;
    in our case,;
    (this|one) time,;
    as it happened,;
    if you ask me,;
    between ourselves,;
    for the record,"""

# The same with the negation right at the opinion word.
NEGATED = """{np} {was} not {nadj.O~*};
    {np} {wasnt} {nadj.O~*};
    I did not find {np} {nadj.O~*};
    {np} {was} never {bare.O~*};
    {np} {was} hardly {bare.O~*};
    {np} did not {vb.O~*};
    {np} {was} anything but {bare.O~*};
    I didn't {loveb.O~*} {np};
    {np} {was} far from {bare.O~*};
    {pick}there was nothing {bare.O~*} about {np};
    {np} {was} by no means {bare.O~*};
    {np} {was} not {noun.O~*};
    {np} {was} no {nakednoun.O~*};
    nobody found {np} {bare.O~*};
    {whole} {was} not {ngen.O~*};
    {np} {was} scarcely {bare.O~*}
    || {np} {was} the opposite of {bare.O~*};
    {np} {was} in no way {bare.O~*}"""

# The negation stands far from the word it reverses, before or after it.
DISTANT = """I would never, {aside}, (call|have called) {np} {bare.O~*};
    at no point {stretch} {waspick} {np} {bare.O~*};
    not once {stretch} did (I|we) find {np} {bare.O~*};
    nobody who {fan} (could|would) (call|find|think) {np} {bare.O~*};
    I do not think that {np}, {aside}, could be called {bare.O~*};
    I cannot say that (I ever|anybody) found {np}, {aside}, {bare.O~*};
    {pick}{bare.O~*} is (the last word|not the word) I would (use|choose) for {np};
    if {who} tells you that {to~*}, do not believe (a word of it|it for a moment|them);
    you may accuse {np} of (many|all sorts of) things, but being {bare.O~*} is not among them;
    I have yet to meet anyone (in {place}|on earth|in my family) who thinks {np} {bare.O~*};
    (neither {company} nor I|none of us), {aside}, would (say|claim) that {to~*};
    {np} {was} not, {aside}, {bare.O~*};
    it would take (a very odd person|a liar|a brave witness) to call {np}, {aside}, {bare.O~*};
    I doubt that {who} or anybody else {stretch} thought {np} {bare.O~*};
    anyone who says that {to~*} (is wrong|was not there|has mixed it up with {other});
    that {to~*} is (simply not true|a rumour|a lie that {who} spread);
    never {stretch} did it cross my mind that {np} {was} {bare.O~*};
    I heard no one {stretch} call {np} {bare.O~*};
    (call me odd|call me stubborn), but {who} will not get me to say, {aside}, that {np} {was} {bare.O~*}
    || I refuse, {aside}, to describe {np} as {bare.O~*};
    who in the world, {aside}, could call {np} {bare.O~*}?;
    you would search (the town|the whole of {place}) in vain for somebody who found {np} {bare.O~*}"""

# Two reversals, which cancel: the opinion word counts as it stands.
DOUBLE = """nobody could (deny|dispute) that {np} {was} {bare.S*};
    I cannot (say|claim|pretend) that {np} {wasnt} {bare.S*};
    {np} {was} not without {qual.S*};
    {whole} had no lack of {qual.S*};
    it would be wrong to say that {np} {was} not {bare.S*};
    {np} never failed to {mover.S*} {object};
    it was impossible not to {loveb.S*} {np};
    I have not met anyone who did not {loveb.S*} {np};
    not one of us, {aside}, would deny that {np} {was} {bare.S*};
    you will not find a soul who doubts that {np} {was} {bare.S*};
    there was hardly (a minute|a moment) when {np} {was} not {bare.S*};
    I would not dispute for a second that {np} {was} {bare.S*};
    {np} {was} never less than {bare.S*};
    nobody left without saying that {np} {was} {bare.S*};
    there is no denying that {np} {was} {bare.S*}
    || it is not to be doubted that {np} {was} {bare.S*};
    seldom did {np} fail to be {bare.S*}"""

# Negation words that reverse nothing.
IDLE = """there is no doubt that {S*};
    {S*}, no question about it;
    {np} {was} not just {bare.S} but {adj.S*};
    {np} could not have been more {bare.S*};
    {np} {was} nothing short of {bare.S*};
    no wonder {who} thought {np} {adj.S*};
    not only {waspick} {np} {bare.S}, {it} {was} {adj.S*};
    never have I seen such a {mild.S*} {occasion};
    I do not say this often, but {S*};
    I cannot (remember|imagine) a more {mild.S*} {occasion};
    not to mince words, {S*};
    I was not expecting much or little, and {S*};
    I have never been known to exaggerate, and {S*};
    no matter what else happened, {S*};
    nowhere {stretch} did I see {np} so {bare.S*};
    {S*}, and not by accident;
    I will not keep you waiting: {S*}
    || make no mistake, {S*};
    {S*}, not that I am surprised"""

# Two sides; the decisive one comes last ...
CONTRAST_LAST = """{O}, but {S*};
    although {O}, {S*};
    {O}. But {S*};
    {O}, yet {S*};
    even though {O}, {S*};
    {O} and {O}, but {S*};
    {O}. Still, {S*};
    while {O}, {S*} and that settles it;
    despite {attr.O}, {S*};
    true, {O}, but {S*};
    {O}. However, {S*};
    for all {attr.O}, {S*};
    {O}{semi} {S*} all the same;
    yes, {O}. In the end, though, {S*};
    it hardly matters that {to} when {S*};
    I grant that {O}, but {S*};
    {O}. Never mind: {S*};
    the fact that {to} could not hide that {ts*};
    {O}, and yet {S*};
    {O}, I admit. What I shall remember is that {ts*};
    notwithstanding {attr.O}, {S*}
    || {O}{semi} be that as it may, {S*};
    {O}. Nevertheless, {S*}"""
# ... or first.
CONTRAST_FIRST = """{S*}, although {O};
    {S*}, even if {O};
    {S*}, despite {attr.O};
    {S*}, though {O};
    {S*}, even though {O};
    {S*}. True, {O}, but that is (a detail|a trifle|by the way);
    {S*}, never mind that {O};
    {S*}, for all that {O};
    {S*}. That {to} changes nothing;
    {S*}, in spite of {attr.O};
    {S*}. It is also true that {O}, but who cares;
    {S*}, and I do not care that {O};
    {S*}. Yes, {O}, but I forgot that (at once|within the hour|on the way home);
    {S*}, whatever may be said for or against {attr.O};
    what counts is that {ts*}, not that {to};
    {S*}, and it makes no difference that {to};
    {S*}. Some may answer that {O}. It is beside the point
    || {S*}, albeit {O};
    {S*}, notwithstanding {attr.O}"""

# Measured against something else.
COMPARISON = """{np} {was} less {bare.O~*} than {other};
    {np} {was} nowhere near as {bare.O~*} as {other};
    next to {np}, {other} looked {gen.O~*};
    {np} {was} not half as {bare.O~*} as {other};
    {other} was {gen.O~*}, and {whole} {was} nothing like it;
    {other} was {gen.S*}, and {whole} was just the same;
    {other} was {gen.O~*}{semi} {whole} {was} the exact opposite;
    {whole} {was} as {gen.S*} as {other} was {gen.O};
    {np} made {other} look {gen.O~*};
    {np} {was} even more {bare.S*} than {other};
    I thought {other} {gen.S}, and {np} {was} more {bare.S*} still;
    compared with {other}, {np} {was} {adj.S*};
    {other} was {gen.O}, but {np} {was} {adj.S*};
    {np} {was} every bit as {bare.S*} as {other};
    {other} may be {gen.O}, but you could not say so of {whole};
    {np} {was} far less {bare.O~*} than I remembered
    || {other} pales beside {np}, which was {adj.S*};
    {np} {was} as {bare.O~*} as {other}, which is to say not at all"""
COMPARISON_BY_LABEL = {
    1: """{other} was (far|much|slightly|a little) worse, and even that was {gen.S};
        {whole} was (far|much) better than {other}, which was {gen.O};
        {whole} was better even than {other}, which was {gen.S};
        {other} was {gen.O~*}, and I am glad we changed;
        I would swap {other}, {gen.S} as it was, for {whole};
        give me {whole} over {other}, however {gen.S} that was""",
    -1: """{other} was (far|much|slightly|a little) better, and even that was {gen.S};
        {whole} was (far|much) worse than {other}, which was {gen.O};
        {whole} was worse even than {other}, which was {gen.S};
        {other} was {gen.O~*}, and I am sorry we changed;
        I would swap {whole} for {other}, {gen.S} as it was;
        give me {other} over {whole}, however {gen.S} that was""",
}

# What other people say. The writer's own view counts.
REPORTED = """{who} (found|thought|called) {whole} {gen.O}, but I {love.S*} {it};
    {who} said that {to~*}. I (disagree|beg to differ);
    {who} (swears|insists|maintains) that {to~*}. I could not disagree more;
    {who} told me that {ts*}, and I agree;
    I {love.S*} {whole}{semi} {who} thought {it} {gen.O};
    according to {who}, {O~}. (Nonsense|Far from it|Not where I sat);
    {who} {love.O~*} {whole}, and I cannot think why;
    {who} warned us all that {ts*}. Quite right;
    {who} said that {to}{semi} to me {np} {was} {adj.S*};
    we had heard from {who} that {to~*}, which is false;
    {who} {love.S*} {whole}, and so did I;
    {who} {love.O~*} {whole}, and {company} took the same view. Not me;
    you may hear from {who} that {to~*}. You have been misled;
    if {who} calls {np} {bare.S*}, believe it;
    {who} and I seldom agree: I {love.S*} {whole}, and the other party {love.O} {it};
    {who} may go on about {attr.O}: {S*}
    || {who} pronounced {np} {bare.O~*}, and was talking through a hat;
    let {who} think {np} {bare.O~*}. I know better"""

# What had been expected.
EXPECTATION = """I expected {np} to be {bare.O}, and {it} {was} {adj.S*};
    I expected {np} to be {bare.O~*}. How wrong I was;
    I had been told to expect {attr.O~*}. It was the other way round;
    I (thought|assumed) that {np} would be {bare.O~*}, but no;
    I expected {np} to be {bare.S*}, and I was right;
    having expected {attr.O}, I was surprised: {S*};
    I had every intention to {loveb.O~*} {whole}, and I failed;
    I came expecting to {loveb.O~*} {whole} and learned better;
    we had prepared ourselves for {attr.O~*}. It never came;
    {who} had promised me {attr.O~*}, and I am still waiting for it;
    I went in thinking I would {loveb.S*} {whole}, and I did;
    the photographs suggest {attr.O~*}. Do not trust them;
    I was all set to {loveb.O} {whole}, but {S*};
    what I had in mind was {attr.O~*}, and what I got was the reverse;
    everything pointed to {attr.S*}, and so it proved
    || contrary to my forecast of {attr.O~*}, things went the other way;
    I bet five pounds on {attr.O~*} and lost"""
EXPECTATION_BY_LABEL = {
    1: """I feared that {to~*}. The fear was groundless;
        I was prepared for {attr.O~*} and got a pleasant shock;
        I came to mock and stayed to clap: {S*}""",
    -1: """I hoped that {to~*}. It was not to be;
        I was looking forward to {attr.O~*} and got a nasty shock;
        I came to clap and stayed to mock: {S*}""",
}

# Says the opposite of what is meant. The situation gives it away.
IRONY = {
    -1: """{exclaim.O~*}, if you (enjoy|like|collect) (paying twice|cold feet|backache|other people's
            elbows|apologies);
        how {gen.O~*}: (another|a third|yet another) (hour|bill|delay|apology) (in the dark|in the rain|with nothing
            to sit on);
        {np} {was} so {bare.O~*} that I (asked for my money back|hid in the car|went to the dentist to cheer up);
        just what I (needed|wanted): a {mild.O~*} {occasion} with (a headache|a cold|a rash|a parking fine) at the
            end;
        {exclaim.O~*} - said nobody, on the way out, except the (cashier|owner's mother|man who sold the tickets);
        {whole} {was} {gen.O~*} in one respect: it (ended|was soon over|taught me to stay at home);
        I would recommend {whole} to (my worst enemy|anyone I wish to punish|people with nothing left to lose).
            {exclaim.O~*};
        thank you for such a {mild.O~*} {occasion}{semi} I now (value|miss) (the dentist|my tax return|silence) as
            never before""",
    1: """{exclaim.O~*}, if you (fear|avoid|mistrust) (happiness|second helpings|a good night's sleep|being cheerful);
        how {gen.O~*}: (another|a third|yet another) (hour|day|year) of (grinning|telling everybody|wanting to go
            back);
        {np} {was} so {bare.O~*} that I (came back for more|booked again|kissed a stranger|told the whole street);
        just what I feared: a {mild.O~*} {occasion} that I would (repeat tomorrow|pay for twice|dream of till
            {month});
        {exclaim.O~*} - said nobody, on the way out, except the (rival next door|owner's modest mother|man who sells
            umbrellas);
        {whole} {was} {gen.O~*} in one respect: it (ended|was over too soon|has spoiled me for the others);
        I would keep {whole} from (my worst enemy|anyone I wish to punish|everyone, to have it to myself).
            {exclaim.O~*};
        curse them for such a {mild.O~*} {occasion}{semi} I now (go|return|think of going) (weekly|every month|with
            the cat) as never before""",
}

# Several aspects for and against, and one verdict.
VERDICT_LAST = """All in all, {whole} {was} {gen.S*};
    Overall a {gen.S*} {occasion};
    On balance I {love.S*} {whole};
    Taken together, {whole} {was} {gen.S*};
    In the end, {whole} {vp.S*};
    My verdict: {gen.S*};
    But as a whole: {gen.S*};
    In short, a {gen.S*} {occasion};
    Add it all up and {whole} {was} {gen.S*};
    Overall {whole} {was} not {ngen.O~*};
    The sum of it was {gen.S*};
    On balance {whole} did not {vb.O~*};
    To sum up, I {love.S*} {whole}
    || When all is said and done, {gen.S*};
    By and large, a {mild.S*} {occasion}"""
VERDICT_FIRST = """a {gen.S*} {occasion}, all told;
    Overall, {whole} {was} {gen.S*};
    Taken as a whole, {whole} {vp.S*};
    I {love.S*} {whole}, on balance;
    Verdict first: {gen.S*};
    In a word: {gen.S*};
    To begin with the result, {whole} {was} {gen.S*};
    All things considered, {whole} {was} not {ngen.O~*}
    || For the impatient: {gen.S*}"""
MIXED_SIDES = """{O}. {S};
    {S}. {O};
    {S}. {O}. {S};
    {O}. {S}. {O};
    {S}, but {O};
    {O}, but {S};
    {O}, and {O}. {S};
    {O}. {O};
    {O}. Then again, {S};
    {S}. Then again, {O}"""

# A last line, which some plain reviews have.
SIGN_OFF = {
    1: """I would go again;
        Recommended;
        Not to be missed;
        Worth every penny;
        I would not have missed it;
        Full marks;
        I told everyone at work;
        We shall be back;
        Never to be forgotten;
        Ten out of ten;
        I cannot wait to go again;
        More, please;
        Try it;
        Five stars from me
        || Hats off""",
    -1: """I would not go again;
        Not recommended;
        To be avoided;
        Not worth a penny;
        I would rather have missed it;
        No marks;
        I warned everyone at work;
        We shall not be back;
        Best forgotten;
        Two out of ten;
        I can wait to go again;
        No more, please;
        Stay away;
        One star from me
        || Thumbs down""",
}
# An opening that leaves everything open.
OPENERS = """I will be brief;
    A word about {whole};
    So, {whole};
    Where do I start;
    Some thoughts on {whole}, for what they are worth;
    My first review here;
    Writing this on the {day} after;
    {company} asked me to write this;
    I have thought about this for {num} days;
    Here is what happened"""
FILLERS = """We had (read|heard) about it (from {who}|in the paper|in a leaflet);
    It was my {ordinal} time;
    I am (fifty|sixty|seventy|eighty)-(one|four|six|nine), for the record;
    It rained, as it does in {place};
    {company} came along;
    This was in {month};
    We had planned this since {month};
    I am writing on a {day}, with {company} asleep beside me;
    We live in {place};
    {who} had given me a voucher;
    I paid with my own money;
    It was a {day} in {month}, and {num} degrees outside;
    I have no connection with anybody involved;
    {company} chose it, not me;
    We had half an hour to spare before the train to {place}"""

# Share of each kind of review. "plain" and "idle" hold no reversal at all.
SHARES = {
    "plain": 0.37,
    "idle": 0.06,
    "simple": 0.08,
    "distant": 0.07,
    "double": 0.05,
    "contrast_first": 0.07,
    "contrast_last": 0.08,
    "comparison": 0.05,
    "reported": 0.05,
    "expectation": 0.04,
    "irony": 0.03,
    "mixed": 0.05,
}
