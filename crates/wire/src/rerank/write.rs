//! Requests for providers.

use bytes::Bytes;

use super::{Place, RerankRequest, RerankWritten, Shape};
use crate::embed::Target;
use crate::json::{self, Object};
use crate::loss::{Losses, Why};
use crate::problem::Unsupported;

pub(super) fn request(shape: Shape, request: &RerankRequest, target: Target<'_>, place: &Place<'_>) -> Result<RerankWritten, Unsupported> {
    let mut losses = Losses::new();
    let body = match shape {
        Shape::Cohere => cohere(request, target, place, &mut losses),
        Shape::Jina => jina(request, target, &mut losses),
        Shape::Voyage => voyage(request, target, &mut losses),
        Shape::Bedrock => bedrock(request, target, place, &mut losses)?,
        Shape::Watsonx => watsonx(request, target, &mut losses),
        Shape::Tei => tei(request, &mut losses),
    };
    Ok(RerankWritten { body: Bytes::from(body), losses })
}

/// A document as a text, where the target takes nothing else.
fn texts<'a>(request: &'a RerankRequest, losses: &mut Losses) -> Vec<&'a str> {
    let whole = |text: &str| text.starts_with('{');
    if request.documents.iter().any(|document| document.object && !whole(&document.text)) || !request.rank_fields.is_empty() {
        losses.add("documents", Why::Approximated);
    }
    request.documents.iter().map(|document| document.text.as_str()).collect()
}

/// Fields the target does not know.
fn rest(request: &RerankRequest, known: &[&str], out: &mut Object<'_>) {
    for (key, value) in request.rest.iter().filter(|(key, _)| known.contains(&key.as_str())) {
        out.raw(key, value.get());
    }
}

fn lost(request: &RerankRequest, known: &[&str], losses: &mut Losses) {
    for (key, _) in request.rest.iter().filter(|(key, _)| !known.contains(&key.as_str())) {
        losses.dropped(key.clone());
    }
    if !request.rank_fields.is_empty() && !known.contains(&"rank_fields") {
        losses.dropped("rank_fields");
    }
}

/// Everything as sent, but that the second version takes texts only: objects are sent as the text they hold, or as JSON.
fn cohere(request: &RerankRequest, target: Target<'_>, place: &Place<'_>, losses: &mut Losses) -> Vec<u8> {
    let texts = place.second.then(|| texts(request, losses));
    if place.second && !request.rank_fields.is_empty() {
        losses.dropped("rank_fields");
    }
    json::object(|out| {
        out.field("model", target.model);
        out.field("query", &request.query);
        match &texts {
            Some(texts) => out.field("documents", texts),
            None => out.array("documents", |documents| request.documents.iter().for_each(|document| documents.raw(document.raw.get()))),
        }
        out.option("top_n", request.top_n);
        if !place.second {
            out.option("return_documents", request.return_documents);
            if !request.rank_fields.is_empty() {
                out.field("rank_fields", &request.rank_fields);
            }
        }
        for (key, value) in request.rest.iter().filter(|(key, _)| !place.second || key != "max_chunks_per_doc") {
            out.raw(key, value.get());
        }
    })
}

fn jina(request: &RerankRequest, target: Target<'_>, losses: &mut Losses) -> Vec<u8> {
    const KNOWN: [&str; 2] = ["truncation", "max_doc_length"];
    lost(request, &KNOWN, losses);
    json::object(|out| {
        out.field("model", target.model);
        out.field("query", &request.query);
        // Objects with a text or an image are Jina's own form.
        out.array("documents", |documents| request.documents.iter().for_each(|document| documents.raw(document.raw.get())));
        out.option("top_n", request.top_n);
        // Ours to add: Jina sends them unless told otherwise.
        out.field("return_documents", &false);
        rest(request, &KNOWN, out);
    })
}

fn voyage(request: &RerankRequest, target: Target<'_>, losses: &mut Losses) -> Vec<u8> {
    const KNOWN: [&str; 1] = ["truncation"];
    lost(request, &KNOWN, losses);
    let texts = texts(request, losses);
    json::object(|out| {
        out.field("model", target.model);
        out.field("query", &request.query);
        out.field("documents", &texts);
        out.option("top_k", request.top_n);
        rest(request, &KNOWN, out);
    })
}

fn bedrock(request: &RerankRequest, target: Target<'_>, place: &Place<'_>, losses: &mut Losses) -> Result<Vec<u8>, Unsupported> {
    const KNOWN: [&str; 1] = ["nextToken"];
    lost(request, &KNOWN, losses);
    let arn = match place.region {
        _ if target.model.starts_with("arn:") => target.model.to_owned(),
        Some(region) => format!("arn:aws:bedrock:{region}::foundation-model/{}", target.model),
        None => {
            let why = "the region of the model is not known";
            return Err(Unsupported { field: "model".to_owned(), target: Shape::Bedrock.as_str(), why: why.to_owned() });
        }
    };
    Ok(json::object(|out| {
        out.array("queries", |queries| {
            queries.object(|out| {
                out.text("type", "TEXT");
                out.object("textQuery", |out| out.field("text", &request.query));
            });
        });
        out.array("sources", |sources| {
            for document in &request.documents {
                sources.object(|out| {
                    out.text("type", "INLINE");
                    out.object("inlineDocumentSource", |out| {
                        if document.object {
                            out.text("type", "JSON");
                            out.raw("jsonDocument", document.raw.get());
                        } else {
                            out.text("type", "TEXT");
                            out.object("textDocument", |out| out.field("text", &document.text));
                        }
                    });
                });
            }
        });
        out.object("rerankingConfiguration", |out| {
            out.text("type", "BEDROCK_RERANKING_MODEL");
            out.object("bedrockRerankingConfiguration", |out| {
                out.object("modelConfiguration", |out| out.field("modelArn", &arn));
                out.option("numberOfResults", request.top_n);
            });
        });
    }))
}

fn watsonx(request: &RerankRequest, target: Target<'_>, losses: &mut Losses) -> Vec<u8> {
    lost(request, &[], losses);
    let texts = texts(request, losses);
    json::object(|out| {
        out.field("model_id", target.model);
        out.option("project_id", target.project);
        out.field("query", &request.query);
        out.array("inputs", |inputs| texts.iter().for_each(|text| inputs.object(|out| out.field("text", text))));
        if let Some(top_n) = request.top_n {
            out.object("parameters", |out| out.object("return_options", |out| out.field("top_n", &top_n)));
        }
    })
}

fn tei(request: &RerankRequest, losses: &mut Losses) -> Vec<u8> {
    const KNOWN: [&str; 3] = ["raw_scores", "truncate", "truncation_direction"];
    lost(request, &KNOWN, losses);
    let texts = texts(request, losses);
    json::object(|out| {
        out.field("query", &request.query);
        out.field("texts", &texts);
        rest(request, &KNOWN, out);
    })
}
