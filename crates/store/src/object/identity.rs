//! How people and machines prove who they are, besides by keys.

use serde::{Deserialize, Serialize};

use super::Role;
use crate::time::Time;

/// A virtual key that stands for whoever has a signed token with that claim.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the names are LiteLLM's columns, and say what they are")]
pub struct JwtKeyMapping {
    pub id: String,
    /// Whose tokens; empty for everybody's.
    pub jwt_issuer: String,
    pub jwt_claim_name: String,
    pub jwt_claim_value: String,
    /// The SHA-256 of the virtual key, in hex.
    pub token: String,
    pub description: Option<String>,
    pub is_active: bool,
    pub created_at: Option<Time>,
    pub updated_at: Option<Time>,
    pub created_by: Option<String>,
    pub updated_by: Option<String>,
}

impl JwtKeyMapping {
    /// What no two mappings have in common.
    pub fn name_of(issuer: &str, claim: &str, value: &str) -> String {
        serde_json::Value::from(vec![issuer, claim, value]).to_string()
    }

    /// The same of this one.
    pub fn name(&self) -> String {
        Self::name_of(&self.jwt_issuer, &self.jwt_claim_name, &self.jwt_claim_value)
    }
}

/// Somebody who is signed in. Of the secret that the browser holds, only the SHA-256 is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Session {
    /// The SHA-256 of the secret, in hex.
    pub id: String,
    /// Who.
    pub user_id: String,
    /// Their address.
    pub user_email: Option<String>,
    /// What they were when they signed in; with another role they must sign in again.
    pub role: Role,
    /// `username_password` or `sso`.
    pub method: String,
    /// A fingerprint of what they signed in with: once that is another, the session is over.
    pub stamp: String,
    /// Since when.
    pub created_at: Time,
    /// Until when at most.
    pub expires_at: Time,
}

/// A person's password, hashed. It is no part of the user, so that nothing that shows users can show it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Password {
    /// Whose.
    pub user_id: String,
    /// The hash, with its parameters and its salt.
    pub password_hash: String,
    /// Since when.
    pub created_at: Time,
}

/// A link by which somebody who has a row sets their first password. Of the link, only the SHA-256 is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Invitation {
    /// The SHA-256 of the link's id, in hex.
    pub digest: String,
    /// Who is invited.
    pub user_id: String,
    /// Whether they came.
    pub is_accepted: bool,
    /// When they came.
    pub accepted_at: Option<Time>,
    /// Until when they may.
    pub expires_at: Time,
    /// The SHA-256 of the word that whoever opened the link last was given, in hex.
    pub word: Option<String>,
    /// Until when it is good.
    pub word_until: Option<Time>,
    /// Since when.
    pub created_at: Time,
    /// By whom.
    pub created_by: String,
    /// When it was last changed.
    pub updated_at: Time,
    /// By whom.
    pub updated_by: String,
}
