"""Wordings of calculations, grouped by the expression that they mean."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_SLOT = re.compile(r"\{([a-z]+)\}")


@dataclass(frozen=True)
class Family:
    """Wordings with one meaning.

    Attributes:
        expression: The expression, with `{a}`, `{b}` ... for the numbers.
        phrasings: Templates over the same slots.
        ranges: Bounds of integer slots; the others take any number.
    """

    expression: str
    phrasings: tuple[str, ...]
    ranges: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def slots(self) -> tuple[str, ...]:
        """Names of the numbers, each once."""
        return tuple(dict.fromkeys(_SLOT.findall(self.expression)))


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.strip().splitlines())


_SMALL = (2, 40)

NAMED = (
    Family(
        "{a} + {b}",
        _lines("""
        the sum of {a} and {b}
        the [total|sum] of {a} plus {b}
        {a} and {b} [together|added up|added together|combined|in total|summed]
        {a} added to {b}
        {a} increased by {b}
        {a} with {b} added
        {a} [plus|and] another {b}
        {b} more than {a}
        """),
    ),
    Family(
        "{a} - {b}",
        _lines("""
        the difference between {a} and {b}
        the difference of {a} and {b}
        {a} [less|minus|take away] {b}
        {a} [reduced|decreased|lowered] by {b}
        {b} less than {a}
        {b} [subtracted|taken|deducted] from {a}
        {a} without {b}
        """),
    ),
    Family(
        "{a} * {b}",
        _lines("""
        the product of {a} and {b}
        {a} multiplied [by|with] {b}
        {a} times {b}
        {a} lots of {b}
        {a} groups of {b}
        {a} by {b} multiplied
        """),
    ),
    Family(
        "{a} / {b}",
        _lines("""
        the quotient of {a} and {b}
        the ratio of {a} to {b}
        {a} [divided by|over|split by|shared by] {b}
        {a} [divided|split] into {b} [parts|equal parts|groups|pieces]
        {a} divided among {b} people
        """),
    ),
    Family(
        "{p} / 100 * {a}",
        _lines("""
        {p}% of {a}
        {p} % of {a}
        {p} [percent|per cent|pct] of {a}
        {p}% from {a}
        a {p}% share of {a}
        a {p}% tip on {a}
        {p} percent tip on a bill of {a}
        {p}% tax on {a}
        {p} percent interest on {a}
        a commission of {p}% on {a}
        """),
    ),
    Family(
        "{a} * (1 + {p} / 100)",
        _lines("""
        {a} plus {p}%
        {a} plus {p} percent
        {a} increased by {p}%
        {a} raised by {p} percent
        {a} with {p}% [added|on top|added on top]
        {a} including {p}% [tax|vat|tip]
        {a} after [a rise|an increase|a raise] of {p}%
        {a} and {p}% more
        """),
    ),
    Family(
        "{a} * (1 - {p} / 100)",
        _lines("""
        {a} minus {p}%
        {a} minus {p} percent
        {a} [reduced|decreased|lowered] by {p}%
        {a} with {p}% off
        {a} with a {p}% discount
        {a} with a discount of {p} percent
        {a} after a {p}% [discount|cut|drop|reduction]
        {a} less {p}%
        {p}% off {a}
        the price of {a} with {p} percent off
        """),
    ),
    Family(
        "{a} / {b} * 100",
        _lines("""
        {a} as a percentage of {b}
        {a} out of {b} in percent
        {a} of {b} as a percent
        the percentage of {a} in {b}
        the percentage that {a} is of {b}
        {a} out of {b} as a percentage
        """),
    ),
    Family(
        "{a} ** 2",
        _lines("""
        {a} squared
        the square of {a}
        {a} [raised to|to] the second power
        {a} to the power of two
        {a} to the power of 2
        {a} times itself
        the second power of {a}
        """),
    ),
    Family(
        "{a} ** 3",
        _lines("""
        {a} cubed
        the cube of {a}
        {a} to the third power
        {a} to the power of three
        {a} to the power of 3
        the third power of {a}
        """),
        {"a": (2, 200)},
    ),
    Family(
        "{a} ** {n}",
        _lines("""
        {a} to the power of {n}
        {a} to the power {n}
        {a} raised to {n}
        {a} raised to the power of {n}
        {a} to the {n}th power
        {a} [^|**] {n}
        {a}[^|**]{n}
        {a} to the {n}th
        the {n}th power of {a}
        the power {n} of {a}
        """),
        {"a": (2, 99), "n": (4, 20)},
    ),
    Family(
        "sqrt({a})",
        _lines("""
        the square root of {a}
        square root of {a}
        sqrt({a})
        sqrt {a}
        sqrt of {a}
        the root of {a}
        the sqrt of {a}
        √{a}
        """),
    ),
    Family(
        "{a} / 2",
        _lines("""
        half of {a}
        half {a}
        one half of {a}
        {a} halved
        {a} cut in half
        """),
    ),
    Family(
        "{a} / 3", ("a third of {a}", "one third of {a}", "the third part of {a}", "1/3 of {a}")
    ),
    Family(
        "{a} / 4",
        ("a quarter of {a}", "one quarter of {a}", "a fourth of {a}", "one fourth of {a}"),
    ),
    Family(
        "{a} * 2",
        ("double {a}", "twice {a}", "{a} doubled", "the double of {a}", "two times {a}", "2x {a}"),
    ),
    Family(
        "{a} * 3",
        ("triple {a}", "three times {a}", "{a} tripled", "the triple of {a}", "thrice {a}"),
    ),
    Family(
        "({a} + {b}) / 2",
        _lines("""
        the average of {a} and {b}
        the mean of {a} and {b}
        the midpoint of {a} and {b}
        the middle between {a} and {b}
        the arithmetic mean of {a} and {b}
        """),
    ),
    Family(
        "({a} + {b} + {c}) / 3",
        _lines("""
        the average of {a}, {b} and {c}
        the mean of {a}, {b} and {c}
        the mean of {a}, {b}, {c}
        the average of {a}, {b}, {c}
        average of {a}, {b}, and {c}
        the arithmetic mean of {a}, {b}, and {c}
        """),
    ),
    Family(
        "({a} + {b} + {c} + {d}) / 4",
        _lines("""
        the average of {a}, {b}, {c} and {d}
        the mean of {a}, {b}, {c}, {d}
        the average of the numbers {a}, {b}, {c} and {d}
        """),
    ),
    Family(
        "{a} + {b} + {c}",
        _lines("""
        the sum of {a}, {b} and {c}
        the total of {a}, {b} and {c}
        {a} plus {b} plus {c}
        {a} and {b} and {c} together
        {a}, {b} and {c} [added up|in total|combined|summed up]
        the sum of {a}, {b}, {c}
        {a}, {b}, {c} all together
        """),
    ),
    Family(
        "{a} + {b} + {c} + {d}",
        _lines("""
        the sum of {a}, {b}, {c} and {d}
        the total of {a}, {b}, {c}, {d}
        {a}, {b}, {c} and {d} [added up|summed|in total]
        the sum of the numbers {a}, {b}, {c} and {d}
        """),
    ),
    Family(
        "{a} * {b} * {c}",
        _lines("""
        the product of {a}, {b} and {c}
        {a} times {b} times {c}
        the volume of a box of {a} by {b} by {c}
        the volume of a {a} x {b} x {c} box
        """),
    ),
    Family(
        "({a} + {b}) * {c}",
        _lines("""
        the sum of {a} and {b}, times {c}
        the sum of {a} and {b} multiplied by {c}
        {c} times the sum of {a} and {b}
        """),
    ),
    Family(
        "({a} - {b}) / {c}",
        ("the difference of {a} and {b}, divided by {c}", "{a} minus {b}, all divided by {c}"),
    ),
    Family(
        "{a} % {b}",
        _lines("""
        {a} [modulo|mod] {b}
        the remainder of {a} divided by {b}
        the remainder of {a} [over|by] {b}
        the remainder when {a} is divided by {b}
        the remainder when you divide {a} by {b}
        what is left over from {a} divided by {b}
        """),
        {"a": (10, 9999), "b": (2, 99)},
    ),
    Family(
        "{a} * {b}",
        _lines("""
        the area of a [rectangle|room|field|garden] of {a} by {b} [metres|meters|m|feet]
        the area of a {a} by {b} [rectangle|room|field|screen|floor]
        the area of a rectangle with sides {a} and {b}
        the area of a [wall|carpet|plot] that is {a} m [wide|long] and {b} m [high|deep]
        the surface of a table of {a} x {b} cm
        """),
    ),
    Family(
        "2 * ({a} + {b})",
        _lines("""
        the perimeter of a rectangle of {a} by {b}
        the perimeter of a {a} by {b} [rectangle|field|garden|room]
        the perimeter of a rectangle with sides {a} and {b}
        the length of a fence around a field of {a} by {b} metres
        """),
    ),
    Family(
        "{a} * 24",
        ("the hours in {a} days", "the number of hours in {a} days", "{a} days in hours"),
        {"a": (2, 999)},
    ),
    Family(
        "{a} * 60",
        _lines("""
        the minutes in {a} hours
        the number of minutes in {a} hours
        {a} hours in minutes
        {a} minutes in seconds
        the seconds in {a} minutes
        """),
        {"a": (2, 999)},
    ),
    Family(
        "{a} * 7", ("the days in {a} weeks", "{a} weeks in days", "the number of days in {a} weeks")
    ),
)

NAMED_COMMANDS = (
    Family(
        "{a} + {b}",
        _lines("""
        add {a} [and|to|with] {b}
        add {a} and {b} together
        add up {a} and {b}
        sum {a} and {b}
        sum up {a} and {b}
        put {a} and {b} together
        total {a} and {b}
        """),
    ),
    Family("{b} + {a}", ("add {a} on top of {b}", "take {b} and add {a}", "increase {b} by {a}")),
    Family(
        "{a} - {b}",
        _lines("""
        subtract {b} from {a}
        take {b} [away from|from|off] {a}
        deduct {b} from {a}
        remove {b} from {a}
        take {a} and subtract {b}
        take {a} minus {b}
        decrease {a} by {b}
        reduce {a} by {b}
        """),
    ),
    Family(
        "{a} * {b}",
        _lines("""
        multiply {a} [by|with|and|times] {b}
        multiply {a} and {b} together
        take {a} times {b}
        take {a} and multiply it by {b}
        get the product of {a} and {b}
        """),
    ),
    Family(
        "{a} / {b}",
        _lines("""
        divide {a} by {b}
        divide {a} into {b} [parts|equal parts]
        split {a} [by|between|among|into] {b}
        split {a} [between|among] {b} people
        share {a} [between|among] {b} [people|friends|kids]
        take {a} and divide it by {b}
        """),
    ),
    Family(
        "{p} / 100 * {a}",
        _lines("""
        take {p}% of {a}
        take {p} percent of {a}
        work out {p}% of {a}
        compute a {p}% [tip|fee|tax] on {a}
        get {p}% of {a}
        """),
    ),
    Family(
        "{a} * (1 + {p} / 100)",
        _lines("""
        increase {a} by {p}%
        increase {a} by {p} percent
        add {p}% to {a}
        add {p} percent [tax|vat|tip] to {a}
        raise {a} by {p}%
        put {p}% on top of {a}
        """),
    ),
    Family(
        "{a} * (1 - {p} / 100)",
        _lines("""
        reduce {a} by {p}%
        decrease {a} by {p} percent
        take {p}% off {a}
        take {p} percent off {a}
        subtract {p}% from {a}
        apply a {p}% discount to {a}
        apply a discount of {p}% to {a}
        lower {a} by {p}%
        """),
    ),
    Family(
        "{a} ** {n}",
        ("raise {a} to the power of {n}", "raise {a} to the {n}th power", "raise {a} to {n}"),
        {"a": (2, 99), "n": (3, 20)},
    ),
    Family("{a} ** 2", ("square {a}", "square the number {a}", "take the square of {a}")),
    Family("{a} ** 3", ("cube {a}", "cube the number {a}"), {"a": (2, 300)}),
    Family(
        "sqrt({a})",
        (
            "take the square root of {a}",
            "get the root of {a}",
            "extract the square root of {a}",
            "find the square root of {a}",
        ),
    ),
    Family("{a} / 2", ("halve {a}", "cut {a} in half", "divide {a} in two", "take half of {a}")),
    Family("{a} * 2", ("double {a}", "double the number {a}", "multiply {a} by two")),
    Family("{a} * 3", ("triple {a}", "treble {a}", "triple the number {a}")),
    Family(
        "{a} + {b} + {c}",
        _lines("""
        add {a}, {b} and {c}
        add up {a}, {b} and {c}
        add {a}, {b}, {c}
        sum {a}, {b} and {c}
        sum up {a}, {b}, and {c}
        total {a}, {b} and {c}
        add these up: {a}, {b}, {c}
        add together {a}, {b} and {c}
        """),
    ),
    Family(
        "{a} + {b} + {c} + {d}",
        _lines("""
        add {a}, {b}, {c} and {d}
        add up {a}, {b}, {c}, {d}
        sum up the numbers {a}, {b}, {c} and {d}
        add these numbers: {a}, {b}, {c}, {d}
        total up {a}, {b}, {c} and {d}
        """),
    ),
    Family(
        "({a} + {b} + {c}) / 3",
        ("average {a}, {b} and {c}", "take the mean of {a}, {b} and {c}", "average {a}, {b}, {c}"),
    ),
    Family(
        "({a} + {b}) * {c}",
        (
            "add {a} and {b} and multiply the sum by {c}",
            "multiply the sum of {a} and {b} by {c}",
        ),
    ),
    Family(
        "{a} * {b} + {c}",
        ("multiply {a} by {b} with {c} added", "compute {a} times {b} plus {c}"),
    ),
    Family(
        "{a} * {b} - {c}",
        ("multiply {a} by {b} less {c}", "compute {a} times {b} minus {c}"),
    ),
)

NAMED_QUESTIONS = (
    Family(
        "{a} + {b}",
        _lines("""
        how much [is|are] {a} and {b}?
        how much do {a} and {b} make?
        how much do {a} and {b} make together?
        what do {a} and {b} add up to?
        what do you get when you add {a} [and|to] {b}?
        what do I get if I add {a} and {b}?
        what happens when I add {a} to {b}?
        if I add {a} to {b}, what do I get?
        if you add {a} and {b}, what is it?
        what is {a} if you add {b}?
        which number is {b} more than {a}?
        """),
    ),
    Family(
        "{a} - {b}",
        _lines("""
        how much is left if I take {b} from {a}?
        what is left of {a} after taking away {b}?
        what remains of {a} when {b} is gone?
        what do you get when you subtract {b} from {a}?
        what do I get if I take {b} away from {a}?
        how much more is {a} than {b}?
        by how much is {a} bigger than {b}?
        how far is it from {b} to {a} on the number line?
        if I subtract {b} from {a}, what is left?
        which number is {b} less than {a}?
        """),
    ),
    Family(
        "{a} * {b}",
        _lines("""
        what do you get when you multiply {a} by {b}?
        what do I get if I multiply {a} and {b}?
        if I multiply {a} by {b}, what do I get?
        how much is {a} taken {b} times?
        how many are {a} rows of {b}?
        what's {a} multiplied by {b}?
        """),
    ),
    Family(
        "{a} / {b}",
        _lines("""
        how often does {b} go into {a}?
        how many times does {b} go into {a}?
        how many times does {b} fit into {a}?
        how many {b}s are [in|there in] {a}?
        what do you get when you divide {a} by {b}?
        what do I get if I divide {a} by {b}?
        if I divide {a} by {b}, what is it?
        how much does each get when {a} is split between {b}?
        """),
    ),
    Family(
        "{a} / {b} * 100",
        _lines("""
        what percent of {b} is {a}?
        what percentage of {b} is {a}?
        {a} is what percent of {b}?
        {a} is how many percent of {b}?
        how many percent of {b} is {a}?
        how much is {a} of {b} in percent?
        which percentage is {a} out of {b}?
        """),
    ),
    Family(
        "{a} * 24",
        _lines("""
        how many hours are in {a} days?
        how many hours are there in {a} days?
        how many hours do {a} days have?
        how many hours is {a} days?
        {a} days are how many hours?
        """),
        {"a": (2, 999)},
    ),
    Family(
        "{a} * 60",
        _lines("""
        how many minutes are in {a} hours?
        how many minutes are there in {a} hours?
        how many seconds are in {a} minutes?
        how many minutes is {a} hours?
        {a} hours are how many minutes?
        """),
        {"a": (2, 999)},
    ),
    Family(
        "{a} * 7",
        (
            "how many days are in {a} weeks?",
            "how many days are there in {a} weeks?",
            "{a} weeks are how many days?",
        ),
        {"a": (2, 500)},
    ),
    Family(
        "{a} * 12",
        _lines("""
        how many months are in {a} years?
        how many months are there in {a} years?
        how many eggs are in {a} dozen?
        {a} years are how many months?
        """),
        {"a": (2, 500)},
    ),
    Family(
        "{a} % {b}",
        _lines("""
        what remains if {a} is divided by {b}?
        what is the remainder when {a} is divided by {b}?
        what's left over when you divide {a} by {b}?
        what's the rest of {a} divided by {b}?
        """),
        {"a": (10, 9999), "b": (2, 99)},
    ),
)

STORIES = (
    Family(
        "{n} * {price}",
        _lines("""
        I buy {n} [books|apples|tickets|pens|shirts] at {price} each. How much do I pay?
        I'm buying {n} [books|lamps|chairs|cups] for {price} each, what is the total?
        {n} [tickets|cakes|games|bottles] at {price} [each|apiece], how much is that?
        one [ticket|coffee|pizza|book] costs {price}. What do {n} cost?
        a [ticket|coffee|pizza|book] costs {price} [euros|dollars]. How much are {n} of them?
        what do I pay for {n} [bags|boxes|bottles|plants] at {price} each?
        what's the cost of {n} [pens|plates|cables] if each is {price}?
        what's my total for {n} [lamps|tickets|mugs] at ${price}?
        how much do {n} [sandwiches|tickets|notebooks] cost at {price} each?
        if one [bottle|cup|bag] is {price}, how much are {n}?
        {who} buys {n} [books|pens|apples] at {price} each. What does {who} pay?
        {who} needs {n} [boxes|tickets|chairs], {price} each. What is the total price?
        we order {n} [pizzas|salads|coffees] for {price} each; what's the bill?
        """),
        {"n": _SMALL},
    ),
    Family(
        "{a} - {b}",
        _lines("""
        I had {a} [euros|dollars|apples] and spent {b}. How much is left?
        I have {a} [euros|dollars|marbles] and give away {b}, how many do I have left?
        {who} has {a} [coins|stamps|cards] and loses {b}. How many are left?
        {who} had {a} [sheep|books|sweets] and sold {b}. How many does {who} have now?
        there were {a} [people|birds|cars] and {b} left. How many remain?
        a tank holds {a} litres and {b} leak out. How much is still there?
        I pay with {a} and the price is {b}. How much change do I get?
        my budget is {a} and I used {b}, what remains?
        from {a} [points|credits|miles] {b} are used up. What do I still have?
        out of {a} pages I read {b}. How many are left to read?
        how much do I have left from {a} after spending {b}?
        """),
    ),
    Family(
        "{a} + {b}",
        _lines("""
        I have {a} [apples|coins|books] and get {b} more. How many do I have?
        {who} has {a} [stamps|cards|euros] and gets {b} more. How many does {who} have now?
        {who} ran {a} km on Monday and {b} km on Tuesday. How far is that together?
        there are {a} [boys|cars|birds] and {b} [girls|trucks|fish]. How many are there in all?
        I drove {a} km yesterday and {b} km today. How far did I drive in total?
        a shirt costs {a} and shoes cost {b}. What do I pay for both?
        I saved {a} last year and {b} this year. How much did I save altogether?
        one box weighs {a} kg and another {b} kg, what do both weigh?
        my balance is {a} and {b} comes in. What is my new balance?
        """),
    ),
    Family(
        "{a} / {n}",
        _lines("""
        {n} [friends|people|roommates] share a bill of {a}. How much does each pay?
        {n} [friends|people|kids] split {a} [euros|dollars] equally. What does each get?
        a bill of {a} is split by {n}. What does each one owe?
        we are {n} people and the bill is {a}, what does everyone pay?
        {a} [sweets|cards|coins] are shared by {n} children. How many does each get?
        I read {a} pages in {n} days. How many pages a day is that?
        I drive {a} km in {n} hours. What is my average speed?
        {n} [boxes|bags] weigh {a} kg. How much does one weigh?
        {n} [tickets|pens|books] cost {a}. What does one cost?
        how much does each of {n} people pay for a bill of {a}?
        if {n} people share {a} equally, how much is it each?
        """),
        {"n": _SMALL},
    ),
    Family(
        "{a} * {n}",
        _lines("""
        a [car|train|bus] drives {a} km per hour for {n} hours. How far does it go?
        a train goes {a} km/h. How far does it get in {n} hours?
        I drive at {a} km an hour for {n} hours, how far is that?
        {who} earns {a} an hour and works {n} hours. How much does {who} earn?
        I earn {a} per hour. What do I get for {n} hours?
        I save {a} every month. How much do I have after {n} months?
        {who} saves {a} a week. How much is that in {n} weeks?
        my rent is {a} a month. What do I pay in {n} months?
        a [machine|factory|printer] makes {a} parts per hour. How many in {n} hours?
        I run {a} km a day. How far is that in {n} days?
        a box holds {a} [eggs|pens|bottles]. How many are in {n} boxes?
        there are {n} shelves with {a} books each. How many books are there?
        there are {a} [seats|desks] in each of {n} [rows|rooms]. How many are there in all?
        """),
        {"n": _SMALL},
    ),
    Family(
        "{a} * 12",
        _lines("""
        my rent is {a} a month, what is that per year?
        I pay {a} [monthly|every month|per month]. How much is that in a year?
        {who} earns {a} a month. What is the yearly salary?
        what do I pay in a year at {a} a month?
        a subscription costs {a} per month; what does a year cost?
        """),
    ),
    Family(
        "{a} * 52",
        (
            "I spend {a} a week. How much is that in a year?",
            "{who} saves {a} every week, what is that per year?",
            "at {a} a week, what do I pay in a year?",
        ),
    ),
    Family(
        "{a} * (1 + {p} / 100)",
        _lines("""
        I earn {a} and get {p}% more. What is my new pay?
        my salary of {a} goes up by {p} percent, what will I earn?
        {who} earns {a} and gets a raise of {p}%. What is the new salary?
        a price of {a} rises by {p}%. What is the new price?
        rent was {a} and goes up {p}%. What is it now?
        the bill is {a} and I tip {p}%. What do I pay in total?
        the net price is {a}, tax is {p}%. What is the gross price?
        """),
    ),
    Family(
        "{a} * (1 - {p} / 100)",
        _lines("""
        a [jacket|laptop|bike] costs {a} and is {p}% off. What do I pay?
        a [phone|lamp|coat] of {a} is reduced by {p} percent. What is the new price?
        I get {p}% off a price of {a}, how much do I pay?
        there is a {p}% discount on {a}. What is the final price?
        what do I pay for a {a} [bike|sofa|watch] at {p}% off?
        what would {a} cost with {p}% off?
        how much is {a} with {p} percent discount?
        a price of {a} drops by {p}%. What is it now?
        """),
    ),
    Family(
        "{n} * {a} + {b}",
        _lines("""
        I buy {n} [pens|books|tickets] at {a} each and a bag for {b}. What is the total?
        {n} nights at {a} each plus a fee of {b}: what do I pay?
        {who} buys {n} [cups|plates] for {a} each and pays {b} for shipping. What is the total?
        """),
        {"n": _SMALL},
    ),
    Family(
        "{a} - {n} * {b}",
        _lines("""
        I have {a} and buy {n} [pens|books|tickets] for {b} each. How much is left?
        {who} has {a} [euros|dollars] and buys {n} [cups|games] at {b} each. What is left?
        I pay with {a} for {n} [coffees|tickets] at {b} each. What is my change?
        """),
        {"n": _SMALL},
    ),
    Family(
        "{n} * {m}",
        _lines("""
        a [hall|room|theatre] has {n} rows with {m} seats each. How many seats are there?
        {who} plants {n} rows of {m} trees. How many trees is that?
        {n} teams of {m} players, how many players are there?
        there are {n} boxes with {m} apples in each. How many apples are there?
        {n} [classes|buses|tables] with {m} people each, how many people is that?
        I do {m} push-ups on each of {n} days. How many is that?
        """),
        {"n": _SMALL, "m": (3, 200)},
    ),
    Family(
        "{b} - {a}",
        _lines("""
        {who} was born in {a}. How old is {who} in {b}?
        how many years are there between {a} and {b}?
        how many years passed from {a} to {b}?
        I was born in {a}, how old am I in {b}?
        """),
        {"a": (1900, 2010), "b": (2011, 2080)},
    ),
)
