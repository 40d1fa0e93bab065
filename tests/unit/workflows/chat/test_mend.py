"""Plans that are set right where a model copied badly, and those that go back to it."""

import pytest

from llmlab.events import PlannedStep
from llmlab.workflows.chat.mend import checked
from llmlab.workflows.chat.tool import ToolDescription

TEXTS = {
    "url": {"type": "string"},
    "to": {"type": "string"},
    "files": {"type": "array"},
    "timezone": {"type": "string"},
    "time_zone": {"type": "string"},
}
TOOLS = [
    ToolDescription("browser", "Opens a page.", {"type": "object", "properties": TEXTS}),
    ToolDescription("say", "Says it.", {"type": "object", "properties": {"text": {}}}),
]
PAGE = "https://www.beeshi-tea.co.uk/oolong?plane=snovob"


def plan(tool="browser", **args):
    return [PlannedStep(tool=tool, args=args, instruction="Do it.")]


def settled(message, steps, history=()):
    found, problem = checked(steps, TOOLS, message, history)
    return [step.args for step in found] if found else problem


@pytest.mark.parametrize(
    ("message", "bad", "good"),
    [
        (f"open {PAGE}", PAGE.replace("snovob", "snobob"), PAGE),
        (f"What does {PAGE} say?", PAGE.replace("oolong", "olong"), PAGE),
        (f"open {PAGE} please", PAGE[:33], PAGE),
        ("visit https://forms.uni.edu.ng/a", "https://forms.uni.edu", "https://forms.uni.edu.ng/a"),
        (
            "open https://a.io/how-to-bake-bread",
            "https://a.io/how-to-bake",
            "https://a.io/how-to-bake-bread",
        ),
        (
            "open https://a.io/?q=48.1,11.5&z=2",
            "https://a.io/?q=48.111.5&z=2",
            "https://a.io/?q=48.1,11.5&z=2",
        ),
        ("read map-of-oslo.png", "map-of-olso.png", "map-of-oslo.png"),
        ("I have a code here, SUMMER-NOVA26", "OVA26", "SUMMER-NOVA26"),
    ],
)
def test_bad_copy_of_an_address_becomes_what_was_said(message, bad, good):
    assert settled(message, plan(url=bad)) == [{"url": good}]


def test_bad_copies_are_mended_within_lists_and_beside_right_ones():
    steps = plan(url=PAGE, files=["anna.txt", {"name": "berd.txt"}], to="ann@x.org")
    message = f"open {PAGE} with anna.txt and bert.txt for anna@x.org"
    assert settled(message, steps) == [
        {"url": PAGE, "files": ["anna.txt", {"name": "bert.txt"}], "to": "anna@x.org"}
    ]


def test_bad_copy_of_a_quotation_becomes_what_was_said():
    steps = plan("say", text="thank for lovely evening")
    assert settled('say "thanks for the lovely evening"', steps) == [
        {"text": "thanks for the lovely evening"}
    ]


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("open the home page of https://a.com/x/y", "https://a.com"),
        ("open the page of report2031.pdf", "report2031"),
        ("open number A4711", "4711"),
        ("open the page of teamBoard7", "Board7"),
        ("open the page of red-roof9", "roof9"),
        ("is B24 the same as SUB24?", "B24"),
        ("what is the age of https://a.com/page", "age"),
        ("how long has https://a.com/page been there", "age"),
        (f"open {PAGE}", PAGE),
        ("read https://a.com/results/ and tell me who won", "https://a.com/results/"),
        ("open our usual page", "https://intranet.example.com"),
    ],
)
def test_what_may_be_meant_is_left_alone(message, said):
    found, _ = checked(plan(url=said), TOOLS, message, [("hi", "see https://intranet.example.com")])
    assert found == plan(url=said)


@pytest.mark.parametrize(
    ("given", "right"),
    [
        ("Asia/London", "Europe/London"),
        ("Europe/Los_Angeles", "America/Los_Angeles"),
        ("Australia/Auckland", "Pacific/Auckland"),
        ("Europe/Paris", "Europe/Paris"),
        ("Asia/Nowhere", "Asia/Nowhere"),
    ],
)
def test_city_of_a_time_zone_gets_its_area(given, right):
    assert settled("What time is it there?", plan(to=given)) == [{"to": right}]


@pytest.mark.parametrize(
    ("name", "given", "right"),
    [
        ("timezone", "Auckland", "Pacific/Auckland"),
        ("time_zone", "New York", "America/New_York"),
        ("timezone", "Singapore", "Singapore"),
        ("timezone", "UTC", "UTC"),
        ("to", "Auckland", "Auckland"),
    ],
)
def test_city_for_a_time_zone_becomes_its_zone_but_no_other_argument(name, given, right):
    assert settled(f"What time is it in {given}?", plan(**{name: given})) == [{name: right}]


@pytest.mark.parametrize(
    ("message", "given", "right"),
    [
        ("say the story of 'Wind of Change'", "The story of ", "the story of 'Wind of Change'"),
        ('the song "Vila Morena" please', "the song", 'the song "Vila Morena"'),
        ("say hello to 'Bo'", "hello", "hello"),
        ("say the story of 'Wind of Change'", "Wind of Change", "Wind of Change"),
    ],
)
def test_text_that_breaks_off_before_a_quotation_is_read_on(message, given, right):
    assert settled(message, plan("say", text=given)) == [{"text": right}]


def test_call_that_stands_there_twice_is_made_once():
    steps = plan(url=PAGE) + plan(url=PAGE) + plan("say", text="{{2}}") + plan("say", text="{{3}}")
    assert settled(f"open {PAGE} and say it", steps) == [
        {"url": PAGE},
        {"text": "{{1}}"},
        {"text": "{{2}}"},
    ]


def test_call_that_is_meant_twice_stays():
    assert len(settled("say hello twice", plan("say", text="hello") * 2)) == 2
    assert len(settled("roll 6 sides and 6 sides", plan("say", text=6) * 2)) == 2


def test_step_that_refers_to_itself_is_still_seen_where_another_was_dropped():
    steps = plan(url=PAGE) + plan(url=PAGE) + plan("say", text="{{3}}")
    assert "no earlier step" in settled(f"open {PAGE} and say it", steps)


def test_mail_address_is_not_taken_for_a_page():
    steps = plan(url="https://www.beeshi-tee.co.uk")
    assert "anna@" not in str(settled("write to anna@beeshi-tea.co.uk", steps))


def test_what_cannot_be_mended_goes_back_to_the_model():
    assert "unknown args" in settled("open it", plan(page="x"))
    assert "no earlier step" in settled("open it", plan(url="{{2}}"))


def test_plan_of_the_caller_stays_as_it_is():
    steps = plan(url=PAGE.replace("snovob", "snobob"))
    checked(steps, TOOLS, f"open {PAGE}")
    assert steps == plan(url=PAGE.replace("snovob", "snobob"))


def test_long_documents_are_not_searched():
    steps = plan(url="https://b.com/doc")
    assert settled("a.txt " * 5000, steps) == [{"url": "https://b.com/doc"}]
