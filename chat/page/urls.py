"""The addresses of the chat's pages; the sockets' are in `chat.wire.socket`."""

from django.urls import path, re_path

from chat.door.views import SignIn, SignOut
from chat.page import views

app_name = "chat"

urlpatterns = [
    path("", views.page, name="page"),
    re_path(r"^s/(?P<session_id>[A-Za-z0-9._~-]{1,128})$", views.page, name="session"),
    path("api/sessions", views.sessions, name="sessions"),
    path("login/", SignIn.as_view(), name="login"),
    path("logout/", SignOut.as_view(), name="logout"),
]
