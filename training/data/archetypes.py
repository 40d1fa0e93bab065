"""Familiar kinds of tools, as users define them, with the requests that call for them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Archetype:
    """A kind of tool.

    Attributes:
        names: Names it may have.
        descriptions: Sentences that describe it.
        arguments: Argument name to what it holds (see `invented.draw_value`).
        phrasings: Requests, with a slot for every argument.
    """

    names: str
    descriptions: tuple[str, ...]
    arguments: dict[str, str]
    phrasings: tuple[str, ...]


ARCHETYPES = (
    Archetype(
        "weather get_weather weather_lookup current_weather forecast",
        ("Current weather of a city.", "Gets the weather for a place.", "Weather forecast."),
        {"city": "place"},
        (
            "[what is|what's|how is] the weather [in|like in] {city}?",
            "is it [raining|sunny|cold|warm] in {city}?",
            "how warm is it in {city} [now|today]?",
            "tell me the weather in {city}",
            "do I need an umbrella in {city}?",
            "weather {city}",
            "weather for {city} please",
        ),
    ),
    Archetype(
        "send_email email mail send_mail",
        ("Sends an email.", "Send an email to somebody.", "Mails a message to an address."),
        {"to": "email", "subject": "text"},
        (
            "send an email to {to} with the subject {subject}",
            "send {to} a mail with subject {subject}",
            "email {to} about {subject}",
            "write to {to}, subject: {subject}",
            "mail {to} - subject {subject}",
            'send a mail to {to} with subject "{subject}"',
        ),
    ),
    Archetype(
        "translate translator translate_text",
        ("Translates text into another language.", "Translate words.", "A translator."),
        {"text": "text", "language": "language"},
        (
            "translate '{text}' [into|to] {language}",
            'translate "{text}" [into|to] {language}',
            "how do you say {text} in {language}?",
            "what is {text} in {language}?",
            "put {text} into {language}",
            "I need {text} in {language}",
            "say {text} in {language}",
        ),
    ),
    Archetype(
        "set_timer timer start_timer countdown",
        ("Starts a timer.", "Sets a timer for some minutes.", "A countdown in minutes."),
        {"minutes": "integer"},
        (
            "set a timer for {minutes} minutes",
            "start a {minutes} minute timer",
            "timer {minutes} minutes",
            "remind me in {minutes} minutes",
            "wake me in {minutes} minutes",
            "count down {minutes} minutes",
        ),
    ),
    Archetype(
        "add_note note create_note save_note remember",
        ("Saves a note.", "Writes something down for later.", "Creates a note."),
        {"text": "text"},
        (
            "note that {text}",
            "make a note: {text}",
            "write down {text}",
            "save a note: {text}",
            "remember {text}",
            "add the note {text}",
            "please note {text}",
        ),
    ),
    Archetype(
        "read_file file_reader cat_file open_file",
        ("Reads a file.", "Returns the content of a file.", "Reads a text file from disk."),
        {"path": "path"},
        (
            "read the file {path}",
            "show me {path}",
            "what is in {path}?",
            "what does the file {path} contain?",
            "print {path}",
            "open the file {path}",
            "give me the content of {path}",
        ),
    ),
    Archetype(
        "delete_file remove_file rm",
        ("Deletes a file.", "Removes a file from disk.", "Erases a file."),
        {"path": "path"},
        (
            "delete {path}",
            "delete the file {path}",
            "remove {path}",
            "erase {path} for good",
            "get rid of {path}",
            "I don't need {path} any more, delete it",
        ),
    ),
    Archetype(
        "stock_price quote get_stock stock",
        ("Price of a stock.", "Looks up the price of a share.", "Current stock quote."),
        {"symbol": "code"},
        (
            "what is the price of {symbol}?",
            "stock price of {symbol}",
            "how is {symbol} doing on the stock market?",
            "what is {symbol} trading at?",
            "give me a quote for {symbol}",
            "how much is a share of {symbol}?",
        ),
    ),
    Archetype(
        "convert_currency currency exchange currency_converter",
        ("Converts money.", "Converts an amount into another currency.", "Currency exchange."),
        {"amount": "number", "currency": "currency"},
        (
            "convert {amount} euros to {currency}",
            "how much is {amount} euros in {currency}?",
            "what are {amount} euros in {currency}?",
            "change {amount} into {currency}",
            "{amount} euros to {currency} please",
        ),
    ),
    Archetype(
        "play_music play play_song music_player",
        ("Plays music.", "Plays a song.", "Starts playing a song or an artist."),
        {"song": "topic"},
        (
            "play {song}",
            "play the song {song}",
            "put on {song}",
            "I want to hear {song}",
            "let me listen to {song}",
            "start playing {song}",
        ),
    ),
    Archetype(
        "lights set_light switch_light light_control",
        ("Switches a light.", "Controls the lights of a room.", "Turns lamps on or off."),
        {"room": "word", "state": "on_off"},
        (
            "turn {state} the light in the {room}",
            "turn the {room} light {state}",
            "switch {state} the lights in the {room}",
            "switch the lamp in the {room} {state}",
            "lights {state} in the {room}",
        ),
    ),
    Archetype(
        "restart_service restart reboot service_restart",
        ("Restarts a service.", "Restarts a program on the server.", "Stops and starts a service."),
        {"service": "word"},
        (
            "restart {service}",
            "restart the {service} service",
            "{service} hangs, restart it",
            "{service} is stuck, please restart it",
            "please bounce {service}",
            "give {service} a restart",
        ),
    ),
    Archetype(
        "create_ticket ticket open_issue new_issue report_bug",
        ("Opens a ticket.", "Creates an issue in the tracker.", "Files a bug report."),
        {"title": "text"},
        (
            "open a ticket: {title}",
            "create an issue titled {title}",
            "file a bug: {title}",
            "create a ticket with the title {title}",
            "report a bug: {title}",
            "new issue: {title}",
        ),
    ),
    Archetype(
        "track_package tracking parcel shipment_status",
        ("Tracks a parcel.", "Status of a shipment.", "Finds out where a package is."),
        {"number": "code"},
        (
            "where is my parcel {number}?",
            "track {number}",
            "track the package {number}",
            "what is the status of shipment {number}?",
            "has {number} been delivered?",
        ),
    ),
    Archetype(
        "user_lookup get_user find_user customer lookup_customer",
        ("Looks up a user.", "Finds a customer by name.", "Data of a person."),
        {"name": "name"},
        (
            "look up the user {name}",
            "find {name} in the customer list",
            "who is the customer {name}?",
            "get me the data of {name}",
            "show the account of {name}",
        ),
    ),
    Archetype(
        "list_orders orders open_orders invoices list_bookings",
        ("Lists orders of a customer.", "Shows what a customer ordered.", "Orders by customer."),
        {"customer": "name"},
        (
            "list the orders of {customer}",
            "what did {customer} order?",
            "which orders of {customer} are open?",
            "show me all orders by {customer}",
            "orders of {customer} please",
        ),
    ),
    Archetype(
        "sql_query query_database run_sql database",
        ("Counts rows of a table.", "Counts the rows in a database table.", "Number of rows."),
        {"table": "word"},
        (
            "how many rows are in the table {table}?",
            "count the rows of {table}",
            "how big is the table {table}?",
            "rows in {table}?",
        ),
    ),
    Archetype(
        "generate_image draw paint image_generator",
        ("Draws a picture.", "Generates an image from words.", "Makes an image of something."),
        {"prompt": "topic"},
        (
            "draw {prompt}",
            "draw me a picture of {prompt}",
            "make an image of {prompt}",
            "generate a picture showing {prompt}",
            "paint {prompt}",
            "I want a picture of {prompt}",
        ),
    ),
    Archetype(
        "ping_host ping check_host reachable",
        ("Pings a host.", "Checks that a machine answers.", "Tests if a host is reachable."),
        {"host": "host"},
        (
            "ping {host}",
            "is {host} reachable?",
            "does {host} answer?",
            "check that {host} is up",
            "is the machine {host} alive?",
        ),
    ),
    Archetype(
        "random_number dice roll_dice random",
        ("Draws a random number.", "Gives a random number up to a limit.", "Rolls a dice."),
        {"limit": "integer"},
        (
            "give me a random number up to {limit}",
            "roll a dice with {limit} sides",
            "pick a number from 1 to {limit}",
            "random number below {limit}",
            "draw a number up to {limit}",
        ),
    ),
    Archetype(
        "book_table reserve reservation restaurant_booking",
        ("Books a table.", "Reserves a table for some people.", "Makes a reservation."),
        {"restaurant": "name", "people": "integer"},
        (
            "book a table at {restaurant} for {people}",
            "reserve a table for {people} at {restaurant}",
            "table for {people} at {restaurant} please",
            "I want to eat at {restaurant} with {people} people, book it",
        ),
    ),
    Archetype(
        "find_flights flights flight_search search_flights",
        ("Finds flights.", "Flights from one city to another.", "Searches for flights."),
        {"origin": "place", "destination": "place"},
        (
            "find flights from {origin} to {destination}",
            "I want to fly from {origin} to {destination}",
            "show flights {origin} to {destination}",
            "how can I fly to {destination} from {origin}?",
            "flights to {destination} from {origin}",
        ),
    ),
    Archetype(
        "dictionary define define_word word_meaning",
        ("Explains a word.", "Gives the meaning of a word.", "A dictionary."),
        {"word": "word"},
        (
            "what does {word} mean?",
            "define {word}",
            "what is the meaning of {word}?",
            "look up the word {word} in the dictionary",
            "meaning of {word}",
        ),
    ),
    Archetype(
        "disk_usage disk free_space storage",
        ("Free space on a disk.", "Shows how full the disk is.", "Disk usage of this machine."),
        {},
        (
            "how full is the disk?",
            "how much space is left on the disk?",
            "check the disk usage",
            "is there enough free space?",
            "do we run out of disk space?",
        ),
    ),
    Archetype(
        "system_status status health server_status",
        ("Status of the system.", "Reports the health of the server.", "Says how the server is."),
        {},
        (
            "how is the server doing?",
            "is everything running?",
            "what is the status of the system?",
            "is the server healthy?",
            "give me a status report",
        ),
    ),
    Archetype(
        "create_event calendar add_event schedule_meeting",
        ("Adds an event to the calendar.", "Creates an appointment.", "Schedules a meeting."),
        {"title": "text", "day": "weekday"},
        (
            "put {title} in my calendar on {day}",
            "schedule {title} for {day}",
            "create an event {title} on {day}",
            "on {day} I have {title}, add it to the calendar",
            "add {title} to my calendar for {day}",
        ),
    ),
    Archetype(
        "add_todo todo add_task shopping_list add_item",
        ("Adds something to the list.", "Adds an item to the shopping list.", "A to-do list."),
        {"item": "topic"},
        (
            "add {item} to the list",
            "put {item} on my list",
            "add {item} to my shopping list",
            "I have to buy {item}, put it on the list",
            "{item} should go on the list",
        ),
    ),
    Archetype(
        "set_temperature thermostat heating",
        ("Sets the heating.", "Sets the temperature of a room.", "Controls the thermostat."),
        {"room": "word", "degrees": "integer"},
        (
            "set the {room} to {degrees} degrees",
            "heat the {room} to {degrees} degrees",
            "make it {degrees} degrees in the {room}",
            "I want {degrees} degrees in the {room}",
        ),
    ),
    Archetype(
        "send_message message text_message chat_message",
        ("Sends a message to a person.", "Texts somebody.", "Sends a chat message."),
        {"person": "name", "text": "text"},
        (
            "tell {person} that {text}",
            "send {person} the message {text}",
            "text {person}: {text}",
            "message {person} saying {text}",
            "let {person} know that {text}",
        ),
    ),
    Archetype(
        "run_command shell terminal execute",
        ("Runs a shell command.", "Executes a command.", "Runs something in the terminal."),
        {"command": "command"},
        (
            "run {command}",
            "run the command {command}",
            "execute {command}",
            "run `{command}` in the terminal",
            "what does {command} print?",
        ),
    ),
    Archetype(
        "password_generator make_password new_password",
        ("Makes a password.", "Generates a random password.", "A password of some length."),
        {"length": "integer"},
        (
            "make a password with {length} characters",
            "generate a {length} character password",
            "I need a password of length {length}",
            "new password, {length} characters long",
        ),
    ),
    Archetype(
        "recipe find_recipe cookbook",
        ("Finds a recipe.", "Recipes by dish.", "Looks for a recipe in the cookbook."),
        {"dish": "topic"},
        (
            "find a recipe for {dish}",
            "how do I cook {dish}?",
            "I want to cook {dish}",
            "give me a recipe for {dish}",
            "recipe for {dish} please",
        ),
    ),
)
