-- What operators asked for, as far as it was carried out. The numbers are those in the file of commands.
CREATE TABLE command (
    id INTEGER PRIMARY KEY,
    began_at REAL NOT NULL,
    -- NULL while it is under way: a long one is carried out over many turns.
    ended_at REAL,
    -- JSON: how far it has come.
    progress TEXT NOT NULL,
    result TEXT
);
CREATE INDEX command_under_way ON command (id) WHERE ended_at IS NULL;

-- The number of a silence is that of the command that made it.
CREATE TABLE silence (
    id INTEGER PRIMARY KEY,
    matchers TEXT NOT NULL,
    why TEXT NOT NULL,
    who TEXT NOT NULL,
    began_at REAL NOT NULL,
    ends_at REAL NOT NULL,
    -- Who ended it before its time.
    ended_by TEXT
);
CREATE INDEX silence_end ON silence (ends_at);

-- What each silence has caught, replayed since or not.
CREATE TABLE silenced (
    silence INTEGER NOT NULL REFERENCES silence,
    delivery_id INTEGER NOT NULL REFERENCES delivery,
    PRIMARY KEY (silence, delivery_id)
) WITHOUT ROWID;
CREATE INDEX silenced_delivery ON silenced (delivery_id);

-- While it drains, a destination is sent what waits and takes nothing new.
ALTER TABLE destination ADD COLUMN drained_at REAL;
ALTER TABLE destination ADD COLUMN drain_reason TEXT;
