"""The computed check of a plan: what it must catch, and what it must let pass."""

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmlab.events import PlannedStep
from llmlab.workflows.chat.check import find_problem
from llmlab.workflows.chat.tool import ToolDescription


def tool(name: str, required: str = "", **properties: Any) -> ToolDescription:
    schemas = {
        key: value if isinstance(value, dict) else {"type": value}
        for key, value in properties.items()
    }
    parameters = {"type": "object", "properties": schemas, "required": required.split()}
    return ToolDescription(name, name, parameters)


TOOLS = [
    tool("calculator", "expression", expression="string"),
    tool("web_search", "query", query="string", limit="integer"),
    tool("browser", "url", url="string"),
    tool("datetime", timezone="string"),
    tool("weather", "city", city="string", unit={"type": "string", "enum": ["c", "f"]}),
    tool("mail", "to", to="string", subject="string", body="string"),
    tool("read_file", "path", path="string"),
    tool("book_table", "people", people="integer", date="string", time="string"),
    tool("remember", "text", text="string", tags={"type": "array"}, extra="object"),
]


def step(name: str | None, instruction: str = "", **args: Any) -> PlannedStep:
    return PlannedStep(tool=name, args=args, instruction=instruction)


def calculate(expression: str) -> PlannedStep:
    return step("calculator", expression=expression)


def search(query: str, **args: Any) -> PlannedStep:
    return step("web_search", query=query, **args)


ORDINARY: list[tuple[str, list[PlannedStep]]] = [
    ("What is 25 * 67?", [calculate("25 * 67")]),
    ("what's twenty-five times sixty seven", [calculate("25 * 67")]),
    ("18% of 4,250 please", [calculate("18 / 100 * 4250")]),
    ("18% of 4,250 please", [calculate("0.18 * 4250")]),
    ("what would 59.99 be with 20% off?", [calculate("59.99 * 0.8")]),
    ("My rent is 940 a month; what do I pay in a year?", [calculate("940 * 12")]),
    ("How many seconds are there in 17 days?", [calculate("17 * 24 * 60 * 60")]),
    ("average of 12, 19 and 26", [calculate("(12 + 19 + 26) / 3")]),
    ("square root of 7056", [calculate("sqrt(7056)")]),
    ("square root of 7056", [calculate("7056 ** 0.5")]),
    ("Convert 100 degrees Fahrenheit to Celsius", [calculate("(100 - 32) * 5 / 9")]),
    ("How far is 26.2 miles in km?", [calculate("26.2 * 1.60934")]),
    ("1.5 million divided by 12", [calculate("1500000 / 12")]),
    ("What is 2 + 2?", [step(None, "Answer the user.")]),
    ("What is 8 + 9 and then double it?", [calculate("8 + 9"), calculate("{{1}} * 2")]),
    ("I'm 34 and drive 85 km/h for 4 hours. How many metres?", [calculate("85 * 4 * 1000")]),
    ("How long does light take for 150 million km?", [calculate("150e6 / 299792.458")]),
    ("254 km in m", [calculate("254 * 1000")]),
    ("28\u00b0C in \u00b0F", [calculate("28 * 9 / 5 + 32")]),
    ("sixty-seven yd in ft", [calculate("67 * 3")]),
    ("76 F in C", [calculate("(76 - 32) * 5 / 9")]),
    ("what is 4 dozen", [calculate("4 * 12")]),
    ("11\u00b2 plus 8136\u00b2", [calculate("11 ** 2 + 8136 ** 2")]),
    ("47 per cent of 54.4", [calculate("47 / 100 * 54.4")]),
    ("add 7 550 86 99 878.71", [calculate("7 + 550 + 86 + 99 + 878.71")]),
    ("half as much again as 8859", [calculate("8859 * 1.5")]),
    ("291 Mbit/s is how many megabytes a second?", [calculate("291 / 8")]),
    ("who won the world cup in 2018?", [search("2018 World Cup winner", limit=5)]),
    ("what's the wether in pariss", [step("weather", city="Paris", unit="c")]),
    ("Wie ist das Wetter in München?", [step("weather", city="Munich", unit="c")]),
    ("北京天气怎么样", [step("weather", city="Beijing")]),
    ("what time is it in Munich?", [step("datetime", timezone="Europe/Berlin")]),
    ("open example.com/docs", [step("browser", url="https://example.com/docs")]),
    ("Open the Wikipedia page on penguins", [step("browser", url="https://en.wikipedia.org/wiki/Penguin")]),
    ("mail alice@example.com that I am late", [
        step("mail", to="Alice@example.com", subject="Running late", body="Hi Alice, I am late."),
    ]),
    ("read notes.txt", [step("read_file", path="notes.txt")]),
    ("a table for 4 tomorrow at 7pm", [
        step("book_table", people=4, date="2026-11-22", time="19:00"),
    ]),
    ('remember "blue owl" for me', [step("remember", text="blue owl", tags=["owl"], extra={})]),
    ("Look up the capital of Peru and its population", [
        search("capital of Peru"),
        search("population of {{1}}"),
    ]),
    ("call +49 (170) 123-4567 about it", [step("remember", text="call +491701234567 about it")]),
    ("swam for 35 minutes, note it", [step("remember", text="swimming", tags=[35])]),
    ("Search for cats", [search("cats"), step(None, "Summarise {{1}}.")]),
]  # fmt: skip


@pytest.mark.parametrize(("message", "plan"), ORDINARY, ids=lambda value: str(value)[:40])
def test_an_ordinary_plan_raises_no_alarm(message: str, plan: list[PlannedStep]) -> None:
    assert find_problem(plan, TOOLS, message) is None


WRONG: list[tuple[str, list[PlannedStep], str]] = [
    ("What is 25 * 67?", [calculate("52 * 67")], "52"),
    ("What is 25 * 67?", [calculate("25 * 76")], "76"),
    ("What is 25 * 67?", [calculate("25 * 67 + 99")], "99"),
    ("What is 1,250 / 5?", [calculate("1205 / 5")], "1205"),
    ("Hello, who are you?", [calculate("41 + 1.7")], "41"),
    ("7 notebooks at 3.49 each, the total?", [calculate("7 * 3.94")], "3.94"),
    ("add 4 to it: 8 + 9", [calculate("8 + 9"), calculate("17 + 4")], "write {{1}}"),
    ("search for penguins", [search("volcanoes")], "volcanoes"),
    ("the weather in Paris", [step("weather", city="London")], "London"),
    ("open example.com/docs", [step("browser", url="https://example.org/docs")], "example.org"),
    ("mail alice@example.com hello", [step("mail", to="bob@example.com")], "bob@example.com"),
    ("read report_2024.txt", [step("read_file", path="report_2025.txt")], "report_2025.txt"),
    ('remember "blue owl, fox"', [step("remember", text="blue fowl, ox")], "blue owl, fox"),
    ("a table for 4 today", [step("book_table", people=14)], "14"),
    ("999999 - 123456", [calculate("99999 - 123456")], "99999"),
]  # fmt: skip


@pytest.mark.parametrize(("message", "plan", "named"), WRONG, ids=lambda value: str(value)[:40])
def test_a_plan_that_nobody_asked_for_is_caught(
    message: str, plan: list[PlannedStep], named: str
) -> None:
    problem = find_problem(plan, TOOLS, message)
    assert problem is not None
    assert named in problem


@pytest.mark.parametrize(
    ("plan", "problem"),
    [
        ([step("wolfram", x=1)], "'wolfram', which is not a tool (tools: calculator, web_search"),
        ([step("calculator")], "lacks expression in the args of calculator"),
        ([step("calculator", expression="1", mode="x")], "unknown args mode (it has: expression)"),
        ([step("web_search", query="it", limit="many")], "a wrong limit"),
        ([step("web_search", query="it", limit=True)], "a wrong limit"),
        ([step("web_search", query=["it"])], "a wrong query"),
        ([step("weather", city="it", unit="kelvin")], "a wrong unit"),
        ([calculate("{{1}} + 1")], "refers to {{1}}, which is no earlier step"),
        ([calculate("1"), step(None, "Say {{3}}")], "refers to {{3}}"),
        ([step(None, "Say {{\u0664}}")], "refers to {{\u0664}}"),
        ([step(None, "Say {{0}}")], "refers to {{0}}"),
    ],
)
def test_a_plan_that_does_not_fit_the_tools_is_caught(
    plan: list[PlannedStep], problem: str
) -> None:
    found = find_problem(plan, TOOLS, "say it: 1")
    assert found is not None
    assert problem in found


def test_a_reference_may_stand_where_a_number_belongs() -> None:
    plan = [calculate("2 + 2"), step("book_table", people="{{1}}")]
    assert find_problem(plan, TOOLS, "a table for 2 + 2") is None


def test_without_tools_only_words_are_left() -> None:
    assert find_problem([step(None, "Answer.")], [], "hi") is None
    assert "none; use null" in str(find_problem([calculate("1")], [], "hi"))


def test_history_explains_what_a_plan_uses() -> None:
    plan = [calculate("1675 * 3")]
    history = [("What is 25 * 67?", "The answer is 1675.")]
    assert find_problem(plan, TOOLS, "and times 3?", history) is None
    assert find_problem(plan, TOOLS, "and times 3?") is not None


@pytest.mark.parametrize(
    "message",
    [
        "9" * 20_000,
        "1,2" * 6_000,
        "a.b" * 6_000,
        "twenty " * 2_800,
        '"' * 20_000,
        "x@" * 10_000,
        "a_" * 10_000,
        "a-1." * 5_000,
        " ".join(f'"q{number} word"' for number in range(1_500)),
        " ".join(f"w{number:x}ord" for number in range(2_000)),
        "hundred and " * 1_600,
        "z" * 10_000_000,
    ],
)
def test_hostile_words_cost_little_time(message: str) -> None:
    started = time.process_time()
    strange = " ".join(f"w{number:x}erd" for number in range(1000))
    for text in (message[:4000], strange):
        find_problem([calculate("1 + 1"), search(text)], TOOLS, message)
    # A careless pattern would take minutes.
    assert time.process_time() - started < 10


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
NAMES = st.sampled_from([tool.name for tool in TOOLS]) | st.none() | st.text(max_size=5)
ARGUMENTS = st.sampled_from(["expression", "query", "limit", "url", "text", "tags", "extra"])
STEPS = st.builds(
    PlannedStep,
    tool=NAMES,
    args=st.dictionaries(ARGUMENTS, JSON_VALUES, max_size=2),
    instruction=st.text(max_size=20),
)


@settings(deadline=None)
@given(st.lists(STEPS, min_size=1, max_size=3), st.text(max_size=200), st.text(max_size=50))
def test_no_plan_and_no_words_break_the_check(
    plan: list[PlannedStep], message: str, before: str
) -> None:
    problem = find_problem(plan, TOOLS, message, [(before, before)])
    assert problem is None or problem.startswith("step ")


@settings(deadline=None)
@given(st.integers(0, 10**9), st.integers(1, 10**6))
def test_numbers_that_are_copied_raise_no_alarm(first: int, second: int) -> None:
    plan = [calculate(f"{first} * {second}")]
    for message in (f"What is {first} * {second}?", f"{first:,} times {second:,}"):
        assert find_problem(plan, TOOLS, message) is None
