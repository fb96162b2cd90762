"""Every CRM there is a plugin for: the plugin, and the vendor inside the test."""

from __future__ import annotations

from typing import Any

from plugins.hubspot import Hubspot
from plugins.pipedrive import Pipedrive
from plugins.salesforce import Salesforce
from plugins.zoho import Zoho
from router.crm import Crm
from router.outgoing import RequestsHttp
from tests.harness.hubspot import HubspotVendor
from tests.harness.pipedrive import PipedriveVendor
from tests.harness.salesforce import SalesforceVendor
from tests.harness.vendor import Vendor
from tests.harness.zoho import ZohoVendor

CRMS: dict[str, tuple[type[Crm[Any]], type[Vendor]]] = {
    "hubspot": (Hubspot, HubspotVendor),
    "pipedrive": (Pipedrive, PipedriveVendor),
    "salesforce": (Salesforce, SalesforceVendor),
    "zoho": (Zoho, ZohoVendor),
}


def connected(name: str, vendor: Vendor, **settings: Any) -> Crm[Any]:
    """The plugin, told of *vendor* and by way of real HTTP."""
    plugin, _ = CRMS[name]
    return plugin(plugin.Settings.model_validate({**vendor.settings, **settings}), RequestsHttp(timeout=10))
