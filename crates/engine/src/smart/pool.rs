//! The models there are for automatic names, by what they cost: what tiers are made of where nobody says.

use std::sync::Arc;

use switchboard_wire::Operation;

use crate::catalog::Rate;
use crate::classify::Tier;
use crate::pattern::Wildcard;
use crate::route::Fleet;

/// Tokens of prompt to one of answer, to compare prices by.
const PROMPT_TO_ANSWER: u64 = 3;

/// The most that a token may cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ceiling {
    /// Of the prompt.
    pub prompt: Option<Rate>,
    /// Of the answer.
    pub answer: Option<Rate>,
}

/// A model that chats.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) name: Arc<str>,
    /// The slugs it is known by elsewhere, for patterns.
    pub(super) upstream: String,
    prompt: Option<Rate>,
    answer: Option<Rate>,
    price: Option<i128>,
    thinks: bool,
    pub(super) sees: bool,
}

impl Member {
    /// Whether a caller's pattern means it.
    pub(super) fn fits(&self, pattern: &str) -> bool {
        crate::pattern::matches(pattern, &self.name) || crate::pattern::matches(pattern, &self.upstream)
    }

    /// Whether it costs no more. What is not known may be any.
    pub(super) fn is_within(&self, ceiling: &Ceiling) -> bool {
        let within = |most: Option<Rate>, price: Option<Rate>| most.is_none_or(|most| price.is_some_and(|price| price <= most));
        within(ceiling.prompt, self.prompt) && within(ceiling.answer, self.answer)
    }
}

/// All of them, the cheapest first, those without a price last.
#[derive(Debug, Default)]
pub(super) struct Pool {
    members: Vec<Member>,
    names: Vec<Arc<str>>,
    patterns: Vec<Wildcard>,
}

impl Pool {
    pub(super) fn of(fleet: &Fleet) -> Self {
        let mut members: Vec<Member> = Vec::new();
        let mut names = Vec::new();
        for (name, deployment) in fleet.names() {
            names.push(Arc::from(name));
            // An alias is no further model.
            let own = deployment.spec.group == name;
            // A provider that chats may have models that only hear, speak or paint.
            let chats = deployment.card.as_ref().and_then(|card| card.operation()).is_none_or(|operation| operation == Operation::Chat);
            if !own || !chats || !deployment.serves(Operation::Chat) {
                continue;
            }
            let facts = &deployment.facts;
            let price = facts
                .input
                .zip(facts.output)
                .and_then(|(input, output)| Some(input.times_exact(PROMPT_TO_ANSWER * 1_000_000)?.0 + output.times_exact(1_000_000)?.0));
            members.push(Member {
                name: Arc::from(name),
                upstream: format!("{}/{}", deployment.spec.provider, deployment.spec.model),
                prompt: facts.input,
                answer: facts.output,
                price,
                thinks: deployment.thinks() == Some(true),
                sees: deployment.card.as_ref().is_none_or(|card| card.supports.iter().any(|ability| ability == "vision")),
            });
        }
        members.sort_by(|one, other| (one.price.is_none(), one.price, &one.name).cmp(&(other.price.is_none(), other.price, &other.name)));
        Self { members, names, patterns: fleet.patterns().map(|(pattern, _)| pattern.clone()).collect() }
    }

    /// Whether callers can reach something by that name without any of this.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.names.iter().any(|known| **known == *name) || self.patterns.iter().any(|pattern| pattern.captured(name).is_some())
    }

    /// The member of that name.
    pub(super) fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| *member.name == *name)
    }

    /// Those that `may` be used for a request of a tier, as their prices suggest, the fittest first: then the dearer ones up to those
    /// of the tier `most`, then the cheaper ones, and last, where nothing bounds them, those without a price.
    ///
    /// The cheapest is for simple requests and the dearest for those that need thought, where it can think; the others stand between,
    /// a third and two thirds up.
    pub(super) fn tier(&self, (tier, most): (Tier, Tier), may: impl Fn(&Member) -> bool) -> Vec<&Member> {
        let usable: Vec<&Member> = self.members.iter().filter(|member| may(member)).collect();
        let priced = usable.iter().filter(|member| member.price.is_some()).count();
        let ranked = if priced == 0 { &usable[..] } else { &usable[..priced] };
        let Some(last) = ranked.len().checked_sub(1) else { return Vec::new() };
        let place = |tier| match tier {
            Tier::Simple => 0,
            Tier::Standard => last.div_ceil(3),
            Tier::Complex => (last * 2).div_ceil(3),
            Tier::Reasoning => ranked.iter().rposition(|member| member.thinks).unwrap_or(last),
        };
        let at = place(tier);
        let (top, further) = if most == Tier::Reasoning { (last, &usable[ranked.len()..]) } else { (place(most).max(at), &[][..]) };
        ranked[at..=top].iter().chain(ranked[..at].iter().rev()).chain(further).copied().collect()
    }
}
