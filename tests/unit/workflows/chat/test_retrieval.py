"""Tools and parts of results that a request's own words point at."""

import json

import pytest

from llmlab.workflows.chat.prompting import composer_messages, planner_messages
from llmlab.workflows.chat.retrieval import closest_passages, closest_tools
from llmlab.workflows.chat.tool import ToolDescription


def tool(name, description, **properties):
    return ToolDescription(name, description, {"type": "object", "properties": properties})


TOOLS = [
    tool("send_mail", "Sends an e-mail.", to={"type": "string"}, subject={"type": "string"}),
    tool("emptyTrash", "Deletes what was thrown away for good."),
    tool("convert", "Converts money.", currency={"enum": ["euro", "dollar"]}),
    tool("q7", "Turns the heating up or down.", level={"description": "degrees Celsius"}),
    tool("weather", "Forecast for a city.", city=True),
]


@pytest.mark.parametrize(
    ("message", "closest"),
    [
        ("Empty the trash, please", "emptyTrash"),
        ("MAIL Anna that I am late", "send_mail"),
        ("I am cold, more heat!", "q7"),
        ("make it 21 degrees in here", "q7"),
        ("How many dollars is that?", "convert"),
        ("what will the forecasts say", "weather"),
        ("let anna@example.com know", "send_mail"),
        ("how much is $5?", "convert"),
    ],
)
def test_words_of_name_description_and_arguments_point_at_a_tool(message, closest):
    assert closest_tools(message, TOOLS)[0] == closest


@pytest.mark.parametrize(
    "message", ["", "Hi!", "what is it for, and who are you?", "12 * 7", "你好"]
)
def test_words_that_say_nothing_point_nowhere(message):
    assert closest_tools(message, TOOLS) == []


def test_a_piece_inside_a_word_is_chance():
    tools = [tool("open_ticket", "Opens a support ticket."), tool("translate", "Translates.")]
    assert closest_tools("Will it rain in Porto?", tools) == []
    assert closest_tools("What is it trading at?", tools) == []


def test_one_tool_is_no_choice():
    assert closest_tools("Empty the trash", TOOLS[1:2]) == []
    assert closest_tools("Empty the trash", []) == []


def test_the_better_match_comes_first_and_chance_ones_are_left_out():
    tools = [
        tool("list_parcels", "Lists parcels."),
        tool("track_parcel", "Tells where a parcel is."),
        tool("parsley", "Grows parsley on a windowsill."),
    ]
    assert closest_tools("track my parcel", tools)[0] == "track_parcel"
    assert "parsley" not in closest_tools("track my parcel", tools)


def test_at_most_three_are_named():
    many = [tool(f"lamp_{number}", "Switches a lamp.") for number in range(40)]
    assert len(closest_tools("switch the lamp on", many)) == 3


def test_question_around_a_long_document_is_read():
    document = "lorem ipsum dolor " * 2000
    assert closest_tools(f"{document}\nMail this to Anna", TOOLS)[0] == "send_mail"
    assert closest_tools(f"Mail this to Anna:\n{document}", TOOLS)[0] == "send_mail"


def test_hint_stands_behind_the_request_and_not_before_it():
    with_hint = planner_messages("Empty the trash", TOOLS)
    without = planner_messages("Hello", TOOLS)
    assert with_hint[0] == without[0]
    assert with_hint[1]["content"] == (
        "Request: Empty the trash\nTools that share words with it: emptyTrash"
    )
    assert without[1]["content"] == "Request: Hello"


PAGE = (
    "Lake Orrin\nThe lake is 12 km long. It froze in 1963.\n\n- Adults pay 4 euros at the gate. "
    "The ferry leaves at 9 a.m. and at noon.\nhttps://orrin.example/x: Dogs are welcome in winter."
)


@pytest.mark.parametrize(
    ("message", "closest"),
    [
        ("how long is the lake?", "The lake is 12 km long."),
        ("when does the ferry leave?", "The ferry leaves at 9 a.m. and at noon."),
        ("what do adults pay", "Adults pay 4 euros at the gate."),
        ("can I bring my dog in winter", "Dogs are welcome in winter."),
    ],
)
def test_the_sentence_that_a_question_asks_for_is_found(message, closest):
    assert closest_passages(message, [PAGE])[0] == closest


@pytest.mark.parametrize(
    ("message", "closest"),
    [
        ("what do I pay?", "Entry is $4."),
        ("when is that?", "It begins on 3 May."),
        ("how long will I be gone?", "The tour lasts two hours."),
        ("how many go?", "Thirty people join."),
        ("who is behind it?", "It is led by Ada Weiss."),
        ("where do we meet?", "Guests gather at Fish Market."),
    ],
)
def test_what_looks_like_an_answer_is_found_without_a_shared_word(message, closest):
    page = (
        "Thirty people join. Entry is $4. It begins on 3 May. The tour lasts two hours. "
        "It is led by Ada Weiss. Guests gather at Fish Market. Bring a coat."
    )
    assert closest in closest_passages(message, [page])


@pytest.mark.parametrize(
    ("message", "output", "closest"),
    [
        (
            "what does room Nord cost",
            [{"room": room, "cost": 7} for room in ("Nord", "Sued", "West", "Ost")],
            "room: Nord, cost: 7",
        ),
        (
            "who painted the mill?",
            {
                "hits": [
                    {"url": "https://a.example", "text": f"{who} painted the {what}."}
                    for who, what in zip("ABCD", ("mill", "boat", "barn", "gate"), strict=True)
                ]
            },
            "A painted the mill.",
        ),
        (
            "was it dry?",
            {"day": {"text": "Rain. Then hail. Dry later. Snow at night."}},
            "Dry later.",
        ),
    ],
)
def test_records_and_sentences_in_json_are_parts(message, output, closest):
    assert closest_passages(message, [json.dumps(output)])[0] == closest


def test_fields_of_a_single_object_are_no_parts():
    assert closest_passages("how humid?", ['{"humidity": 60, "wind": 3, "sky": 1, "uv": 2}']) == []


def test_each_of_several_outputs_has_its_parts_but_a_short_one_none():
    found = closest_passages("ferry price, lake length, 84?", [PAGE, "84", PAGE])
    assert len(found) == 4
    assert closest_passages("ferry?", ["The ferry leaves. It is late.", "84"]) == []
    assert closest_passages("xyzzy?", [PAGE]) == []


def test_deep_and_long_outputs_are_survived():
    deep = "[" * 3000 + "]" * 3000
    assert closest_passages("anything?", [deep]) == []
    long = closest_passages("alpha?", [". ".join(["Alpha" + " word" * 200] * 900)])
    assert all(len(part) <= 300 for part in long)


def test_the_composer_is_told_the_closest_parts_behind_the_results():
    messages = composer_messages("how long is the lake?", [("Open it.", "browser", PAGE)])
    assert messages[-1]["content"].endswith(
        f"(browser): {PAGE}\nParts that may answer the request:\n"
        "- The lake is 12 km long.\n- Lake Orrin\nAnswer:"
    )
