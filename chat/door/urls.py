"""The addresses of the front door, under the names by which django-allauth finds them."""

from allauth.account import views as account
from django.urls import include, path, re_path

from chat.door import views

urlpatterns = [
    path("login/", views.SignIn.as_view(), name="account_login"),
    path("logout/", views.SignOut.as_view(), name="account_logout"),
    path("account/", views.account, name="account"),
    path("account/sign-up/", account.signup, name="account_signup"),
    path("account/switched-off/", account.account_inactive, name="account_inactive"),
    path("account/confirm/", account.reauthenticate, name="account_reauthenticate"),
    path("account/password/", account.password_change, name="account_change_password"),
    path("account/password/first/", account.password_set, name="account_set_password"),
    path("account/second-factor/", views.SecondFactors.as_view(), name="mfa_index"),
    path("account/second-factor/authenticate/", views.AskSecondFactor.as_view(), name="mfa_authenticate"),
    path("account/second-factor/", include("allauth.mfa.urls")),
    path(
        "account/new-password/",
        views.with_email_only(account.password_reset),
        name="account_reset_password",
    ),
    path(
        "account/new-password/sent/",
        views.with_email_only(account.password_reset_done),
        name="account_reset_password_done",
    ),
    re_path(
        r"^account/new-password/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        views.with_email_only(account.password_reset_from_key),
        name="account_reset_password_from_key",
    ),
    path(
        "account/new-password/done/",
        account.password_reset_from_key_done,
        name="account_reset_password_from_key_done",
    ),
]
