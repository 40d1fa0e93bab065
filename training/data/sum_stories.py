"""Calculations told as little stories."""

from __future__ import annotations

from training.data.family import Family, lines

_SMALL = (2, 40)

STORIES = (
    Family(
        "{n} * {price}",
        lines("""
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
        lines("""
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
        lines("""
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
        lines("""
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
        lines("""
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
        lines("""
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
        lines("""
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
        lines("""
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
        lines("""
        I buy {n} [pens|books|tickets] at {a} each and a bag for {b}. What is the total?
        {n} nights at {a} each plus a fee of {b}: what do I pay?
        {who} buys {n} [cups|plates] for {a} each and pays {b} for shipping. What is the total?
        """),
        {"n": _SMALL},
    ),
    Family(
        "{a} - {n} * {b}",
        lines("""
        I have {a} and buy {n} [pens|books|tickets] for {b} each. How much is left?
        {who} has {a} [euros|dollars] and buys {n} [cups|games] at {b} each. What is left?
        I pay with {a} for {n} [coffees|tickets] at {b} each. What is my change?
        """),
        {"n": _SMALL},
    ),
    Family(
        "{n} * {m}",
        lines("""
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
        lines("""
        {who} was born in {a}. How old is {who} in {b}?
        how many years are there between {a} and {b}?
        how many years passed from {a} to {b}?
        I was born in {a}, how old am I in {b}?
        """),
        {"a": (1900, 2010), "b": (2011, 2080)},
    ),
)
