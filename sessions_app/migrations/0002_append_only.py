"""The log is append-only: the database itself refuses to change an event."""

from django.db import migrations

APPEND_ONLY = """
CREATE FUNCTION session_events_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'session_events is append-only: event % of session % cannot be changed', OLD.seq, OLD.session_id
        USING ERRCODE = 'restrict_violation', HINT = 'Append a new event instead.';
END $$;
CREATE TRIGGER session_events_append_only BEFORE UPDATE ON session_events
    FOR EACH ROW EXECUTE FUNCTION session_events_are_append_only();
-- The sessions' counters change with every commit of events; room on the page keeps those updates off the indexes.
ALTER TABLE sessions SET (fillfactor = 80);
"""
UNDO = """
ALTER TABLE sessions RESET (fillfactor);
DROP TRIGGER session_events_append_only ON session_events;
DROP FUNCTION session_events_are_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [("sessions_app", "0001_initial")]

    operations = [migrations.RunSQL(APPEND_ONLY, UNDO)]
