//! The wire formats, by name.
//!
//! A *dialect* is a way of writing a chat exchange as bytes. Everything here may name one, so this file stands on the ground floor
//! and knows nothing else. What a dialect does is in its halves ([`crate::half`]), which its folder implements, and `registry.rs` above
//! the folders is the one place that matches on [`Dialect`] to choose one.

use std::fmt;

/// A wire format for chat exchanges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dialect {
    /// OpenAI chat completions, spoken by most providers.
    OpenAiChat,
    /// OpenAI legacy text completions.
    OpenAiCompletions,
    /// OpenAI responses.
    OpenAiResponses,
    /// Anthropic messages.
    Anthropic,
    /// Gemini `generateContent`, on AI Studio and on Vertex.
    Gemini,
    /// Bedrock Converse.
    Bedrock,
    /// Cohere chat, version 2.
    Cohere,
    /// Ollama's own `/api/chat`.
    Ollama,
    /// Replicate's predictions.
    Replicate,
}

impl Dialect {
    /// Every dialect, in the order of the documentation.
    pub const ALL: [Dialect; 9] = [
        Dialect::OpenAiChat,
        Dialect::OpenAiCompletions,
        Dialect::OpenAiResponses,
        Dialect::Anthropic,
        Dialect::Gemini,
        Dialect::Bedrock,
        Dialect::Cohere,
        Dialect::Ollama,
        Dialect::Replicate,
    ];

    /// The name used in provider rows, logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Dialect::OpenAiChat => "openai-chat",
            Dialect::OpenAiCompletions => "openai-completions",
            Dialect::OpenAiResponses => "openai-responses",
            Dialect::Anthropic => "anthropic",
            Dialect::Gemini => "gemini",
            Dialect::Bedrock => "bedrock",
            Dialect::Cohere => "cohere",
            Dialect::Ollama => "ollama",
            Dialect::Replicate => "replicate",
        }
    }

    /// The dialect of that name.
    pub fn from_name(name: &str) -> Option<Dialect> {
        Dialect::ALL.into_iter().find(|dialect| dialect.as_str() == name)
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// Which of the APIs that share OpenAI's formats the client expects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flavor {
    /// OpenAI's own (and LiteLLM's).
    #[default]
    OpenAi,
    /// OpenRouter's.
    OpenRouter,
}

/// What a client asks the gateway to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operation {
    /// A chat exchange, in any dialect (legacy completions included).
    Chat,
    /// A conversation made shorter, for what is said next (the Responses API's).
    Compact,
    /// Counting the tokens of a chat request.
    CountTokens,
    /// Text (and image) embeddings.
    Embeddings,
    /// Ordering documents by relevance to a query.
    Rerank,
    /// Content classification.
    Moderations,
    /// Images from text.
    ImageGenerations,
    /// Images from images and text.
    ImageEdits,
    /// Images like an image.
    ImageVariations,
    /// Audio from text.
    Speech,
    /// Text from audio.
    Transcriptions,
    /// English text from audio in any language.
    Translations,
    /// Whatever an operator lets be passed on; no model's.
    PassThrough,
}

impl Operation {
    /// Every operation that models serve.
    pub const ALL: [Operation; 12] = [
        Operation::Chat,
        Operation::Compact,
        Operation::CountTokens,
        Operation::Embeddings,
        Operation::Rerank,
        Operation::Moderations,
        Operation::ImageGenerations,
        Operation::ImageEdits,
        Operation::ImageVariations,
        Operation::Speech,
        Operation::Transcriptions,
        Operation::Translations,
    ];

    /// The name used in provider rows, logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Operation::Chat => "chat",
            Operation::Compact => "compact",
            Operation::CountTokens => "count_tokens",
            Operation::Embeddings => "embeddings",
            Operation::Rerank => "rerank",
            Operation::Moderations => "moderations",
            Operation::ImageGenerations => "image_generations",
            Operation::ImageEdits => "image_edits",
            Operation::ImageVariations => "image_variations",
            Operation::Speech => "speech",
            Operation::Transcriptions => "transcriptions",
            Operation::Translations => "translations",
            Operation::PassThrough => "pass_through",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}
