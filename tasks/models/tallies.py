"""How many tasks there are, kept beside them so that counting takes no time."""

from django.conf import settings
from django.db import models


class Tally(models.Model):
    """The number of one owner's live tasks: all of them, those of a list (`key` 0: in
    none), those with a tag, or those due on a day (`key`: days since 1970, in UTC).

    Kept by triggers on tasks and labels (migrations 0006 and 0012), in the transaction of
    each change, whatever makes it; nothing else writes here.
    """

    id = models.BigAutoField(primary_key=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", db_index=False
    )
    kind = models.CharField(max_length=4)
    key = models.BigIntegerField()
    open = models.BigIntegerField()
    completed = models.BigIntegerField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["owner", "kind", "key"], name="tally_once"),
        )

    def __str__(self) -> str:
        return f"{self.open} open of {self.kind} {self.key}"
