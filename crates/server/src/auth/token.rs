//! Signed tokens (JWT) in place of keys.
//!
//! A token is believed when one of its issuer's keys signed it by an algorithm with a public key, when it has not ended, and when
//! it was made for us by whom we trust. Nothing in the token chooses how it is checked: the algorithm must be on the list and fit
//! the key, and addresses of keys within the token are not looked at. What a token proves is remembered under the SHA-256 of all of
//! it, never of a part. That an issuer's keys cannot be had is never told as if the token were wrong.

pub mod claims;
mod crypto;
pub mod issuer;
pub mod principal;
mod register;

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header};
use serde_json::{Map, Value};
use switchboard_engine::upstream::Transport;

use crate::clock::unix_seconds;
use crate::config::resolved::{Issuer, JwtAuth};
use issuer::{Away, Belief, Place, Places};

/// Clocks may differ by this many seconds.
const LEEWAY: u64 = 60;
/// No token is longer.
const LONGEST: usize = 16 << 10;

/// What a token says.
pub type Claims = Map<String, Value>;

/// A token is not believed. `Display` is for whoever sent it.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Not of the form.
    #[error("the token is malformed")]
    Malformed,
    /// Signed in a way that is not accepted.
    #[error("the token's algorithm is not accepted")]
    Algorithm,
    /// Nobody whose tokens are believed made it.
    #[error("it was made by another issuer")]
    Stranger,
    /// No key that is known signed it.
    #[error("no key of the issuer fits the token")]
    NoKey,
    /// The signature, the time, the issuer or the audience.
    #[error("the token is not valid: {0}")]
    Refused(&'static str),
    /// The issuer's keys cannot be had.
    #[error(transparent)]
    Away(#[from] Away),
}

/// Checks tokens.
#[derive(Debug)]
pub struct Verifier {
    trusted: Vec<(Issuer, Arc<Place>)>,
    belief: Belief,
    transport: Transport,
}

impl Verifier {
    /// Tokens of those the settings name.
    pub fn new(settings: &JwtAuth, places: &Places, transport: Transport) -> Self {
        let belief = Belief { ttl: settings.key_ttl, patience: settings.key_patience };
        Self::of(settings.issuers.clone(), places, belief, transport)
    }

    /// Tokens of those issuers.
    pub fn of(issuers: Vec<Issuer>, places: &Places, belief: Belief, transport: Transport) -> Self {
        crypto::install();
        let trusted = issuers.into_iter().map(|issuer| {
            let place = places.at(&issuer.key_url);
            (issuer, place)
        });
        Self { trusted: trusted.collect(), belief, transport }
    }

    /// Whether a text may be a token at all.
    pub fn may_be_token(text: &str) -> bool {
        text.len() <= LONGEST && text.split('.').count() == 3 && text.split('.').all(|part| !part.is_empty() && part.bytes().all(is_base64))
    }

    /// What a token says, and whose it is, if it is believed.
    pub async fn claims(&self, token: &str) -> Result<(Claims, &Issuer), TokenError> {
        if !Self::may_be_token(token) {
            return Err(TokenError::Malformed);
        }
        let header = decode_header(token).map_err(|_| TokenError::Malformed)?;
        if !crypto::ACCEPTED.contains(&header.alg) {
            return Err(TokenError::Algorithm);
        }
        // Extensions that must be understood are not.
        if raw_header(token).is_none_or(|header| header.contains_key("crit")) {
            return Err(TokenError::Refused("it asks for an extension"));
        }
        let said = unverified_issuer(token);
        let (mut last, mut away) = (TokenError::Stranger, None);
        for (issuer, place) in &self.trusted {
            let named = said.as_ref().is_some_and(|said| issuer.names.contains(said));
            if !issuer.names.is_empty() && !named {
                continue;
            }
            match self.of_issuer(token, &header, issuer, place).await {
                Ok(claims) => return Ok((claims, issuer)),
                Err(TokenError::Away(error)) => away = Some(error),
                Err(error @ TokenError::Refused(_)) => last = error,
                Err(error) if matches!(last, TokenError::Stranger) => last = error,
                Err(_) => {}
            }
        }
        match (last, away) {
            // Whether its key is among those that cannot be had, nobody knows.
            (TokenError::Stranger | TokenError::NoKey, Some(away)) => Err(away.into()),
            (last, _) => Err(last),
        }
    }

    async fn of_issuer(&self, token: &str, header: &Header, issuer: &Issuer, place: &Place) -> Result<Claims, TokenError> {
        let keys = place.keys(header.kid.as_deref(), self.belief, &self.transport).await?;
        let mut last = TokenError::NoKey;
        for key in keys.iter().filter(|key| fits(key, header)) {
            match check(token, key, header.alg, issuer) {
                Ok(claims) => return Ok(claims),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

fn check(token: &str, key: &Jwk, algorithm: Algorithm, issuer: &Issuer) -> Result<Claims, TokenError> {
    let key = DecodingKey::from_jwk(key).map_err(|_| TokenError::NoKey)?;
    let mut rules = Validation::new(algorithm);
    rules.leeway = LEEWAY;
    rules.validate_nbf = true;
    rules.set_required_spec_claims(&["exp"]);
    rules.validate_aud = !issuer.audiences.is_empty();
    if !issuer.audiences.is_empty() {
        rules.set_audience(&issuer.audiences);
        rules.required_spec_claims.insert("aud".to_owned());
    }
    if !issuer.names.is_empty() {
        rules.set_issuer(&issuer.names);
        rules.required_spec_claims.insert("iss".to_owned());
    }
    let claims = decode::<Claims>(token, &key, &rules).map_err(|error| TokenError::Refused(told(&error)))?.claims;
    let now = (unix_seconds() + LEEWAY) as f64;
    let future = |name: &str| claims.get(name).is_some_and(|when| when.as_f64().unwrap_or(f64::INFINITY) > now);
    if future("iat") || future("nbf") {
        return Err(TokenError::Refused("it was made in the future"));
    }
    Ok(claims)
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

fn part(token: &str, at: usize) -> Option<Map<String, Value>> {
    let bytes = URL_SAFE_NO_PAD.decode(token.split('.').nth(at)?).ok()?;
    serde_json::from_slice(&bytes).ok()
}

fn raw_header(token: &str) -> Option<Map<String, Value>> {
    part(token, 0)
}

/// Who says to have made a token: enough to know whose keys to ask, and for nothing else.
fn unverified_issuer(token: &str) -> Option<String> {
    part(token, 1)?.get("iss")?.as_str().map(str::to_owned)
}

/// Whether a key is one for signatures by that algorithm.
fn fits(key: &Jwk, header: &Header) -> bool {
    let kind = match (&key.algorithm, header.alg) {
        (
            AlgorithmParameters::RSA(_),
            Algorithm::RS256 | Algorithm::RS384 | Algorithm::RS512 | Algorithm::PS256 | Algorithm::PS384 | Algorithm::PS512,
        ) => true,
        (AlgorithmParameters::EllipticCurve(curve), Algorithm::ES256) => curve.curve == EllipticCurve::P256,
        (AlgorithmParameters::EllipticCurve(curve), Algorithm::ES384) => curve.curve == EllipticCurve::P384,
        (AlgorithmParameters::OctetKeyPair(curve), Algorithm::EdDSA) => curve.curve == EllipticCurve::Ed25519,
        _ => false,
    };
    let common = &key.common;
    let signs = common.public_key_use.as_ref().is_none_or(|usage| *usage == PublicKeyUse::Signature)
        && common.key_operations.as_ref().is_none_or(|all| all.contains(&KeyOperations::Verify));
    let named = common.key_algorithm.is_none_or(|named| is(named, header.alg));
    kind && signs && named
}

/// Whether a key's own word for its algorithm is that one.
fn is(named: KeyAlgorithm, algorithm: Algorithm) -> bool {
    named.to_string() == format!("{algorithm:?}")
}

fn told(error: &jsonwebtoken::errors::Error) -> &'static str {
    use jsonwebtoken::errors::ErrorKind;
    match error.kind() {
        ErrorKind::ExpiredSignature => "it has ended",
        ErrorKind::ImmatureSignature => "its time has not come",
        ErrorKind::InvalidIssuer => "it was made by another issuer",
        ErrorKind::InvalidAudience => "it was made for another audience",
        ErrorKind::MissingRequiredClaim(_) => "a claim is missing",
        _ => "its signature is not the issuer's",
    }
}

#[cfg(test)]
mod tests;
