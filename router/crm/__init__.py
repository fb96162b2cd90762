"""What plugins for CRMs share: the facts of a call, and finding its contact. Such plugins may import it.

A plugin for a CRM derives from ``Crm`` and says how its CRM is searched and written to.
"""

from router.access import Grant
from router.crm.addresses import https, join
from router.crm.batched import BatchedCrm, Entry, Kept, given, parts, sorted_out
from router.crm.call import CallFacts
from router.crm.contacts import Contact
from router.crm.granted import GrantedCrm
from router.crm.plugin import Crm, CrmSettings, Known, asked_to_wait, identifier, json_of
from router.phone import Number, significant

__all__ = [
    "BatchedCrm",
    "CallFacts",
    "Contact",
    "Crm",
    "CrmSettings",
    "Entry",
    "Grant",
    "GrantedCrm",
    "Kept",
    "Known",
    "Number",
    "asked_to_wait",
    "given",
    "https",
    "identifier",
    "join",
    "json_of",
    "parts",
    "significant",
    "sorted_out",
]
