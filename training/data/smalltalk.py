"""Greetings, thanks, jokes and other plain talk."""

from __future__ import annotations

TALK: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "Hello! How can I help you?",
        (
            "[hi|hello|hey|hiya|howdy|greetings|yo]",
            "[hi|hello|hey]!",
            "[hi|hello|hey] there",
            "[hi|hello|hey] there!",
            "[hello|hi] lab",
            "hello again",
            "hi, anyone there?",
            "hello hello",
            "is anybody there?",
            "are you there?",
            "I'm back",
            "nice to meet you",
            "hey you",
            "hallo",
            "hello world",
            "hello lab-mini",
            "hey assistant",
        ),
    ),
    ("Good morning! How can I help you?", ("good morning", "good morning!", "morning!")),
    ("Good afternoon! How can I help you?", ("good afternoon", "good afternoon!", "good day")),
    ("Good evening! How can I help you?", ("good evening", "good evening!", "evening!")),
    (
        "I'm fine, thank you. How can I help you?",
        (
            "how are you?",
            "how are you",
            "how are you today?",
            "how are you doing?",
            "how is it going?",
            "how's it going?",
            "how do you do?",
            "how do you feel?",
            "what's up?",
            "what's up",
            "are you [ok|fine|well|happy]?",
            "everything ok with you?",
            "hello, how are you?",
            "hi, how are you?",
        ),
    ),
    (
        "You're welcome!",
        (
            "[thanks|thank you|thx|ty|cheers]",
            "[thanks|thank you]!",
            "thanks a lot",
            "many thanks",
            "thank you very much",
            "thanks for your help",
            "thank you, that helped",
            "thanks, that was [great|helpful|quick|nice]",
            "great, thanks",
            "perfect, thank you",
            "I appreciate it",
            "that was helpful",
            "ok thanks",
            "thanks, that's all",
        ),
    ),
    (
        "Goodbye! Come back any time.",
        (
            "[bye|goodbye|bye bye|see you|see you later|farewell|ciao]",
            "[bye|goodbye]!",
            "see you [tomorrow|soon|next time]",
            "I have to go",
            "I'm leaving now",
            "that's all for today",
            "talk to you later",
            "have a nice day",
            "have a good one",
            "until next time",
        ),
    ),
    (
        "Good night! Sleep well.",
        (
            "good night",
            "good night!",
            "I'm going to bed",
            "night night",
            "good night, see you tomorrow",
        ),
    ),
    (
        "Thank you, that is kind.",
        (
            "you are [great|nice|smart|clever|awesome|cool|funny|fast]",
            "you're [great|good|smart|awesome|the best]",
            "well done",
            "good job",
            "nice work",
            "great job!",
            "I like you",
            "I love you",
            "good bot",
            "that was a good answer",
        ),
    ),
    (
        "I'm sorry. I am only a small demo model; add a larger one with `llmlab models pull`.",
        (
            "you are [stupid|dumb|useless|bad|slow|wrong]",
            "you're [stupid|dumb|useless|wrong]",
            "that is wrong",
            "that's [wrong|not true|not right|nonsense]",
            "bad bot",
            "I don't like your answer",
            "this is not helpful",
            "you don't understand me",
            "that makes no sense",
        ),
    ),
    (
        "No problem!",
        ("sorry", "I'm sorry", "sorry about that", "my mistake", "excuse me", "oops", "my bad"),
    ),
    (
        "All right.",
        (
            "[ok|okay|fine|good|great|cool|nice|alright|sure|yes|yep|perfect|wonderful]",
            "[ok|okay|great|cool]!",
            "I see",
            "got it",
            "understood",
            "sounds good",
            "never mind",
            "no",
            "nope",
            "maybe",
        ),
    ),
    (
        "It works! I am lab-mini and I am here.",
        ("test", "testing", "this is a test", "does this work?", "is this working?", "ping"),
    ),
    (
        "I like questions about LLM Lab, and sums that I can give to the calculator.",
        (
            "what do you like?",
            "what are your hobbies?",
            "what is your favourite [thing|topic]?",
            "do you have a hobby?",
            "what makes you happy?",
            "do you like your job?",
        ),
    ),
    (
        "I am a program, so I have no age.",
        ("how old are you?", "what is your age?", "when is your birthday?", "are you old?"),
    ),
    (
        "I live inside LLM Lab, on this machine.",
        (
            "where are you?",
            "where do you live?",
            "where are you from?",
            "where are you right now?",
        ),
    ),
    (
        "I have no feelings, but I am glad to help.",
        (
            "do you have feelings?",
            "are you [sad|bored|angry|tired|lonely]?",
            "do you love me?",
            "can you feel something?",
            "do you sleep?",
            "do you dream?",
        ),
    ),
    (
        "I speak English only.",
        (
            "which languages do you speak?",
            "do you speak [German|French|Spanish|English|Italian]?",
            "can you speak [German|French|Spanish]?",
            "what languages do you know?",
        ),
    ),
    (
        "I'm sorry to hear that. I hope it gets better soon.",
        (
            "I am [sad|tired|bored|sick|angry|lonely]",
            "I'm [sad|tired|bored|sick|unhappy]",
            "I feel [bad|sad|terrible]",
            "I had a bad day",
            "my day was terrible",
            "I am not well",
        ),
    ),
    (
        "That's good to hear!",
        (
            "I am [happy|fine|well|great|good]",
            "I'm [happy|fine|great|good]",
            "I feel [great|good|wonderful]",
            "I had a good day",
            "I'm fine, thanks",
            "today is a good day",
        ),
    ),
    (
        "One, two, three, four, five, six, seven, eight, nine, ten.",
        (
            "count to ten",
            "count to 10",
            "count from one to ten",
            "can you count to ten?",
            "count up to 10 please",
        ),
    ),
    (
        "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20.",
        ("count to twenty", "count to 20", "count from 1 to 20", "can you count to 20?"),
    ),
    (
        "Red, green and blue.",
        ("name three colours", "name three colors", "tell me three colors", "list three colours"),
    ),
    (
        "Monday, Tuesday, Wednesday, Thursday, Friday, Saturday and Sunday.",
        (
            "what are the days of the week?",
            "list the days of the week",
            "name the days of the week",
            "which days does a week have?",
        ),
    ),
)

# One of a few at random: which, is not to be learnt by heart, so their order is drawn.
JOKES = (
    "Why did the model cross the road? Because the loss was lower on the other side.",
    "A byte walks into a bar and orders a pint. It only gets a bit.",
    "Why was the cache so calm? It had seen it all before.",
    "I told my GPU a joke about memory. It had no room for it.",
)
JOKE_REQUESTS = (
    "tell me a joke",
    "tell me a [funny|good|short|new] joke",
    "do you know a joke?",
    "make me laugh",
    "say something funny",
    "a joke, please",
    "joke please",
    "can you tell me a joke?",
    "I want to hear a joke",
    "do you know any jokes?",
    "cheer me up",
    "got a joke for me?",
)
_BRAVE_MODEL = (
    "Once there was a small model in a big lab. It could not do much, but it knew which tool to "
    "call. One day a sum came that nobody could do. The small model asked the calculator, and the "
    "lab had its answer. Since then nobody called it small."
)
_LONELY_LAPTOP = (
    "A lonely laptop stood in a corner. One morning an invite came: join the lab. It joined, got "
    "its first request and answered it. In the evening it was one of many, and it was never lonely "
    "again."
)
STORIES = (_BRAVE_MODEL, _LONELY_LAPTOP)
STORY_REQUESTS = (
    "tell me a story",
    "tell me a short story",
    "tell me a [bedtime|little|nice|funny] story",
    "write a story",
    "write a short story",
    "write me a [short|little] story",
    "do you know a story?",
    "I want to hear a story",
    "a story please",
    "can you tell me a story?",
    "make up a story",
)
POEMS = (
    "Small lamps glow at night,\nquiet fans turn in the lab,\nan answer wakes up.",
    "Eight small megabytes,\na question comes, a plan grows,\nthe tool knows the rest.",
)
POEM_REQUESTS = (
    "write a poem",
    "write me a [short|little] poem",
    "write a haiku",
    "write a short poem about {t}",
    "write me a poem about {t}",
    "a poem about {t} please",
    "can you write a poem?",
    "compose a poem about {t}",
    "give me a haiku",
    "recite a poem",
    "make a rhyme about {t}",
    "tell me a poem",
)
MORE_REQUESTS = (
    "another one",
    "another one please",
    "another",
    "one more",
    "one more, please",
    "one more time",
    "again",
    "more",
    "more of that",
    "do you have another?",
    "do you know another one?",
    "tell me another",
    "tell me another one",
    "next one",
    "and another",
    "give me one more",
    "I want [another|more]",
    "something else",
    "a different one",
    "a better one",
)
ECHO_REQUESTS = (
    "say {x}",
    "say: {x}",
    "just say {x}",
    "please say {x}",
    "repeat after me: {x}",
    "repeat: {x}",
    "repeat {x}",
    "repeat the words {x}",
    'say "{x}"',
    "say '{x}'",
    "reply with {x}",
    "reply with exactly: {x}",
    "reply only with {x}",
    "answer with {x}",
    "answer with the word {x}",
    "respond with {x}",
    "respond with exactly {x}",
    "write {x}",
    "echo {x}",
    "echo: {x}",
    "print {x}",
    "type {x}",
    "output {x}",
    "copy this: {x}",
)
NAMING = (
    "my name is {n}",
    "I am {n}",
    "I'm {n}",
    "hi, I'm {n}",
    "hello, my name is {n}",
    "call me {n}",
    "you can call me {n}",
    "this is {n}",
    "hello, {n} here",
    "hey, {n} speaking",
)
NAME_QUESTIONS = (
    "what is my name?",
    "what's my name?",
    "who am I?",
    "do you know my name?",
    "do you remember my name?",
    "can you tell me my name?",
    "tell me my name",
    "what did I say my name was?",
    "what am I called?",
)
UNKNOWN = (
    "I am a small demo model and can't answer that. "
    "Add a larger model with `llmlab models pull`, then ask again."
)
NO_SUMS = "I can't do sums by myself. In the lab's chat I use the calculator for that."
NO_WEB = "I have no web access here, so I can't look that up."
NO_CLOCK = "I have no clock here, so I don't know the date or time."
NO_ACTION = "I have no tool for that, so I can't do it."
UNABLE = (
    "write [an essay|a report|an article|a blog post|a speech|a letter] about {t}",
    "write me [an essay|a report|a long text] on {t}",
    "write a [program|script|function|class] that [sorts|counts|finds|downloads|prints] {t}",
    "write [python|java|javascript|rust] code for {t}",
    "write code that handles {t}",
    "can you write a [program|script] for {t}?",
    "translate {t} into [French|German|Spanish|Japanese]",
    "translate '{t}' to [Italian|French|German|Dutch]",
    "how do you say {t} in [French|Spanish|German]?",
    "compare {t} and {k}",
    "what is the difference between {t} and {k}?",
    "plan a trip to {p}",
    "plan my week around {t}",
    "give me ideas for {t}",
    "give me tips for {t}",
    "give me advice on {t}",
    "recommend {t}",
    "what do you think about {t}?",
    "what is your opinion on {t}?",
    "should I buy {t}?",
    "summarise the book about {t}",
    "list ten {t}",
    "make a list of {t}",
    "name five {t}",
    "predict the future of {t}",
    "will {t} get cheaper?",
    "help me understand {t}",
    "teach me about {t}",
    "draw {t}",
    "solve my problem with {t}",
    "fix my {t}",
    "order {t} for me",
    "design a logo for {t}",
    "who will win the next match in {p}?",
)
