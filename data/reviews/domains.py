"""The eight domains of the review corpus: what each one has, what may be said of it in passing, and its own jokes.

`groups` maps an aspect to (kind of adjective, noun phrases); `details` are opinions that only make sense here, as
"aspect: text", where <...> is the opinion expression; `fillers` are plain facts. In all texts `(a|b)` is a choice and
`{name}` a slot of the engine; `fans` continues "nobody who ...", `others` is what the thing gets compared with.
"""

CAFE = {
    "whole": "the place; this cafe; the lunch; our visit; the meal",
    "occasion": "lunch; visit; meal; place; afternoon",
    "groups": {
        "food": (
            "food",
            """the soup; the scones+; the carrot cake; the omelette; the chips+; the porridge; the toast;
            the fish pie; the sandwiches+; the cheese straws+; the lentil stew; the pastries+; the fried
            eggs+; the crumble""",
        ),
        "drink": ("drink", """the coffee; the tea; the hot chocolate; the lemonade; the ginger beer; the espresso"""),
        "service": (
            "people",
            """the staff+; the waiter; the service; the owner; the woman at the till; the cook; the
            waitresses+; the barista""",
        ),
        "room": (
            "place",
            """the back room; the terrace; the dining room; the corner by the stove; the upstairs room""",
        ),
        "price": ("price", "the bill; the prices+; the lunch deal; the price of a slice"),
        "waiting": ("wait", "the queue; the wait; the wait for a table"),
    },
    "others": """the cafe across the road; the tea room by the station; the canteen at work; the bakery in
        {place}; the garden centre; the chain on the high street; the pub next door; my mother's kitchen""",
    "fans": """loves bread; has ever baked a cake; cares about coffee; grew up on school dinners; knows a scone
        from a rock""",
    "details": {
        1: """food: {food} tasted of <(butter|childhood|summer|somebody's grandmother) and (good
                sense|patience|sunshine)>;
            food: I <(scraped|licked|polished) the (plate|bowl|spoon) and (asked for the recipe|ordered it again)>;
            service: they <brought (water for the dog|crayons for the children|a second pot) before we (asked|had
                sat down)>;
            food: the (crust|pastry|icing) <(crackled|melted|sang) in the mouth>;
            drink: {drink} could <(wake|revive|reconcile) (a statue|the dead|two old enemies)>;
            food: we <fought over the last (crumb|spoonful|slice|dumpling)>;
            room: one could happily <(grow old|hibernate|write a novel) in that (armchair|alcove|window seat)>""",
        -1: """food: {food} tasted of <(dishwater|cardboard|an old sponge|wet newspaper) and (regret|despair|nothing
                else)>;
            food: I <(hid|buried|left) most of it under (a napkin|the lettuce|my fork)>;
            service: they <(forgot us|lost our order|argued in the kitchen) (twice|for half an hour|until closing
                time)>;
            food: the (crust|pastry|icing) <could have (soled a boot|stopped a bullet|paved the car park)>;
            drink: {drink} could <(strip paint|dissolve a spoon|clear a drain)>;
            food: we <counted (a hair|two flies|one lonely bean) on the (plate|saucer)>;
            room: our table <(rocked|wobbled|stood) (over the bins|beside the toilets|in a puddle)>""",
    },
    "fillers": """We (stopped|called in|turned up) on the way (to|back from) {place};
        It is (a few doors|two streets|five minutes) from the (harbour|market|library|bus station|post office);
        I had {food} and {company} had {food};
        There are {num} tables inside and {num} more (on the pavement|in the yard|under the awning);
        The menu is (chalked on a board|written on paper bags|printed in green) and changes every {day};
        They open at {hour} and close when the (bread|cake|soup) has gone;
        We had not booked, and it was a {day};
        No dogs upstairs, but there is a (bowl|hook|blanket) for them by the door;
        The building used to be a (bank|chapel|chandlery|sweet shop|shoe shop), and the (safe|pulpit|counter) is
            still there;
        Payment is by card only since {month};
        {Company} and I sat (by the window|near the door|under the clock) with a (newspaper|crossword|map);
        We ordered at the counter and were given a wooden (spoon|fish|duck) with a number on it""",
}

BOOK = {
    "whole": "the book; this novel; the whole thing; {title}; the story as a whole",
    "occasion": "novel; book; read; story; debut",
    "groups": {
        "plot": (
            "plot",
            """the plot; the story; the ending; the middle third; the first chapter; the twist; the love
            story; the mystery; the last hundred pages+; the murder; the backstory; the opening""",
        ),
        "prose": (
            "prose",
            """the prose; the dialogue; the sentences+; the writing; the jokes+; the descriptions+; the
            letters between chapters+; the translation; the footnotes+; the narration""",
        ),
        "characters": (
            "acting",
            """the heroine; the detective; the two sisters+; the narrator; the villain; the minor
            characters+""",
        ),
        "price": ("price", "the price; the price of the hardback; the price of the e-book"),
    },
    "others": """her last book; the first volume; the sequel; everything else on the shortlist; the film of it;
        his first novel; the one we read in {month}; the phone directory; the rest of the series; the
        bestseller everybody reads""",
    "fans": """reads on trains; likes a good puzzle; grew up with detective stories; has ever kept a diary;
        owns a library card""",
    "details": {
        1: """plot: I <(missed my stop|burnt the rice|forgot my own birthday) because of chapter {num}>;
            plot: it <kept me (awake|reading|under the lamp) until {num} in the morning>;
            characters: I <(miss|worry about|still talk to) (the old aunt|the lighthouse keeper|those two brothers)
                (already|every day)>;
            prose: every page has a line I <wanted to (copy out|read aloud|pin above my desk)>;
            plot: the last (page|line|chapter) <made me (turn back to page one|cry on a bus|ring my sister)>;
            prose: the author <(knows|listens to) people as (a piano tuner knows strings|a shepherd knows weather)>""",
        -1: """plot: I <(skipped|dozed through|skimmed) (most of part two|{num} pages|the whole wedding)>;
            plot: it <sent me to sleep by page {num}>;
            characters: I could <(never tell the cousins apart|not have picked the hero out of a queue)>;
            prose: every (page|paragraph) has (an adverb|a simile|a metaphor) <that (limps|needed a lie-down|begs
                for mercy)>;
            plot: the (butler|murderer|secret) was <obvious from the (title|cover|blurb)>;
            prose: the author has <swallowed a thesaurus and (cannot keep it down|it shows)>""",
    },
    "fillers": """I (borrowed it from|was lent it by|got it from) {who};
        It runs to {num} chapters and has a map (inside the cover|at the back|of {place});
        We read it for our book group in {month};
        The story begins in {place} in the (year of the comet|summer of 1911|last week of the war) and ends {num}
            years later;
        I read it (on the train to|during a week in|on a bench in) {place};
        {Title} is the author's {ordinal} book;
        Two sisters inherit a (boatyard|bakery|lighthouse|printing press) and (a debt|a parrot|a stack of letters);
        I have not read the earlier ones;
        The cover shows a (fox|kettle|bicycle|staircase), which never appears in the text;
        There is an index of (ships|plants|recipes|minor saints) at the end;
        Half of it is told in (letters|diary entries|telegrams|recipes), the rest by a (gardener|clerk|ghost);
        The translator has added a note of {num} pages""",
}

FILM = {
    "whole": "the film; this film; the whole thing; {title}; the picture",
    "occasion": "film; evening; thriller; comedy; picture",
    "groups": {
        "plot": (
            "plot",
            """the plot; the story; the ending; the first hour; the twist; the script; the chase; the
            romance; the courtroom scenes+; the second half; the opening; the final act""",
        ),
        "acting": (
            "acting",
            """the acting; the lead; the supporting cast; the child actor; the villain; the two leads+; the
            grandmother; the performances+; the accent""",
        ),
        "pictures": (
            "design",
            """the camerawork; the costumes+; the landscapes+; the effects+; the colours+; the sets+""",
        ),
        "sound": ("sound", "the score; the soundtrack; the sound; the songs+"),
        "prose": ("prose", "the dialogue; the jokes+; the subtitles+; the voice-over; the one-liners+"),
    },
    "others": """the first one; the book; the remake; the last film by the same director; everything at the
        festival; the trailer; the old version in black and white; the film we saw in {month}; the
        sequel""",
    "fans": """likes old westerns; cries at weddings; has sat through a school play; loves a heist; reads the
        credits to the end""",
    "details": {
        1: """plot: I <(forgot|abandoned|spilled) my (popcorn|ice cream|drink) (in the first minute|twice|for good)>;
            plot: the whole row was <(leaning forward|holding hands|laughing out loud) (by the end|for an hour)>;
            acting: {acting} could <(break your heart|melt a glacier|fill a cathedral) with (one eyebrow|a shrug|a
                teaspoon)>;
            pictures: every frame <(belongs on a wall|deserves a stamp|glows like stained glass)>;
            sound: I have been <humming (it|the theme|the waltz) (for days|ever since|in the bath)>;
            plot: strangers <(clapped|hugged|cheered) in the (aisle|foyer|car park)>""",
        -1: """plot: I <(checked my watch|read the fire notice|counted the lamps) {num} times>;
            plot: the whole row was <(asleep|yawning|looking at their phones) (by the end|within the hour)>;
            acting: {acting} could <(be replaced by|lose an argument to|learn from) (a hatstand|a plank|a cardboard
                box)>;
            pictures: every frame <(looks like|has the depth of) (a bank advert|a wet Sunday|a parking ticket)>;
            sound: the (violins|trumpets|drums) <(tell us when to cry|never shut up|drown every word)>;
            plot: several people <(left|walked out|sneaked away) before the (end|interval|second murder)>""",
    },
    "fillers": """We saw it (at the old Regent|at the Rialto|in a tent|at the community hall) in {place};
        It lasts {num} minutes (longer than|less than) the posters say;
        It is set in {place} in the (seventies|fifties|near future|winter of 1947);
        A (retired|young|nameless) (surgeon|postman|sheriff|cellist) goes back to {place} after {num} years;
        I went with {company} on a {day} (afternoon|evening);
        There were {num} of us in the audience;
        {Title} was shot in {place} over {num} weeks;
        It is in (Danish|Welsh|Portuguese|Korean) with English subtitles;
        I had not seen the first part;
        The director used to make (adverts|documentaries about eels|music videos);
        There is no interval, but there is a scene after the credits;
        The story is told backwards, from a (funeral|wedding|robbery) to a (birthday|bus stop|phone call)""",
}

BOAT = {
    "whole": "the trip; the tour; our day out; this cruise; the outing",
    "occasion": "trip; day out; outing; morning; cruise",
    "groups": {
        "crossing": (
            "journey",
            """the crossing; the ride out; the return leg; the timetable; the ferry; the passage round the
            point; the landing; the last leg; the boarding; the sailing""",
        ),
        "crew": (
            "people",
            """the skipper; the crew+; the guide; the deckhand; the ticket seller; the captain; the mate""",
        ),
        "scenery": (
            "view",
            """the view; the cliffs+; the islands+; the scenery; the seal colony; the coast; the sunset;
            the lighthouse""",
        ),
        "boat": ("comfort", "the seats+; the benches+; the cushions+; the bunks+"),
        "food": ("food", "the packed lunch; the sandwiches+; the crab rolls+; the chowder; the flapjacks+"),
        "price": ("price", "the fare; the tickets+; the family ticket; the price of a cup of tea on board"),
        "waiting": ("wait", "the queue on the quay; the wait; the queue for the gangway"),
    },
    "others": """the ferry from {place}; the trip we took in {month}; the big company's tour; the bus round the
        bay; the rowing club; last year's cruise; the pedalo on the lake; the steamer; the rival boat on
        the north quay""",
    "fans": """likes salt on their lips; has watched a puffin land; loves the sea; has ever owned a dinghy; can
        tell port from starboard""",
    "details": {
        1: """scenery: a (seal|porpoise|gannet|puffin) <(posed|performed|came to say good morning) for (a full ten
                minutes|the whole boat)>;
            crew: the skipper <(knew every rock by name|let our boy steer|told stories that made the gulls laugh)>;
            crossing: I <(could have stayed aboard|wanted to stow away|would have rowed home happily) (all
                night|until {month})>;
            crossing: even {company} <(forgot to be seasick|stopped complaining|sang) (on the way out|past the
                headland)>;
            scenery: the (bay|water|strait) <(lay like glass|glittered like fish scales|turned to gold)>""",
        -1: """scenery: the only wildlife was <a (gull with a chip|wasp in my collar|plastic bag) and (a dead crab|two
                crisp packets)>;
            crew: the skipper <(shouted at a pensioner|smoked over the children|texted all the way out)>;
            crossing: I <(counted the minutes|held a bucket|prayed for land) (all the way|until the quay)>;
            crossing: even {company} <(turned green|went silent|asked for the lifeboat) (by the buoy|past the
                headland)>;
            scenery: the (bay|water|harbour) <(stank of diesel|was full of rubbish|looked like cold gravy)>""",
    },
    "fillers": """We sailed from {place} at half past {hour};
        The boat takes {num} passengers and a (dog|wheelchair|pram) or two;
        We went in {month} with {company};
        The tour goes round the (lighthouse|skerries|point|castle) and back by the (channel|estuary|breakwater);
        Tickets are sold from a (blue|yellow|striped) hut on the quay;
        There was a light wind from the (north|south|east|west);
        We were not allowed on the upper deck, which is for bicycles;
        The trip takes {num} minutes, or longer at low tide;
        Boats leave on the hour except on {day};
        The engine was built in {place} in (1962|1978|1985);
        There is no kiosk on the island, but there is a (tap|shelter|telephone);
        We tied up beside a (trawler|dredger|pilot boat) and climbed a ladder of {num} rungs""",
}

GADGET = {
    "whole": "the thing; this {product}; the {product}; the whole package; this purchase",
    "occasion": "{product}; machine; buy; piece of kit; gadget",
    "groups": {
        "hardware": (
            "device",
            """the case; the hinge; the buttons+; the strap; the handle; the stand; the body; the lid; the
            keyboard; the design; the zoom; the aerial""",
        ),
        "software": ("software", "the app; the software; the menus+; the updates+; the touchscreen"),
        "screen": ("picture", "the screen; the display; the picture; the photos+"),
        "battery": ("battery", "the battery; the charger; the power lead"),
        "sound": ("sound", "the speaker; the sound; the headphones+; the alarm; the microphone"),
        "support": (
            "people",
            """the support team; the helpline; the man in the shop; customer service; the repair shop""",
        ),
        "price": ("price", "the price; the delivery charge; the subscription; the price of spare parts"),
    },
    "others": """my old one; the model before; the one my brother bought; the cheap copy; the big brand's
        version; last year's model; the one I returned in {month}; a biscuit tin; everything else in the
        drawer""",
    "fans": """lives out of a rucksack; types for a living; has ever lost a charger; remembers cassettes;
        enjoys a good manual""",
    "details": {
        1: """battery: it <(runs|lasts|goes on) (from {month} to {month}|for a week of camping) on one charge>;
            hardware: it <survived (the washing machine|a fall from the roof|my nephew) without a (scratch|murmur)>;
            software: even my grandfather <(had it working|rang me on it|set the clock) (in a minute|before the
                kettle boiled)>;
            hardware: it <fits (the hand|my pocket) like a (pebble|favourite pen|glove)>;
            support: they <(answered on the first ring|sent a new one overnight|replied within the hour)>""",
        -1: """battery: it <(dies|gives up|goes dark) (before lunch|in the cold|halfway through a sentence)>;
            hardware: it <fell apart in (my hand|its box|the first week) like a (wet biscuit|cheap umbrella)>;
            software: even my daughter the engineer <(threw it at the wall|wept over it|gave up) (after an hour|by
                teatime)>;
            hardware: it <sits in (the hand|my pocket) like a (brick|dead fish|bag of spanners)>;
            support: they <(kept me on hold for {num} minutes|blamed my cat|never replied to {num} letters)>""",
    },
    "fillers": """I bought it in {month} to replace (an old one|a cracked one|one I left on a bus);
        It comes in (grey|blue|green) and (white|black|orange);
        In the box are a cable, a (cloth|pouch|leaflet) and {num} screws;
        I use it (on the train|in the kitchen|in the shed|at work) most days;
        It weighs {num} grams (more|less) than the box says;
        {Who} has the same one in another colour;
        I have had it for {num} weeks;
        The manual is in {num} languages, but not in (Welsh|Finnish|Latin);
        It was made in {place} and delivered on a {day};
        It does not come with a (plug|case|memory card);
        Setting up means scanning a code and choosing one of {num} voices;
        I charged it, named it (Gerald|Susan|Number Two|Admiral) and put it on the (shelf|windowsill|bedside table)""",
}

GUESTHOUSE = {
    "whole": "the place; this guest house; our stay; the bed and breakfast; the weekend",
    "occasion": "stay; place; weekend; guest house; break",
    "groups": {
        "room": (
            "place",
            """the room; the bathroom; the attic room; the lounge; the hallway; the conservatory; the
            stairwell""",
        ),
        "bed": ("comfort", "the bed; the mattress; the pillows+; the sheets+; the sofa; the armchairs+"),
        "breakfast": (
            "food",
            """the breakfast; the kippers+; the sausages+; the marmalade; the scrambled eggs+; the dinner;
            the bread rolls+""",
        ),
        "hosts": (
            "people",
            """the owner; the hosts+; the landlady; the girl at reception; the cleaners+; the night porter""",
        ),
        "view": ("view", "the view; the garden; the wallpaper; the view from the attic; the courtyard"),
        "comfort": ("utility", "the shower; the heating; the kettle; the wireless connection; the lift"),
        "price": ("price", "the rate; the bill; the price for a single; the parking fee"),
    },
    "others": """the hotel on the front; the hostel in {place}; the inn we stayed at in {month}; a tent in a car
        park; my aunt's spare room; the big chain by the motorway; the place next door; the farm we
        usually book""",
    "fans": """values a night's sleep; travels with a teddy bear; loves breakfast; has slept on a ferry; likes
        a creaking stair""",
    "details": {
        1: """bed: we <(slept like stones|overslept gladly|had to be woken with a gong)>;
            hosts: she <(dried our boots by the stove|packed us a picnic|lent us her own bicycles) without being
                asked>;
            view: one could <(see three counties|count the sails|watch hares) from the (bath|pillow|window seat)>;
            breakfast: breakfast <(lasted two happy hours|would satisfy a rowing crew|came with three kinds of
                honey)>;
            room: there were <(fresh flowers|warm towels|home-made biscuits) (in every room|by the bed|each
                evening)>""",
        -1: """bed: we <(slept in our coats|counted every spring|heard the neighbours snore)>;
            hosts: she <(charged us for the soap|read us the rules twice|turned off the heating at nine) (without a
                word|with a sigh)>;
            view: one could <(admire the bins|study a brick wall|smell the drains) from the (bath|pillow|only
                window)>;
            breakfast: breakfast <(was one egg between two|came out of a packet|ended before we woke)>;
            room: there were <(spiders|strange hairs|mouse droppings) (in the bath|under the bed|on the towel)>""",
    },
    "fillers": """We stayed for {num} nights in {month};
        Our room was on the {ordinal} floor, number {num};
        The house stands (behind the church|above the harbour|at the end of a lane) in {place};
        Breakfast is served from (seven|half past seven|eight) to (nine|half past nine|ten);
        There is parking for {num} cars in the yard;
        We came by train with {company};
        The owners also keep (bees|goats|llamas|hens), and a (parrot|sheepdog|tortoise) called
            (Winston|Doris|Captain);
        Keys are to be left in a (jam jar|boot|tin) by the door;
        There is no television, but there is a piano;
        It was built for a (sea captain|tea merchant|bishop) around (1790|1840|1905);
        We did not take the dinner;
        From the gate it is {num} minutes on foot to the (beach|abbey|golf course|station)""",
}

CONCERT = {
    "whole": "the concert; the gig; the evening; the show; the whole night",
    "occasion": "concert; evening; gig; show; night",
    "groups": {
        "band": (
            "performer",
            """the band; the singer; the drummer; the orchestra; the support act; the conductor; the choir;
            the soloist; the brass section; the two guitarists+; the quartet""",
        ),
        "programme": (
            "plot",
            """the set; the programme; the new songs+; the encore; the second half; the symphony; the
            medley""",
        ),
        "sound": ("sound", "the sound; the mix; the acoustics+; the bass; the strings+; the vocals+"),
        "hall": ("place", "the hall; the tent; the balcony; the foyer; the bar; the church"),
        "seats": ("comfort", "the seats+; the benches+; the pews+"),
        "price": ("price", "the ticket price; the booking fee; the drinks prices+; the cloakroom charge"),
        "waiting": ("wait", "the queue; the wait for the coats; the interval queue; the wait outside"),
    },
    "others": """the tour in {month}; the record; the support act; the festival in {place}; last year's gala; the
        youth orchestra; the broadcast; my neighbour's drum practice; every other band on the bill; the
        summer season""",
    "fans": """owns the records; has danced at a wedding; likes their music live; played in a school band; hums
        in the shower""",
    "details": {
        1: """band: (the front row|half the balcony|an entire rugby club) <(danced|wept|sang along) (until the lights
                came up|in the aisles)>;
            band: they <came back for {num} encores and (meant each one|nobody looked at the clock)>;
            sound: I <felt the (cellos|bass|trombones) in my (ribs|shoes) and (grinned|shivered with pleasure)>;
            programme: the slow (song|movement|number) <(stopped my breath|could have stilled a storm|hushed the
                bar)>;
            band: she <(held a note|whispered a line) that (lit up the roof|made the hair rise on my neck)>""",
        -1: """band: (the front row|half the balcony|an entire rugby club) <(went home|fell asleep|talked) (before the
                interval|through it all)>;
            band: they <played for {num} minutes and (fled|forgot the words|tuned up for most of it)>;
            sound: I <heard (cutlery|the fridge in the bar|feedback) and (little else|guessed at the rest)>;
            programme: the slow (song|movement|number) <(lasted a geological age|could have cured insomnia|emptied
                the bar)>;
            band: he <(chased the tempo|missed every entry|argued with the drummer) (like a man late for a bus|all
                night)>""",
    },
    "fillers": """They played (at the Corn Exchange|in the cathedral|at the old tram shed|in a field) in {place};
        The doors opened at {hour}, and the support came on (half an hour|an hour|two beers) later;
        I went with {company} on a {day};
        It was their {ordinal} concert of the tour;
        We stood (near the desk|by the left speaker|at the back|beside a pillar);
        The programme had {num} pieces, among them a (waltz|tango|lament|march) from {place};
        They do not sell tickets at the door;
        The singer used to be a (nurse|plumber|geography teacher) in {place};
        There were {num} musicians and one (harp|accordion|tuba|theremin);
        Earplugs are free, but coats are two pounds;
        It finished (at|shortly after) {hour}, in time for the last (tram|bus|train);
        Between the songs they tell you where each was written, mostly (in kitchens|on ferries|at bus stops) in
            {place}""",
}

MUSEUM = {
    "whole": "the museum; this museum; the exhibition; our visit; the collection",
    "occasion": "visit; museum; exhibition; afternoon; collection",
    "groups": {
        "exhibits": (
            "exhibit",
            """the exhibits+; the ship models+; the fossils+; the special show; the mummies+; the clock
            collection; the children's corner; the wax figures+; the paintings+; the tram in the hall;
            the whale skeleton; the puzzles+""",
        ),
        "labels": ("prose", "the labels+; the wall texts+; the catalogue; the leaflet; the captions+"),
        "guides": ("people", "the guide; the attendants+; the volunteers+; the woman at the desk; the curator"),
        "building": ("place", "the rooms+; the new wing; the basement; the gallery upstairs; the entrance hall"),
        "audio guide": ("software", "the audio guide; the app; the touch tables+; the headsets+"),
        "cafe": ("food", "the cake in the cafe; the soup in the cafe; the flapjack; the quiche"),
        "price": ("price", "the entrance fee; the ticket price; the family ticket; the price of a postcard"),
        "waiting": ("wait", "the queue; the wait at the door; the queue for the lift"),
    },
    "others": """the castle; the gallery in {place}; the old display; the science centre; the wax museum; the
        museum at {place}; the permanent collection; a school corridor; last summer's show""",
    "fans": """likes old maps; has ever dug up a coin; collects stamps; travels with grandchildren; loves a
        dinosaur""",
    "details": {
        1: """exhibits: the children <(refused to leave|forgot the gift shop|asked to sleep there) (at closing
                time|twice)>;
            exhibits: I <stood (in front of|under|beside) one (teapot|beetle|anchor) for {num} minutes and (learned
                more than at school|smiled)>;
            guides: the guide <(made a nail interesting|answered {num} questions about beetles|sang the sea
                shanties)>;
            labels: somebody <(wrote the labels with love|thought about wheelchairs|put the jokes at child height)>;
            exhibits: we <(came back the next morning|stayed until they turned off the lights|bought the year pass)>""",
        -1: """exhibits: the children <(asked for the exit|lay down on the floor|preferred the car park) (within
                minutes|twice)>;
            exhibits: half the (buttons|lamps|screens) <(did nothing|were out of order|had lost their plugs)>;
            guides: the guide <(read the wall aloud|shushed a baby|hurried us past the mummies)>;
            labels: somebody <(hung the labels at ankle height|printed it in grey on grey|forgot to say what
                anything was)>;
            exhibits: we <(had seen it all in ten minutes|left by the fire door|spent longer in the toilets)>""",
    },
    "fillers": """It is housed in a former (mill|customs house|prison|lifeboat station) in {place};
        There are {num} rooms on {num} floors;
        We went on a {day} in {month} with {company};
        Entry is free for (under-fives|under-tens|pensioners|residents);
        The tour starts every {num} minutes (under the whale|by the coat hooks|at the globe);
        Bags go into lockers, which take a (pound|token) and give it back;
        The oldest piece is a (comb|spoon|anchor|tally stick) from the (Bronze Age|ninth century);
        Photographs are not allowed in the basement;
        The collection belonged to a (whaler|vicar|clockmaker|countess) who never left {place};
        Upstairs is about fishing, downstairs about (salt|trains|lace|smuggling);
        It is closed on {day}, but the garden is open;
        Half of the (ceramics|maps|instruments|butterflies) are away on loan until {month}""",
}

DOMAINS = {
    "cafe": CAFE,
    "book": BOOK,
    "film": FILM,
    "boat trip": BOAT,
    "gadget": GADGET,
    "guest house": GUESTHOUSE,
    "concert": CONCERT,
    "museum": MUSEUM,
}
PRODUCTS = """phone; radio; tablet; camera; watch; e-reader; torch; speaker; kettle; toaster; sewing machine;
    headset; drone; alarm clock; pocket telescope"""
