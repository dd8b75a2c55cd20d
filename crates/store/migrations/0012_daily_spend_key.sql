-- What a key has spent is asked for by key.
CREATE INDEX daily_spend_key ON daily_spend (api_key, entity_type, day);
