"""What forgetting needs: marks on the sessions, records of who erased and who read, and the one door through the append-only
trigger (docs/decisions/0063-erasing-is-an-update-through-one-door.md).

The door is a setting of the transaction that names one session. Through it goes an update that keeps an event's place,
type, time and figures, adds nothing to its payload, and puts one of three fixed texts where its words were.
"""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

ONE_DOOR = """
CREATE OR REPLACE FUNCTION session_events_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('sessions.erasing', true) = OLD.session_id
        AND (NEW.event_id, NEW.session_id, NEW.first_seq, NEW.seq, NEW.role, NEW.event_type, NEW.created_at)
            = (OLD.event_id, OLD.session_id, OLD.first_seq, OLD.seq, OLD.role, OLD.event_type, OLD.created_at)
        AND (NEW.content IS NOT DISTINCT FROM OLD.content OR NEW.content IN ('', '{}', '[erased]'))
        AND NOT EXISTS (SELECT FROM jsonb_object_keys(NEW.payload) AS k(name) WHERE NOT OLD.payload ? k.name)
        AND NOT EXISTS (
            SELECT FROM unnest('{usage,timings,cost_microusd,spent_microusd,status,model}'::text[]) AS k(name)
            WHERE NEW.payload -> k.name IS DISTINCT FROM OLD.payload -> k.name)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'session_events is append-only: event % of session % cannot be changed', OLD.seq, OLD.session_id
        USING ERRCODE = 'restrict_violation', HINT = 'Append a new event instead.';
END $$;
"""
SHUT = """
CREATE OR REPLACE FUNCTION session_events_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'session_events is append-only: event % of session % cannot be changed', OLD.seq, OLD.session_id
        USING ERRCODE = 'restrict_violation', HINT = 'Append a new event instead.';
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("sessions_app", "0007_external_user_id"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Erasure",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("session_id", models.CharField(db_index=True, max_length=128)),
                (
                    "scope",
                    models.CharField(
                        choices=[
                            ("words", "words"),
                            ("tool_data", "tool data"),
                            ("session", "whole session"),
                        ],
                        max_length=16,
                    ),
                ),
                (
                    "actor",
                    models.CharField(
                        choices=[
                            ("owner", "the owner"),
                            ("staff", "staff"),
                            ("command", "a command"),
                            ("retention", "the retention"),
                        ],
                        max_length=16,
                    ),
                ),
                (
                    "at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), db_index=True),
                ),
            ],
            options={
                "db_table": "session_erasures",
                "ordering": ("-id",),
            },
        ),
        migrations.CreateModel(
            name="RetentionRun",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("started_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                ("words", models.IntegerField(default=0)),
                ("tool_data", models.IntegerField(default=0)),
                ("sessions", models.IntegerField(default=0)),
                ("failed", models.IntegerField(default=0)),
            ],
            options={
                "db_table": "retention_runs",
                "ordering": ("-id",),
            },
        ),
        migrations.CreateModel(
            name="TranscriptOpening",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("session_id", models.CharField(max_length=128)),
                ("staff_name", models.CharField(max_length=150)),
                (
                    "view",
                    models.CharField(
                        choices=[
                            ("transcript", "Transcript"),
                            ("events", "event log"),
                            ("download", "Download"),
                        ],
                        max_length=16,
                    ),
                ),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "db_table": "transcript_openings",
                "ordering": ("-id",),
            },
        ),
        migrations.AlterModelOptions(
            name="session",
            options={
                "ordering": ("-start_time", "-session_id"),
                "permissions": (("erase_session", "Can erase what was said in a session"),),
            },
        ),
        migrations.AddField(
            model_name="session",
            name="erased_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="session",
            name="tool_data_erased_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="erasure",
            name="staff",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="transcriptopening",
            name="staff",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddIndex(
            model_name="transcriptopening",
            index=models.Index(fields=["session_id", "-at"], name="openings_of_session"),
        ),
        migrations.RunSQL(ONE_DOOR, SHUT),
    ]
