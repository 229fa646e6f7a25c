"""The view ``events``: the log under the names that tutorials query, without the deltas.

It is read-only (the WITH makes it so, and is planned as if it were not there), and reads with the rights of who asks.
Where a relation of that name is there already, it is somebody else's and stays. A later migration that changes a column
of ``session_events`` has to drop the view first, and to make it again.
"""

from django.db import migrations

CREATE = """
DO $$
DECLARE
    as_the_reader text := '';
BEGIN
    IF to_regclass(quote_ident(current_schema()) || '.events') IS NOT NULL THEN
        RAISE NOTICE 'there is a relation "events" already: the view of that name is not made';
        RETURN;
    END IF;
    IF current_setting('server_version_num')::int >= 150000 THEN
        as_the_reader := ' WITH (security_invoker = true)';
    END IF;
    EXECUTE 'CREATE VIEW events' || as_the_reader || ' AS
        WITH log AS (
            SELECT event_id AS id, event_id, session_id, role, event_type, content, created_at AS "timestamp", created_at
            FROM session_events WHERE event_type <> ''assistant_delta''
        )
        SELECT id, event_id, session_id, role, event_type, content, "timestamp", created_at FROM log';
END $$
"""
DROP = """
DO $$
BEGIN
    IF EXISTS (
        SELECT FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
        WHERE r.ev_class = to_regclass('events') AND d.refobjid = 'session_events'::regclass
    ) THEN
        DROP VIEW events;
    END IF;
END $$
"""


class Migration(migrations.Migration):
    dependencies = [("sessions_app", "0003_costs_and_checkpoints")]

    operations = [migrations.RunSQL(CREATE, DROP)]
