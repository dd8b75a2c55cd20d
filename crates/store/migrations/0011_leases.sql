-- What each gateway may spend of a budget without asking: a slice, counted in `ledger_windows.leased` until it is spent or given back.
CREATE TABLE ledger_leases (
    instance TEXT NOT NULL,
    account BIGINT NOT NULL,
    span TEXT NOT NULL,
    start BIGINT NOT NULL,
    amount BIGINT NOT NULL,
    PRIMARY KEY (instance, account, span, start)
);
CREATE INDEX ledger_leases_window ON ledger_leases (account, span, start);

-- The gateways that are alive, by the database's clock. What a dead one has leased goes back.
CREATE TABLE gateways (
    instance TEXT PRIMARY KEY,
    beat_at BIGINT NOT NULL
);
