"""What config.yaml says of Salesforce."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator

from router.crm import CrmSettings, https
from router.plugin import Secret, setting


def _field(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z]\w*__c", name, re.ASCII):
        raise ValueError("the name of a field of your own ends in __c")
    return name


class SalesforceSettings(CrmSettings):
    """Keys of a ``type: salesforce`` destination."""

    url: Annotated[str, AfterValidator(https)] = setting(
        "Your My Domain address.", example="https://mycompany.my.salesforce.com"
    )
    client_id: str = setting("The consumer key of the external client app.", example="${SALESFORCE_ID}")
    client_secret: Secret = setting("Its consumer secret.", example="${SALESFORCE_SECRET}")
    several: Literal["oldest", "newest"] = setting(
        "Which contact is taken when several have the number: `oldest` or `newest` by creation.", default="oldest"
    )
    field: Annotated[str, AfterValidator(_field)] = setting(
        "The text field of activities that names the call.", default="Callrouter_Call__c"
    )
    open_status: str = setting("The status of a task whose call goes on.", default="In Progress")
    done_status: str = setting("The status of a task whose call is over.", default="Completed")
    version: str = setting("The version of Salesforce's API.", default="v62.0")
