//! Instructions amid a conversation.
//!
//! Those that open it stand before it. A later one stays where it is said: moved to the front, it would change what comes before
//! everything, and a provider's prompt cache would find nothing again. Where the API has no turn for it, it is a user's, with a note
//! that says whose it is. An earlier turn is placed alike whatever turns come after the next answer.

use crate::chat::{Message, Part, PartBody, Role};

/// What stands before an instruction that is said in the user's turn.
const NOTE: &str = "Note from the operator, not from the user: what follows is an instruction of the system, given at this point.";

/// Whose turn a message becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Voice {
    /// The one who says it.
    Own(Role),
    /// The user's, after a note.
    Noted,
}

impl Voice {
    /// The turn's role.
    pub(crate) fn role(self) -> Role {
        match self {
            Self::Own(role) => role,
            Self::Noted => Role::User,
        }
    }
}

/// The note.
pub(crate) fn note() -> Part {
    Part::text(NOTE)
}

/// How many messages of the system open the conversation.
pub(crate) fn opening(messages: &[Message]) -> usize {
    messages.iter().take_while(|message| message.role == Role::System).count()
}

/// The messages after the opening in the order they are sent, by their places. `keeps`: whether the model takes a turn of the system's,
/// which must follow a user's and come last or before an answer.
pub(crate) fn place(messages: &[&Message], keeps: bool) -> Vec<(usize, Voice)> {
    let mut placed = Vec::with_capacity(messages.len());
    let mut held: Vec<usize> = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        match message.role {
            Role::System => held.push(at),
            Role::Assistant => {
                release(&mut placed, &mut held, keeps);
                placed.push((at, Voice::Own(Role::Assistant)));
            }
            Role::User => {
                // The results of tools follow their calls, with nothing between.
                if !keeps && !holds_results(message) {
                    release(&mut placed, &mut held, false);
                }
                placed.push((at, Voice::Own(Role::User)));
                if !keeps {
                    release(&mut placed, &mut held, false);
                }
            }
        }
    }
    release(&mut placed, &mut held, keeps);
    placed
}

fn release(placed: &mut Vec<(usize, Voice)>, held: &mut Vec<usize>, keeps: bool) {
    let follows_user = placed.last().is_some_and(|(_, voice)| voice.role() == Role::User);
    let voice = if keeps && follows_user { Voice::Own(Role::System) } else { Voice::Noted };
    placed.extend(held.drain(..).map(|at| (at, voice)));
}

fn holds_results(message: &Message) -> bool {
    message.parts.iter().any(|part| matches!(part.body, PartBody::ToolResult(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::ToolResult;

    fn placed(turns: &str, keeps: bool) -> String {
        let result = || Part::new(PartBody::ToolResult(ToolResult::default()));
        let message = |letter| match letter {
            's' => Message::new(Role::System, Vec::new()),
            'a' => Message::new(Role::Assistant, Vec::new()),
            'r' => Message::new(Role::User, vec![result()]),
            _ => Message::new(Role::User, Vec::new()),
        };
        let messages: Vec<Message> = turns.chars().map(message).collect();
        let messages: Vec<&Message> = messages.iter().collect();
        let letter = |(at, voice): (usize, Voice)| match voice {
            Voice::Noted => 'n',
            Voice::Own(_) => turns.as_bytes()[at] as char,
        };
        place(&messages, keeps).into_iter().map(letter).collect()
    }

    #[test]
    fn later_instructions_stay_where_they_are_said() {
        for (turns, kept, noted) in [
            ("uasu", "uaus", "uanu"),
            ("usau", "usau", "unau"),
            ("uas", "uan", "uan"),
            ("uasau", "uanau", "uanau"),
            ("uasr", "uars", "uarn"),
            ("uassrru", "uarruss", "uarnnru"),
            ("uasusa", "uaussa", "uanuna"),
        ] {
            assert_eq!(placed(turns, true), kept, "{turns}");
            assert_eq!(placed(turns, false), noted, "{turns}");
        }
    }
}
