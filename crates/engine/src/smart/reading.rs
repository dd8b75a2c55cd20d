//! What a request says, read from its body in whatever dialect it is written.

use std::cell::OnceCell;
use std::time::Instant;

use switchboard_wire::Operation;
use switchboard_wire::chat::{ChatRequest, Message, Part, PartBody, Role};
use switchboard_wire::frames::Frames;
use switchboard_wire::multipart;

use super::strings;
use crate::call::{Call, Content};
use crate::classify::{Classifier, Complexity, Prompt, Tier};
use crate::recognize;

/// How parts begin that a client's program, not its user, put into the user's turn.
const REMINDERS: [&str; 2] = ["<system-reminder>", "<environment_details>"];

/// What was found in a request.
#[derive(Clone, Debug)]
pub struct Reading {
    /// How hard it is, and why.
    pub complexity: Complexity,
    /// The classes of sensitive content in it, each once.
    pub classes: Vec<&'static str>,
    /// Microseconds that telling how hard it is took.
    pub classify_us: u64,
}

/// Reads a call, each thing at most once and only when asked for.
pub(super) struct Reader<'a> {
    call: &'a Call,
    meaning: OnceCell<Option<Box<ChatRequest>>>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(call: &'a Call) -> Self {
        Self { call, meaning: OnceCell::new() }
    }

    /// The tier and the classes.
    pub(super) fn all(&self) -> Option<Reading> {
        self.meaning()?;
        crate::classify::prepare();
        let begun = Instant::now();
        let complexity = self.complexity(&Classifier::default());
        let classify_us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        Some(Reading { complexity, classes: self.classes(), classify_us })
    }

    /// How hard the request is; one that cannot be read is as hard as most.
    pub(super) fn tier(&self, classifier: &Classifier) -> Tier {
        if self.meaning().is_none() { Tier::Standard } else { self.complexity(classifier).tier }
    }

    fn complexity(&self, classifier: &Classifier) -> Complexity {
        let Some(request) = self.meaning() else { return classifier.classify(&Prompt::default()) };
        let asked = request.messages.iter().rposition(|message| message.role == Role::User && !said(message).is_empty());
        let text = asked.map(|at| said(&request.messages[at])).unwrap_or_default();
        let before = asked.map(|at| &request.messages[..at]).unwrap_or_default();
        let last = |role| before.iter().rev().filter(|message| message.role == role).map(said).find(|text| !text.is_empty());
        let (earlier, answered) = (last(Role::User).unwrap_or_default(), last(Role::Assistant).unwrap_or_default());
        let media = asked.map_or(0, |at| request.messages[at].parts.iter().filter(|part| is_media(part)).count());
        let prompt = Prompt {
            text: &text,
            context_bytes: self.call.body.len().saturating_sub(text.len()),
            turns: request.messages.iter().filter(|message| message.role == Role::User).count(),
            tools: request.tools.len(),
            media,
            earlier: &earlier,
            offer: answered.rsplit("\n\n").next().unwrap_or_default(),
        };
        classifier.classify(&prompt)
    }

    /// The user's last words, for rules on words.
    pub(super) fn asked(&self) -> String {
        let Some(request) = self.meaning() else { return String::new() };
        request
            .messages
            .iter()
            .rev()
            .filter(|message| message.role == Role::User)
            .map(said)
            .find(|text| !text.is_empty())
            .unwrap_or_default()
    }

    /// Whether the request holds pictures, sound or documents.
    pub(super) fn has_images(&self) -> bool {
        let holds = |message: &Message| message.parts.iter().any(|part| matches!(part.body, PartBody::Image(_)));
        self.meaning().is_some_and(|request| request.messages.iter().any(holds))
    }

    /// The classes of sensitive content in everything that would leave, whatever part of the body it is.
    pub(super) fn classes(&self) -> Vec<&'static str> {
        let mut found = Vec::new();
        let mut see = |text: &str| {
            for class in recognize::classes(text) {
                if !found.contains(&class) {
                    found.push(class);
                }
            }
        };
        match &self.call.content {
            Content::Json(_) => {
                if let Ok(body) = serde_json::from_slice::<serde_json::Value>(&self.call.body.join()) {
                    strings::see(&body, &mut see);
                }
            }
            Content::Form(kind) => form(&self.call.body, kind, &mut see),
        }
        found.sort_unstable();
        found
    }

    pub(super) fn meaning(&self) -> Option<&ChatRequest> {
        let read = || {
            let is_chat = matches!(self.call.door.operation, Operation::Chat | Operation::CountTokens);
            let inbound = self.call.door.dialect.inbound().filter(|_| is_chat)?;
            inbound.read_request(&self.call.head(), &self.call.body.join()).ok().map(Box::new)
        };
        self.meaning.get_or_init(read).as_deref()
    }
}

/// Shows the texts of a form, files of text among them; of what is no form, all that is text.
fn form(body: &Frames, kind: &str, see: &mut impl FnMut(&str)) {
    let mut text = |bytes: &[u8]| {
        if let Ok(text) = std::str::from_utf8(bytes) {
            see(text);
        }
    };
    match multipart::each(body, kind) {
        Ok(fields) => fields.iter().for_each(|field| text(&field.value)),
        Err(_) => text(&body.join()),
    }
}

/// What a user says in a turn: its text, without what their program added and without results of tools.
fn said(message: &Message) -> String {
    let mut text = String::new();
    for part in &message.parts {
        if let PartBody::Text { text: piece, .. } = &part.body
            && !is_reminder(piece)
        {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(piece);
        }
    }
    text
}

/// Whether a client's program, not its user, put that into the user's turn.
pub(super) fn is_reminder(piece: &str) -> bool {
    REMINDERS.iter().any(|reminder| piece.trim_start().starts_with(reminder))
}

fn is_media(part: &Part) -> bool {
    matches!(part.body, PartBody::Image(_) | PartBody::Audio(_) | PartBody::Video(_) | PartBody::File(_))
}
