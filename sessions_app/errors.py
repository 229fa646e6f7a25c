"""The errors of the log.

SessionsError
├── InvalidSessionId      the id breaks the rule for ids
├── SessionNotFound       no such session, or not yours
├── SessionElsewhere      another live process holds the lease
├── ReplayGap             the log has a hole where it must not
├── SessionOver           the session has ended, and it does not begin anew for this
├── DecisionRefused       what a member of staff decided could not be carried out
├── DatabaseAway          the database cannot be reached now
├── FileError             something about a picture or a file
│   ├── FileTypeRefused   it is of no type that is taken
│   ├── FileBroken        it is cut, locked or too large in what it holds
│   ├── FileTooLarge      it has too many bytes
│   ├── FileNotFound      no such file, or not yours, or used in another conversation
│   └── FileStorageAway   the storage cannot be reached now
└── JournalError
    ├── JournalFull       the database has been away for longer than the buffer
    ├── JournalFenced     another process holds the session now
    ├── JournalRejected   the database refused an event for good
    └── SessionErased     somebody erased the session while it was open
"""

from typing import ClassVar


class SessionsError(Exception):
    """Something about a session went wrong."""

    code: ClassVar[str] = "session_error"
    close_code: ClassVar[int] = 1011
    retryable: ClassVar[bool] = False

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or " ".join((self.__doc__ or "").split()))

    @property
    def message(self) -> str:
        return str(self)


class InvalidSessionId(SessionsError):
    """A session id is 1 to 128 characters of A-Z a-z 0-9 . _ ~ - and is not '.' or '..'."""

    code = "invalid_session_id"
    close_code = 4400


class SessionNotFound(SessionsError):
    """There is no such session, or it is not yours. Open a new one."""

    code = "session_not_found"
    close_code = 4404


class SessionElsewhere(SessionsError):
    """Another server process serves this session now. Connect again."""

    code = "session_moved"
    close_code = 1012
    retryable = True

    def __init__(self, owner: str = "") -> None:
        super().__init__()
        self.owner = owner


class ReplayGap(SessionsError):
    """The log of this session has a gap, so that it cannot be replayed. Staff have to look at it."""

    code = "replay_gap"


class SessionOver(SessionsError):
    """The session has ended: there is nobody to answer any more."""

    code = "session_over"


class DecisionRefused(SessionsError):
    """Nobody here can carry this decision out."""

    code = "decision_refused"


class DatabaseAway(SessionsError):
    """The database cannot be reached now. Nothing that was acknowledged is lost; try again in a moment."""

    code = "storage_unavailable"
    close_code = 1013
    retryable = True


class FileError(SessionsError):
    """Something is wrong with the file."""

    code = "file_error"
    error_type: ClassVar[str] = "invalid_request_error"
    """As that of a `chat.errors.ChatError`."""


class FileTypeRefused(FileError):
    """Files of this type are not taken. Send a picture (PNG, JPEG, WebP, GIF), a PDF, or text in UTF-8."""

    code = "file_type_refused"


class FileBroken(FileError):
    """The file cannot be read: it is cut off or damaged. Save it anew and send it again."""

    code = "file_unreadable"


class FileTooLarge(FileError):
    """The file is too large. Send a smaller one."""

    code = "file_too_large"


class FileNotFound(FileError):
    """There is no such file, it is not yours, or it belongs to another conversation. Send it again."""

    code = "file_not_found"


class FileStorageAway(FileError):
    """Files cannot be kept or read now. Try again in a moment."""

    code = "file_storage_unavailable"
    error_type = "server_error"
    retryable = True


class JournalError(SessionsError):
    """An event could not be written to the log."""

    code = "storage_error"


class JournalFull(JournalError):
    """The database has been away for too long. Nothing that was acknowledged is lost; send it again in a while."""

    code = "storage_unavailable"
    close_code = 1013
    retryable = True


class JournalFenced(JournalError):
    """Another server process took this session over. Connect again."""

    code = "session_moved"
    close_code = 1012
    retryable = True


class JournalRejected(JournalError):
    """The database refused to store an event of this session."""

    code = "storage_rejected"


class SessionErased(JournalError):
    """This session was deleted. Open a new one."""

    code = "session_not_found"
    close_code = 4404
