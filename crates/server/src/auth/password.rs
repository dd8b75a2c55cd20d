//! Passwords of people, which are short and guessed: argon2id, as slow as it should be, and at most two at a time.

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use rand::RngCore;
use serde_json::Value;
use switchboard_store::object::{Password, Session};
use switchboard_store::{Desk, StoreError, Time};
use tokio::sync::Semaphore;

use crate::refused::Refused;

const MEMORY: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const LENGTH: usize = 32;
/// Nobody types more.
const LONGEST: usize = 1024;

static AT_A_TIME: Semaphore = Semaphore::const_new(2);

/// A password as it is kept: `$argon2id$v=19$m=19456,t=2,p=1$SALT$HASH`.
pub async fn hashed(password: &str) -> Result<String, Refused> {
    if password.is_empty() || password.len() > LONGEST {
        return Err(Refused::bad("password must have between 1 and 1024 bytes"));
    }
    let mut salt = [0; 16];
    rand::rng().fill_bytes(&mut salt);
    let hash = slow(password, salt.to_vec(), [MEMORY, PASSES, LANES]).await?;
    Ok(format!("$argon2id$v=19$m={MEMORY},t={PASSES},p={LANES}${}${}", STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(hash)))
}

/// Whether a password is the one that is kept. Without one it takes as long, so that nobody learns who has one.
pub async fn fits(password: &str, kept: Option<&str>) -> Result<bool, Refused> {
    let read = kept.and_then(read);
    let (parameters, salt, hash) = read.unwrap_or(([MEMORY, PASSES, LANES], vec![0; 16], Vec::new()));
    if password.len() > LONGEST {
        return Ok(false);
    }
    let found = slow(password, salt, parameters).await?;
    Ok(crate::digest::same(&found, &hash))
}

fn read(kept: &str) -> Option<([u32; 3], Vec<u8>, Vec<u8>)> {
    let mut parts = kept.strip_prefix("$argon2id$v=19$")?.split('$');
    let parameters = parts.next()?;
    let number = |name: &str| parameters.split(',').find_map(|part| part.strip_prefix(name))?.parse().ok();
    let parameters = [number("m=")?, number("t=")?, number("p=")?];
    let salt = STANDARD_NO_PAD.decode(parts.next()?).ok()?;
    Some((parameters, salt, STANDARD_NO_PAD.decode(parts.next()?).ok()?))
}

async fn slow(password: &str, salt: Vec<u8>, [memory, passes, lanes]: [u32; 3]) -> Result<Vec<u8>, Refused> {
    let trouble = || Refused::new(503, "overloaded_error", Value::Null, "Passwords cannot be checked at the moment").after(1);
    let _place = AT_A_TIME.acquire().await.map_err(|_| trouble())?;
    let password = zeroize::Zeroizing::new(password.as_bytes().to_vec());
    let work = move || {
        let parameters = Params::new(memory, passes, lanes, Some(LENGTH)).ok()?;
        let mut out = vec![0; LENGTH];
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters);
        argon.hash_password_into(&password, &salt, &mut out).ok()?;
        Some(out)
    };
    tokio::task::spawn_blocking(work).await.ok().flatten().ok_or_else(trouble)
}

/// Keeps a user's password; whoever was signed in with the old one no longer is.
pub async fn keep(desk: &Desk, user: &str, hash: String) -> Result<(), StoreError> {
    desk.put(&Password { user_id: user.to_owned(), password_hash: hash, created_at: Time::now() }).await?;
    super::session::close_all(desk, user).await
}

/// Forgets a user's password and sessions.
pub async fn forget(desk: &Desk, user: &str) -> Result<(), StoreError> {
    if desk.get::<Password>(user).await?.is_some() {
        // What is deleted is kept among the deleted.
        desk.put(&Password { user_id: user.to_owned(), ..Password::default() }).await?;
        desk.delete::<Password>(user).await?;
    }
    for session in desk.of_user::<Session>(user).await? {
        desk.delete::<Session>(&session.id).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_fits_what_was_made_of_it_and_nothing_else_does() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let kept = hashed("right").await.expect("hashed");
            assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$") && !kept.contains("right"));
            assert!(fits("right", Some(&kept)).await.expect("checked"));
            for wrong in ["wrong", "", kept.as_str(), kept.rsplit('$').next().expect("a hash")] {
                assert!(!fits(wrong, Some(&kept)).await.expect("checked"), "{wrong}");
            }
            assert!(!fits("right", None).await.expect("checked"));
            assert!(!fits("", None).await.expect("checked"));
            assert_ne!(kept, hashed("right").await.expect("hashed"), "each has a salt of its own");
        });
    }
}
