-- What administrators did or were refused. Each row is bound to the one before it; the key that binds them is not here.
CREATE TABLE audit_log (
    seq BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    actor_key TEXT NOT NULL,
    action TEXT NOT NULL,
    outcome TEXT NOT NULL,
    kind TEXT NOT NULL,
    object TEXT NOT NULL,
    team TEXT NOT NULL,
    before_value TEXT,
    after_value TEXT,
    source TEXT NOT NULL,
    request_id TEXT NOT NULL,
    mac BLOB NOT NULL
);
CREATE INDEX audit_log_object ON audit_log (kind, object);
CREATE INDEX audit_log_actor ON audit_log (actor);
CREATE INDEX audit_log_at ON audit_log (at);
