-- What is due, apart for first and further attempts: neither may hide the other, however many there are.
-- A delivery is in one of the two at most, so that a change costs no more than with one index.
DROP INDEX delivery_ready;
CREATE INDEX delivery_first ON delivery (destination_id, due_at, id) WHERE state = 0 AND attempts = 0;
CREATE INDEX delivery_again ON delivery (destination_id, due_at, id) WHERE state = 0 AND attempts > 0;
