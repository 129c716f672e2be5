"""A strict reader of one JSON object (RFC 8259), with no limit to nesting or to the length of a
number.

The standard library's reader recurses, refuses long integers and takes NaN; this one walks the
tokens with a stack of its own. It returns only the members of the outermost object; all the rest is
checked and dropped.
"""

import re

TOKEN = re.compile(
    r"""[ \t\r\n]*(?:
        (?P<string>"[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*)*")
      | (?P<number>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)
      | (?P<literal>true|false|null)
      | (?P<mark>[\[\]{},:])
    )""",
    re.VERBOSE,
)
SPACE = re.compile(r"[ \t\r\n]*")

ESCAPE = re.compile(
    r"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|\\u([0-9a-fA-F]{4})|\\(.)"
)
SHORT_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}

# What the walk expects next.
VALUE, FIRST_ITEM, FIRST_KEY, KEY, COLON, AFTER = range(6)


class NotJson(ValueError):
    """The text is not one JSON object."""


class Number(str):
    """A number as it is written."""


# Stands for a value of no interest: an object, an array, true, false or null.
OTHER = object()


def unescape(match):
    high, low, unit, short = match.groups()
    if high:
        return chr(0x10000 + ((int(high, 16) - 0xD800) << 10) + int(low, 16) - 0xDC00)
    if unit:
        code = int(unit, 16)
        if 0xD800 <= code <= 0xDFFF:
            raise NotJson("a surrogate escape without its other half")
        return chr(code)
    return SHORT_ESCAPES.get(short, short)


def string_value(token):
    """What a string token, quotes included, stands for."""
    inner = token[1:-1]
    return ESCAPE.sub(unescape, inner) if "\\" in inner else inner


def read_object(text):
    """The members of the one object in `text`: str for a string, Number for a number, else OTHER.

    Of several members of one name the last wins. Raises NotJson.
    """
    members = {}
    open_marks = []
    name = None
    expects = VALUE
    position = 0
    while True:
        token = TOKEN.match(text, position)
        if token is None:
            raise NotJson(f"no JSON at character {position}")
        position = token.end()
        group = token.lastgroup
        written = token[group]
        closes = False

        if expects == COLON:
            if written != ":":
                raise NotJson("a name without its colon")
            expects = VALUE
        elif expects == AFTER and written == ",":
            expects = KEY if open_marks[-1] == "{" else VALUE
        elif expects in (AFTER, FIRST_KEY) and written == "}" and open_marks[-1] == "{":
            closes = True
        elif expects in (AFTER, FIRST_ITEM) and written == "]" and open_marks[-1] == "[":
            closes = True
        elif expects in (KEY, FIRST_KEY) and group == "string":
            name = string_value(written)
            expects = COLON
        elif expects in (VALUE, FIRST_ITEM) and (group != "mark" or written in "{["):
            if not open_marks and written != "{":
                raise NotJson("not an object")
            if group == "string":
                value = string_value(written)
            elif group == "number":
                value = Number(written)
            else:
                value = OTHER
            if len(open_marks) == 1:
                members[name] = value
            if group == "mark":
                open_marks.append(written)
                expects = FIRST_KEY if written == "{" else FIRST_ITEM
            else:
                expects = AFTER
        else:
            raise NotJson(f"an unexpected {written[:20]} before character {position}")

        if closes:
            open_marks.pop()
            expects = AFTER
            if not open_marks:
                break
    if SPACE.match(text, position).end() != len(text):
        raise NotJson("more than one object")
    return members
