"""A user's profile in Django with SimpleJWT. As a program, it creates the user and prints a token."""

import os
from pathlib import Path

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": Path(os.environ["DJANGO_DATABASE"]), "CONN_MAX_AGE": None}},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "rest_framework"],
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework_simplejwt.authentication.JWTAuthentication"],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    },
    ROOT_URLCONF=__name__,
    SECRET_KEY="a secret of the benchmark, which signs nothing else",
    SIMPLE_JWT={"UPDATE_LAST_LOGIN": False},
    USE_TZ=True,
)
django.setup()

from django.contrib.auth.models import User  # noqa: E402
from rest_framework.permissions import IsAuthenticated  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402


class Profile(APIView):
    permission_classes = [IsAuthenticated]

    def get(self, request):
        fields = ["id", "email", "first_name", "last_name", "date_joined", "last_login"]
        return Response({field: getattr(request.user, field) for field in fields})


urlpatterns = [path("profile", Profile.as_view())]
application = get_wsgi_application()

if __name__ == "__main__":
    from datetime import timedelta

    from django.core.management import call_command
    from rest_framework_simplejwt.tokens import AccessToken

    call_command("migrate", verbosity=0)
    user, _ = User.objects.get_or_create(
        username="ada", email="ada@example.com", first_name="Ada", last_name="Lovelace"
    )
    token = AccessToken.for_user(user)
    token.set_exp(lifetime=timedelta(hours=1))
    print(token)
