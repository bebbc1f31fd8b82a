# mypy: ignore-errors
# Its libraries are in .venv-peers, where the service's types are not.

from django.db import models
from django.utils import timezone


class Task(models.Model):
    title = models.CharField(max_length=200)
    description = models.TextField(max_length=10_000, blank=True, default="")
    completed = models.BooleanField(default=False)
    completed_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)
    version = models.PositiveBigIntegerField(default=1)
    owner = models.IntegerField(db_index=True)

    class Meta:
        db_table = "task"

    def save(self, *args, **kwargs):
        if not self.completed:
            self.completed_at = None
        elif self.completed_at is None:
            self.completed_at = timezone.now()
        super().save(*args, **kwargs)
