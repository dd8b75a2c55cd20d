//! The market: which models there are, who serves them, at what price and how well. OpenRouter's catalogue, of this gateway.
//!
//! What is told is what is known here: names that callers can use, prices and limits of the catalog, what the operator wrote in
//! `model_info`, and what was measured on this gateway's own traffic. A figure that is not known sorts last and passes no filter.

mod abilities;
mod choose;
mod image;
mod offer;
mod pricing;
mod provider;
mod query;
mod tell;

use std::time::Instant;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, request};
use serde_json::{Value, json};
use switchboard_engine::answer::AnswerBody;
use switchboard_engine::error::Error;
use switchboard_engine::wire::problem::Problem;

use crate::answered::document;
use crate::app::App;
use crate::auth::Caller;
pub(crate) use offer::{Endpoint, Offer, standing_for};

/// When models were "created": OpenAI's clients want a number, and LiteLLM gives this one.
pub(crate) const CREATED: u64 = 1_677_610_602;
use query::Wanted;

/// A document of the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// The models there are.
    Models,
    /// How many.
    Count,
    /// Those that the caller may use.
    Mine,
    /// One of them.
    One,
    /// Who serves one of them.
    Endpoints,
    /// The endpoints that keep nothing.
    ZeroRetention,
    /// Who serves models.
    Providers,
    /// The models that embed.
    Embeddings,
    /// The models that make images.
    Images,
    /// Who serves one of those.
    ImageEndpoints,
    /// What one model takes, as clients of old ask.
    Parameters,
}

impl Listing {
    /// Whether it is the same for all who ask, and not what somebody's key may use.
    pub fn is_of_all(self) -> bool {
        match self {
            Listing::Models | Listing::Count | Listing::One | Listing::Endpoints | Listing::ZeroRetention | Listing::Providers => true,
            Listing::Embeddings | Listing::Images | Listing::ImageEndpoints | Listing::Parameters => true,
            Listing::Mine => false,
        }
    }
}

/// Who asks for a document, and which.
pub(crate) struct Ask<'a> {
    /// Who.
    pub(crate) caller: &'a Caller,
    /// How.
    pub(crate) parts: &'a request::Parts,
    /// The model that the path names.
    pub(crate) model: Option<&'a str>,
}

impl Ask<'_> {
    /// Those of the models that the caller may use. What was measured is not told to everybody.
    fn told(&self, offers: impl IntoIterator<Item = Offer>) -> impl Iterator<Item = Offer> {
        let usable = offers.into_iter().filter(|offer| self.caller.may_use(&offer.names()));
        usable.map(|offer| if self.caller.is_anybody() { offer.unmeasured() } else { offer })
    }
}

/// Answers with a document of the catalogue.
pub(crate) fn answer(app: &App, listing: Listing, ask: &Ask<'_>) -> Result<Response<AnswerBody>, Problem> {
    let catalog = app.catalog();
    let query = ask.parts.uri.query();
    let now = Instant::now();
    let ground = tell::Ground { catalog: &catalog, now };
    let all = || ask.told(Offer::all(app)).collect::<Vec<_>>();
    let chosen = |wanted: &Wanted| choose::choose(all(), wanted, choose::Ground { catalog: &catalog, now });
    let value = match listing {
        Listing::Models => {
            let wanted = Wanted::read(query)?;
            let offers = chosen(&wanted);
            if wanted.rss {
                return Ok(feed(&tell::rss(&offers, &app.base(ask.parts), wanted.rss_chat)));
            }
            return Ok(document(&page(&offers, &wanted, ask, &catalog)));
        }
        Listing::Count => json!({"data": {"count": chosen(&Wanted::outputs(query)?).len()}}),
        Listing::Mine | Listing::Embeddings => {
            let mut wanted = Wanted::page(query)?;
            if listing == Listing::Embeddings {
                wanted.outputs = vec!["embeddings".to_owned()];
            }
            return Ok(document(&page(&chosen(&wanted), &wanted, ask, &catalog)));
        }
        Listing::One => json!({"data": tell::model(&one(app, ask)?, &catalog)}),
        Listing::Endpoints => json!({"data": tell::model_with_endpoints(&one(app, ask)?, ground)}),
        Listing::ZeroRetention => {
            let offers = all();
            let kept = |endpoint: &&Endpoint| endpoint.keeps_nothing();
            let told = offers.iter().flat_map(|offer| offer.endpoints.iter().filter(kept).map(|one| tell::endpoint(offer, one, ground)));
            json!({"data": told.collect::<Vec<_>>()})
        }
        Listing::Providers => provider::all(app),
        Listing::Images => image::all(&all().into_iter().filter(image::is_one).collect::<Vec<_>>()),
        Listing::ImageEndpoints => {
            let offer = Some(one(app, ask)?).filter(image::is_one).ok_or_else(|| not_found(ask))?;
            image::endpoints(&offer, &catalog)
        }
        Listing::Parameters => {
            let offer = one(app, ask)?;
            json!({"data": {"model": offer.id, "supported_parameters": offer.union(Endpoint::parameters)}})
        }
    };
    Ok(document(&value))
}

fn one(app: &App, ask: &Ask<'_>) -> Result<Offer, Problem> {
    let meant = ask.caller.meant(ask.model.unwrap_or_default());
    ask.told(Offer::find(app, &meant)).next().ok_or_else(|| not_found(ask))
}

fn not_found(ask: &Ask<'_>) -> Problem {
    *Error::model_not_found(ask.model.unwrap_or_default()).problem
}

/// OpenRouter's `ModelsListResponse`.
fn page(offers: &[Offer], wanted: &Wanted, ask: &Ask<'_>, catalog: &switchboard_engine::catalog::Catalog) -> Value {
    let start = wanted.offset.min(offers.len());
    let end = wanted.limit.map_or(offers.len(), |limit| start.saturating_add(limit).min(offers.len()));
    let data: Vec<Value> = offers[start..end].iter().map(|offer| tell::model(offer, catalog)).collect();
    let next = (end < offers.len()).then(|| {
        let kept = ask.parts.uri.query().unwrap_or_default().split('&');
        let kept = kept.filter(|pair| !pair.is_empty() && !pair.starts_with("offset=") && !pair.starts_with("limit="));
        let kept: String = kept.map(|pair| format!("&{pair}")).collect();
        format!("{}?offset={end}&limit={}{kept}", ask.parts.uri.path(), end - start)
    });
    json!({"data": data, "total_count": offers.len(), "links": {"next": next}})
}

fn feed(text: &str) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::Whole(Some(Bytes::copy_from_slice(text.as_bytes()))));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/rss+xml; charset=utf-8"));
    response
}
