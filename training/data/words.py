"""Words to copy: topics, names, places and made-up words."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

NOUNS = tuple(
    """apple river engine garden window market planet bridge camera pocket doctor island ticket coffee
    guitar winter summer forest castle mirror dragon hammer letter orange banana carrot potato tomato
    bicycle train plane boat ship car truck bus road street city town village country mountain ocean
    lake desert beach weather storm rain snow wind cloud sun moon star rocket satellite telescope robot
    computer laptop phone tablet keyboard monitor printer router server database network cable battery
    charger sensor motor pump valve pipe tank roof wall floor door kitchen bedroom bathroom office desk
    chair table lamp carpet curtain pillow blanket mattress bottle glass cup plate bowl fork knife spoon
    oven fridge kettle toaster bread butter cheese milk egg rice pasta pizza soup salad sandwich cake
    cookie chocolate sugar salt pepper honey lemon onion garlic mushroom pepperoni basil recipe dinner
    lunch breakfast restaurant hotel flight airport passport visa luggage museum theatre cinema concert
    festival music song album piano violin drum trumpet painting sculpture photograph poem novel book
    library school college university teacher student exam lecture science physics chemistry biology
    history geography language grammar dictionary medicine hospital nurse vaccine virus bacteria protein
    muscle bone heart brain kidney liver lung skin football tennis basketball hockey golf swimming
    running cycling climbing hiking skiing sailing chess puzzle toy game lottery prize budget tax loan
    mortgage salary pension insurance invoice contract lawyer court election president minister
    parliament treaty war peace refugee border energy oil gas coal nuclear turbine panel grid climate
    carbon pollution recycling plastic paper wood metal steel copper gold silver diamond crystal fossil
    dinosaur whale shark dolphin penguin eagle sparrow owl horse cow sheep goat pig chicken dog cat
    rabbit mouse spider ant bee butterfly tree flower grass leaf root seed soil compost fertilizer
    tractor harvest wheat corn barley vineyard wine beer whisky tea juice water fountain statue temple
    church mosque palace tower tunnel harbour canal dam railway highway elevator escalator garage
    compiler kernel python javascript golang haskell docker kubernetes linux windows android firmware
    algorithm encryption password firewall malware backup cluster scheduler transformer tokenizer
    embedding quantization inference dataset benchmark latency throughput""".split()
)
ADJECTIVES = tuple(
    """new old cheap best modern ancient electric solar digital local global organic vegan healthy fast
    slow small large tiny huge quiet loud famous popular rare common simple advanced open free public
    private royal medieval tropical arctic northern southern european african american asian chinese
    japanese italian french german spanish greek indian mexican red blue green black white yellow
    wireless portable waterproof handmade vintage used renewable artificial natural wild deep early
    late annual daily weekly upcoming recent classic experimental industrial homemade""".split()
)
NAMES = tuple(
    """Anna Ben Carla David Emma Felix Greta Hugo Ines Jonas Karim Lena Mario Nadia Oscar Paula Quinn
    Rosa Samir Tara Umar Vera Wanda Xavier Yara Zoe Alice Bob Charlie Diana Erik Fatima George Hannah
    Ivan Julia Kevin Laura Miguel Nora Omar Petra Rahul Sofia Thomas Ursula Victor William Yusuf Zara
    Tom Maria Peter Sam Alex Chris Kim Lee Max Leo Mia Liam Olivia Noah Chen Priya Kofi Aiko""".split()
)
SURNAMES = tuple(
    """Miller Smith Garcia Novak Schmidt Rossi Dubois Tanaka Kumar Okafor Silva Jensen Kowalski Ivanov
    Murphy Lopez Becker Meyer Wagner Fischer Brown Wilson Taylor Clark Walker Young King Wright Scott
    Einstein Newton Darwin Curie Turing Lovelace Mozart Bach Picasso Shakespeare""".split()
)
CITIES = tuple(
    """Berlin Paris London Madrid Rome Vienna Lisbon Oslo Stockholm Copenhagen Helsinki Warsaw Prague
    Budapest Athens Istanbul Cairo Nairobi Lagos Johannesburg Dubai Mumbai Delhi Bangkok Singapore
    Jakarta Manila Tokyo Osaka Seoul Beijing Shanghai Sydney Melbourne Auckland Toronto Vancouver
    Chicago Boston Seattle Denver Dallas Miami Houston Atlanta Lima Bogota Santiago Havana Dublin
    Edinburgh Zurich Geneva Brussels Amsterdam Hamburg Munich Cologne Milan Naples Porto Seville
    Kyiv Riga Tallinn Vilnius Sofia Zagreb Belgrade Reykjavik""".split()
)
COUNTRIES = tuple(
    """Germany France Spain Italy Portugal Austria Norway Sweden Denmark Finland Poland Greece Turkey
    Egypt Kenya Nigeria India Japan China Korea Thailand Vietnam Indonesia Australia Canada Mexico
    Brazil Argentina Chile Peru Cuba Ireland Scotland Switzerland Belgium Iceland Morocco""".split()
)
_ONSETS = "b bl br c ch cl cr d dr f fl fr g gl gr h j k kl l m n p pl pr qu r s sh sk sl sn sp st t th tr v w x y z".split()
_VOWELS = "a e i o u ai ea ee ie oa oo ou y".split()
_CODAS = "b ck d ft g l ll m mp n nd ng nk nt p r rd rk rn rt s sh sk ss st t th x z".split()


@dataclass(frozen=True)
class Words:
    """Draws words and topics; the wider the choice, the better a small model learns to copy.

    Attributes:
        rng: Seeded source of every choice.
        pieces: Word pieces of the tokenizer, drawn uniformly so that rare ones are practised.
    """

    rng: random.Random
    pieces: Sequence[str] = field(default=())

    def word(self) -> str:
        """A noun, a made-up word, or pieces of the tokenizer strung together."""
        draw = self.rng.random()
        if draw < 0.55:
            return self.rng.choice(NOUNS)
        if draw < 0.75 or not self.pieces:
            return self.made_up()
        return "".join(self.rng.choice(self.pieces) for _ in range(self.rng.randint(1, 2)))

    def made_up(self) -> str:
        """A pronounceable word that is in no dictionary."""
        parts = []
        for _ in range(self.rng.randint(1, 3)):
            parts += [self.rng.choice(_ONSETS), self.rng.choice(_VOWELS)]
            if self.rng.random() < 0.4:
                parts.append(self.rng.choice(_CODAS))
        return "".join(parts)

    def name(self) -> str:
        """A first name, or a made-up one."""
        if self.rng.random() < 0.7:
            return self.rng.choice(NAMES)
        return self.made_up().capitalize()

    def place(self) -> str:
        """A city or country, or a made-up one."""
        if self.rng.random() < 0.7:
            return self.rng.choice(CITIES + COUNTRIES)
        return self.made_up().capitalize()

    def plural(self) -> str:
        """A noun in the plural."""
        noun = self.rng.choice(NOUNS)
        if noun.endswith(("s", "sh", "ch", "x")):
            return noun + "es"
        return noun[:-1] + "ies" if noun.endswith(("ry", "ty", "dy", "by")) else noun + "s"

    def topic(self) -> str:
        """A thing to look up, of one to six words."""
        shapes: tuple[Callable[[], str], ...] = (
            self.plural,
            lambda: f"{self.rng.choice(ADJECTIVES)} {self.plural()}",
            lambda: f"{self.word()} {self.word()}",
            lambda: f"{self.rng.choice(ADJECTIVES)} {self.word()} {self.word()}",
            lambda: f"{self.rng.choice(ADJECTIVES)} {self.word()} {self.plural()}",
            lambda: f"{self.word()} {self.word()} {self.word()}",
            lambda: f"{self.plural()} in {self.place()}",
            lambda: f"{self.rng.choice(ADJECTIVES)} {self.plural()} in {self.place()}",
            lambda: f"{self.plural()} for {self.plural()}",
            lambda: f"the {self.word()} of {self.place()}",
            lambda: f"the {self.rng.choice(ADJECTIVES)} {self.word()} {self.word()}",
            lambda: f"{self.plural()} and {self.plural()}",
            lambda: f"{self.word()} vs {self.word()}",
            lambda: f"how to {self.rng.choice(_DEEDS)} a {self.word()}",
            lambda: f"{self.rng.choice(NAMES)} {self.rng.choice(SURNAMES)}",
            lambda: f"{self.word()} {self.rng.randint(2, 2030)}",
            lambda: f"{self.made_up().capitalize()} {self.word()}",
            lambda: f"{self.word()}.{self.word()} {self.word()}",
            lambda: f"cheap {self.plural()} to {self.place()}",
            lambda: f"{self.word().capitalize()} {self.word().capitalize()}",
        )
        return self.rng.choice(shapes)()

    def sentence(self) -> str:
        """A plain statement of random content, to be quoted from results."""
        shapes: tuple[Callable[[], str], ...] = (
            lambda: (
                f"The {self.rng.choice(ADJECTIVES)} {self.word()} is a {self.word()} from {self.place()}."
            ),
            lambda: (
                f"{self.name()} {self.rng.choice(SURNAMES)} built the first {self.word()} in {self.rng.randint(1400, 2026)}."
            ),
            lambda: (
                f"{self.plural().capitalize()} need {self.rng.randint(2, 900)} {self.plural()} a {self.rng.choice(('day', 'week', 'year'))}."
            ),
            lambda: f"A {self.word()} costs {self.rng.randint(2, 9000)} euros in {self.place()}.",
            lambda: (
                f"Most {self.plural()} in {self.place()} are {self.rng.choice(ADJECTIVES)} and {self.rng.choice(ADJECTIVES)}."
            ),
            lambda: (
                f"{self.place()} opened its {self.rng.choice(ADJECTIVES)} {self.word()} to {self.plural()}."
            ),
            lambda: (
                f"The {self.word()} {self.word()} uses a {self.rng.choice(ADJECTIVES)} {self.word()}."
            ),
            lambda: (
                f"{self.word().capitalize()} {self.word()} for {self.plural()} and {self.plural()}."
            ),
        )
        return self.rng.choice(shapes)()

    def url(self) -> str:
        """A web address: host, and perhaps port, path and query."""
        host = self._host()
        path = "".join(f"/{self._segment()}" for _ in range(self.rng.choice((0, 0, 1, 1, 2, 3))))
        if path and self.rng.random() < 0.25:
            path += self.rng.choice((".html", ".htm", ".php", ".txt", ".pdf", ".json", "/"))
        if path and self.rng.random() < 0.2:
            path += (
                f"?{self.word()}={self.rng.choice((self.word(), str(self.rng.randint(1, 9999))))}"
            )
        if path and self.rng.random() < 0.07:
            path += f"#{self.word()}"
        scheme = self.rng.choice(("https://",) * 6 + ("http://",) * 3 + ("",))
        return scheme + host + path

    def email(self) -> str:
        """An e-mail address."""
        local = self.rng.choice((self.rng.choice(NAMES).lower(), self.word()))
        return f"{local}@{self.word()}.{self.rng.choice(_TLDS)}"

    def _host(self) -> str:
        if self.rng.random() < 0.12:
            address = ".".join(str(self.rng.randint(1, 254)) for _ in range(4))
            local = self.rng.choice((address, "localhost", f"{self.word()}.local"))
            return f"{local}:{self.rng.randint(80, 9999)}"
        start = self.rng.choice(("", "", "", "www.", "docs.", "blog.", "en.", f"{self.word()}."))
        middle = self.rng.choice(
            (self.word(), self.word(), f"{self.word()}-{self.word()}", "example")
        )
        return f"{start}{middle}.{self.rng.choice(_TLDS)}"

    def _segment(self) -> str:
        shapes = (
            self.word(),
            self.word(),
            f"{self.word()}-{self.word()}",
            f"{self.word()}_{self.word()}",
            f"{self.word()}-{self.word()}-{self.word()}",
            str(self.rng.randint(1, 2030)),
            f"{self.word()}{self.rng.randint(1, 99)}",
            self.word().capitalize(),
            f"v{self.rng.randint(1, 9)}",
        )
        return self.rng.choice(shapes)


_TLDS = ("com",) * 6 + ("org",) * 3 + ("net", "io", "dev", "de", "co.uk", "eu", "info", "edu", "fr")
_DEEDS = "build fix clean paint buy sell grow cook store use repair plant open choose".split()
