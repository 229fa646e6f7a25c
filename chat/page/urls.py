"""The addresses of the chat's pages; the sockets' are in `chat.wire.socket`."""

from django.urls import path, re_path

from chat.door.views import SignIn, SignOut
from chat.page import bundle, embedding, files, shell, views, words
from chat.page.client_secrets import client_secrets

app_name = "chat"

urlpatterns = [
    path("", views.page, name="page"),
    re_path(r"^s/(?P<session_id>[A-Za-z0-9._~-]{1,128})$", views.page, name="session"),
    path("a/<slug:slug>/", views.page, name="assistant"),
    re_path(
        r"^a/(?P<slug>[a-z0-9-]{1,40})/s/(?P<session_id>[A-Za-z0-9._~-]{1,128})$",
        views.page,
        name="assistant-session",
    ),
    path("manifest.webmanifest", shell.manifest, name="manifest"),
    path("a/<slug:slug>/manifest.webmanifest", shell.manifest, name="assistant-manifest"),
    path("embed/", embedding.frame, name="frame"),
    path("embed/<slug:slug>/", embedding.frame, name="assistant-frame"),
    path("widget.js", embedding.widget, name="widget"),
    re_path(r"^page/(?P<version>[0-9a-f]{12})\.(?P<kind>js|css)$", bundle.bundle, name="bundle"),
    path("words/<str:language>.js", words.words, name="words"),
    re_path(r"^shades/(?P<color>[0-9a-f]{6})\.css$", shell.shades, name="shades"),
    path("v1/realtime/client_secrets", client_secrets, name="client-secrets"),
    path("v1/files", files.upload_as_openai, name="openai-files"),
    path("login/", SignIn.as_view(), name="login"),
    path("logout/", SignOut.as_view(), name="logout"),
]
