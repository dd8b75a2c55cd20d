//! Random histories of admission against a model that is too simple to be wrong.
