"""What people say around a request: where they are, why they ask, how they want it."""

from __future__ import annotations

from training.data.phrasing import Source
from training.data.words import Words

_BEFORE = (
    "I have a [question|small question|task|favour to ask].",
    "I have a question about {t}.",
    "I'm [planning|organising|preparing] [a party|a trip|a dinner|a meeting|my holiday].",
    "I'm [planning|preparing|writing] something about {t}.",
    "I'm at [the shop|work|school|the airport|the office|home] [right now|at the moment].",
    "I'm [in a hurry|on my phone|bored|stuck|new to this|not good at this].",
    "I'm working on [my budget|a report|a presentation|my taxes|an article].",
    "I'm going to {p} [soon|tomorrow|next week|in May].",
    "I'm a [teacher|student|baker|nurse|driver|gardener].",
    "I [just|only] need one thing.",
    "I need this for [work|school|my boss|a friend|tomorrow|later].",
    "I can't [remember|find|figure out|work out] [it|this].",
    "I lost my [calculator|notes|list|phone].",
    "I was [talking|speaking] [to|with] {n} about {t}.",
    "I want to [buy|sell|cook|build|learn|fix] something.",
    "We are [having guests|moving house|on the road|a small team|four people].",
    "We have [guests|a meeting|a visitor|a problem] [today|tonight|tomorrow].",
    "We [talked|argued] about this [yesterday|at lunch].",
    "My [boss|teacher|friend|sister|brother|colleague|neighbour|mother] [asked me|wants to know].",
    "My [boss|teacher|friend|son|daughter] and I [disagree|have a bet].",
    "My [phone|computer|browser|calculator] is [broken|slow|dead].",
    "{n} [asked|told] me about [this|it].",
    "{n} says [hello|it is easy|you can do this].",
    "{n} is [waiting|visiting|late|in {p}].",
    "There is something I need.",
    "There is a [sale|problem|mistake] [in the shop|at work|somewhere].",
    "This is [for|about] {t}.",
    "This is [urgent|important|a test|a bit silly].",
    "It's about {t}.",
    "It's [late|early|raining], but [anyway|still].",
    "Let's [start|begin|go on|try something].",
    "Let me ask you something.",
    "Listen.",
    "Imagine this.",
    "You are [good|quick] at this.",
    "You can [surely|probably] help me.",
    "You may [use|take] a tool [for this|if you like].",
    "Here is [a|the next|my] [question|task|request].",
    "Another [question|one|thing].",
    "Maybe you can help me.",
    "Not sure if you can do this.",
    "Sorry for asking [again|so much].",
    "Thanks for your help [so far|earlier|yesterday].",
    "Yesterday I was in {p}.",
    "Tomorrow I meet {n}.",
    "Tonight we cook {t}.",
    "Today is a [long|busy|good] day.",
    "The [children|kids|guests|others] want to know.",
    "The [meeting|shop|exam] [starts|opens|begins] soon.",
)
_LEADING_IN = (
    "I'm [in a hurry|stuck|bored], so",
    "I'm going to {p}, so",
    "I need this for {n}:",
    "I was wondering:",
    "for [a report|my work|my homework|a friend|{n}|the meeting]:",
    "for [a report|my work|a friend] about {t},",
    "since you are here,",
    "since {n} asked:",
    "while I wait,",
    "before I [go|forget],",
    "because {n} wants to know,",
    "as I [said|asked] before,",
    "if you have time,",
    "if you can,",
    "if it's not too much trouble,",
    "my [boss|teacher|friend] asks:",
    "my [sister|brother|colleague] {n} asks:",
    "{n} wants to know:",
    "{n} asked me:",
    "we have guests, so",
    "out of curiosity,",
    "just out of interest:",
    "to settle a bet:",
    "to be sure,",
)
_AFTER = (
    "Just [the number|the result|the answer], please.",
    "[Only|Just] the result, no explanation.",
    "Keep it short.",
    "Be [quick|brief|exact].",
    "No need to explain.",
    "Take your time.",
    "It's for [my homework|a friend|work|school|my boss|{n}|a report].",
    "It's [urgent|important|not urgent].",
    "I [can't|cannot] do it [myself|in my head|by hand].",
    "I [hate|don't like] doing this [myself|by hand].",
    "I [keep forgetting|always forget|forgot].",
    "I need it [today|now|soon|for work|for {n}|before lunch|for tomorrow].",
    "I need it for {t}.",
    "I want to be sure.",
    "I'm [curious|in a hurry|not sure|waiting].",
    "I'm writing about {t}.",
    "I'd like to tell {n}.",
    "I asked {n}, but [nobody|no one] knows.",
    "My [boss|teacher|friend|sister] wants to know.",
    "My [phone|calculator|browser] is broken.",
    "{n} wants to know.",
    "{n} is waiting for it.",
    "We are in {p}.",
    "We want to [know|be sure|decide today].",
    "Can you do that?",
    "Could you help me?",
    "Do you know?",
    "Any idea?",
    "Would be great.",
    "That would help [me|us] a lot.",
    "That's all [I need|for now].",
    "That is the question.",
    "Thanks [in advance|a lot|so much]!",
    "Thank you [very much|so much]!",
    "You're the best.",
    "You can use [a tool|the tools] for that.",
    "Please [be exact|hurry|help|double-check].",
    "Sorry to [ask|bother you].",
    "Otherwise I have to ask {n}.",
    "No rush.",
)


def around(source: Source, words: Words, request: str) -> str:
    """Puts talk before or after a request, which stays as it is but for its first letter's case."""
    slots = {"t": words.topic(), "n": words.name(), "p": words.place()}
    draw = source.rng.random()
    if draw < 0.4:
        text = f"{source.phrase(_BEFORE, slots)} {request}"
    elif draw < 0.55:
        text = f"{source.phrase(_LEADING_IN, slots)} {request}"
    else:
        text = f"{_ended(request)} {source.phrase(_AFTER, slots)}"
        if source.chance(0.25):
            text = f"{source.phrase(_BEFORE, slots)} {text}"
    return text[:1].upper() + text[1:] if draw < 0.55 and source.chance(0.8) else text


def _ended(request: str) -> str:
    # A web address at the end would swallow a full stop, so a new line ends it.
    last = request.rsplit(maxsplit=1)[-1]
    if request[-1] in ".?!":
        return request
    return f"{request}\n" if "/" in last or "." in last else f"{request}."
