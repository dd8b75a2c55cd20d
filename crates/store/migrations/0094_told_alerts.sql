-- Which alerts have been told: of several gateways, and after a restart, one tells each of them once.
CREATE TABLE told_alerts (
    name TEXT PRIMARY KEY,
    told_at BIGINT NOT NULL
);
