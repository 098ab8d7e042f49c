"""
Login to Airflow's page by an OpenID Connect issuer, beside the administrator's password.

Settings of Flask-AppBuilder's, read where $AIRFLOW__FAB__CONFIG_FILE names this file. What there is to know of the
issuer is in the file $LAKESTACK_IDENTITY_PROVIDER, since its client's secret may be in no variable.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow.providers.fab.auth_manager.security_manager.override import FabAirflowSecurityManagerOverride
from flask_appbuilder.const import AUTH_OAUTH
from flask_appbuilder.security.views import AuthDBView

PROVIDER: dict[str, Any] = json.loads(Path(os.environ["LAKESTACK_IDENTITY_PROVIDER"]).read_text(encoding="utf-8"))

# What the stack's roles are in Airflow, the greatest first. Who loads tables also fills gaps by backfills, which "User"
# may not. Who reads tables may look whether they are up to date.
AIRFLOW_ROLES = {"admin": "Admin", "etl": "Op", "analyst": "Viewer"}


def airflow_role(claims: Mapping[str, Any], provider: Mapping[str, Any]) -> str | None:
    """
    What somebody may in Airflow, by name and groups.

    Args:
        claims: what the issuer says of the person.
        provider: the issuer's settings.

    Returns:
        the name of Airflow's role; None for those who may not come in: strangers, and who would be taken for the
        administrator.
    """
    name = str(claims.get(provider["userClaim"], ""))
    # Airflow's own look at names minds no case.
    if name == "" or name.lower() in {own.lower() for own in provider["ownNames"]}:
        return None
    told = claims.get(provider["groupsClaim"]) or []
    groups = told if isinstance(told, list) else [told]
    roles = {provider["users"].get(name)} | {provider["groups"].get(group) for group in groups}
    return next((AIRFLOW_ROLES[role] for role in AIRFLOW_ROLES if role in roles), None)


class PasswordView(AuthDBView):  # type: ignore[misc]
    """The page for who has a password here: the administrator, also while the issuer does not answer."""

    route_base = "/password"


class LakestackSecurityManager(FabAirflowSecurityManagerOverride):  # type: ignore[misc]
    """Airflow's own; lets in those whom the issuer's groups give a role, and the administrator by the password."""

    def register_views(self) -> None:
        """Adds the page for the password: of its own accord Airflow has one page for one way in."""
        super().register_views()
        page = PasswordView()
        self.appbuilder.add_view_no_menu(page)
        if self.is_auth_limited:
            self.limiter.limit(self.auth_rate_limit, methods=["POST"])(page.blueprint)

    def get_oauth_user_info(self, provider: str, resp: dict[str, Any]) -> dict[str, Any]:
        """Returns what Airflow keeps of a person, with the role that this login gives."""
        claims = dict(resp.get("userinfo") or {})
        # Some issuers say less in the token than they do when they are asked.
        if PROVIDER["groupsClaim"] not in claims or PROVIDER["userClaim"] not in claims:
            claims = {**self.oauth_remotes[provider].userinfo(token=resp), **claims}
        return {
            "username": claims.get(PROVIDER["userClaim"], ""),
            "email": claims.get("email", ""),
            "first_name": claims.get("given_name", ""),
            "last_name": claims.get("family_name", ""),
            "airflow_role": airflow_role(claims, PROVIDER),
        }

    def auth_user_oauth(self, userinfo: dict[str, Any], rotate_session_id: bool = True) -> Any:  # noqa: ANN401
        """Lets nobody in without a role: Airflow would, and show an empty page."""
        if userinfo["airflow_role"] is None:
            return None
        return super().auth_user_oauth(userinfo, rotate_session_id)


AUTH_TYPE = AUTH_OAUTH
SECURITY_MANAGER_CLASS = LakestackSecurityManager
# Who comes for the first time becomes a user of Airflow; at each login the role is the one that groups give by then.
AUTH_USER_REGISTRATION = True
AUTH_USER_REGISTRATION_ROLE_JMESPATH = "airflow_role"
AUTH_ROLES_SYNC_AT_LOGIN = True
OAUTH_PROVIDERS = [
    {
        "name": "oidc",
        "icon": "fa-key",
        "token_key": "access_token",
        "remote_app": {
            "client_id": PROVIDER["clientId"],
            "client_secret": PROVIDER["clientSecret"],
            "server_metadata_url": f"{PROVIDER['issuer'].rstrip('/')}/.well-known/openid-configuration",
            "client_kwargs": {
                "scope": " ".join(PROVIDER["scopes"]),
                "code_challenge_method": "S256",
                **({"verify": PROVIDER["authorities"]} if "authorities" in PROVIDER else {}),
            },
        },
    }
]
