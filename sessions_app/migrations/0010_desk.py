"""The review desk: its tables, its columns of a session, and who may do what (docs/decisions/0070-the-desk-beside-the-log.md).

A session's first words are looked up once for the sessions that there are. The permissions of a migration do not exist before
``post_migrate``: those that the groups hold are made here.
"""

from typing import Any

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

APPEND_ONLY = """
CREATE FUNCTION review_events_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.staff_id IS NULL AND (NEW.id, NEW.session_id, NEW.staff_name, NEW.act, NEW.old, NEW.new, NEW.at)
        = (OLD.id, OLD.session_id, OLD.staff_name, OLD.act, OLD.old, OLD.new, OLD.at)
    THEN
        RETURN NEW;  -- the account was deleted; the name stays
    END IF;
    RAISE EXCEPTION 'review_events is append-only: event % of session % cannot be changed', OLD.id, OLD.session_id
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER review_events_append_only BEFORE UPDATE ON review_events
    FOR EACH ROW EXECUTE FUNCTION review_events_are_append_only();
"""
UNDO = """
DROP TRIGGER review_events_append_only ON review_events;
DROP FUNCTION review_events_are_append_only();
"""
FIRST_WORDS = r"""
WITH page AS (
    SELECT session_id FROM sessions WHERE session_id > %s ORDER BY session_id LIMIT 5000
), spoken AS (
    UPDATE sessions s SET first_words = coalesce(nullif((
        SELECT left(btrim(regexp_replace(left(e.content, 960), '\s+', ' ', 'g')), 120) FROM session_events e
        WHERE e.session_id = s.session_id AND e.event_type = 'user_message' ORDER BY e.seq LIMIT 1), ''), '…')
    FROM page p
    WHERE s.session_id = p.session_id AND s.user_messages > 0 AND s.erased_at IS NULL AND s.first_words = ''
)
SELECT max(session_id) FROM page
"""
PERMISSIONS = {
    "view_session": "Can view session",
    "change_session": "Can change session",
    "review_session": "Can review a session",
    "operate_session": "Can step into a session",
}
GROUPS = {
    "Viewer": ("view_session",),
    "Reviewer": ("view_session", "review_session"),
    "Operator": ("view_session", "review_session", "operate_session", "change_session"),
}


def look_up_first_words(apps: Any, schema_editor: Any) -> None:
    with schema_editor.connection.cursor() as cursor:
        after: str | None = ""
        while after is not None:
            cursor.execute(FIRST_WORDS, [after])
            (after,) = cursor.fetchone()


def make_groups(apps: Any, schema_editor: Any) -> None:
    """A group of that name that is there already gains what it lacks and loses nothing."""
    content_type, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(
        app_label="sessions_app", model="session"
    )
    permissions = {
        codename: apps.get_model("auth", "Permission").objects.get_or_create(
            content_type_id=content_type.pk, codename=codename, defaults={"name": name}
        )[0]
        for codename, name in PERMISSIONS.items()
    }
    for name, codenames in GROUPS.items():
        group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=name)
        group.permissions.add(*(permissions[codename] for codename in codenames))


class Migration(migrations.Migration):
    atomic = False  # sessions are written to while the indexes are made

    dependencies = [
        ("sessions_app", "0009_sessions_to_erase"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("auth", "0012_alter_user_first_name_max_length"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="ReviewEvent",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("staff_name", models.CharField(max_length=150)),
                (
                    "act",
                    models.CharField(
                        choices=[
                            ("state", "set the state"),
                            ("assigned", "assigned"),
                            ("tagged", "added a tag"),
                            ("untagged", "took a tag away"),
                            ("scored", "scored"),
                            ("noted", "wrote a note"),
                            ("taken", "took it from the queue"),
                            ("skipped", "skipped it"),
                            ("given_back", "was away too long: back into the queue"),
                        ],
                        max_length=16,
                    ),
                ),
                ("old", models.CharField(blank=True, default="", max_length=150)),
                ("new", models.CharField(blank=True, default="", max_length=150)),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "db_table": "review_events",
                "ordering": ("-id",),
            },
        ),
        migrations.CreateModel(
            name="ReviewMention",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("seen_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "db_table": "review_mentions",
                "ordering": ("-id",),
            },
        ),
        migrations.CreateModel(
            name="ReviewNote",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("author_name", models.CharField(max_length=150)),
                ("text", models.TextField()),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "db_table": "review_notes",
                "ordering": ("id",),
            },
        ),
        migrations.CreateModel(
            name="ReviewTag",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=40, unique=True)),
            ],
            options={
                "db_table": "review_tags",
                "ordering": ("name",),
            },
        ),
        migrations.CreateModel(
            name="SavedView",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=60)),
                ("query", models.CharField(blank=True, default="", max_length=2000)),
                ("shared", models.BooleanField(default=False)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "db_table": "saved_views",
                "ordering": ("name", "id"),
            },
        ),
        migrations.CreateModel(
            name="SessionReview",
            fields=[
                (
                    "session",
                    models.OneToOneField(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="review",
                        serialize=False,
                        to="sessions_app.session",
                    ),
                ),
                ("score", models.SmallIntegerField(blank=True, null=True)),
                ("score_reason", models.CharField(blank=True, default="", max_length=300)),
                ("claimed_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "db_table": "session_reviews",
            },
        ),
        migrations.CreateModel(
            name="SessionTag",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("start_time", models.DateTimeField()),
            ],
            options={
                "db_table": "session_tags",
            },
        ),
        migrations.AlterModelOptions(
            name="session",
            options={
                "ordering": ("-start_time", "-session_id"),
                "permissions": (
                    ("erase_session", "Can erase what was said in a session"),
                    ("review_session", "Can review a session"),
                    ("operate_session", "Can step into a session"),
                ),
            },
        ),
        migrations.AddField(
            model_name="session",
            name="assignee",
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
            model_name="session",
            name="first_words",
            field=models.CharField(blank=True, db_default="", default="", max_length=120),
        ),
        migrations.AddField(
            model_name="session",
            name="review_state",
            field=models.CharField(
                choices=[
                    ("new", "New"),
                    ("in_review", "In review"),
                    ("done", "Done"),
                    ("flagged", "Flagged"),
                ],
                db_default="new",
                default="new",
                max_length=16,
            ),
        ),
        migrations.AddField(
            model_name="reviewevent",
            name="session",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="review_events",
                to="sessions_app.session",
            ),
        ),
        migrations.AddField(
            model_name="reviewevent",
            name="staff",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="reviewmention",
            name="user",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="reviewnote",
            name="author",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="reviewnote",
            name="session",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="review_notes",
                to="sessions_app.session",
            ),
        ),
        migrations.AddField(
            model_name="reviewmention",
            name="note",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="mentions",
                to="sessions_app.reviewnote",
            ),
        ),
        migrations.AddField(
            model_name="savedview",
            name="owner",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="sessionreview",
            name="claimed_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="sessiontag",
            name="session",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="review_tags",
                to="sessions_app.session",
            ),
        ),
        migrations.AddField(
            model_name="sessiontag",
            name="tag",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="sessions_app.reviewtag",
            ),
        ),
        migrations.AddIndex(
            model_name="reviewevent",
            index=models.Index(fields=["session", "-id"], name="review_events_of_session"),
        ),
        migrations.AddIndex(
            model_name="reviewmention",
            index=models.Index(fields=["user", "-id"], name="review_mentions_of_user"),
        ),
        migrations.AddConstraint(
            model_name="reviewmention",
            constraint=models.UniqueConstraint(fields=("note", "user"), name="review_mentions_once"),
        ),
        migrations.AddConstraint(
            model_name="savedview",
            constraint=models.UniqueConstraint(fields=("owner", "name"), name="saved_views_once"),
        ),
        migrations.AddIndex(
            model_name="sessionreview",
            index=models.Index(
                condition=models.Q(("claimed_at__isnull", False)),
                fields=["claimed_at"],
                name="session_reviews_claimed",
            ),
        ),
        migrations.AddConstraint(
            model_name="sessionreview",
            constraint=models.CheckConstraint(
                condition=models.Q(("score__isnull", True), ("score__range", (1, 5)), _connector="OR"),
                name="session_reviews_score",
            ),
        ),
        migrations.AddIndex(
            model_name="sessiontag",
            index=models.Index(fields=["tag", "-start_time"], name="session_tags_newest"),
        ),
        migrations.AddConstraint(
            model_name="sessiontag",
            constraint=models.UniqueConstraint(fields=("session", "tag"), name="session_tags_once"),
        ),
        migrations.RunSQL(APPEND_ONLY, UNDO),
        migrations.RunPython(look_up_first_words, migrations.RunPython.noop),
        AddIndexConcurrently(
            model_name="session",
            index=models.Index(
                condition=models.Q(("first_words", ""), _negated=True),
                fields=["-start_time", "-session_id"],
                name="sessions_spoken",
            ),
        ),
        AddIndexConcurrently(
            model_name="session",
            index=models.Index(
                condition=models.Q(
                    ("review_state", "new"), ("status", "ended"), models.Q(("first_words", ""), _negated=True)
                ),
                fields=["-start_time", "-session_id"],
                name="sessions_to_review",
            ),
        ),
        AddIndexConcurrently(
            model_name="session",
            index=models.Index(
                condition=models.Q(("review_state", "new"), _negated=True),
                fields=["review_state", "-start_time"],
                name="sessions_of_review_state",
            ),
        ),
        AddIndexConcurrently(
            model_name="session",
            index=models.Index(
                condition=models.Q(("assignee__isnull", False)),
                fields=["assignee", "-start_time"],
                name="sessions_of_assignee",
            ),
        ),
        migrations.RunPython(make_groups, migrations.RunPython.noop),
    ]
