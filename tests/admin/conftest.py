"""People who look at the admin."""

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

PASSWORD = "a-long-password-for-tests"


@pytest.fixture
def admin(db: None) -> Client:
    """Signed in as a superuser."""
    return signed_in(User.objects.create_superuser("root", "root@example.com", PASSWORD))


@pytest.fixture
def viewer(db: None) -> Client:
    """Signed in as staff who may read sessions and nothing else."""
    user = User.objects.create_user("viewer", password=PASSWORD, is_staff=True)
    user.user_permissions.add(
        Permission.objects.get(codename="view_session", content_type__app_label="sessions_app")
    )
    return signed_in(user)


@pytest.fixture
def nobody(db: None) -> Client:
    """Signed in as staff without any permission."""
    return signed_in(User.objects.create_user("nobody", password=PASSWORD, is_staff=True))


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client
