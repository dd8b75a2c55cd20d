//! How many tokens a chat request has, by estimate: a public vocabulary over everything a model would read.
//!
//! Every vendor has its own vocabulary and its own frame around messages and tools; for texts this is right within some tens of
//! per cent, and whoever gets the count is told that it is an estimate. Media are counted by a round number, since their size in
//! tokens depends on what is in them.
//!
//! The vocabulary is OpenAI's `cl100k_base` (from `tiktoken`, MIT): of the public ones it is nearest to those of vendors who
//! publish none, and half the size of its successor. It is kept compressed and made into a tokenizer at the first estimate, or beside
//! the calls once it is known that some will be estimated; that takes about half a second and some fifty megabytes, and a gateway
//! that never estimates has neither. Counting is linear in the text
//! whatever the text is.

use std::io::Read;
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bpe::byte_pair_encoding::BytePairEncoding;
use flate2::read::GzDecoder;
use switchboard_wire::chat::MediaSource;
use switchboard_wire::chat::{ChatRequest, Message, OutputFormat, Part, PartBody, Tool};
use switchboard_wire::count::compact;

/// The frame around each message: who speaks, where it begins and ends.
const MESSAGE: u64 = 4;
/// The beginning of the answer, which stands behind the last message.
const ANSWER: u64 = 3;
/// The frame around each tool.
const TOOL: u64 = 8;
/// An image, a page or a short sound: the order of magnitude that vendors publish.
const MEDIUM: u64 = 1000;

/// A factor with which no two tokens of the vocabulary share a hash; finding one takes longer than all the rest.
const HASH_FACTOR: u64 = 17_846_336_922_010_275_747;

static VOCABULARY: OnceLock<Option<BytePairEncoding>> = OnceLock::new();

fn vocabulary() -> Option<&'static BytePairEncoding> {
    let made = || {
        let mut text = String::new();
        GzDecoder::new(&include_bytes!("estimate/cl100k_base.tiktoken.gz")[..]).read_to_string(&mut text).ok()?;
        // One token a line, in base64, with its rank, in the order of ranks.
        let tokens: Option<Vec<Vec<u8>>> = text.lines().map(|line| STANDARD.decode(line.split(' ').next()?).ok()).collect();
        Some(BytePairEncoding::from_dictionary(tokens?, Some(HASH_FACTOR)))
    };
    VOCABULARY.get_or_init(made).as_ref()
}

/// Makes the tokenizer, where there is none yet.
pub(crate) fn make_ready() {
    vocabulary();
}

/// Whether it is there: the first to count makes it, and waits.
pub(crate) fn is_ready() -> bool {
    VOCABULARY.get().is_some()
}

/// The tokens of the whole request; `None` where the vocabulary cannot be read.
pub(crate) fn tokens(request: &ChatRequest) -> Option<u64> {
    let mut count = Count(ANSWER, vocabulary()?);
    if !request.system.is_empty() {
        count.0 += MESSAGE;
        count.parts(&request.system);
    }
    request.messages.iter().for_each(|message| count.message(message));
    for tool in &request.tools {
        count.0 += TOOL;
        count.tool(tool);
    }
    if let OutputFormat::JsonSchema(schema) = &request.output {
        count.text(&compact(&schema.schema));
    }
    Some(count.0)
}

/// The tokens of those messages.
pub(crate) fn messages(messages: &[Message]) -> Option<u64> {
    let mut count = Count(0, vocabulary()?);
    messages.iter().for_each(|message| count.message(message));
    Some(count.0)
}

/// The tokens of a text.
pub(crate) fn text(text: &str) -> Option<u64> {
    let mut count = Count(0, vocabulary()?);
    count.text(text);
    Some(count.0)
}

struct Count(u64, &'static BytePairEncoding);

impl Count {
    fn text(&mut self, text: &str) {
        self.0 += self.1.count(text.as_bytes()) as u64;
    }

    fn option(&mut self, text: Option<&str>) {
        if let Some(text) = text {
            self.text(text);
        }
    }

    fn message(&mut self, message: &Message) {
        self.0 += MESSAGE;
        self.option(message.name.as_deref());
        self.parts(&message.parts);
    }

    fn parts(&mut self, parts: &[Part]) {
        for part in parts {
            match &part.body {
                PartBody::Text { text, .. } | PartBody::Refusal(text) => self.text(text),
                PartBody::Reasoning(thought) => self.text(&thought.text),
                PartBody::Image(media) | PartBody::Audio(media) | PartBody::Video(media) | PartBody::File(media) => match &media.source {
                    MediaSource::Text(text) => self.text(text),
                    _ => self.0 += MEDIUM,
                },
                PartBody::ToolCall(call) => {
                    self.text(&call.name);
                    self.text(&call.arguments);
                }
                PartBody::ToolResult(result) => self.parts(&result.parts),
                PartBody::Hosted(hosted) => self.text(hosted.raw.get()),
            }
        }
    }

    fn tool(&mut self, tool: &Tool) {
        match tool {
            Tool::Function(function) => {
                self.text(&function.name);
                self.option(function.description.as_deref());
                if let Some(parameters) = &function.parameters {
                    self.text(&compact(parameters));
                }
            }
            Tool::Custom { name, description, format, .. } => {
                self.text(name);
                self.option(description.as_deref());
                self.option(format.as_deref());
            }
            Tool::Hosted(hosted) => self.text(hosted.raw.get()),
        }
    }
}

#[cfg(test)]
mod tests {
    use switchboard_wire::chat::Role;

    use super::*;

    #[test]
    fn everything_a_model_reads_is_counted() {
        let mut request =
            ChatRequest { messages: vec![Message::new(Role::User, vec![Part::text("hello world")])], ..ChatRequest::default() };
        assert_eq!(tokens(&request), Some(ANSWER + MESSAGE + 2));
        request.system.push(Part::text("hello"));
        assert_eq!(tokens(&request), Some(ANSWER + 2 * MESSAGE + 3));
        let function = switchboard_wire::chat::Function { name: "hello".into(), ..Default::default() };
        request.tools.push(Tool::Function(function));
        assert_eq!(tokens(&request), Some(ANSWER + 2 * MESSAGE + 3 + TOOL + 1));
    }
}
