"""Points in time as whole microseconds since 1970-01-01T00:00:00Z, and their RFC 3339 spellings.

The calendar is the proleptic Gregorian one, computed here rather than by the standard library,
whose datetime knows neither the year 0 nor years past 9999.
"""

import re

MICROSECOND = 1
SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

INPUT_TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})"
    r"(?:\.([0-9]+))?(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))"
)

# What a job may write: UTC with Z, no fraction or 3 or 6 digits of it. A year outside 0 to 9999 has
# a sign or as many digits as it needs.
OUTPUT_TIME = re.compile(
    r"([0-9]{4}|[1-9][0-9]{4,}|-[0-9]+)-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})"
    r"(?:\.([0-9]{3}|[0-9]{6}))?Z"
)


def is_leap(year):
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def days_in_month(year, month):
    if month == 2:
        return 29 if is_leap(year) else 28
    return 30 if month in (4, 6, 9, 11) else 31


def days_from_civil(year, month, day):
    """Days from 1970-01-01 to this date, negative before it."""
    # Years that begin in March put the leap day at their end, where it shifts no other date.
    if month <= 2:
        year, month = year - 1, month + 12
    days_before_year = 365 * year + year // 4 - year // 100 + year // 400
    days_before_month = (153 * (month - 3) + 2) // 5
    return days_before_year + days_before_month + day - 1 - 719468


def civil_from_days(days):
    """The (year, month, day) that days_from_civil maps to `days`."""
    year = 1970 + days // 366 - 1
    while days_from_civil(year + 1, 1, 1) <= days:
        # Steps by as many whole years as must have passed, so that it arrives in a few rounds.
        year += max(1, (days - days_from_civil(year, 1, 1)) // 366)
    while days_from_civil(year, 1, 1) > days:
        year -= 1
    month = 1
    rest = days - days_from_civil(year, 1, 1)
    while rest >= days_in_month(year, month):
        rest -= days_in_month(year, month)
        month += 1
    return year, month, rest + 1


def microseconds(year, month, day, hour, minute, second, fraction):
    """The instant, or None where the date or the time of day does not exist."""
    if not 1 <= month <= 12 or not 1 <= day <= days_in_month(year, month):
        return None
    if hour > 23 or minute > 59 or second > 59:
        return None
    micros = int((fraction or "").ljust(6, "0")[:6])
    seconds = days_from_civil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second
    return seconds * SECOND + micros


def from_input(text):
    """The instant an event's "at" names, or None. Digits past the microsecond are cut off."""
    found = INPUT_TIME.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    at = microseconds(year, month, day, hour, minute, second, found[7])
    if at is None or found[8] is None:
        return at
    offset_hours, offset_minutes = int(found[9]), int(found[10])
    if offset_hours > 23 or offset_minutes > 59:
        return None
    offset = (offset_hours * 60 + offset_minutes) * MINUTE
    return at - offset if found[8] == "+" else at + offset


def from_output(text):
    """The instant a time in a job's output names, or None where it is not spelled as it must be."""
    found = OUTPUT_TIME.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    return microseconds(year, month, day, hour, minute, second, found[7])


def spell(at, digits=None, offset_minutes=0, separator="T", zulu="Z"):
    """The instant in RFC 3339; `digits` of fraction (cut off), or as few as 0, 3 or 6 that lose
    nothing.
    """
    local = at + offset_minutes * MINUTE
    days, in_day = divmod(local, DAY)
    seconds, micros = divmod(in_day, SECOND)
    year, month, day = civil_from_days(days)
    if digits is None:
        digits = 0 if micros == 0 else 3 if micros % 1000 == 0 else 6
    fraction = "." + f"{micros:06d}".ljust(digits, "0")[:digits] if digits else ""
    if offset_minutes:
        sign = "+" if offset_minutes > 0 else "-"
        zone = f"{sign}{abs(offset_minutes) // 60:02d}:{abs(offset_minutes) % 60:02d}"
    else:
        zone = zulu
    years = f"{year:04d}" if year >= 0 else f"-{-year:04d}"
    return (
        f"{years}-{month:02d}-{day:02d}{separator}"
        f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{fraction}{zone}"
    )
