"""What config.yaml says of Zoho CRM."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator

from router.crm import CrmSettings, https
from router.plugin import Secret, setting


class ZohoSettings(CrmSettings):
    """Keys of a ``type: zoho`` destination."""

    accounts: Annotated[str, AfterValidator(https)] = setting(
        "Where your data center gives tokens.", default="https://accounts.zoho.com", example="https://accounts.zoho.eu"
    )
    client_id: str = setting("The client id of the self client.", example="${ZOHO_ID}")
    client_secret: Secret = setting("Its client secret.", example="${ZOHO_SECRET}")
    refresh_token: Secret = setting("The refresh token, which does not expire.", example="${ZOHO_REFRESH_TOKEN}")
    several: Literal["oldest", "newest"] = setting(
        "Which contact is taken when several have the number: `oldest` or `newest` by creation.", default="oldest"
    )
    field: str = setting("The unique field of calls that names the call.", default="Callrouter_Call")
    duration: Literal["mm:ss", "hh:mm"] = setting("How Zoho reads the duration of a call.", default="mm:ss")
