"""What the fake model says here: much in a short time, of every kind of item, in many alphabets."""

from tests.fakes.gemini_script import USAGE, Chunk, Hang, HttpError, Reply, Sleep, Step, call, sign, text

WORDS = (
    "Grüße, ",
    "日本語の文章、",
    "مرحبا بالعالم ",
    "👩‍👩‍👧‍👦 and 🏳️‍🌈 ",
    "e\u0301 is not \u00e9, ",
    "\u2028 and \u0000 and \ufeff ",
    "“quotes” \\ and \t tabs\n",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 ",
    "plain words, ",
    "हिन्दी ",
)


def _steps(words: tuple[str, ...], pause_s: float) -> list[Step]:
    steps: list[Step] = []
    for word in words:
        steps += [Sleep(pause_s), Chunk((text(word),))]
    return steps


def answer_with_tools(*, pause_s: float) -> list[Reply]:
    """Two model rounds: text and two calls of server tools, one of which fails; then text."""
    calls = (
        call("calculate", {"expression": "6*7"}, signed=True),
        call("get_time", {"zone": "Nowhere/Atall"}),
    )
    first = Reply((*_steps(WORDS, pause_s), Chunk(calls), Chunk(finish="STOP", usage=USAGE)))
    second = Reply((*_steps(WORDS * 2, pause_s), Chunk((sign(text("")),), finish="STOP", usage=USAGE)))
    return [first, second]


def endless(*, pause_s: float) -> Reply:
    """Longer than any test waits."""
    return Reply((*_steps(WORDS * 100, pause_s), Chunk(finish="STOP", usage=USAGE)))


def long_answer(*, seconds: float) -> Reply:
    words = WORDS * 10
    return Reply((*_steps(words, seconds / len(words)), Chunk(finish="STOP", usage=USAGE)))


def silent() -> Reply:
    """Takes the question and says nothing, not even that it does."""
    return Reply((Hang(),), silent_start=True)


def cut_short() -> Reply:
    return Reply((*_steps(WORDS, 0.0), Chunk(finish="MAX_TOKENS", usage=USAGE)))


def refused() -> HttpError:
    return HttpError(400, "INVALID_ARGUMENT", "Request contains an invalid argument.")
