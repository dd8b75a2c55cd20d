//! Reranking.

use http::HeaderMap;
use switchboard_wire::control::is_steering;
use switchboard_wire::dialect::Flavor;
use switchboard_wire::problem::Problem;
use switchboard_wire::rerank::{self, Place, RerankReply, RerankRequest, Shape};
use switchboard_wire::usage::Spent;

use super::{Product, Step, note, spoken, untaken};
use crate::control;
use crate::error::Error;
use crate::meter::Meter;

pub(super) async fn run(step: &Step<'_>, meter: &mut Meter) -> Result<Product, Error> {
    let (reach, name) = step.reach()?;
    let Some(shape) = Shape::of_row(name) else { return Err(step.no_translation(name)) };
    let place = Place { region: region(step, reach.origin.host()), second: reach.path.path().ends_with("/v2/rerank") };
    let dialect = spoken(step.target, name);
    let mut request = rerank::read_request(&step.worded(reach)).map_err(Problem::from)?;
    request.rest.retain(|(key, _)| !is_steering(step.call.door.dialect, key));
    let mut told = HeaderMap::new();
    let plain = request.documents.iter().all(|document| !document.object) && request.return_documents.is_none();
    let body = if shape == Shape::Cohere && (!place.second || plain) {
        step.spliced(step.outline()?, reach)
    } else {
        let mut written = shape.write_request(&request, step.written_for(reach), &place).map_err(untaken)?;
        let laid = step.laid(reach, &mut written.losses);
        step.losses(&written.losses, &mut told, meter)?;
        step.edited(written.body, reach, &laid)?
    };
    let (headers, body) = step.ask(reach, body, dialect, Some(meter)).await?;
    let mut reply = shape.read_reply(&body).map_err(|fault| step.unreadable(fault))?;
    note(meter, Spent { usage: reply.usage.clone(), queries: reply.queries, ..Spent::default() });
    let mut headers = control::backward(&headers);
    headers.extend(told);
    let changed = documents(step, &request, &mut reply);
    if shape == Shape::Cohere && !changed {
        return Ok(Product::Whole(headers, body));
    }
    if let Some(top_n) = request.top_n.and_then(|top_n| usize::try_from(top_n).ok()) {
        reply.results.truncate(top_n);
    }
    Ok(Product::Whole(headers, rerank::write_reply(&reply, &step.call.id, &step.call.model).into()))
}

/// Documents are in the answer where the client wants them. Whether that changed it.
fn documents(step: &Step<'_>, request: &RerankRequest, reply: &mut RerankReply) -> bool {
    let openrouter = step.call.door.flavor == Flavor::OpenRouter;
    match request.return_documents {
        Some(true) => {}
        None if openrouter => {}
        Some(false) if reply.results.iter().any(|ranked| ranked.document.is_some()) => {
            reply.without_documents();
            return true;
        }
        _ => return false,
    }
    let lacking = reply.results.iter().any(|ranked| ranked.document.is_none());
    if lacking {
        reply.with_documents(request);
    }
    lacking
}

/// The region of Bedrock, by the host's name, else by the deployment's settings.
fn region<'a>(step: &Step<'a>, host: &'a str) -> Option<&'a str> {
    let of_host = host.strip_prefix("bedrock-agent-runtime.").and_then(|rest| rest.split('.').next());
    of_host.or_else(|| step.target.spec.values.get("aws_region_name").map(String::as_str))
}
