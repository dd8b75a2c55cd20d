//! Back from the identity provider.

use super::exchange::{claims, refused};
use super::parcel::{COOKIE, Parcel};
use super::{Visit, admitted, begin, cookie, dashboard, newcomer, welcome};
use crate::answered::Answered;
use crate::auth::session;
use crate::refused::Refused;

/// Lets in who comes back with the state they left with, and a code that the provider knows.
pub(super) async fn callback(visit: &Visit) -> Result<Answered, Refused> {
    let config = visit.app.config();
    let master = config.general.master_key.as_ref().ok_or_else(begin::no_master)?;
    let provider = config.general.sign_in.provider.as_ref();
    let provider = provider.ok_or_else(|| Refused::missing("There is no identity provider to come back from"))?;
    let query = visit.parts.uri.query().unwrap_or_default();
    let said = |name: &str| crate::query::value(query, name).filter(|text| !text.is_empty());
    let sealed = session::value(&visit.parts.headers, COOKIE);
    let parcel = sealed.and_then(|sealed| Parcel::opened(sealed, master.expose().as_bytes()));
    let parcel = parcel.ok_or_else(|| refused("this sign-in did not begin in this browser, or took too long; begin again"))?;
    let state = said("state").unwrap_or_default();
    if !crate::digest::same(state.as_bytes(), parcel.state.as_bytes()) {
        return Err(refused("the state is that of another sign-in; begin again"));
    }
    if !visit.app.foundation.returned.first(&parcel.state) {
        return Err(refused("this sign-in has come back already; begin again"));
    }
    if said("error").is_some() {
        return Err(refused("the identity provider did not let this person in"));
    }
    let code = said("code").ok_or_else(|| refused("the identity provider sent no code"))?;
    let claims = claims(visit, provider, &parcel, &code).await?;
    let who = admitted(visit, newcomer::known(visit, provider, &claims).await?)?;
    let to = parcel.to.clone().unwrap_or_else(|| dashboard(visit));
    let mut response = welcome(visit, who, to, true).await?;
    cookie(&mut response, COOKIE, "", (0, "Lax"), visit);
    Ok(response)
}
