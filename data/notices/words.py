"""The words of the notices. Each list is parted by commas; what stands behind a bar occurs in the test split only."""

# Names that a person, a place and a ship may all bear.
DOUBLE = """Ashby, Barrow, Carne, Corrie, Heron, Lynd, Marsh, Marlow, Skene, Tolland, Varne, Wick, Kelso, Denholm,
Morrow, Fairlie, Garland, Ramsay, Lambton, Selwood | Hallam, Thornby, Merrick, Yarrow, Langley, Oakham, Sutton,
Whitby"""

SURNAMES = """Farrow, Thorne, Akers, Birtles, Blaney, Bolitho, Bunting, Cardew, Chegwin, Clegg, Cobbold, Crabbe,
Daggett, Dobbs, Drinkwater, Elphick, Fisk, Gaskin, Glover, Grice, Gudgeon, Holloway, Jago, Keast, Kemp, Larkin,
Leggatt, Maddern, Mossop, Nance, Oxley, Pascoe, Penrose, Pike, Purdy, Quill, Reddle, Rook, Scobell, Sedge, Snell,
Starling, Swain, Tabb, Teague, Tregear, Tuck, Uren, Varley, Wakely, Winch, Younger | Abney, Bagshaw, Catchpole,
Coverdale, Dowsett, Eddow, Frith, Gotobed, Huckaback, Inchbold, Kitto, Lovibond, Mudge, Nettlefold, Pinnock, Rackham,
Tallack, Vellacott"""

WOMEN = """Agnes, Hannah, Nell, Alma, Bess, Cecily, Charity, Constance, Dinah, Dora, Edith, Eliza, Esther, Flora,
Hester, Ida, Janet, Judith, Lydia, Mabel, Martha, Mercy, Miriam, Naomi, Olive, Patience, Prudence, Rachel, Ruth,
Sabina, Tamsin, Ursula, Verity, Winifred | Annis, Bridget, Damaris, Effie, Grizel, Honor, Isobel, Keziah, Morwenna,
Zillah"""

MEN = """Peter, Tom, Abel, Amos, Arthur, Caleb, Daniel, David, Edmund, Elias, Francis, George, Gilbert, Henry, Hugh,
Isaac, Jacob, James, Jonas, Joseph, Luke, Martin, Matthew, Nathan, Noah, Oliver, Owen, Ralph, Robert, Samuel, Silas,
Simon, Stephen, Walter | Ambrose, Barnaby, Cuthbert, Dickon, Enoch, Gideon, Jethro, Kenelm, Lemuel, Reuben"""

# Ships that are named after things, virtues, birds; a virtue is a first name as well.
SHIPS = """Kittiwake, Constant, Good Intent, Marigold, Providence, Three Sisters, Swift, Halcyon, Cormorant,
Perseverance, Morning Star, Gannet, Thrift, Brothers, Harvest Home, Mermaid, Endeavour, Ranger, Curlew, Speedwell,
Welcome, Falcon, Patience, Prudence, Charity, Verity, Mercy, Olive, Constance, Sea Pink | Plover, Industry, Guillemot,
Fortune, Silver Spray, Dauntless, Honor, Petrel, Amity, Lapwing, Two Friends, Evening Tide, Reliance, Blue Peter"""

TOWNS = """Dunmore, Hallin, Marl Head, Westery, Oxenwick, Easter Hythe, Lambsfold, Dunmouth, Millbeck, Port Ellery,
Greyford, Cawder, Saint Orrin, Kelsand, Rushmere, Northwick, Ambleton, Stannick, Brackwater, Fellgate, Osterby,
Candlewick | Mossgill, Summerhaven, Sallowby, Crossfell, Muirton, Penhallow, Underhill, Scarcliffe, Loxwell, Withy
Bridge"""

ROCKS = """the Needle, Gull Rock, Hag's Tooth, the Long Sand, Skerry Point, the Two Maids, Raven Head, Black Ledge |
the Monk, Crow Point, the Hobbles, Grey Ledge"""

TRADES = """Rope Company, Ferry Company, Salvage Company, Coal Company, Fish Market, Trading Company | Packet Company,
Timber Company"""

BODIES = """Harbour Council, Lantern Guild, Pilots' Guild, Widows' Fund, Customs Board, Seamen's Mission, Chandlers'
Guild | Lifeboat Society, Dredging Board"""

DAYS = "Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday"
MONTHS = "January, February, March, April, May, June, July, August, September, October, November, December"
ORDINALS = """first, second, third, fourth, fifth, sixth, seventh, eighth, ninth, tenth, eleventh, twelfth, fifteenth,
twentieth, twenty-first"""
FEASTS = "Candlemas, Michaelmas, Midsummer Eve, Easter Monday, Lady Day | Martinmas, New Year's Day"

CARGO = """salt, hemp, barley, herring, coal, roof slates, oranges, oil for the lamps, bricks, tar, wool, seed
potatoes, window glass, tallow, millstones, cider, onions, a church bell, hides, dried peas | Baltic pine, candle wax,
iron stoves"""

NUMBERS = "two, three, four, five, six, seven, eight, nine, eleven, twelve, fourteen, twenty"

THINGS = """a brass sextant, a box of letters, a green umbrella, a ship's clock, a bag of seed, a silver thimble, a
violin in its case, a child's red coat, a bundle of charts, a walking stick, a cage with a linnet, a tin of buttons |
a leather trunk, a painted fan, a set of weights"""
