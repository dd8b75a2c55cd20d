//! Answers as OpenRouter's specification has them.

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use switchboard_wire::dialect::Flavor;
use switchboard_wire::{Operation, complete};

use super::{Answer, AnswerBody};
use crate::call::Call;
use crate::meter::Meter;
use crate::openrouter;
use crate::openrouter::{Account, Telling};

/// The id by which `/generation` tells of the answer.
const GENERATION: HeaderName = HeaderName::from_static("x-generation-id");

impl Answer {
    /// The same as OpenRouter's clients know it: with what its specification requires, and telling how it came about.
    #[must_use]
    pub(crate) fn for_openrouter(mut self, account: Option<Account>, call: &Call, meter: Option<&Meter>) -> Self {
        if call.door.flavor != Flavor::OpenRouter {
            return self;
        }
        let dialect = call.door.dialect;
        let charged = |body: &Bytes, meter: Option<&Meter>| openrouter::charged(dialect, body, meter?);
        if let Ok(id) = HeaderValue::try_from(&call.id) {
            self.headers.insert(GENERATION, id);
        }
        match &mut self.body {
            AnswerBody::Whole(Some(body)) if call.door.operation == Operation::ImageGenerations => *body = complete::pictures(body),
            AnswerBody::Whole(Some(body)) if matches!(call.door.operation, Operation::Embeddings | Operation::Rerank) => {
                *body = charged(body, meter).unwrap_or_else(|| body.clone());
            }
            _ if call.door.operation != Operation::Chat => {}
            AnswerBody::Whole(Some(body)) if call.stream => {
                if let Some(telling) = Telling::new(account, dialect) {
                    *body = telling.whole(body);
                }
            }
            AnswerBody::Whole(Some(body)) => {
                *body = complete::whole(dialect, body);
                *body = charged(body, meter).unwrap_or_else(|| body.clone());
                if let Some(account) = account {
                    *body = account.tell(body);
                }
            }
            AnswerBody::Stream(stream) => stream.telling = Telling::new(account, dialect).map(Box::new),
            AnswerBody::Whole(None) | AnswerBody::Made(_) => {}
        }
        self
    }
}
