//! Images and speech that a provider makes in a form of its own.

use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_TYPE, HeaderValue};
use switchboard_wire::control::is_steering;
use switchboard_wire::images::{self, ImageRequest, Shape};
use switchboard_wire::loss::Losses;
use switchboard_wire::problem::{Kind, Problem};
use switchboard_wire::speech;
use switchboard_wire::usage::Spent;

use super::passed::count_pixels;
use super::{Product, Step, note, spoken, untaken};
use crate::call::Content;
use crate::control;
use crate::deployment::Reach;
use crate::error::{Error, Retry};
use crate::health::Failure;
use crate::meter::Meter;

/// What a model can do that is told how large its images are to be; those lack it that are not.
const SIZES: &str = "image_size";

/// Images.
pub(super) async fn drawn(step: &Step<'_>, (reach, name): (&Reach, &str), meter: &mut Meter) -> Result<Product, Error> {
    let shape = Shape::of_row(name).ok_or_else(|| step.no_translation(name))?;
    let request = asked(step, reach)?;
    let sized = step.target.card.as_ref().is_none_or(|card| !card.lacks.iter().any(|ability| ability == SIZES));
    let written = shape.write_request(&request, sized).map_err(untaken)?;
    let (headers, body) = exchange(step, (reach, name), (written.body, written.losses), meter).await?;
    let made = shape.read_reply(&body).map_err(|fault| step.unreadable(fault))?;
    let images = u64::try_from(made.images.len()).ok();
    count_pixels(step, images, meter);
    note(meter, Spent { usage: made.usage.clone(), images, ..Spent::default() });
    if made.images.is_empty() {
        return Err(nothing(("image", &made.told), made.filtered));
    }
    Ok(Product::Whole(headers, images::write_reply(&made, step.call.created).into()))
}

/// The request, but for what is meant for the gateway.
fn asked(step: &Step<'_>, reach: &Reach) -> Result<ImageRequest, Error> {
    let call = step.call;
    let mut request = match &call.content {
        Content::Json(_) => images::read_request(&step.worded(reach)),
        Content::Form(kind) => images::read_form(&call.body, kind),
    }
    .map_err(Problem::from)?;
    request.others.retain(|field| field != "metadata" && !is_steering(call.door.dialect, field));
    Ok(request)
}

/// Speech.
pub(super) async fn said(step: &Step<'_>, (reach, name): (&Reach, &str), meter: &mut Meter) -> Result<Product, Error> {
    let mut request = speech::read_request(&step.worded(reach)).map_err(Problem::from)?;
    request.others.retain(|field| field != "metadata" && !is_steering(step.call.door.dialect, field));
    let format = speech::format(&request).map_err(untaken)?;
    let written = speech::write_request(&request).map_err(untaken)?;
    let (mut headers, body) = exchange(step, (reach, name), written, meter).await?;
    let spoken = speech::read_reply(&body, format).map_err(|fault| step.unreadable(fault))?;
    note(meter, Spent { usage: spoken.usage.clone(), ..Spent::default() });
    if spoken.sound.is_empty() {
        return Err(nothing(("sound", &spoken.told), spoken.filtered));
    }
    if let Ok(kind) = HeaderValue::try_from(&spoken.media_type) {
        headers.insert(CONTENT_TYPE, kind);
    }
    Ok(Product::Whole(headers, spoken.sound))
}

/// Sends a request and takes the answer to it.
async fn exchange(
    step: &Step<'_>,
    (reach, name): (&Reach, &str),
    (body, mut losses): (Bytes, Losses),
    meter: &mut Meter,
) -> Result<(HeaderMap, Bytes), Error> {
    let laid = step.laid(reach, &mut losses);
    let mut told = HeaderMap::new();
    step.losses(&losses, &mut told, meter)?;
    let (headers, body) = step.ask(reach, step.edited(body, reach, &laid)?, spoken(step.target, name), Some(meter)).await?;
    let mut headers = control::backward(&headers);
    headers.remove(CONTENT_TYPE);
    headers.extend(told);
    Ok((headers, body))
}

/// An answer without what was asked for. The provider bills it.
fn nothing((thing, told): (&str, &str), filtered: bool) -> Error {
    let kind = if filtered { Kind::Filtered } else { Kind::Upstream };
    let why = if told.is_empty() { "it says nothing of it" } else { told };
    let problem = Problem::new(kind, format!("the model answered without any {thing}: {why}"));
    let problem = if filtered { problem.with_code("content_policy_violation") } else { problem };
    let (retry, failure) = if filtered { (Retry::Never, Failure::ContentPolicy) } else { (Retry::Next, Failure::Empty) };
    Error { retry, maybe_billed: true, ..problem.into() }.of(failure)
}
