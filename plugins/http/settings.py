"""Keys of a ``type: http`` destination, each checked beside those that it depends on."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator

from plugins.http import checks
from plugins.http.auth import Auth
from plugins.http.headers import header_fields
from router.plugin import Secret, Settings, Template, Url, setting

_ONE_OR_MORE = BeforeValidator(checks.as_list, json_schema_input_type=Secret | tuple[Secret, ...])
_EXPECTED = BeforeValidator(checks.expected, json_schema_input_type=dict[str, str | tuple[str, ...]])


class HttpSettings(Settings):
    """Keys of a ``type: http`` destination."""

    url: Url = setting(
        "Where to send. It may carry a token and is never shown. `{{ … }}` may stand in its path and query.",
        example="https://crm.example.com/calls",
    )
    method: Annotated[str, AfterValidator(checks.method)] = setting(
        "The HTTP method. GET, HEAD, DELETE and OPTIONS send no body of their own accord.", default="POST"
    )
    headers: Annotated[dict[str, Secret], AfterValidator(header_fields)] = setting(
        "Further headers. Their values are never shown.", default={}, example='{X-Api-Key: "${CRM_KEY}"}'
    )
    body: Annotated[Template | None, AfterValidator(checks.sent)] = setting(
        "What to send instead of the sender's own JSON. Where the content type is JSON (the default), values are "
        "escaped for use inside quotes; write `{{ value | tojson }}` without quotes for numbers and nulls.",
        default=None,
        example='{"phone": "{{ facts.customer_number }}"}',
    )
    form: Annotated[dict[str, Template], AfterValidator(checks.sent)] = setting(
        "A form to send instead, field by field; values are encoded.",
        default={},
        example='{phone: "{{ facts.customer_number }}", list: callbacks}',
    )
    envelope: Annotated[Literal["cloudevents"] | None, AfterValidator(checks.sent)] = setting(
        "`cloudevents` puts what is sent into the envelope of a CloudEvent, in structured mode.", default=None
    )
    idempotency_header: Annotated[str | None, AfterValidator(checks.one_of_each)] = setting(
        "A header that carries the key of the delivery, which is the same over all attempts.",
        default=None,
        example="Idempotency-Key",
    )
    auth: Annotated[Auth | None, AfterValidator(checks.of_one_voice)] = setting(
        "How the destination knows callrouter: `{basic: {user, password}}`, `{bearer: TOKEN}`, "
        "`{oauth2: {token_url, client_id, client_secret}}`; and `{hmac: {header, secret}}`, beside these or alone.",
        default=None,
        example='{bearer: "${CRM_TOKEN}"}',
    )
    secret: Annotated[tuple[Secret, ...], _ONE_OR_MORE, AfterValidator(checks.signing_secrets)] = setting(
        "Signs every request as Standard Webhooks has it (`whsec_…`). A list signs with each of them, so that a "
        "receiver can change to a new one at leisure.",
        default=(),
    )
    expect: Annotated[dict[str, tuple[str, ...]], _EXPECTED] = setting(
        "What a 2xx answer must say to be an acceptance: fields of its JSON (`result.state` for one inside another), "
        "and their values; of a list, one.",
        default={},
        example="{ok: true}",
    )
    unexpected: Literal["dead", "again", "pause"] = setting(
        "What becomes of a delivery whose 2xx answer says something else: a dead letter, another try, or a pause.",
        default="dead",
    )
