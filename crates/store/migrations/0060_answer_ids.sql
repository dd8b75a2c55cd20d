-- The provider's id of an answer, by which LiteLLM's clients ask for its line.
ALTER TABLE spend_logs ADD COLUMN answer_id TEXT;
CREATE INDEX spend_logs_answer ON spend_logs (answer_id)
