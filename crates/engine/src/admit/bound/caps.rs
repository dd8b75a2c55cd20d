//! How long answers may be and how many: what a call says of it, in every dialect, and its deployment over it.
//!
//! However a number is written that some server takes, it is held for: `5.0` and `"5"` are five, of what is said twice the most counts.

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use switchboard_wire::{Dialect, Operation};

use super::said;
use crate::call::{Call, Content, amount};
use crate::deployment::Deployment;

/// Objects in which an answer is bounded.
const NESTING: [&str; 4] = ["generationConfig", "generation_config", "inferenceConfig", "options"];

/// The keys of a body by which an answer is bounded, in every dialect.
#[derive(Default)]
pub(super) struct Caps {
    max_tokens: Option<u64>,
    max_completion_tokens: Option<u64>,
    max_output_tokens: Option<u64>,
    n: Option<u64>,
    best_of: Option<u64>,
    /// Images, in other words than OpenAI's.
    images: Option<u64>,
    /// Prompts that are answered each by itself.
    prompts: u64,
    nested: Vec<Nested>,
}

/// Those of dialects whose knobs stand in objects of their own.
#[derive(Default)]
struct Nested {
    most: Option<u64>,
    candidates: Option<u64>,
}

impl Caps {
    /// What the call says, and what its deployment says over it. What a deployment says where the call is silent counts only where it
    /// makes the answer longer: it may not be translated.
    pub(super) fn of(call: &Call, target: &Deployment) -> Self {
        let of = |list: &[(String, String)], key: &str| {
            let said = list.iter().filter(|(name, _)| name == key);
            said.filter_map(|(_, json)| amount(&serde_json::from_str(json).ok()?)).max()
        };
        let number = |key: &str| {
            let silent = || of(&target.spec.defaults, key).filter(|_| matches!(key, "n" | "best_of"));
            call.amount(key).or_else(silent).max(of(&target.spec.set, key))
        };
        let nested = |key: &'static str| {
            let own = target.spec.set.iter().filter(move |(name, _)| name == key);
            let own = own.filter_map(|(_, json)| serde_json::from_str::<Nested>(json).ok());
            let called = match &call.content {
                Content::Json(outline) => outline.read::<Nested>(&call.body, key).ok().flatten(),
                Content::Form(_) => None,
            };
            called.into_iter().chain(own)
        };
        Self {
            max_tokens: number("max_tokens"),
            max_completion_tokens: number("max_completion_tokens"),
            max_output_tokens: number("max_output_tokens"),
            n: number("n"),
            best_of: number("best_of"),
            images: images(call, target),
            prompts: if call.door.dialect == Dialect::OpenAiCompletions { prompts(call) } else { 1 },
            nested: NESTING.into_iter().flat_map(nested).collect(),
        }
    }

    /// Tokens of one answer.
    pub(super) fn output(&self) -> Option<u64> {
        // To some servers none at all means as many as they like.
        self.said().filter(|most| *most > 0)
    }

    /// Whether no answer at all is asked for.
    pub(super) fn says_none(&self) -> bool {
        self.said() == Some(0)
    }

    fn said(&self) -> Option<u64> {
        let nested = self.nested.iter().map(|nested| nested.most);
        // Where a body says it twice, nobody knows which one the provider reads.
        [self.max_tokens, self.max_completion_tokens, self.max_output_tokens].into_iter().chain(nested).flatten().max()
    }

    /// Answers.
    pub(super) fn choices(&self) -> u64 {
        let nested = self.nested.iter().map(|nested| nested.candidates);
        let each = [self.n, self.best_of, self.images].into_iter().chain(nested).flatten().max().unwrap_or(1).max(1);
        each.saturating_mul(self.prompts.max(1))
    }
}

/// How many images are asked for, in the words of one maker or another.
fn images(call: &Call, target: &Deployment) -> Option<u64> {
    let draws = [Operation::ImageGenerations, Operation::ImageEdits, Operation::ImageVariations, Operation::PassThrough];
    if !draws.contains(&call.door.operation) {
        return None;
    }
    let within = call.fields("parameters");
    let nested = within.and_then(|within| images_asked(|name| within.get(name).cloned()));
    images_asked(|name| said(call, target, name)).max(nested)
}

/// How many prompts a call has that are answered each by itself.
fn prompts(call: &Call) -> u64 {
    let Content::Json(outline) = &call.content else { return 1 };
    let prompts: Option<Vec<Box<RawValue>>> = outline.read(&call.body, "prompt").ok().flatten();
    let Some(prompts) = prompts else { return 1 };
    // A list of numbers is one prompt in tokens.
    let whole = prompts.iter().filter(|prompt| prompt.get().starts_with(['"', '['])).count();
    (whole as u64).max(1)
}

/// The number that is said of each image, in the words of one maker or another.
fn images_asked(value: impl Fn(&str) -> Option<Value>) -> Option<u64> {
    const NAMES: [&str; 6] = ["batch_size", "num_images", "num_outputs", "number_of_images", "numberOfImages", "sampleCount"];
    NAMES.iter().filter_map(|name| amount(&value(name)?)).max()
}

impl<'de> Deserialize<'de> for Nested {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_map(NestedVisitor)
    }
}

struct NestedVisitor;

impl<'de> Visitor<'de> for NestedVisitor {
    type Value = Nested;

    fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("an object of knobs")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Nested, A::Error> {
        let mut nested = Nested::default();
        while let Some(key) = members.next_key::<String>()? {
            let place = match key.as_str() {
                "maxOutputTokens" | "max_output_tokens" | "maxTokens" | "num_predict" => &mut nested.most,
                "candidateCount" | "candidate_count" => &mut nested.candidates,
                _ => {
                    members.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            *place = (*place).max(amount(&members.next_value::<Value>()?));
        }
        Ok(nested)
    }
}
