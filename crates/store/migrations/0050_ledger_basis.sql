-- What the provider is owed where that is not what the caller is charged: the rest is the gateway's margin.
ALTER TABLE ledger ADD COLUMN owed BIGINT;
-- From what an amount was reckoned, as JSON: provider, model, counts, pieces and terms of service.
ALTER TABLE ledger ADD COLUMN basis TEXT;
-- Which seal of its gateway a row is under.
ALTER TABLE ledger ADD COLUMN batch BIGINT;

-- One seal for each batch of rows: the digest of the rows and of the seal before it. A row that is changed or removed breaks it.
CREATE TABLE ledger_seals (
    instance TEXT NOT NULL,
    batch BIGINT NOT NULL,
    sealed_at BIGINT NOT NULL,
    rows BIGINT NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (instance, batch)
);
