//! Ordering documents by relevance: the meaning, and the shapes it is written in.
//!
//! Clients write Cohere's form, as LiteLLM and OpenRouter take it too: `query`, `documents` (texts or objects), `top_n`,
//! `return_documents`, `rank_fields`, `max_chunks_per_doc`. Most providers take over that form; those that do not:
//!
//! | meaning | cohere, jina | voyage | bedrock | watsonx | text-embeddings-inference |
//! |---|---|---|---|---|---|
//! | documents | `documents` | `documents` | `sources[]` | `inputs[].text` | `texts` |
//! | top n | `top_n` | `top_k` | `numberOfResults` | `parameters.return_options.top_n` | cut here |
//! | query | `query` | `query` | `queries[0].textQuery` | `query` | `query` |
//! | score | `relevance_score` | same, in `data` | `relevanceScore` | `score` | `score` |
//!
//! The documents are the client's own: where it wants them back, they are put into the answer here.

mod read;
mod write;

#[cfg(test)]
mod tests;

use bytes::Bytes;
use serde_json::Number;
use serde_json::value::RawValue;

use crate::embed::Target;
use crate::fields::Fields;
use crate::json;
use crate::loss::Losses;
use crate::problem::{Fault, Malformed, Unsupported};
use crate::reply::Usage;

/// A way of writing rerank requests and answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Cohere's, and that of most who have the operation.
    Cohere,
    /// Jina's: Cohere's with fewer fields.
    Jina,
    /// Voyage's.
    Voyage,
    /// Bedrock's agent runtime.
    Bedrock,
    /// IBM watsonx.
    Watsonx,
    /// Hugging Face text-embeddings-inference.
    Tei,
}

const ROWS: [(&str, Shape); 6] = [
    ("cohere", Shape::Cohere),
    ("jina", Shape::Jina),
    ("voyage", Shape::Voyage),
    ("bedrock", Shape::Bedrock),
    ("watsonx", Shape::Watsonx),
    ("tei", Shape::Tei),
];

/// One request.
#[derive(Clone, Debug)]
pub struct RerankRequest {
    /// What is asked.
    pub query: String,
    /// What may answer it.
    pub documents: Vec<Document>,
    /// How many are wanted.
    pub top_n: Option<u64>,
    /// Whether the documents are wanted back.
    pub return_documents: Option<bool>,
    /// The fields of object documents that count.
    pub rank_fields: Vec<String>,
    /// The rest, as sent.
    pub rest: Vec<(String, Box<RawValue>)>,
}

/// One document.
#[derive(Clone, Debug)]
pub struct Document {
    /// As the client wrote it.
    pub raw: Box<RawValue>,
    /// Its text: the `text` field of an object, else all of the object.
    pub text: String,
    /// Whether it is an object.
    pub object: bool,
}

/// The answer.
#[derive(Clone, Debug, Default)]
pub struct RerankReply {
    /// The provider's id of the answer.
    pub id: Option<String>,
    /// The model, in the provider's words.
    pub model: Option<String>,
    /// The documents, the most relevant first.
    pub results: Vec<Ranked>,
    /// Tokens; `None` where the provider did not say.
    pub usage: Option<Usage>,
    /// Searches billed; `None` where the provider did not say.
    pub queries: Option<u64>,
}

/// One document's place.
#[derive(Clone, Debug)]
pub struct Ranked {
    /// Which of the request's documents.
    pub index: usize,
    /// How relevant, as written.
    pub score: Number,
    /// The document, where the provider sent it.
    pub document: Option<Box<RawValue>>,
}

/// A request in a provider's bytes.
#[derive(Clone, Debug)]
pub struct RerankWritten {
    /// The body.
    pub body: Bytes,
    /// What could not be carried.
    pub losses: Losses,
}

impl Shape {
    /// The shape of that name in a provider's row.
    pub fn of_row(name: &str) -> Option<Shape> {
        ROWS.into_iter().find(|(known, _)| *known == name).map(|(_, shape)| shape)
    }

    /// The name used in provider rows.
    pub fn as_str(self) -> &'static str {
        ROWS.into_iter().find(|(_, shape)| *shape == self).map_or("", |(name, _)| name)
    }

    /// Writes a request for a provider. `place` is where it goes, for those who name the model by it.
    pub fn write_request(self, request: &RerankRequest, target: Target<'_>, place: &Place<'_>) -> Result<RerankWritten, Unsupported> {
        write::request(self, request, target, place)
    }

    /// Reads a provider's answer.
    pub fn read_reply(self, body: &[u8]) -> Result<RerankReply, Fault> {
        let read = match self {
            Shape::Cohere | Shape::Jina | Shape::Voyage => read::cohere(body),
            Shape::Bedrock => read::bedrock(body),
            Shape::Watsonx => read::watsonx(body),
            Shape::Tei => read::tei(body),
        };
        read.map_err(|malformed| Fault { raw: Bytes::copy_from_slice(body), ..Fault::protocol(&malformed.to_string()) })
    }
}

/// Where a request goes, as far as its body says so.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place<'a> {
    /// The region of Bedrock.
    pub region: Option<&'a str>,
    /// Whether the API is Cohere's second version, which takes texts only.
    pub second: bool,
}

/// Reads a client's request.
pub fn read_request(body: &[u8]) -> Result<RerankRequest, Malformed> {
    let mut fields = Fields::scan(body)?;
    fields.take_raw("model");
    let query = fields.require("query")?;
    let raws: Vec<&RawValue> = fields.require("documents")?;
    let documents = raws.into_iter().map(document).collect::<Result<Vec<_>, _>>()?;
    let mut top_n = fields.take("top_n")?;
    top_n = top_n.or(fields.take("top_k")?);
    Ok(RerankRequest {
        query,
        documents,
        top_n,
        return_documents: fields.take("return_documents")?,
        rank_fields: fields.take("rank_fields")?.unwrap_or_default(),
        rest: fields.rest(crate::dialect::Dialect::Cohere).fields().to_vec(),
    })
}

fn document(raw: &RawValue) -> Result<Document, Malformed> {
    let unreadable = |error: serde_json::Error| Malformed::field("documents", &error.to_string());
    let (text, object) = match raw.get().as_bytes().first() {
        Some(b'"') => (serde_json::from_str(raw.get()).map_err(unreadable)?, false),
        Some(b'{') => {
            let text = Fields::nested(raw)?.take::<String>("text").unwrap_or_default();
            (text.unwrap_or_else(|| raw.get().to_owned()), true)
        }
        _ => return Err(Malformed::field("documents", "must be texts or objects")),
    };
    Ok(Document { raw: raw.to_owned(), text, object })
}

impl RerankReply {
    /// Puts the client's own documents into an answer that lacks them, where they are wanted.
    pub fn with_documents(&mut self, request: &RerankRequest) {
        for ranked in &mut self.results {
            let Some(document) = request.documents.get(ranked.index) else { continue };
            if ranked.document.is_some() {
                continue;
            }
            let wrapped = || json::object(|out| out.field("text", &document.text));
            let text = if document.object { document.raw.get().to_owned() } else { json::text(wrapped()) };
            ranked.document = json::raw(&text);
        }
    }

    /// Takes out documents the client did not ask for.
    pub fn without_documents(&mut self) {
        self.results.iter_mut().for_each(|ranked| ranked.document = None);
    }
}

/// Writes an answer in Cohere's form, with what LiteLLM's and OpenRouter's clients look for beside it.
pub fn write_reply(reply: &RerankReply, id: &str, model: &str) -> Vec<u8> {
    json::object(|out| {
        out.field("id", reply.id.as_deref().unwrap_or(id));
        out.field("model", reply.model.as_deref().unwrap_or(model));
        out.array("results", |results| {
            for ranked in &reply.results {
                results.object(|out| {
                    out.field("index", &ranked.index);
                    out.field("relevance_score", &ranked.score);
                    if let Some(document) = &ranked.document {
                        out.raw("document", document.get());
                    }
                });
            }
        });
        let tokens = reply.usage.as_ref().and_then(|usage| usage.input);
        let total = reply.usage.as_ref().and_then(|usage| usage.total);
        out.object("meta", |meta| {
            if reply.queries.is_some() || total.is_some() {
                meta.object("billed_units", |out| {
                    out.option("search_units", reply.queries);
                    out.option("total_tokens", total);
                });
            }
            if let Some(tokens) = tokens {
                meta.object("tokens", |out| out.field("input_tokens", &tokens));
            }
        });
        if total.is_some() || reply.queries.is_some() {
            out.object("usage", |out| {
                out.option("prompt_tokens", tokens);
                out.option("total_tokens", total);
                out.option("search_units", reply.queries);
            });
        }
    })
}
