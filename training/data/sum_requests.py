"""Calculations as commands and as questions."""

from __future__ import annotations

from training.data.family import Family, lines

NAMED_COMMANDS = (
    Family(
        "{a} + {b}",
        lines("""
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
        lines("""
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
        lines("""
        multiply {a} [by|with|and|times] {b}
        multiply {a} and {b} together
        take {a} times {b}
        take {a} and multiply it by {b}
        get the product of {a} and {b}
        """),
    ),
    Family(
        "{a} / {b}",
        lines("""
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
        lines("""
        take {p}% of {a}
        take {p} percent of {a}
        work out {p}% of {a}
        compute a {p}% [tip|fee|tax] on {a}
        get {p}% of {a}
        """),
    ),
    Family(
        "{a} * (1 + {p} / 100)",
        lines("""
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
        lines("""
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
        lines("""
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
        lines("""
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
        lines("""
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
        lines("""
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
        lines("""
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
        lines("""
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
        lines("""
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
        lines("""
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
        lines("""
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
        lines("""
        how many months are in {a} years?
        how many months are there in {a} years?
        how many eggs are in {a} dozen?
        {a} years are how many months?
        """),
        {"a": (2, 500)},
    ),
    Family(
        "{a} % {b}",
        lines("""
        what remains if {a} is divided by {b}?
        what is the remainder when {a} is divided by {b}?
        what's left over when you divide {a} by {b}?
        what's the rest of {a} divided by {b}?
        """),
        {"a": (10, 9999), "b": (2, 99)},
    ),
)
