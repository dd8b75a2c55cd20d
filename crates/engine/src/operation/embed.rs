//! Embeddings.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use switchboard_wire::Dialect;
use switchboard_wire::control::is_steering;
use switchboard_wire::dialect::Flavor;
use switchboard_wire::embed::{EmbedReply, EmbedRequest, Encoding, Shape};
use switchboard_wire::outline::Edits;
use switchboard_wire::problem::{Fault, Kind, Problem};
use switchboard_wire::rename;
use switchboard_wire::reply::Usage;

use super::{ESTIMATED, Product, Step, spoken, untaken};
use crate::abreast;
use crate::control;
use crate::deployment::Reach;
use crate::error::Error;
use crate::meter::Meter;

/// The most calls side by side where a provider takes fewer inputs a call than there are.
const AT_ONCE: usize = 8;
/// The most calls one request may become: as many inputs as OpenAI takes, one at a time.
const MOST_CALLS: usize = 2048;

pub(super) async fn run(step: &Step<'_>, meter: &mut Meter) -> Result<Product, Error> {
    let (reach, name) = step.reach()?;
    let (Some(door), Some(shape)) = (Shape::of_door(step.call.door.shape), Shape::of_row(name)) else {
        return Err(step.no_translation(name));
    };
    if door == Shape::OpenAi && shape == Shape::OpenAi {
        return same(step, reach, meter).await;
    }
    let mut request = door.read_request(&step.worded(reach)).map_err(Problem::from)?;
    request.rest.retain(|(key, _)| !is_steering(step.call.door.dialect, key));
    if let Some(media) = &step.dispatch.settings.media {
        let brought = Box::pin(media.bring_into(&mut |each| request.each_wanted(shape, each), step.dispatch.worker, step.room)).await;
        brought.map_err(|mut error| {
            error.problem.param = Some("input".into());
            error
        })?;
    }
    let mut written = shape.write_request(&request, step.written_for(reach)).map_err(untaken)?;
    let laid = step.laid(reach, &mut written.losses);
    let mut told = HeaderMap::new();
    step.losses(&written.losses, &mut told, meter)?;
    let (mut headers, mut reply) = ask(step, reach, (shape, written.bodies, &laid), meter).await?;
    headers.extend(told);
    check(step, &request, &reply)?;
    match &reply.usage {
        Some(usage) => meter.usage(usage.clone()),
        // OpenAI's clients require it: what is charged, marked as what it is.
        None if door == Shape::OpenAi => {
            reply.usage = meter.estimate().map(|usage| Usage { input: usage.input, ..Usage::default() });
            headers.extend(reply.usage.is_some().then_some((ESTIMATED, HeaderValue::from_static("1"))));
        }
        None => {}
    }
    Ok(Product::Whole(headers, door.write_reply(&reply, request.encoding, &step.call.model).into()))
}

/// OpenAI's form on both sides: the bytes pass. Only vectors in the other encoding than the client asked for are written anew.
async fn same(step: &Step<'_>, reach: &Reach, meter: &mut Meter) -> Result<Product, Error> {
    let outline = step.outline()?;
    let wanted: Option<String> = outline.read(&step.call.body, "encoding_format").map_err(Problem::from)?;
    let (headers, body) = step.ask(reach, step.spliced(outline, reach), spoken(step.target, "openai"), Some(meter)).await?;
    let reply = Shape::OpenAi.read_reply(&headers, &body).map_err(|fault| step.unreadable(fault))?;
    if let Some(usage) = reply.usage {
        meter.usage(usage);
    }
    let wanted = match wanted.as_deref() {
        Some("base64") => Some(Encoding::Base64),
        Some("float") => Some(Encoding::Float),
        _ => None,
    };
    let body = wanted.and_then(|wanted| Shape::OpenAi.reencode(&body, wanted)).map_or(body, Bytes::from);
    let named = || rename::whole(Dialect::OpenAiChat, &body, step.dispatch.model(step.target), None);
    let asked_names = step.dispatch.settings.asked_names || step.call.door.flavor == Flavor::OpenRouter;
    let body = if asked_names { named() } else { body };
    Ok(Product::Whole(control::backward(&headers), body))
}

/// Sends the bodies and joins the answers.
async fn ask(
    step: &Step<'_>,
    reach: &Reach,
    (shape, bodies, laid): (Shape, Vec<Bytes>, &Edits),
    meter: &mut Meter,
) -> Result<(HeaderMap, EmbedReply), Error> {
    if bodies.len() > MOST_CALLS {
        let message = format!("these inputs would take {} calls of {}; send fewer at once", bodies.len(), step.target.spec.model);
        return Err(Problem::new(Kind::BadRequest, message).with_param("input").into());
    }
    let dialect = spoken(step.target, shape.as_str());
    let read = |(headers, body): (HeaderMap, Bytes)| {
        let reply = shape.read_reply(&headers, &body).map_err(|fault| step.unreadable(fault))?;
        Ok((headers, reply))
    };
    let mut bodies = bodies.into_iter();
    let first = bodies.next().ok_or_else(|| Error::internal("a request was written as nothing"))?;
    let answered = step.ask(reach, step.edited(first, reach, laid)?, dialect, Some(meter)).await?;
    let (headers, mut joined) = read(answered)?;
    let rest = bodies.map(|body| -> std::pin::Pin<Box<dyn Future<Output = Result<EmbedReply, Error>> + Send>> {
        Box::pin(async move { read(step.ask(reach, step.edited(body, reach, laid)?, dialect, None).await?).map(|(_, reply)| reply) })
    });
    for reply in abreast::all(rest, AT_ONCE).await? {
        joined.join(reply);
    }
    Ok((control::backward(&headers), joined))
}

/// A vector for each input, or none at all.
fn check(step: &Step<'_>, request: &EmbedRequest, reply: &EmbedReply) -> Result<(), Error> {
    let (asked, got) = (request.inputs.len(), reply.vectors.len());
    if asked == got { Ok(()) } else { Err(step.unreadable(Fault::protocol(&format!("{got} vectors for {asked} inputs")))) }
}
