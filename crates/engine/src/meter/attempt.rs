//! One attempt of a call, as it is recorded.

use std::sync::Arc;
use std::time::Duration;

use http::header::{HeaderMap, HeaderName, REFERER, USER_AGENT};
use switchboard_wire::reply::Usage;

use crate::catalog::PicoUsd;
use crate::deployment::Deployment;
use crate::health::Failure;

/// One attempt of a call at one deployment.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Where.
    pub deployment: Arc<Deployment>,
    /// What went wrong; `None`: nothing, or the caller left.
    pub failure: Option<Failure>,
    /// The status the provider answered with, where it failed by one.
    pub answered: Option<u16>,
    /// From the request's head to its beginning.
    pub began: Duration,
    /// What it took.
    pub took: Duration,
    /// What the provider reported.
    pub usage: Option<Usage>,
    /// The cost by the catalog's prices.
    pub cost: Option<PicoUsd>,
    /// Whether the provider may charge for it although it reported nothing.
    pub maybe_billed: bool,
    /// Whether it was begun while another one was under way, because that one was slow.
    pub hedge: bool,
    /// Whether its deployment was shut out by it.
    pub shut_out: bool,
    /// Whether it was made with a key of the caller's.
    pub own: bool,
    /// Whether it was given up because the other one was quicker.
    pub outrun: bool,
}

/// What a client says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// The address of its page.
    pub referer: Option<String>,
    /// What it calls itself.
    pub title: Option<String>,
    /// Its program.
    pub agent: Option<String>,
}

const PAGES: [HeaderName; 2] = [HeaderName::from_static("http-referer"), REFERER];
const TITLES: [HeaderName; 2] = [HeaderName::from_static("x-openrouter-title"), HeaderName::from_static("x-title")];
/// Bytes of what a client says of itself that are kept; a header that is text is ASCII.
const LONGEST: usize = 256;

impl Client {
    /// What those headers say.
    pub fn of(headers: &HeaderMap) -> Self {
        let said = |names: &[HeaderName]| {
            let value = names.iter().find_map(|name| headers.get(name)?.to_str().ok())?;
            Some(value[..value.len().min(LONGEST)].to_owned())
        };
        Self { referer: said(&PAGES), title: said(&TITLES), agent: said(&[USER_AGENT]) }
    }
}
