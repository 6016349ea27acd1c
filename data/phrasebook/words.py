"""Words of the phrasebook: English, German, Chinese, with what each grammar needs to know of them.

The first of each list are the most frequent.

Nouns: English singular and plural | German gender, nominative singular (* if it becomes the plural form in the
accusative) and plural | Chinese and its classifier.
"""

PERSONS = """
baker bakers | m Bäcker Bäcker | 面包师 个
child children | n Kind Kinder | 孩子 个
doctor doctors | f Ärztin Ärztinnen | 医生 位
captain captains | m Kapitän Kapitäne | 船长 位
teacher teachers | f Lehrerin Lehrerinnen | 老师 位
fisherman fishermen | m Fischer Fischer | 渔夫 个
neighbour neighbours | m Nachbar* Nachbarn | 邻居 个
girl girls | n Mädchen Mädchen | 女孩 个
widow widows | f Witwe Witwen | 寡妇 个
boy boys | m Junge* Jungen | 男孩 个
sailor sailors | m Matrose* Matrosen | 水手 个
gardener gardeners | m Gärtner Gärtner | 园丁 个
nurse nurses | f Krankenschwester Krankenschwestern | 护士 位
clerk clerks | m Schreiber Schreiber | 文书 个
tailor tailors | f Schneiderin Schneiderinnen | 裁缝 个
smith smiths | m Schmied Schmiede | 铁匠 个
grandmother grandmothers | f Großmutter Großmütter | 奶奶 位
student students | m Student* Studenten | 学生 个
cook cooks | f Köchin Köchinnen | 厨师 位
merchant merchants | m Händler Händler | 商人 个
guest guests | m Gast Gäste | 客人 位
uncle uncles | m Onkel Onkel | 叔叔 位
painter painters | f Malerin Malerinnen | 画家 位
witness witnesses | m Zeuge* Zeugen | 证人 个
guard guards | m Wächter Wächter | 守卫 个
baby babies | n Baby Babys | 婴儿 个
"""

THINGS = """
lamp lamps | f Lampe Lampen | 灯 盏
letter letters | m Brief Briefe | 信 封
boat boats | n Boot Boote | 船 条
key keys | m Schlüssel Schlüssel | 钥匙 把
book books | n Buch Bücher | 书 本
door doors | f Tür Türen | 门 扇
table tables | m Tisch Tische | 桌子 张
clock clocks | f Uhr Uhren | 钟 座
rope ropes | n Seil Seile | 绳子 根
basket baskets | m Korb Körbe | 篮子 个
net nets | n Netz Netze | 渔网 张
map maps | f Karte Karten | 地图 张
coat coats | m Mantel Mäntel | 大衣 件
window windows | n Fenster Fenster | 窗户 扇
bell bells | f Glocke Glocken | 铃铛 个
chair chairs | m Stuhl Stühle | 椅子 把
knife knives | n Messer Messer | 刀 把
cup cups | f Tasse Tassen | 杯子 个
fish fish | m Fisch Fische | 鱼 条
picture pictures | n Bild Bilder | 画 幅
box boxes | f Kiste Kisten | 箱子 个
hat hats | m Hut Hüte | 帽子 顶
bicycle bicycles | n Fahrrad Fahrräder | 自行车 辆
bottle bottles | f Flasche Flaschen | 瓶子 个
mirror mirrors | m Spiegel Spiegel | 镜子 面
shirt shirts | n Hemd Hemden | 衬衫 件
flag flags | f Fahne Fahnen | 旗子 面
spoon spoons | m Löffel Löffel | 勺子 把
wheel wheels | n Rad Räder | 轮子 个
coin coins | f Münze Münzen | 硬币 枚
ring rings | m Ring Ringe | 戒指 枚
glass glasses | n Glas Gläser | 玻璃杯 个
ladder ladders | f Leiter Leitern | 梯子 架
bucket buckets | m Eimer Eimer | 水桶 个
sail sails | n Segel Segel | 船帆 面
candle candles | f Kerze Kerzen | 蜡烛 支
hammer hammers | m Hammer Hämmer | 锤子 把
blanket blankets | f Decke Decken | 毯子 条
anchor anchors | m Anker Anker | 船锚 个
drum drums | f Trommel Trommeln | 鼓 面
stone stones | m Stein Steine | 石头 块
bench benches | f Bank Bänke | 长椅 把
"""

# English base, third person, past ("+" joins words between which a pronoun goes, "_" others) | German infinitive,
# singular, plural, participle, auxiliary, separable prefix or - | Chinese
TRANSITIVE = """
find finds found | finden findet finden gefunden haben - | 找到
buy buys bought | kaufen kauft kaufen gekauft haben - | 买
lose loses lost | verlieren verliert verlieren verloren haben - | 丢失
bring+back brings+back brought+back | zurückbringen bringt bringen zurückgebracht haben zurück | 带回
sell sells sold | verkaufen verkauft verkaufen verkauft haben - | 卖
see sees saw | sehen sieht sehen gesehen haben - | 看见
throw+away throws+away threw+away | wegwerfen wirft werfen weggeworfen haben weg | 扔掉
repair repairs repaired | reparieren repariert reparieren repariert haben - | 修理
look_for looks_for looked_for | suchen sucht suchen gesucht haben - | 寻找
carry carries carried | tragen trägt tragen getragen haben - | 搬
take+along takes+along took+along | mitnehmen nimmt nehmen mitgenommen haben mit | 带走
hide hides hid | verstecken versteckt verstecken versteckt haben - | 藏
forget forgets forgot | vergessen vergisst vergessen vergessen haben - | 忘记
pick+up picks+up picked+up | aufheben hebt heben aufgehoben haben auf | 捡起
paint paints painted | malen malt malen gemalt haben - | 画
steal steals stole | stehlen stiehlt stehlen gestohlen haben - | 偷
clean cleans cleaned | putzen putzt putzen geputzt haben - | 擦
count counts counted | zählen zählt zählen gezählt haben - | 数
show shows showed | vorzeigen zeigt zeigen vorgezeigt haben vor | 展示
break breaks broke | zerbrechen zerbricht zerbrechen zerbrochen haben - | 打破
"""

INTRANSITIVE = """
sleep sleeps slept | schlafen schläft schlafen geschlafen haben - | 睡觉
arrive arrives arrived | ankommen kommt kommen angekommen sein an | 到达
wait waits waited | warten wartet warten gewartet haben - | 等待
come+back comes+back came+back | zurückkommen kommt kommen zurückgekommen sein zurück | 回来
work works worked | arbeiten arbeitet arbeiten gearbeitet haben - | 工作
leave leaves left | weggehen geht gehen weggegangen sein weg | 离开
laugh laughs laughed | lachen lacht lachen gelacht haben - | 笑
get+up gets+up got+up | aufstehen steht stehen aufgestanden sein auf | 起床
sing sings sang | singen singt singen gesungen haben - | 唱歌
fall+asleep falls+asleep fell+asleep | einschlafen schläft schlafen eingeschlafen sein ein | 睡着
dance dances danced | tanzen tanzt tanzen getanzt haben - | 跳舞
disappear disappears disappeared | verschwinden verschwindet verschwinden verschwunden sein - | 消失
cough coughs coughed | husten hustet husten gehustet haben - | 咳嗽
"""

# Verbs that take a clause.
SAYING = """
say says said | sagen sagt sagen gesagt haben - | 说
believe believes believed | glauben glaubt glauben geglaubt haben - | 相信
know knows knew | wissen weiß wissen gewusst haben - | 知道
hope hopes hoped | hoffen hofft hoffen gehofft haben - | 希望
fear fears feared | fürchten fürchtet fürchten gefürchtet haben - | 担心
"""

# What they can stand beside: a person, a thing, or any. "old" is two words in Chinese. German -er! loses its e.
ADJECTIVES = """
old | alt | 旧 | thing
old | alt | 老 | person
small | klein | 小 | any
new | neu | 新 | thing
young | jung | 年轻 | person
red | rot | 红 | thing
tired | müde | 疲倦 | person
heavy | schwer | 重 | thing
strange | seltsam | 奇怪 | any
blue | blau | 蓝 | thing
friendly | freundlich | 友好 | person
expensive | teuer! | 昂贵 | thing
broken | kaputt | 坏 | thing
poor | arm | 穷 | person
beautiful | schön | 漂亮 | any
black | schwarz | 黑 | thing
clever | klug | 聪明 | person
wet | nass | 湿 | thing
hungry | hungrig | 饥饿 | person
cheap | billig | 便宜 | thing
famous | berühmt | 有名 | any
lazy | faul | 懒惰 | person
"""

TIMES = """
yesterday | gestern | 昨天 | past
today | heute | 今天 | any
after+dinner | nach+dem+Essen | 饭后 | any
in+the+evening | am+Abend | 晚上 | any
on+Monday | am+Montag | 星期一 | any
at+night | nachts | 夜里 | any
in+the+morning | am+Morgen | 早上 | any
last+week | letzte+Woche | 上个星期 | past
on+Friday | am+Freitag | 星期五 | any
"""

PLACES = """
in+the+harbour | im+Hafen | 在 港口 里
at+the+market | auf+dem+Markt | 在 市场 上
in+the+garden | im+Garten | 在 花园 里
in+the+kitchen | in+der+Küche | 在 厨房 里
on+the+beach | am+Strand | 在 海滩 上
behind+the+church | hinter+der+Kirche | 在 教堂 后面
in+front+of+the+house | vor+dem+Haus | 在 房子 前面
under+the+bridge | unter+der+Brücke | 在 桥 下
"""

# English, German, Chinese
NUMBERS = """
two zwei 两
three drei 三
four vier 四
five fünf 五
seven sieben 七
nine neun 九
"""

# English for one and for many | German for one and for many | Chinese
MODALS = """
must must | muss müssen | 必须
can can | kann können | 能
wants+to want+to | will wollen | 想
"""

# English | German | Chinese before the subordinate clause, and before the main one, which comes second there
SUBORDINATING = """
because | weil | 因为 | 所以
although | obwohl | 虽然 | 但是
when | als/wenn | | 的时候
"""

# English | German, and whether its verb comes before the subject | Chinese
COORDINATING = """
but | aber | subject | 但是
so | also | verb | 所以
and+then | und+dann | verb | 然后
"""
