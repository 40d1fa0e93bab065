"""Tools that a request's own words point at."""

import pytest

from llmlab.workflows.chat.prompting import planner_messages
from llmlab.workflows.chat.related import likelihoods, stems
from llmlab.workflows.chat.retrieval import closest_tools
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


@pytest.mark.parametrize(
    ("message", "closest"),
    [
        ("get us a cab", "taxi"),
        ("call off my visit to the dentist", "drop_appointment"),
        ("will I need an umbrella?", "weather"),
        ("qwertz uiop", None),
        ("zhasni světlo", None),
    ],
)
def test_tools_are_found_in_other_words(message, closest):
    tools = [
        tool("taxi", "Orders a ride to a place."),
        tool("drop_appointment", "Cancels an appointment."),
        tool("weather", "Forecast for a city.", city=True),
        tool("q9", "Prints a document."),
    ]
    assert next(iter(closest_tools(message, tools)), None) == closest


def test_words_are_related_without_their_endings():
    assert stems("Cancelling cancels, cancelled: emptyTrash") == (
        "cancell",
        "cancel",
        "empt",
        "trash",
    )
    assert likelihoods("cabs", ["Order a taxi"]) == likelihoods("cab", ["Order taxis"])
    assert likelihoods("cab", ["", "Prints 25 * 67"]) == [0.0, 0.0]


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
