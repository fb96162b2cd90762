"""What config.yaml says of HubSpot."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, model_validator

from router.crm import CrmSettings, https
from router.plugin import Secret, setting


class HubspotSettings(CrmSettings):
    """Keys of a ``type: hubspot`` destination."""

    token: Secret | None = setting(
        "The access token of a private app of your account.", default=None, example="${HUBSPOT_TOKEN}"
    )
    client_id: str | None = setting(
        "In place of `token`: the client id of an app with OAuth.", default=None, example="${HUBSPOT_ID}"
    )
    client_secret: Secret | None = setting("Its client secret.", default=None, example="${HUBSPOT_SECRET}")
    refresh_token: Secret | None = setting(
        "The refresh token of its installation in your account.", default=None, example="${HUBSPOT_REFRESH_TOKEN}"
    )
    outcomes: dict[str, str] = setting(
        "Outcomes of your own: one of callrouter's outcomes, and the id of the one in HubSpot.",
        default={},
        example='{machine: "b2cf5968-551e-4856-9783-52b3da59a7d0"}',
    )
    url: Annotated[str, AfterValidator(https)] = setting("Where HubSpot is.", default="https://api.hubapi.com")

    @model_validator(mode="after")
    def _one_way_in(self) -> HubspotSettings:
        app = (self.client_id, self.client_secret, self.refresh_token)
        if (self.token is None) != all(app) or (self.token is not None and any(app)):
            raise ValueError(
                "it needs either the token of a private app, or client_id, client_secret and refresh_token; give one"
            )
        return self
