//! Who somebody is: signed tokens, sign-in, sessions, and users that an identity provider makes.

pub(crate) mod issuer;
mod scim;
mod sign_in;
mod tokens;
