-- Answers to requests with an Idempotency-Key, for those who send one again. A row without an answer is a request under way.
CREATE TABLE IF NOT EXISTS kept_answers (
    name TEXT PRIMARY KEY,
    request TEXT NOT NULL,
    answer BLOB,
    until BIGINT NOT NULL
);
CREATE INDEX IF NOT EXISTS kept_answers_until ON kept_answers (until)
