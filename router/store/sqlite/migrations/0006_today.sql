-- How often the customer called on that day, as it was told; see router.calls.Call.
ALTER TABLE call ADD COLUMN calls_today INTEGER;
ALTER TABLE call ADD COLUMN missed_today INTEGER;

-- As what a call counts; see router.calls.Incoming. NULL where it does not, and in calls from before.
ALTER TABLE call ADD COLUMN customer_number TEXT;
ALTER TABLE call ADD COLUMN called_on TEXT;
ALTER TABLE call ADD COLUMN called_at REAL;
-- By day first: the calls of today stand side by side, and adding one touches no page of an older day.
CREATE INDEX call_customer ON call (called_on, customer_number, source, called_at) WHERE customer_number IS NOT NULL;
