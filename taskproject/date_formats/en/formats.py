"""How pages show dates and times: as they are entered, exported and in the API, by ISO 8601.
Django looks for this file by FORMAT_MODULE_PATH, before its own formats of the language."""

DATE_FORMAT = SHORT_DATE_FORMAT = "Y-m-d"
DATETIME_FORMAT = SHORT_DATETIME_FORMAT = "Y-m-d H:i"
TIME_FORMAT = "H:i"
