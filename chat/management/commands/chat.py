"""``manage.py chat``: talk to a server in the terminal, this one or another; and prove that it works, from a script."""

import asyncio
import io
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from chat.conf import conf
from chat.terminal import Line, LineError, Places, Question, Screen, Sitting, Talk, address_of

_PATIENCE_SECONDS = 60.0

_HELP = """While you talk:
  /retry        have the last question answered again
  /model NAME   talk to another model from now on
  /session      tell the session's id
  /quit         end; the session stays, and --resume goes on with it
Ctrl-C stops the answer; without one it ends, as Ctrl-D does. y or n answers a tool's question."""

_EXAMPLES = """
  manage.py chat                                   talk
  manage.py chat "Is anybody there?"               one question; the answer goes to stdout, all else to stderr
  cat report.txt | manage.py chat "Sum this up:" - the text of a pipe behind it
  manage.py chat --url https://chat.example.com    another server; its key stands in TERMINAL_KEY

The exit code is 0 where the answer is complete. """


class Command(BaseCommand):
    help = "Talk to a model over a server's wire, in the terminal or from a script."
    requires_system_checks = ()
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.epilog = f"{_EXAMPLES}\n\n{_HELP}"
        parser.add_argument(
            "message", nargs="*", help="what to say; `-` stands for the text that is piped in"
        )
        parser.add_argument(
            "--url", help="the server's address; default: the one that `make run` serves here"
        )
        parser.add_argument("--model", help="of a new session")
        parser.add_argument("--assistant", help="of a new session")
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--session", metavar="ID", help="go on with this one")
        which.add_argument("--resume", action="store_true", help="go on with the last one on that server")
        decision = parser.add_mutually_exclusive_group()
        decision.add_argument("--approve", action="store_true", help="say yes to whatever a tool asks")
        decision.add_argument("--decline", action="store_true", help="say no; so does a script, by default")

    def handle(self, *, message: list[str], **options: Any) -> None:
        server = str(options["url"] or conf().here)
        try:
            address = address_of(server)
        except ValueError as error:
            raise CommandError(f"--url: {error}.") from None
        places = Places()
        query = {name: options[name] for name in ("model", "assistant") if options[name]}
        query |= _session(options, places.of(str(address)))
        line = Line(
            address, conf().terminal_key or "", query | {"history": "recent"}, patience_s=_PATIENCE_SECONDS
        )
        text = _message(message)
        screen = Screen()
        talk = Talk(line, screen, approve=_decision(options, somebody_is_there=not text))
        run = Question(line, talk, text).run if text else Sitting(line, talk, screen).run
        try:
            code = asyncio.run(run())
        except LineError as error:
            if error.was_told:
                sys.exit(1)
            raise CommandError(f"{error.code}: {error}") from None
        finally:
            if line.place:
                places.keep(
                    str(address), {name: line.place.get(name, "") for name in ("session_id", "resume_token")}
                )
        if code:
            sys.exit(code)


def _decision(options: dict[str, Any], *, somebody_is_there: bool) -> bool | None:
    if options["approve"]:
        return True
    return False if options["decline"] or not somebody_is_there else None


def _session(options: dict[str, Any], kept: dict[str, str]) -> dict[str, str]:
    if not (options["session"] or options["resume"]):
        return {}
    if options["model"] or options["assistant"]:
        raise CommandError("--model and --assistant are a new session's; one that exists has its own.")
    if options["resume"]:
        if not kept:
            raise CommandError("--resume: no session of that server is known here. Begin one without it.")
        return kept
    same = kept.get("session_id") == options["session"]
    return kept if same else {"session_id": options["session"]}


def _message(words: list[str]) -> str:
    """What is to be said, "" where a person sits there and will say it."""
    if not words and sys.stdin and sys.stdin.isatty():
        return ""
    if isinstance(sys.stdin, io.TextIOWrapper):
        # As what is typed is read: a sign in another encoding does not cost the rest.
        sys.stdin.reconfigure(errors="replace")
    takes = sys.stdin and (not words or words[-1] == "-")  # None: it is closed, as `<&-` does
    piped = sys.stdin.read().strip() if takes else ""
    spoken = " ".join(words[:-1] if words[-1:] == ["-"] else words).strip()
    text = "\n\n".join(part for part in (spoken, piped) if part)
    if not text:
        raise CommandError("Nothing to say: give a message, or pipe one in.")
    return text
