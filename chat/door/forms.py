"""The form of signing in, under the field names that the page always had."""

from allauth.account.forms import LoginForm


class SignInForm(LoginForm):  # type: ignore[misc]  # allauth has no types
    def add_prefix(self, field_name: str) -> str:
        """The library calls the name ``login``; browsers, scripts and Django's own page say ``username``."""
        prefixed: str = super().add_prefix("username" if field_name == "login" else field_name)
        return prefixed
