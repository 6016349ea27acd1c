"""The words of the review corpus: opinion words by polarity, what they apply to, and the neutral vocabulary.

Every list runs from the commonest word to the rarest, for words are drawn with Zipf-like weights. What stands
after `||` is held out: such a word never occurs in the training split and seldom in the other two, as happens in
any real collection. Entries are separated by `;`, a `+` at the end of a noun phrase marks the plural.
"""

# ------------------------------------------------------------------ adjectives
# (polarity, strength): words that fit nearly anything. Strength 3 is never used under a plain "not", because
# "not superb" is no complaint and "not dreadful" is no praise.
GENERAL = {
    (1, 1): """good; nice; pleasant; enjoyable; fine; decent; likeable; satisfying; agreeable; respectable;
        worthwhile; commendable; pleasing; admirable; creditable || congenial; estimable""",
    (1, 2): """lovely; great; charming; excellent; delightful; impressive; terrific; splendid; special;
        memorable; marvellous; first-rate; remarkable; cracking; top-notch; exemplary; joyous;
        beguiling; enchanting; first-class || captivating; bewitching; laudable""",
    (1, 3): """wonderful; superb; brilliant; fantastic; outstanding; magnificent; glorious; perfect; fabulous;
        sublime; exquisite; stunning; faultless; heavenly; sensational; unforgettable; flawless;
        peerless; matchless || resplendent; ravishing; incomparable; stupendous""",
    (-1, 1): """bad; poor; disappointing; mediocre; weak; forgettable; underwhelming; unremarkable; lacklustre;
        drab; uninspired; ordinary; second-rate; lifeless; pedestrian; unimpressive || humdrum; ho-hum""",
    (-1, 2): """awful; nasty; dismal; annoying; unpleasant; feeble; shoddy; lousy; rotten; irritating; tiresome;
        woeful; hopeless; dire; grim; miserable; slapdash; joyless; shambolic; charmless || naff; ropey;
        dispiriting""",
    (-1, 3): """terrible; dreadful; horrible; appalling; atrocious; abysmal; disgraceful; ghastly; hideous;
        unbearable; disastrous; excruciating; deplorable; pitiful; wretched; insufferable; lamentable;
        inexcusable; calamitous || execrable; abject; risible; diabolical""",
}

# Words that say something about one kind of thing only. Many change sides from kind to kind: a thin plot and a
# thin phone, an unpredictable ending and an unpredictable ferry, cold beer and cold soup.
BY_KIND = {
    "food": (
        """tasty; fresh; delicious; crisp; fluffy; warm; generous; rich; juicy; buttery; golden; moreish;
        tender; fragrant; sharp; crumbly; wholesome || toothsome; ambrosial""",
        """bland; stale; soggy; cold; dry; greasy; burnt; small; tasteless; thin; rubbery; watery;
        undercooked; stodgy; mushy; leathery; heavy; claggy || insipid; rancid""",
    ),
    "drink": (
        """hot; strong; smooth; rich; fresh; aromatic; refreshing; cold; sweet; velvety; full-bodied ||
        zesty""",
        """weak; lukewarm; bitter; watery; thin; cold; stewed; sour; burnt; flat; muddy; sickly || brackish""",
    ),
    "people": (
        """friendly; kind; helpful; patient; cheerful; attentive; warm; quick; polite; welcoming; funny;
        knowledgeable; courteous; unflappable; gracious; sharp; thoughtful || affable; solicitous""",
        """rude; slow; surly; careless; cold; unhelpful; brusque; sulky; offhand; grumpy; bored; pushy;
        clueless; snooty; patronising; sharp-tongued; short || churlish; curt""",
    ),
    "place": (
        """cosy; clean; bright; quiet; spotless; warm; airy; roomy; light; calm; snug; cool; inviting;
        immaculate; homely; spacious || sumptuous; pristine""",
        """cramped; noisy; dirty; draughty; gloomy; cold; small; dark; grubby; dingy; musty; stuffy; hot;
        damp; shabby; poky; sticky; neglected || fusty; squalid""",
    ),
    "comfort": (
        """comfortable; soft; wide; warm; clean; firm; comfy; deep; restful; plump; supportive || luxurious""",
        """lumpy; hard; narrow; creaky; cold; saggy; uncomfortable; wobbly; scratchy; sticky; damp;
        threadbare || rickety""",
    ),
    "plot": (
        """gripping; clever; moving; unpredictable; thrilling; tense; twisty; fresh; original; tight; lean;
        sharp; dark; absorbing; suspenseful; intricate; haunting || engrossing; riveting""",
        """predictable; dull; slow; thin; boring; simple; light; silly; confusing; muddled; tedious; cold;
        stale; long-winded; sentimental; implausible; sluggish; incoherent; flabby || trite; turgid""",
    ),
    "acting": (
        """convincing; warm; fearless; funny; subtle; believable; restrained; moving; natural; magnetic;
        sharp; quiet; nuanced; spirited || mesmerising""",
        """wooden; stiff; unconvincing; flat; sleepy; loud; cold; hammy; mechanical; shouty; bored;
        lumbering; stilted; expressionless || bombastic""",
    ),
    "prose": (
        """witty; clear; vivid; crisp; sharp; funny; elegant; lean; dry; light; lively; graceful; tight;
        fresh; poetic; economical || limpid; mellifluous""",
        """clumsy; flat; wordy; pompous; leaden; heavy; confusing; stale; lazy; long-winded; stilted;
        garbled; repetitive; overcooked; careless; flowery || turgid; prolix""",
    ),
    "sound": (
        """clear; warm; rich; crisp; loud; heavy; tight; bright; lush; full; balanced; deep; powerful;
        sweet; thunderous || sonorous""",
        """muddy; tinny; shrill; thin; distorted; muffled; faint; harsh; deafening; flat; scratchy; boomy;
        quiet; patchy || grating; cacophonous""",
    ),
    "performer": (
        """tight; lively; loud; funny; fearless; fiery; exciting; generous; soulful; nimble; unpredictable;
        energetic; polished; wild || exuberant; virtuosic""",
        """sloppy; bored; quiet; sleepy; late; shaky; tense; timid; flat; restrained; self-indulgent;
        ragged; under-rehearsed; smug; tired || lethargic; desultory""",
    ),
    "device": (
        """thin; light; quick; sturdy; reliable; sharp; sleek; slim; solid; tough; quiet; clever; simple;
        robust; neat; responsive || ergonomic; intuitive""",
        """clunky; slow; fiddly; flimsy; heavy; unreliable; hot; noisy; sluggish; buggy; awkward;
        unpredictable; brittle; bulky; temperamental; glitchy || cumbersome; ramshackle""",
    ),
    "software": (
        """quick; clear; simple; reliable; clever; neat; responsive; tidy; helpful; sharp || intuitive;
        slick""",
        """slow; buggy; fiddly; confusing; unreliable; sluggish; glitchy; temperamental; cluttered;
        unpredictable; patronising || cumbersome; labyrinthine""",
    ),
    "battery": (
        """reliable; tough; light; long-lasting; small; dependable; generous || indefatigable""",
        """weak; unreliable; hot; warm; short-lived; slow; heavy; temperamental; unpredictable || anaemic""",
    ),
    "utility": (
        "reliable; quick; quiet; powerful; hot; simple; modern || efficient",
        """noisy; slow; cold; feeble; temperamental; lukewarm; ancient; unpredictable; fiddly ||
        cantankerous""",
    ),
    "picture": (
        "sharp; clear; bright; vivid; crisp; beautiful; huge; rich || dazzling",
        """dim; blurry; grainy; soft; dull; murky; tiny; washed-out; smeary; cold || pixelated""",
    ),
    "design": (
        """beautiful; striking; vivid; bold; inventive; lavish; gorgeous; rich; dark; strange || ravishing""",
        """drab; ugly; cheap; dull; murky; garish; tacky; cold; gloomy; anachronistic || tawdry""",
    ),
    "journey": (
        """smooth; calm; quick; flat; punctual; gentle; reliable; peaceful; exciting; comfortable;
        leisurely; exhilarating || serene; invigorating""",
        """rough; late; slow; bumpy; choppy; wild; unpredictable; unreliable; long; chaotic; freezing;
        nauseating; cold; wet; gruelling || interminable; harrowing""",
    ),
    "view": (
        """beautiful; breathtaking; clear; striking; wild; dramatic; pretty; peaceful; huge; vivid;
        unspoilt; lush; spectacular || picturesque; panoramic""",
        """dreary; grey; ugly; murky; bleak; dull; featureless; cluttered; hazy; faded; monotonous; barren
        || dismaying; unsightly""",
    ),
    "price": (
        """fair; cheap; reasonable; modest; low; generous; honest; sensible; affordable; tiny; friendly ||
        equitable""",
        """steep; high; outrageous; cheeky; ridiculous; excessive; greedy; inflated; shocking; laughable ||
        exorbitant; extortionate""",
    ),
    "wait": (
        """short; quick; brief; painless; orderly; good-humoured; cheerful; negligible || fleeting""",
        """long; slow; endless; chaotic; tedious; maddening; pointless; bad-tempered; exhausting ||
        interminable""",
    ),
    "exhibit": (
        """fascinating; playful; absorbing; clever; moving; informative; imaginative; strange; inspiring;
        rare; thoughtful; interactive; eye-opening || illuminating; edifying""",
        """dusty; dull; boring; dry; sparse; confusing; faded; tired; broken; repetitive; patronising;
        pointless; neglected || soporific; perfunctory""",
    ),
}

# ------------------------------------------------------------------ nouns, verbs and phrases with an opinion
NOUNS = {
    1: """joy; treat; delight; triumph; pleasure; gem; success; marvel; masterpiece; tonic; winner;
        revelation; treasure; knockout; masterclass || jewel; godsend""",
    -1: """mess; bore; disappointment; letdown; chore; disaster; failure; nuisance; shambles; ordeal; flop;
        nightmare; farce; headache; fiasco || travesty; calamity""",
}
QUALITIES = {
    1: """charm; warmth; wit; character; grace; flair; imagination; heart; polish; style; sparkle; humour;
        energy; magic; elegance || panache; finesse""",
    -1: """faults; flaws; problems; mistakes; clumsiness; dullness; muddle; sloppiness; mishaps; gloom;
        padding; tedium; drudgery; chaos; pretension || tackiness; pomposity""",
}
# What something does to people: (past, base form). They take an object.
MOVES = {
    1: """delighted/delight; charmed/charm; impressed/impress; pleased/please; thrilled/thrill;
        amused/amuse; cheered/cheer; dazzled/dazzle; surprised/surprise; moved/move; enchanted/enchant;
        captivated/captivate; soothed/soothe || beguiled/beguile; enraptured/enrapture""",
    -1: """annoyed/annoy; disappointed/disappoint; bored/bore; irritated/irritate; infuriated/infuriate;
        puzzled/puzzle; frustrated/frustrate; exhausted/exhaust; depressed/depress; disgusted/disgust;
        appalled/appal; baffled/baffle; wearied/weary || vexed/vex; exasperated/exasperate""",
}
# What people do: (past, base form).
LOVES = {
    1: """loved/love; enjoyed/enjoy; liked/like; adored/adore; admired/admire; relished/relish;
        appreciated/appreciate; treasured/treasure; praised/praise; cherished/cherish ||
        venerated/venerate""",
    -1: """hated/hate; disliked/dislike; regretted/regret; loathed/loathe; resented/resent;
        deplored/deplore; despised/despise; detested/detest; cursed/curse; endured/endure ||
        abhorred/abhor""",
}
# What a thing did, as a whole phrase: (past, base form).
RESULTS = {
    1: """saved the day/save the day; won us over/win us over; made my week/make my week; lifted
        everything/lift everything; hit the spot/hit the spot; put a smile on every face/put a smile on
        every face; made up for a lot/make up for a lot; worked like a dream/work like a dream; stole
        the show/steal the show; kept us happy/keep us happy; went down a storm/go down a storm; did us
        proud/do us proud || took the biscuit for sheer class/take the biscuit for sheer class""",
    -1: """let us down/let us down; ruined the day/ruin the day; spoiled the mood/spoil the mood; put me
        off/put me off; drove me mad/drive me mad; got on my nerves/get on my nerves; fell flat/fall
        flat; wasted our time/waste our time; went wrong/go wrong; wore us out/wear us out; left a bad
        taste/leave a bad taste; tested my patience/test my patience || gave me the hump/give me the
        hump""",
}
OBJECTS = """me; us; all of us; the whole family; everybody at our table; even my aunt; both of us; the children;
    my mother"""

# Degree words by strength; MAX_DEGREES go with adjectives that are extreme already.
DEGREES = {
    1: "quite; fairly; pretty; rather; somewhat; mildly; moderately; faintly",
    2: "very; really; so; truly; particularly; genuinely; remarkably; thoroughly; seriously; decidedly",
    3: "absolutely; utterly; completely; totally; extremely; incredibly; unbelievably; wildly; astonishingly",
}
# In front of a noun ("a very good lunch").
ATTRIBUTIVE_DEGREES = {
    1: "fairly; rather; moderately; somewhat; mildly; faintly",
    2: "very; really; truly; particularly; genuinely; remarkably; thoroughly; seriously; decidedly",
    3: DEGREES[3],
}
MAX_DEGREES = "absolutely; utterly; simply; truly; totally; downright; completely"
NOT_DEGREES = {1: "very; particularly", 2: "really; at all", 3: "remotely; even slightly; in the least; in any way"}
VERB_DEGREES = {1: "rather; quite", 2: "really; truly; genuinely", 3: "absolutely; utterly; thoroughly"}
NOUN_DEGREES = {1: "bit of a", 2: "real; proper; genuine", 3: "complete; total; absolute; sheer; unqualified"}

# ------------------------------------------------------------------ neutral vocabulary
PEOPLE = """my brother; my sister; my husband; my wife; my mother; my father; my neighbour; a friend; my aunt;
    my uncle; my cousin; a colleague; my flatmate; my daughter; our eldest; my grandmother; my old
    teacher; my dentist; our postman; the man next to me; the couple beside us; a stranger in the queue;
    the family in front of us; my boss; my niece; the woman behind me; a retired sailor; my hairdresser;
    a friend of a friend; my landlady; the local paper; half the internet; the critic in the Herald; one
    of the regulars; a man in a yellow hat; the leaflet; my nephew"""
COMPANY = """my brother; my sister; my wife; my husband; two friends; the children; my parents; an old
    schoolfriend; my aunt; three colleagues; the dog; my daughter; a cousin from Leeds; our neighbours;
    my book group; a colleague from work; my grandson; the whole choir; my flatmate; a toddler and a
    pram; my mother-in-law; both sets of grandparents"""
PLACES = """Saltmere; Harrowby; Pennygate; Wexcombe; Leeds; York; Bristol; Whitby; Gull Point; Alderwick;
    Norwich; Cardiff; Oban; Marlow Bay; Kettlesham; Inverness; Thornbury; Dunmouth; Lyme; Stroud;
    Durham; Ely; Penzance; Truro; Hexham"""
DAYS = "Monday; Tuesday; Wednesday; Thursday; Friday; Saturday; Sunday"
MONTHS = "January; February; March; April; May; June; July; August; September; October; November; December"
NUMBERS = """two; three; four; five; six; seven; eight; nine; ten; eleven; twelve; fifteen; twenty; thirty;
    forty; fifty; sixty"""
TITLE_FIRST = """Salt; Copper; Winter; Glass; Paper; Amber; Harbour; Lantern; Velvet; Iron; Marble; Willow; Orchard;
    Tin; Feather; Clockwork; Midnight; Juniper; Saffron; Cedar; Granite; Linen; Magpie; October; Chalk;
    Hazel"""
TITLE_LAST = """Road; Letters; House; Season; Bridge; Garden; Island; Hour; Map; Daughter; Tide; Station; Window;
    Orchard; Song; Ladder; Almanac; Ferry; Room; Passenger; Weaver; Parade; Kingdom; Locksmith; Echo;
    Archive"""

# Times at which somebody might have changed their mind: they keep a negation away from what it negates.
ASIDES = """not even on a bad day; whatever the adverts say; with my hand on my heart; after all these years;
    for all the fuss about it; at least in my hearing; hand on heart; in front of my own children; even
    after a night's sleep; now that I think of it; much as people like to argue; in any company; as far
    as I can judge; even under oath; knowing what I know now; if I am honest; on any day of the week; in
    all fairness; speaking for our table; having slept on it; for any money; with the best will in the
    world"""
STRETCHES = """in the whole two hours; from start to finish; in three days; between Monday and Friday; from
    beginning to end; in all that time; over the entire weekend; between arriving and leaving; in an
    afternoon; for one single minute; in the course of an evening; at any moment of our stay; from the
    first minute to the last; in a week of looking"""
# What people hang on to a sentence, to no effect, and what they put in the middle.
TAILS = """this time; on the day; on the whole; , to my mind; , if you ask me; , as far as I could tell; right
    to the end; from the very start; , I thought; , and the dog agreed; , to put it in one word; at
    least on a {day}; by any standard; when we finally got there; , I must say; for somebody like me; ,
    or so it seemed to {company}; even at {hour} in the morning; every single time; at the end of a long
    day; , as I told {company} afterwards; in a way I had forgotten; , and I have seen a few; on a wet
    {day}; in my humble view; , as my notes confirm; , and I speak as a plumber; from where I sat; the
    second time round; with or without {company}; , and {company} said the same; , according to everyone
    at our table; all day long; , by the way; once more"""
WHICHES = """the only one on offer; about which I had read in the paper; as you would imagine; new since {month};
    the first thing we noticed; which I mention because {company} asked; on that {day}; as everybody
    kept saying; the last thing I noticed; it must be said; you may be interested to hear; like so much
    in {place}; which {company} had recommended; to name one thing; and I took notes; seen with a fresh
    eye; of all things"""
