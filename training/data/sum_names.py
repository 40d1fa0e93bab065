"""Calculations named inside a request, such as 'the sum of 2 and 3'."""

from __future__ import annotations

from training.data.family import Family, lines

NAMED = (
    Family(
        "{a} + {b}",
        lines("""
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
        lines("""
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
        lines("""
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
        lines("""
        the quotient of {a} and {b}
        the ratio of {a} to {b}
        {a} [divided by|over|split by|shared by] {b}
        {a} [divided|split] into {b} [parts|equal parts|groups|pieces]
        {a} divided among {b} people
        """),
    ),
    Family(
        "{p} / 100 * {a}",
        lines("""
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
        lines("""
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
        lines("""
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
        lines("""
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
        lines("""
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
        lines("""
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
        lines("""
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
        lines("""
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
        lines("""
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
        lines("""
        the average of {a} and {b}
        the mean of {a} and {b}
        the midpoint of {a} and {b}
        the middle between {a} and {b}
        the arithmetic mean of {a} and {b}
        """),
    ),
    Family(
        "({a} + {b} + {c}) / 3",
        lines("""
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
        lines("""
        the average of {a}, {b}, {c} and {d}
        the mean of {a}, {b}, {c}, {d}
        the average of the numbers {a}, {b}, {c} and {d}
        """),
    ),
    Family(
        "{a} + {b} + {c}",
        lines("""
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
        lines("""
        the sum of {a}, {b}, {c} and {d}
        the total of {a}, {b}, {c}, {d}
        {a}, {b}, {c} and {d} [added up|summed|in total]
        the sum of the numbers {a}, {b}, {c} and {d}
        """),
    ),
    Family(
        "{a} * {b} * {c}",
        lines("""
        the product of {a}, {b} and {c}
        {a} times {b} times {c}
        the volume of a box of {a} by {b} by {c}
        the volume of a {a} x {b} x {c} box
        """),
    ),
    Family(
        "({a} + {b}) * {c}",
        lines("""
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
        lines("""
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
        lines("""
        the area of a [rectangle|room|field|garden] of {a} by {b} [metres|meters|m|feet]
        the area of a {a} by {b} [rectangle|room|field|screen|floor]
        the area of a rectangle with sides {a} and {b}
        the area of a [wall|carpet|plot] that is {a} m [wide|long] and {b} m [high|deep]
        the surface of a table of {a} x {b} cm
        """),
    ),
    Family(
        "2 * ({a} + {b})",
        lines("""
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
        lines("""
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
