"""Names that every vendor takes, unique, and the same every time."""

import re

from hypothesis import given
from hypothesis import strategies as st

from chat.tools.mcp.config import names_for, prefix_of

VALID = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")


def test_a_plain_name_is_server_and_tool() -> None:
    assert names_for("github", ["list_issues"]) == {"list_issues": "github__list_issues"}


def test_what_no_vendor_takes_is_replaced() -> None:
    assert names_for("my server", ["a.b/c"]) == {"a.b/c": "my_server__a_b_c"}
    assert prefix_of("1password") == "_1password"


def test_tools_that_would_share_a_name_keep_apart_whatever_their_order() -> None:
    one, two = names_for("s", ["a.b", "a/b"]), names_for("s", ["a/b", "a.b"])
    assert one == two
    assert len({*one.values()}) == 2
    assert all(name.startswith("s__a_b_") for name in one.values())


@given(st.text(min_size=1, max_size=70), st.lists(st.text(max_size=90), max_size=30))
def test_any_names_become_valid_and_unique_ones(server: str, tools: list[str]) -> None:
    names = names_for(server, tools)
    assert all(VALID.fullmatch(name) for name in names.values())
    assert len({*names.values()}) == len({*tools}) == len(names)
