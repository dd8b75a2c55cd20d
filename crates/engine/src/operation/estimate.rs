//! How many tokens a chat request has, by estimate: OpenAI's newest public vocabulary over everything a model would read.
//!
//! Every vendor has its own vocabulary and its own frame around messages and tools; for texts this is right within some tens of
//! per cent, and whoever gets the count is told that it is an estimate. Media are counted by a round number, since their size in
//! tokens depends on what is in them.

use switchboard_wire::chat::{ChatRequest, OutputFormat, Part, PartBody, Tool};
use switchboard_wire::count::compact;

/// The frame around each message: who speaks, where it begins and ends.
const MESSAGE: u64 = 4;
/// The frame around each tool.
const TOOL: u64 = 8;
/// An image, a page or a short sound: the order of magnitude that vendors publish.
const MEDIUM: u64 = 1000;

/// The tokens of the whole request.
pub(super) fn tokens(request: &ChatRequest) -> u64 {
    let mut count = Count(0);
    count.parts(&request.system);
    for message in &request.messages {
        count.0 += MESSAGE;
        count.option(message.name.as_deref());
        count.parts(&message.parts);
    }
    for tool in &request.tools {
        count.0 += TOOL;
        count.tool(tool);
    }
    if let OutputFormat::JsonSchema(schema) = &request.output {
        count.text(&compact(&schema.schema));
    }
    count.0
}

struct Count(u64);

impl Count {
    /// Built at its first use (some tens of megabytes), and linear in the text whatever the text is.
    fn text(&mut self, text: &str) {
        self.0 += bpe_openai::o200k_base().count(text) as u64;
    }

    fn option(&mut self, text: Option<&str>) {
        if let Some(text) = text {
            self.text(text);
        }
    }

    fn parts(&mut self, parts: &[Part]) {
        for part in parts {
            match &part.body {
                PartBody::Text { text, .. } | PartBody::Refusal(text) => self.text(text),
                PartBody::Reasoning(thought) => self.text(&thought.text),
                PartBody::Image(media) | PartBody::Audio(media) | PartBody::Video(media) | PartBody::File(media) => match &media.source {
                    switchboard_wire::chat::MediaSource::Text(text) => self.text(text),
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
            Tool::Custom { name, description, format } => {
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
    use switchboard_wire::chat::{Message, Role};

    use super::*;

    #[test]
    fn everything_a_model_reads_is_counted() {
        let mut request =
            ChatRequest { messages: vec![Message::new(Role::User, vec![Part::text("hello world")])], ..ChatRequest::default() };
        assert_eq!(tokens(&request), MESSAGE + 2);
        request.system.push(Part::text("hello"));
        assert_eq!(tokens(&request), MESSAGE + 3);
        let function = switchboard_wire::chat::Function { name: "hello".into(), ..Default::default() };
        request.tools.push(Tool::Function(function));
        assert_eq!(tokens(&request), MESSAGE + 3 + TOOL + 1);
    }
}
