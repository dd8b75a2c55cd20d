-- What was done in a session. Most requests name none, and cost nothing here.
CREATE INDEX spend_logs_session ON spend_logs (session_id) WHERE session_id IS NOT NULL
