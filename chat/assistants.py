"""With whom one talks: the assistants of the admin and of ``ASSISTANTS``, as this process has them in memory.

Who begins a session asks no database, unless for a name that is not known here yet; another process's publishing is seen
after `REFRESH_S` at most.
"""

import asyncio
import contextlib
import logging
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

from chat.conf import conf
from chat.errors import AssistantNotFound, InstructionsNotAllowed
from chat.llm.catalog import (
    Candidate,
    candidates,
    chosen,
    default_model_spec,
    offered,
    shown,
    with_full_model,
)
from chat.llm.provider import JSON
from chat.tools.registry import Offered, Registry
from sessions_app.assistant import DEFAULT, AssistantSettings
from sessions_app.errors import DatabaseAway
from sessions_app.postgres.threads import in_db_thread
from sessions_app.selectors.assistants import KeptVersion, assistant_version, live_assistants, readable_part
from sessions_app.setting import is_origin, origin_of

logger = logging.getLogger(__name__)

REFRESH_S = 3.0
_MOST_VERSIONS = 512
"""Versions in memory that people may get no more, of sessions that go on, and drafts."""


_AS_THE_SERVER = AssistantSettings()
INSTRUCTIONS = "instructions"
"""Among a session's settings."""


@dataclass(frozen=True, kw_only=True)
class Assistant:
    """One version of one, and what the server's settings say where it says nothing."""

    slug: str = ""
    """Empty: the settings' default."""
    version: int = 0
    """As saved in the admin; 0: as the settings have it."""
    settings: AssistantSettings = _AS_THE_SERVER

    @property
    def instructions(self) -> str:
        return self.settings.instructions or conf().instructions

    @property
    def takes_instructions(self) -> bool:
        return self.settings.client_instructions is not False

    @property
    def shown_instructions(self) -> str:
        """To clients: what is not theirs to change is not theirs to read."""
        return self.instructions if self.takes_instructions else ""

    def check_instructions(self, *, given: bool, param: str) -> None:
        """Raises `InstructionsNotAllowed`."""
        if given and not self.takes_instructions:
            raise InstructionsNotAllowed(param=param)

    def agreed(self, settings: JSON) -> JSON:
        """The settings with which a session begins, of those that were agreed with whoever let its client in. Raises
        `ModelNotAllowed`."""
        theirs = {
            name: value for name, value in settings.items() if name != INSTRUCTIONS or self.takes_instructions
        }
        return self.with_full_model(theirs)

    # Models

    @property
    def _among(self) -> list[str] | None:
        """The models that it is allowed, of those that the server offers; None: all of them."""
        if not self.settings.models:
            return None
        there = offered()
        return [one for one in self.settings.models if one in there] or [default_model_spec()]

    @property
    def model(self) -> str:
        """Who answers where the client has not chosen."""
        among = self._among
        return among[0] if among else default_model_spec()

    @property
    def choices(self) -> list[str]:
        """The models that people are shown to choose from, the one that answers unless another is chosen first."""
        return self._among or shown()

    def chosen(self, name: str | None) -> str:
        """The model for what a client asks for. Raises `ModelNotAllowed`."""
        return chosen(name, among=self._among) or self.model

    def with_full_model(self, changes: JSON) -> JSON:
        """As the catalog's. Raises `ModelNotAllowed`."""
        return with_full_model(changes, among=self._among)

    def candidates(self, spec: str) -> list[Candidate]:
        return candidates(spec, among=self._among)

    # Tools

    def tools_of(self, registry: Registry) -> Registry:
        return registry if self.settings.tools is None else Offered(registry, self.settings.tools)

    @property
    def origins(self) -> tuple[str, ...]:
        """Whose pages may show it in a frame."""
        own = map(origin_of, filter(is_origin, self.settings.origins))
        return tuple(dict.fromkeys([*own, *conf().embed_origins]))


PLAIN = Assistant()
"""The server's own, as the settings have it where ``ASSISTANTS`` says nothing."""


class Shelf:
    """One per process; its methods may be called in any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._live: dict[str, KeptVersion | None] = {}
        self._read_at = float("-inf")
        self._is_kept = False
        """`keep` reads it anew: nobody has to wait for that."""
        self._versions: OrderedDict[tuple[str, int], KeptVersion] = OrderedDict()

    # By the name that somebody asks for

    async def find(self, slug: str, version: int | None = None, *, staff: bool = False) -> Assistant:
        """The one that people get now; with ``version`` that one, which only ``staff`` may ask for unless people get it.

        Raises `AssistantNotFound`, `DatabaseAway`.
        """
        if version is None and (slug in ("", DEFAULT) or self._known(slug)):
            return self._of_memory(slug)
        if self._is_old(slug):
            await in_db_thread(self.refresh)
        if version is None or version == self._of_people(slug):
            return self._of_memory(slug)
        if not staff:
            raise AssistantNotFound
        return _or_not_found(await self._version(slug, version))

    def find_now(self, slug: str, version: int | None = None, *, staff: bool = False) -> Assistant:
        """The same for a thread that may wait. A database that is away leaves what is known."""
        if not self._is_kept and time.monotonic() - self._read_at > REFRESH_S:
            with contextlib.suppress(Exception):
                self.refresh()
        if version is None or version == self._of_people(slug):
            return self._of_memory(slug)
        if not staff:
            raise AssistantNotFound
        return _or_not_found(self._remember(assistant_version(slug=slug, version=version)))

    def all(self) -> list[Assistant]:
        """Those that people get, the default first."""
        kept = {slug for slug, one in self._live.items() if one is not None}
        of_settings = conf().assistants.keys() - self._live.keys()
        return [self._of_memory(slug) for slug in [DEFAULT, *sorted((kept | of_settings) - {DEFAULT})]]

    def _of_memory(self, slug: str) -> Assistant:
        """Raises `AssistantNotFound`."""
        name = slug or DEFAULT
        kept = self._live.get(name)
        if kept is not None:
            return Assistant(slug=kept.slug, version=kept.version, settings=kept.settings)
        of_settings = conf().assistants.get(name)
        if name == DEFAULT:
            return Assistant(settings=of_settings) if of_settings else PLAIN
        if of_settings is None or name in self._live:  # retired in the admin
            raise AssistantNotFound
        return Assistant(slug=name, settings=of_settings)

    def _known(self, slug: str) -> bool:
        return self._live.get(slug) is not None or (slug in conf().assistants and slug not in self._live)

    def _is_old(self, slug: str) -> bool:
        """A name that nobody knows is looked for once in a while, however many ask."""
        return not self._known(slug) and time.monotonic() - self._read_at > 1.0

    def _of_people(self, slug: str) -> int | None:
        kept = self._live.get(slug)
        return kept.version if kept else None

    # By what a session's log says

    async def begun_with(self, slug: str, version: int) -> Assistant:
        """What is not there any more leaves the default; of a version that another build has saved counts what this one can read.
        Raises `DatabaseAway`."""
        if not slug:
            return self._of_settings(DEFAULT)
        found = await self._version_begun_with(slug, version) if version else self._of_settings(slug)
        if found is None:
            logger.warning("assistant %s, version %d: it is gone, the default answers", slug, version)
        return found or self._of_settings(DEFAULT)

    def _of_settings(self, slug: str) -> Assistant:
        settings = conf().assistants.get(slug, _AS_THE_SERVER)
        return Assistant(slug="" if slug == DEFAULT else slug, settings=settings)

    async def _version_begun_with(self, slug: str, version: int) -> Assistant | None:
        if whole := await self._version(slug, version):
            return whole
        kept = await in_db_thread(readable_part, slug=slug, version=version)
        return Assistant(slug=slug, version=version, settings=kept) if kept else None

    async def _version(self, slug: str, version: int) -> Assistant | None:
        with self._lock:
            kept = self._versions.get((slug, version))
        kept = kept or await in_db_thread(assistant_version, slug=slug, version=version)
        return self._remember(kept)

    def _remember(self, kept: KeptVersion | None) -> Assistant | None:
        if kept is None:
            return None
        with self._lock:
            self._versions[kept.slug, kept.version] = kept
            self._versions.move_to_end((kept.slug, kept.version))
            while len(self._versions) > _MOST_VERSIONS:
                self._versions.popitem(last=False)
        return Assistant(slug=kept.slug, version=kept.version, settings=kept.settings)

    # Keeping up

    def refresh(self) -> None:
        """In a thread that may ask the database."""
        live = live_assistants()
        self._live, self._read_at = live, time.monotonic()
        for kept in filter(None, live.values()):
            self._remember(kept)

    def forget(self) -> None:
        self._live, self._read_at = {}, float("-inf")
        with self._lock:
            self._versions.clear()

    async def keep(self) -> None:
        """For as long as the process serves."""
        self._is_kept = True
        try:
            while True:
                await self._refresh_quietly()
                await asyncio.sleep(REFRESH_S)
        finally:
            self._is_kept = False

    async def _refresh_quietly(self) -> None:
        try:
            await in_db_thread(self.refresh)
        except Exception as error:
            if not isinstance(error, DatabaseAway):
                logger.exception("assistants not read")


def _or_not_found(found: Assistant | None) -> Assistant:
    if found is None:
        raise AssistantNotFound
    return found


shelf = Shelf()
