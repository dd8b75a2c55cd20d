//! How hard a request is, told from its text in microseconds and without a model.
//!
//! Three steps, each of which can be read back as an explanation:
//!
//! 1. [`anatomy`]: the text is cut into what the caller asks in their own words and what they only show (code, logs, quotations,
//!    pasted articles). A long article with a short question is a short question.
//! 2. [`lexicon`]: one pass over the ask finds markers of twenty-nine kinds in some twenty languages (`markers.txt`).
//! 3. [`weigh`]: the markers and the shape of the text become named contributions to a score between 0 and 1, and the score a tier.
//!
//! What only carries on ("yes, please") is as hard as what it carries on with, what changes it ("now for three") nearly so, and chatter
//! before a plain question ([`turn`]) is not counted. A request that stands in quotation marks as a whole is the request.
//!
//! It knows nothing of models or prices. It is a guess, and says why it guesses so.

mod anatomy;
mod lexicon;
mod oracle;
mod signs;
#[cfg(test)]
mod tests;
mod turn;
mod weigh;

pub use oracle::{Means, Oracle, Route, Toward};
pub use weigh::{Dimension, Weights};

use anatomy::Anatomy;
use lexicon::Sightings;

/// So many words of one's own beside a quotation ask nothing by themselves.
const FEW: usize = 8;

/// How much a request asks of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// Greetings, facts, short conversions and extractions.
    Simple,
    /// Explanations, summaries, ordinary writing, small functions.
    Standard,
    /// Designs, debugging, long or many-sided work.
    Complex,
    /// Proofs, puzzles, derivations, plans under constraints.
    Reasoning,
}

impl Tier {
    /// From the least to the most.
    pub const ALL: [Self; 4] = [Self::Simple, Self::Standard, Self::Complex, Self::Reasoning];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Simple => "simple",
            Self::Standard => "standard",
            Self::Complex => "complex",
            Self::Reasoning => "reasoning",
        }
    }

    /// The tier of that name; `medium` is another name of `standard`, and case does not matter.
    pub fn from_name(name: &str) -> Option<Self> {
        let name = name.trim();
        if name.eq_ignore_ascii_case("medium") {
            return Some(Self::Standard);
        }
        Self::ALL.into_iter().find(|tier| tier.name().eq_ignore_ascii_case(name))
    }
}

/// What is to be judged: the last thing the user said, and the conversation around it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Prompt<'a> {
    /// The user's last message, its text parts joined by newlines.
    pub text: &'a str,
    /// Bytes of everything else the model will read: instructions, earlier turns, definitions of tools.
    pub context_bytes: usize,
    /// How many turns the user has taken, this one included.
    pub turns: usize,
    /// How many tools the model may call.
    pub tools: usize,
    /// Images and other media in the last message.
    pub media: usize,
    /// What the user said in the turn before.
    pub earlier: &'a str,
    /// The end of what was answered to that.
    pub offer: &'a str,
}

impl<'a> Prompt<'a> {
    /// A conversation that begins with that text.
    pub fn new(text: &'a str) -> Self {
        Self { text, turns: 1, ..Self::default() }
    }
}

/// What a prompt was judged to be, and why.
#[derive(Clone, Debug)]
pub struct Complexity {
    /// The tier.
    pub tier: Tier,
    /// Between 0 (a greeting) and 1 (a proof).
    pub score: f32,
    /// What the score is made of: each dimension that contributed, with its share.
    pub features: Vec<(Dimension, f32)>,
}

/// Where one tier ends and the next begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Boundaries {
    /// The least score of the standard tier.
    pub standard: f32,
    /// The least score of the complex tier.
    pub complex: f32,
    /// The least score of the reasoning tier.
    pub reasoning: f32,
}

impl Default for Boundaries {
    fn default() -> Self {
        Self { standard: 0.15, complex: 0.35, reasoning: 0.60 }
    }
}

impl Boundaries {
    /// The tier of a score.
    pub fn tier(&self, score: f32) -> Tier {
        match score {
            score if score >= self.reasoning => Tier::Reasoning,
            score if score >= self.complex => Tier::Complex,
            score if score >= self.standard => Tier::Standard,
            _ => Tier::Simple,
        }
    }
}

/// Judges prompts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Classifier {
    /// Where the tiers meet.
    pub boundaries: Boundaries,
    /// How much each dimension counts, 1 being as designed.
    pub weights: Weights,
}

impl Classifier {
    /// Judges one prompt.
    pub fn classify(&self, prompt: &Prompt<'_>) -> Complexity {
        let text = signs::plain(prompt.text);
        let prompt = &Prompt { text: &text, ..*prompt };
        let own = self.judge(prompt, prompt.text);
        if turn::goes_on(prompt.text) {
            let [earlier, offer] = [prompt.earlier, prompt.offer].map(|text| self.judge(prompt, text));
            // An offer is worded as it comes; only one of much work says more than what it answers.
            let before = [Some(earlier), Some(offer).filter(|offer| offer.tier >= Tier::Complex)].into_iter().flatten();
            return before.fold(own, |harder, one| if one.score > harder.score { one } else { harder });
        }
        if turn::works_on(prompt.text) && !prompt.earlier.is_empty() {
            return self.no_less(own, self.judge(prompt, prompt.earlier).tier);
        }
        if own.tier == Tier::Simple {
            return own;
        }
        // What is asked in the end may be less than it took to come to it.
        let last = turn::last_words(prompt.text).into_iter().map(|words| self.judge(prompt, words));
        last.into_iter().find(|plain| plain.tier == Tier::Simple).unwrap_or(own)
    }

    /// At least a tier below what it works on with.
    fn no_less(&self, own: Complexity, earlier: Tier) -> Complexity {
        let (tier, score) = match earlier {
            Tier::Simple => (Tier::Simple, 0.0),
            Tier::Standard | Tier::Complex => (Tier::Standard, self.boundaries.standard),
            Tier::Reasoning => (Tier::Complex, self.boundaries.complex),
        };
        if own.tier >= tier { own } else { Complexity { tier, score, ..own } }
    }

    fn judge(&self, prompt: &Prompt<'_>, text: &str) -> Complexity {
        let mut anatomy = Anatomy::of(text);
        let mut sightings = Sightings::of(&anatomy);
        if anatomy.words <= FEW
            && sightings.lead.is_none()
            && let Some(inner) = anatomy::wrapped(text)
        {
            (anatomy, sightings) = (Anatomy::of(inner), Sightings::of(&Anatomy::of(inner)));
        }
        let (score, features) = weigh::weigh(prompt, &anatomy, &sightings, &self.weights);
        Complexity { tier: self.boundaries.tier(score), score, features }
    }
}

/// Builds the tables that the first classification would otherwise wait for.
pub fn prepare() {
    lexicon::prepare();
    turn::prepare();
}
