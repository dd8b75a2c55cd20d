//! Many requests to providers that fail at random.
