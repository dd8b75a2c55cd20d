//! What the gateway does with one call.
