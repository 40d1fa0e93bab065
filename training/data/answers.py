"""What lab-mini says: answers composed from results, plain steps, and direct chat."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

from llmlab.workflows.chat.prompting import composer_messages, fill_references, step_messages
from training.data import calculator, chained, lookup, talk
from training.data.chatter import around
from training.data.invented import draw as draw_call
from training.data.lists import listed
from training.data.pages import QUOTED_WHOLE, question_page
from training.data.phrasing import Source, polish
from training.data.results import tool_result
from training.data.sample import Request, Sample, Step
from training.data.words import Words

_SYSTEMS = (
    "",
    "",
    "You are a helpful assistant.",
    "You are a helpful assistant.",
    "You are LLM Lab's assistant.",
    "You are lab-mini.",
    "Answer briefly.",
    "You are a friendly assistant. Be short.",
)
_DAYS = listed("weekdays")
_MONTHS = listed("months")
_SKIES = ("sunny", "rain", "snow", "clouds")
_PROBLEMS = (
    "division by zero",
    "timed out",
    "the page was not found",
    "no connection",
    "the expression is not valid",
    "access denied",
    "the number is too large",
    "no such host",
    "HTTP 404",
    "HTTP 500",
    "rate limit reached",
    "The calculator cannot compute this: it divides by zero",
    "The calculator cannot compute this: a number in it is too large",
    "The tool did not answer in time",
    "The arguments do not fit the tool",
)

# Longer ones are refused, as a calculator would; lab-mini need not copy them.
_LONGEST_NUMBER = 24

_INSTRUCTIONS = (
    "",
    "[Calculate|Compute|Work out|Evaluate] {x}.",
    "[calculate|compute|evaluate] {x}",
    "Calculate the [result|total|sum|price|difference].",
    "[Find|Get|Look up|Search for] {x}.",
    "[find|get|look up|search for] {x}",
    "[Open|Read|Fetch] {x}",
    "[Get|Fetch] the [page|data|information|current time|result].",
    "[Use|Call] {tool}.",
    "[Use|Call|Ask] {tool} [for|with] {x}",
    "Find [information|something] about {t}.",
    "{tool}",
    "{x}",
)

_FOUND = {"web_search": "I found this", "browser": "The page says"}
_ASKED_OF_PAGES = {
    "web_search": (
        "{q}",
        "{q}",
        "{q} search the web",
        "look it up: {q}",
        "search online: {q}",
        "find out: {q}",
        "can you find out {q}",
        "please check on the web {q}",
        "I want to know {q}",
        "google it for me, {q}",
    ),
    "browser": (
        "{q}",
        "open the page and tell me: {q}",
        "{q} it should be on their page",
        "read the site: {q}",
        "have a look at the page, {q}",
        "check the page: {q}",
        "{q} see the link I sent",
        "I need to know from the page {q}",
    ),
}

Result = tuple[str, str | None, str]


def composer_sample(source: Source, words: Words) -> Sample:
    """Results of one to three steps, and the answer made from them."""
    draw = source.rng.random()
    if draw < 0.1:
        return _passed_on(source, words)
    if draw < 0.42:
        return _looked_up(source, words)
    if draw < 0.74:
        return _from_tools(source, words)
    request = _request(source, words)
    if source.chance(0.2):
        request = replace(request, message=around(source, words, request.message))
    results: list[Result] = []
    sentences: list[str] = []
    values: list[str] = []
    for step in request.steps:
        output, sentence = _outcome(source, words, step, values)
        results.append((_instruction(source, words, step), step.tool, output))
        sentences.append(sentence)
        if output.startswith("Error"):
            break
    answer = _answer(request, sentences)
    history = talk.some_history(source, words) if source.chance(0.1) else ()
    messages = composer_messages(request.message, results, history or request.history)
    return Sample("compose", messages, answer)


def step_sample(source: Source, words: Words) -> Sample:
    """A plain step: talk, something beyond reach, or a text made from a result."""
    if source.chance(0.25):
        return _told_sample(source, words)
    exchange = talk.beyond(source, words) if source.chance(0.25) else talk.draw(source, words)
    history = exchange.history or _maybe_history(source, words)
    messages = step_messages(exchange.message, "Answer the user.", (), history)
    return Sample(f"step-{exchange.kind}", messages, exchange.answer)


def chat_sample(source: Source, words: Words) -> Sample:
    """A direct chat without planner, with some system message or none."""
    exchange = talk.beyond(source, words) if source.chance(0.25) else talk.draw(source, words)
    history = exchange.history or _maybe_history(source, words)
    system = source.rng.choice(_SYSTEMS)
    messages = [{"role": "system", "content": system}] if system else []
    for asked, said in history:
        messages += [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]
    messages.append({"role": "user", "content": exchange.message})
    return Sample(f"chat-{exchange.kind}", messages, exchange.answer)


def calculator_output(source: Source, value: str) -> str:
    """A number in the forms in which calculators hand it out."""
    forms: tuple[Callable[[], str], ...] = (
        lambda: value,
        lambda: value,
        lambda: value,
        lambda: json.dumps({"result": value}),
        lambda: f'{{"result": {value}}}',
        lambda: f'{{"value": {value}}}',
        lambda: f"Result: {value}",
        lambda: f"= {value}",
    )
    return source.rng.choice(forms)()


def _instruction(source: Source, words: Words, step: Step) -> str:
    """What the step was to do: as lab-mini says it, or as another planner may."""
    if source.chance(0.6):
        return step.instruction
    argument = str(next(iter(step.args.values()), words.topic()))
    return source.phrase(_INSTRUCTIONS, {"x": argument, "t": words.topic(), "tool": str(step.tool)})


def _passed_on(source: Source, words: Words) -> Sample:
    """The result of a single plain step is the answer already."""
    exchange = talk.draw(source, words)
    results = [("Answer the user.", None, exchange.answer)]
    messages = composer_messages(exchange.message, results, exchange.history)
    return Sample("compose-plain", messages, exchange.answer)


def long_composer_sample(source: Source, words: Words) -> Sample:
    """A question, and long pages in one of which one sentence answers it."""
    return _looked_up(source, words, filler=source.rng.randint(15, 50))


def _looked_up(source: Source, words: Words, filler: int = 0) -> Sample:
    """One or two questions, and the sentences of pages or results that answer them.

    Args:
        source: Of every choice.
        words: Of texts.
        filler: Sentences about other things on each page.
    """
    count = 1 if filler else source.rng.choice((1, 1, 1, 2))
    results: list[Result] = []
    questions: list[str] = []
    sentences: list[str] = []
    for _ in range(count):
        tool = source.rng.choice(("web_search", "browser"))
        page = question_page(source, words, results=tool == "web_search", filler=filler)
        if tool == "browser" and source.chance(0.3):
            listed = question_page(source, words, results=True)
            results.append((lookup.SEARCH, "web_search", listed.text))
        step = Step(tool, {"query": page.question}, lookup.SEARCH)
        results.append((_instruction(source, words, step), tool, page.text))
        questions.append(source.phrase(_ASKED_OF_PAGES[tool], {"q": page.question}))
        sentences.append(f"{_FOUND[tool]}: {page.answer}")
    if count == 1 and source.chance(0.2):
        calculated = _calculation(source)
        output, sentence = _outcome(source, words, calculated.steps[0], [])
        results.append((_instruction(source, words, calculated.steps[0]), "calculator", output))
        questions.append(calculated.message)
        sentences.append(sentence)
    message = polish(source, chained.joined(source, questions))
    messages = composer_messages(message, results, _maybe_history(source, words))
    return Sample("compose-page", messages, _numbered(sentences))


def _from_tools(source: Source, words: Words) -> Sample:
    """What one or two tools gave, and the sentences that tell it."""
    given = [tool_result(source, words) for _ in range(source.rng.choice((1, 1, 1, 2)))]
    results = [
        (_instruction(source, words, Step(one.tool, {}, f"Use {one.tool}.")), one.tool, one.output)
        for one in given
    ]
    message = chained.joined(source, [one.request for one in given])
    messages = composer_messages(message, results, _maybe_history(source, words))
    return Sample("compose-tool", messages, _numbered([one.sentence for one in given]))


def _request(source: Source, words: Words) -> Request:
    makers: tuple[tuple[float, Callable[[], Request]], ...] = (
        (3.0, lambda: _calculation(source)),
        (1.2, lambda: Request("search", *_one(lookup.search(source, words)))),
        (1.0, lambda: Request("browser", *_one(lookup.browse(source, words)))),
        (0.7, lambda: Request("datetime", *_one(lookup.clock(source, with_zone=False)))),
        (1.0, lambda: _new_tool(source, words)),
        (2.6, lambda: _chain(source, words)),
        (0.3, lambda: chained.follow_up(source)),
    )
    (make,) = source.rng.choices([maker for _, maker in makers], [weight for weight, _ in makers])
    return make()


def _chain(source: Source, words: Words) -> Request:
    allowed = ("calculator", "web_search", "browser", "datetime")
    # The lab ships with the calculator only, so its chains come most often.
    return chained.draw(source, words, allowed[: source.rng.choice((1, 1, 4))])


def _one(drawn: tuple[str, Step]) -> tuple[str, tuple[Step, ...]]:
    return drawn[0], (drawn[1],)


def _calculation(source: Source) -> Request:
    message, expression = calculator.request(source)
    return Request("calculator", message, (calculator.step(expression),))


def _new_tool(source: Source, words: Words) -> Request:
    call = draw_call(source, words)
    return Request("unseen", call.message, (call.step,))


def _outcome(source: Source, words: Words, step: Step, values: list[str]) -> tuple[str, str]:
    """The output of a step and the sentence that tells it; `values` collects bare outputs."""
    if step.tool is not None and source.chance(0.06):
        problem = source.rng.choice(_PROBLEMS)
        return f"Error: {problem}", f"That did not work: {problem}."
    if step.tool == "calculator":
        return number_outcome(source, step, values)
    values.append("")
    if step.tool == "datetime":
        text = _moment(source)
        return text, f"It is {text}."
    if step.tool in ("web_search", "browser"):
        text, first = _page(source, words, step.tool)
        return text, f"{_FOUND[step.tool]}: {first}"
    if step.tool is None:
        text = words.sentence()
        return text, text
    return _done(source, words)


def number_outcome(source: Source, step: Step, values: list[str]) -> tuple[str, str]:
    """The calculator's output and the sentence that tells it.

    Args:
        source: Of the output's form.
        step: A calculator step; its references are filled from `values`.
        values: Bare results of the steps so far; this one's is appended.
    """
    try:
        expression = fill_references(step.args["expression"], values)
        value = calculator.result_text(calculator.value_of(expression))
    except (ArithmeticError, ValueError) as error:
        problem = "division by zero" if isinstance(error, ZeroDivisionError) else "not a number"
        return f"Error: {problem}", f"That did not work: {problem}."
    if len(value) > _LONGEST_NUMBER:
        return "Error: the number is too large", "That did not work: the number is too large."
    values.append(value)
    return calculator_output(source, value), f"The answer is {value}."


def _moment(source: Source) -> str:
    rng = source.rng
    year, month, day = rng.randint(2024, 2032), rng.randint(1, 12), rng.randint(1, 28)
    time = f"{rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}"
    second = rng.randint(0, 59)
    forms = (
        f"{year}-{month:02d}-{day:02d} {time}",
        f"{year}-{month:02d}-{day:02d}T{time}:{second:02d}+00:00",
        f"{rng.choice(_DAYS)}, {day} {_MONTHS[month - 1]} {year}, {time}",
        f"{rng.choice(_DAYS)} {year}-{month:02d}-{day:02d} {time}:{second:02d} UTC",
    )
    return rng.choice(forms)


def _page(source: Source, words: Words, tool: str) -> tuple[str, str]:
    """A page or search results, and what is quoted: the first sentence, or all of a short one."""
    count = source.rng.choice((1, 1, 2, 3, 4, 8))
    sentences = [words.sentence() for _ in range(count)]
    title = words.topic().capitalize()
    quoted = " ".join(sentences) if count <= QUOTED_WHOLE else sentences[0]
    if tool == "browser":
        pages = (" ".join(sentences), f"{title}\n" + " ".join(sentences), "\n".join(sentences))
        return source.rng.choice(pages), quoted
    forms = (
        " ".join(sentences),
        "\n".join(f"- {sentence}" for sentence in sentences),
        "\n".join(f"{words.url()}: {sentence}" for sentence in sentences),
        "\n".join(f"{words.topic().capitalize()} ({words.url()})\n{text}" for text in sentences),
        json.dumps([{"title": title, "url": words.url(), "snippet": text} for text in sentences]),
    )
    return source.rng.choice(forms), quoted


def _done(source: Source, words: Words) -> tuple[str, str]:
    if source.chance(0.3):
        done = source.rng.choice(("ok", "done", "OK", "success", "true", "Done."))
        return done, "Done."
    forms: tuple[Callable[[], str], ...] = (
        words.sentence,
        words.topic,
        lambda: str(source.rng.randint(0, 99999)),
        lambda: f"{source.rng.randint(-9, 39)} degrees, {source.rng.choice(_SKIES)}",
    )
    text = source.rng.choice(forms)()
    return text, f"The result is: {text}"


def _answer(request: Request, sentences: Sequence[str]) -> str:
    """One answer: the last word of a chain; the results of sums and of several things in order."""
    last = request.steps[len(sentences) - 1]
    if len(sentences) == 1:
        return sentences[0]
    only_sums = all(step.tool == "calculator" for step in request.steps)
    ends_in_one = last.tool != "browser" or len(sentences) == 2
    if request.kind == "chain" and ends_in_one and not only_sums:
        return sentences[-1]
    return _numbered(sentences)


def _numbered(sentences: Sequence[str]) -> str:
    if len(sentences) == 1:
        return sentences[0]
    return "\n".join(f"{number}. {text}" for number, text in enumerate(sentences, 1))


def _told_sample(source: Source, words: Words) -> Sample:
    """A plain step after others: lab-mini quotes the first sentence, which it can do."""
    request = chained.draw(source, words, ("calculator", "web_search", "browser"))
    while request.steps[-1].tool is not None:
        request = chained.draw(source, words, ("calculator", "web_search", "browser"))
    results: list[Result] = []
    values: list[str] = []
    told = ""
    for step in request.steps[:-1]:
        output, told = _outcome(source, words, step, values)
        results.append((step.instruction, step.tool, output))
    final = request.steps[-1]
    messages = step_messages(request.message, final.instruction, results)
    if final in (chained.TRANSLATE, chained.WRITE):
        told = f"I am too small for that. {told}"
    return Sample("step-told", messages, told)


def _maybe_history(source: Source, words: Words) -> tuple[tuple[str, str], ...]:
    return talk.some_history(source, words) if source.chance(0.12) else ()
