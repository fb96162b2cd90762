-- What is kept of the last answer of a destination to a delivery, as JSON. One for each delivery: a destination that is
-- down for days answers every attempt the same.
CREATE TABLE answer (
    delivery_id INTEGER NOT NULL PRIMARY KEY REFERENCES delivery,
    attempt INTEGER NOT NULL,
    body TEXT NOT NULL
);
