"""What each key of a configuration is for, in the sentence that an editor shows beside it."""

from __future__ import annotations

from collections.abc import Mapping

TOP: Mapping[str, str] = {
    "include": "Files and folders that this configuration goes on in.",
    "listen": "Where call events are received: 127.0.0.1:8080.",
    "admin": "The listener for operators: metrics and health. Another port than listen.",
    "store": "sqlite: and the folder for everything that must survive, or postgresql://, which several machines share.",
    "data": "With PostgreSQL: the folder for what this machine keeps to itself. With sqlite: it is in store.",
    "node": "With PostgreSQL: what this machine is called; each has a name of its own.",
    "spool": "Not built yet: only false is accepted.",
    "timezone": "For the times people see, for weekday, date and hours: Europe/London.",
    "region": "Country of numbers that are written without a country code: GB.",
    "own_numbers": "Your own phone numbers: they tell the direction where the sender does not.",
    "trusted_proxies": "Addresses or networks whose X-Forwarded-For counts.",
    "plugins": "Folders with plugins of your own.",
    "calls": "When a call is over.",
    "retention": "How long what has ended is kept.",
    "disk": "How much room on the disk is left alone.",
    "hours": "When somebody is there, by name; rules ask for it.",
    "lists": "Named values, written here or in a file; rules ask for them with in:.",
    "sources": "Who may tell us of calls, each received at /webhooks/NAME.",
    "defaults": "What every destination has that does not say otherwise.",
    "destinations": "Who can be told, and how.",
    "rules": "Who hears of what. Every rule that matches fires.",
    "always": "Destinations that hear of every event of a sender.",
    "unmatched": "Destinations of events that no rule matches, or drop.",
    "alerts": "Who is told of dead letters, paused destinations, refused events, a backlog and a full disk, or none.",
    "tests": "Calls, and who must hear of them; callrouter check runs them.",
}
CALLS: Mapping[str, str] = {
    "settle": "How long after the end of an unanswered call call_ended waits for later news.",
    "stale_after": "A call that is silent for so long is over, with outcome unknown.",
}
ALERTS: Mapping[str, str] = {
    "to": "Destinations that are told.",
    "every": "At most one alert in so long about one thing that goes on.",
    "backlog": "An alert when something has waited for so long.",
    "disk": "An alert when less of the disk is free: 10%.",
}
RETENTION: Mapping[str, str] = {
    "events": "Events with their deliveries and attempts, from the last thing that happened to one: 30d, or never.",
    "dead_letters": "Events that have a dead letter.",
    "quarantine": "Refused bodies.",
    "receipts": "What a destination returned, for later news of the same call.",
    "commands": "Recorded commands that were carried out.",
}
DISK: Mapping[str, str] = {
    "ballast": "A file of this size is kept, and deleted when the disk is full: 16MiB, or 0.",
    "refuse_below": "With less than this free, events are refused with 503: 64MiB, or 0.",
}
HOURS: Mapping[str, str] = {
    "intervals": "When it is open.",
    "except": "Days on which it is closed: dates, ranges of dates, or a calendar file.",
    "timezone": "The time zone of these hours, where it is not that of the configuration.",
}
INTERVAL: Mapping[str, str] = {
    "days": "Days of the week: mon-fri, or [mon, wed].",
    "dates": "Single days with hours of their own.",
    "from": "When it begins: 09:00.",
    "to": "When it ends: 17:30. Before from: on the next day.",
    "except": "Days on which it does not count.",
}
SOURCE: Mapping[str, str] = {
    "auth": "How it is told from a stranger. May be left out while listen is a loopback address.",
    "validation": "How strictly its events are read.",
    "accept_types": "Event types beyond the documented ones.",
    "invalid": "accept answers 200 to invalid events; they are kept in quarantine either way.",
}
AUTH: Mapping[str, str] = {
    "token": "A secret sent as bearer token, as X-Callrouter-Token or as ?token=….",
    "basic": "User and password.",
    "header": "A header with a secret value.",
    "hmac": "A signature over the body.",
    "standard-webhooks": "A signature as www.standardwebhooks.com has it.",
    "allow": "Addresses or networks it may come from.",
}
DESTINATION: Mapping[str, str] = {
    "type": "Which plugin tells it.",
    "retry": "How long to wait between attempts, and when to give up.",
    "expire": "News older than this is not sent any more.",
    "open": "Hours within which it is told; outside, what is owed waits until they open.",
    "answers": "What a status means here: {409: done, 404: again, 5xx: dead, 403: pause}.",
    "breaker": "When it is left alone for a while because everything fails; or none.",
    "concurrency": "At most so many attempts under way at once.",
    "rate": "At most so many attempts in a time: 10/s, 60/m.",
    "order": "call: the events of one call one after the other. none: each as soon as it can be sent.",
    "after_dead_letter": "hold: later events of the call wait behind a dead letter until it was replayed.",
    "unknown": "After an attempt whose answer was lost: retry, or hold.",
    "timeout": "Time limit of one whole attempt.",
    "allow_private": "false refuses loopback and private addresses.",
    "ca": "A file of certificate authorities to trust instead of the public ones.",
    "certificate": "The certificate that callrouter shows: a file with certificate and key, or {file: …, key: …}.",
    "proxy": "An HTTP proxy to go through.",
    "keep_answers": "true keeps what it answers to what it accepts, too; other answers are kept anyway.",
    "enabled": "false switches it off: nothing is kept for it meanwhile.",
    "optional": "true: while a variable in its settings is unset, it is off, and that is no error.",
    "description": "For people.",
    "formerly": "Its old name, after a rename: what waits comes along.",
}
RETRY: Mapping[str, str] = {
    "first": "Wait after the first failure.",
    "factor": "Each wait is so many times the one before.",
    "max": "No wait is longer.",
    "give_up_after": "A dead letter after so long.",
    "attempts": "A dead letter after so many attempts.",
}
BREAKER: Mapping[str, str] = {
    "failures": "It opens when so many deliveries failed one after the other.",
    "within": "All of them within so long.",
    "pause": "How long nothing is sent then, before one delivery tries again.",
    "max": "The pause doubles with each try that fails, up to this.",
}
RULE: Mapping[str, str] = {
    "name": "Its own name, for tables, logs and explanations.",
    "when": "The condition: all keys must hold; a list means any of its values.",
    "send": "Destinations, by name; {to: NAME, text: …} changes what one is told.",
    "stop": "true: when it matches, the rules below it are not asked.",
    "once": "call: only the first event of a call that matches.",
    "enabled": "false: it is never asked.",
    "description": "What it is for.",
    "owner": "Whom to ask about it.",
    "labels": "Words of your own.",
}
WORDS: Mapping[str, str] = {
    "not": "It is none of these.",
    "exists": "There is a value, or there is none.",
    "prefix": "It begins with one of these.",
    "suffix": "It ends with one of these.",
    "contains": "It has one of these in it.",
    "regex": "One of these regular expressions matches the whole of it.",
    "in": "It is in one of these lists.",
    "country": "It is a phone number of one of these countries.",
    "gt": "It is more than this.",
    "gte": "It is at least this.",
    "lt": "It is less than this.",
    "lte": "It is at most this.",
    "outside": "None of these hours hold.",
}
TEST: Mapping[str, str] = {
    "name": "What must be so.",
    "call": "A sample call, as callrouter send --sample plays it.",
    "events": "The events of a call; what is left out is filled in.",
    "with": "Fields that are different in every event.",
    "source": "The source that sends them.",
    "at": "When the call starts.",
    "expect": "Exactly who hears of it.",
    "rendered": "What one of the deliveries says.",
}
