"""Who the user is."""

from chat.tools import ToolContext, ToolError, tool
from sessions_app.selectors.users import UserProfile, find_users, user_profile

NO_ACCOUNT = (
    "Nobody is signed in here: the user is a guest, without an account or a profile. Their messages of this browser "
    "are kept all the same. They can sign in to have an account."
)
CUSTOMER = "The user has no account here: a shop's own server let them in, and knows them as {name!r}. Nothing else is known of them."


@tool
def get_my_profile(context: ToolContext) -> UserProfile | str:
    """The profile and account status of the user you are talking to.

    Gives username, name, email, whether the account is active and staff, when it was made and last signed in, and how
    many sessions, messages and tokens it has. For a guest it says that there is no account.
    """
    if context.external_user_id:
        return CUSTOMER.format(name=context.external_user_id)
    if context.user_id is None:
        return NO_ACCOUNT
    profile = user_profile(user_id=context.user_id)
    if profile is None:
        raise ToolError("The user's account has been deleted.")
    return profile


@tool(staff_only=True)
def get_user_data(user: str) -> UserProfile:
    """The profile and account status of any user of this application. For staff only.

    Args:
        user: Whom to look up: an id such as "user_123" or "123", a username, or an email address.
    """
    found = find_users(reference=user)
    if not found:
        raise ToolError(
            f"There is no user {user!r}. Give an id such as user_123, a username or an email address, each in full."
        )
    if len(found) > 1:
        choices = ", ".join(f"id:{one.user_id} (username {one.username})" for one in found)
        raise ToolError(f"{user!r} may mean several users. Call again with one of these: {choices}.")
    return found[0]
