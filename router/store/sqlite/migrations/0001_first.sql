-- Moments are seconds since 1970. State numbers are router.store.State: below 10 is unfinished.

CREATE TABLE destination (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    paused_reason TEXT,
    paused_at REAL,
    paused_fingerprint TEXT,
    resumed_at REAL
);

CREATE TABLE source (
    name TEXT NOT NULL PRIMARY KEY,
    last_received_at REAL NOT NULL
) WITHOUT ROWID;

CREATE TABLE call (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    source TEXT NOT NULL,
    call_id TEXT NOT NULL,
    state INTEGER NOT NULL,
    direction TEXT,
    from_ TEXT NOT NULL,
    "to" TEXT NOT NULL,
    tag TEXT,
    started_at REAL,
    answered_at REAL,
    ended_at REAL,
    answered INTEGER NOT NULL,
    machine INTEGER NOT NULL,
    terminal TEXT,
    outcome TEXT,
    missed INTEGER NOT NULL,
    ring_seconds REAL,
    talk_seconds REAL,
    first_event_at REAL NOT NULL,
    last_event_at REAL NOT NULL,
    last_received_at REAL NOT NULL,
    events INTEGER NOT NULL,
    end_due_at REAL,
    ends_told INTEGER NOT NULL,
    told_outcome TEXT,
    told_missed INTEGER NOT NULL,
    fired TEXT NOT NULL,
    -- The call's id comes first so that it can be looked up without its source.
    UNIQUE (call_id, source)
);
CREATE INDEX call_end_due ON call (end_due_at) WHERE end_due_at IS NOT NULL;
CREATE INDEX call_open ON call (last_received_at) WHERE ends_told = 0;
CREATE INDEX call_newest ON call (last_received_at);

CREATE TABLE event (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key BLOB NOT NULL UNIQUE,
    call INTEGER NOT NULL REFERENCES call,
    event_type TEXT NOT NULL,
    event_time REAL NOT NULL,
    received_at REAL NOT NULL,
    from_sender INTEGER NOT NULL,
    late INTEGER NOT NULL,
    unmatched INTEGER NOT NULL,
    config_version TEXT NOT NULL,
    rules TEXT NOT NULL,
    facts TEXT NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX event_of_call ON event (call);
CREATE INDEX event_received ON event (received_at);

CREATE TABLE delivery (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id INTEGER NOT NULL REFERENCES event,
    destination_id INTEGER NOT NULL REFERENCES destination,
    -- The call within which order is kept; NULL where the destination asks for none.
    call INTEGER REFERENCES call,
    state INTEGER NOT NULL,
    -- NULL until a delivery is first in line for the first time.
    due_at REAL,
    attempts INTEGER NOT NULL DEFAULT 0,
    unknowns INTEGER NOT NULL DEFAULT 0,
    replay INTEGER NOT NULL DEFAULT 0,
    -- Of the last replay of what was never delivered, and the attempts before it.
    replayed_at REAL,
    earlier_attempts INTEGER NOT NULL DEFAULT 0,
    held_by_dead_letter INTEGER NOT NULL,
    rule TEXT,
    owner TEXT,
    lease_until REAL,
    leased_at REAL,
    ended_at REAL,
    reason TEXT,
    status INTEGER,
    UNIQUE (event_id, destination_id, replay)
);
-- One comparison each: an index on several states costs every change of a delivery five times as much.
CREATE INDEX delivery_ready ON delivery (destination_id, due_at, id) WHERE state = 0;
CREATE INDEX delivery_leased ON delivery (lease_until) WHERE state = 1;
CREATE INDEX delivery_line ON delivery (destination_id, call, id) WHERE state < 10;
CREATE INDEX delivery_dead ON delivery (destination_id, id) WHERE state = 11;
CREATE INDEX delivery_dead_line ON delivery (destination_id, call, id) WHERE state = 11;

CREATE TABLE attempt (
    delivery_id INTEGER NOT NULL REFERENCES delivery,
    number INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT,
    status INTEGER,
    started_at REAL NOT NULL,
    ended_at REAL NOT NULL,
    PRIMARY KEY (delivery_id, number)
) WITHOUT ROWID;

-- What the last successful delivery of a call to a destination returned. Outlives the event.
CREATE TABLE receipt (
    destination_id INTEGER NOT NULL REFERENCES destination,
    call INTEGER NOT NULL REFERENCES call,
    body TEXT NOT NULL,
    updated_at REAL NOT NULL,
    PRIMARY KEY (destination_id, call)
) WITHOUT ROWID;

CREATE TABLE quarantine (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    source TEXT NOT NULL,
    received_at REAL NOT NULL,
    remote TEXT NOT NULL,
    faults TEXT NOT NULL,
    body BLOB NOT NULL,
    readmitted_at REAL
);

-- How far each inbox segment, and the file of commands, has been read.
CREATE TABLE cursor (
    segment TEXT NOT NULL PRIMARY KEY,
    position INTEGER NOT NULL
) WITHOUT ROWID;

-- How many deliveries of each destination are in each state; changed in the transaction that changes them.
CREATE TABLE tally (
    destination_id INTEGER NOT NULL REFERENCES destination,
    state INTEGER NOT NULL,
    n INTEGER NOT NULL,
    PRIMARY KEY (destination_id, state)
) WITHOUT ROWID;
