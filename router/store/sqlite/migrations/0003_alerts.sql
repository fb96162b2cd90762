-- What alerts are about, so that a restart repeats none: one row for each thing that goes on, or did within the window.
CREATE TABLE alert (
    what TEXT NOT NULL,
    about TEXT NOT NULL,
    since REAL NOT NULL,
    last_at REAL NOT NULL,
    told_at REAL,
    untold INTEGER NOT NULL,
    reason TEXT NOT NULL,
    over INTEGER NOT NULL,
    PRIMARY KEY (what, about)
) WITHOUT ROWID;

CREATE INDEX event_alert ON event (id) WHERE event_type = 'alert';
