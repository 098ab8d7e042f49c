"""Who an issuer's people are in Airflow."""

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

PROVIDER: dict[str, Any] = {
    "issuer": "https://id.example.org/realms/acme",
    "clientId": "lake",
    "clientSecret": "kept",
    "scopes": ["openid", "profile"],
    "userClaim": "preferred_username",
    "groupsClaim": "groups",
    "groups": {"lake-admins": "admin", "data team": "etl", "/readers": "analyst"},
    "users": {"dana": "analyst"},
    "ownNames": ["admin", "airflow"],
}


@pytest.fixture
def login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    file = tmp_path / "identity-provider.json"
    file.write_text(json.dumps(PROVIDER))
    monkeypatch.setenv("LAKESTACK_IDENTITY_PROVIDER", str(file))
    yield importlib.import_module("lakestack_login")


@pytest.mark.parametrize(
    ("name", "groups", "role"),
    [
        ("ada", ["staff", "lake-admins"], "Admin"),
        ("emil", ["data team"], "Op"),
        ("ana", ["/readers"], "Viewer"),
        ("ada", ["/readers", "lake-admins"], "Admin"),
        ("ana", "/readers", "Viewer"),
        ("dana", [], "Viewer"),
        ("dana", ["data team"], "Op"),
        ("stella", ["admin", "etl", "Admin"], None),
        ("gil", None, None),
        ("airflow", ["lake-admins"], None),
        ("Admin", ["lake-admins"], None),
        ("", ["lake-admins"], None),
    ],
)
def test_a_person_has_the_greatest_role_of_groups_and_name(
    login: ModuleType, name: str, groups: list[str] | str | None, role: str | None
) -> None:
    claims = {"preferred_username": name, "groups": groups}
    assert login.airflow_role(claims, PROVIDER) == role


def test_the_issuer_is_found_by_its_document_and_trusted_as_everybody_is(login: ModuleType) -> None:
    (provider,) = login.OAUTH_PROVIDERS
    remote = provider["remote_app"]
    assert remote["server_metadata_url"] == "https://id.example.org/realms/acme/.well-known/openid-configuration"
    assert remote["client_kwargs"] == {"scope": "openid profile", "code_challenge_method": "S256"}
