"""The bounds of what people write about tasks, lists and tags, each of them once.

The API's schemas, the admin's forms, the file formats and the database's constraints all
take them from here. Lengths are in characters (Unicode code points).
"""

from datetime import date

TITLE_LENGTH = 200
DESCRIPTION_LENGTH = 10_000
LOCATION_LENGTH = 500
LIST_NAME_LENGTH = 100
TAG_LENGTH = 50
#: Tags of one task.
MOST_TAGS = 20
#: In the order of their numbers in the database, which begin with 0.
PRIORITIES = ("none", "low", "medium", "high", "urgent")
#: Of a name in the IANA's time zone database.
TIMEZONE_LENGTH = 64
#: A position in a manual order: five thousand moves in a row into the same gap.
POSITION_LENGTH = 1_000
#: What a task is called where it was imported from.
EXTERNAL_ID_LENGTH = 255
#: Django's own bound of a username.
USERNAME_LENGTH = 150
#: All dates and times are from these years, in UTC; both days are included.
FIRST_DAY = date(1900, 1, 1)
LAST_DAY = date(2999, 12, 31)
