"""The limits of what users write about tasks, lists and tags, each of them once.

The API's schemas, the admin's forms, the file formats and the database's constraints use
them. Lengths are in characters (Unicode code points)."""

from datetime import date

TITLE_LENGTH = 200
DESCRIPTION_LENGTH = 10_000
LOCATION_LENGTH = 500
LIST_NAME_LENGTH = 100
TAG_LENGTH = 50
#: Most tags of one task.
MAX_TAGS = 20
#: Most reminders of one task, and the longest time before its due date: 366 days.
MAX_REMINDERS = 20
MAX_MINUTES_BEFORE = 527_040
#: In the order of their numbers in the database, from 0.
PRIORITIES = ("none", "low", "medium", "high", "urgent")
#: Of a name in the IANA's time zone database.
TIMEZONE_LENGTH = 64
#: Of a rule of recurrence, and of the planned date of an occurrence with its time zone.
RULE_LENGTH = 300
PLAN_LENGTH = 100
#: Of a position in the manual order: enough for 5,000 moves in a row into the same gap.
POSITION_LENGTH = 1_000
#: Of the id of a task where it was imported from.
EXTERNAL_ID_LENGTH = 255
#: Of a username, as in Django.
USERNAME_LENGTH = 150
#: The first and the last day of all dates and times, in UTC.
FIRST_DAY = date(1900, 1, 1)
LAST_DAY = date(2999, 12, 31)
