from django.db import migrations

# The rows of a user in tables that 1.3.0 does not know go with the user, whatever deletes that:
# its code runs beside this schema, and its deletion of a user would fail for them.
WEBHOOKS = "SELECT id FROM tasks_webhook WHERE owner_id IN ({gone})"
STATEMENTS = (
    f"DELETE FROM tasks_webhookdelivery WHERE webhook_id IN ({WEBHOOKS})",
    "DELETE FROM tasks_webhook WHERE owner_id IN ({gone})",
    "DELETE FROM tasks_reminder WHERE owner_id IN ({gone})",
    "DELETE FROM tasks_savedview WHERE owner_id IN ({gone})",
    "DELETE FROM accounts_identity WHERE user_id IN ({gone})",
    "DELETE FROM account_emailaddress WHERE user_id IN ({gone})",
    "DELETE FROM mfa_authenticator WHERE user_id IN ({gone})",
    "DELETE FROM usersessions_usersession WHERE user_id IN ({gone})",
    "UPDATE accounts_invitation SET invited_by_id = NULL WHERE invited_by_id IN ({gone})",
)
SQLITE = """CREATE TRIGGER accounts_user_rows AFTER DELETE ON accounts_user BEGIN
    {body}; END"""
FUNCTION = """CREATE OR REPLACE FUNCTION accounts_user_rows() RETURNS trigger
    LANGUAGE plpgsql AS $$ BEGIN {body}; RETURN NULL; END $$"""
TRIGGER = """CREATE TRIGGER accounts_user_rows AFTER DELETE ON accounts_user
    REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION accounts_user_rows()"""


def forwards(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        gone, created = "SELECT id FROM gone", (FUNCTION, TRIGGER)
    else:
        gone, created = "old.id", (SQLITE,)
    body = "; ".join(STATEMENTS).format(gone=gone)
    for statement in created:
        schema_editor.execute(statement.format(body=body))


def backwards(apps, schema_editor):
    on_postgresql = schema_editor.connection.vendor == "postgresql"
    on = " ON accounts_user" if on_postgresql else ""
    schema_editor.execute(f"DROP TRIGGER IF EXISTS accounts_user_rows{on}")
    if on_postgresql:
        schema_editor.execute("DROP FUNCTION IF EXISTS accounts_user_rows()")


class Migration(migrations.Migration):
    # The trigger keeps writers from the table of users for a moment.

    dependencies = [
        ("tasks", "0037_reminder_emails_online"),
        ("accounts", "0006_reminder_emails"),
        ("account", "0001_initial"),
        ("mfa", "0001_initial"),
        ("usersessions", "0001_initial"),
    ]

    operations = [migrations.RunPython(forwards, backwards, elidable=False)]
