//! From what was found to a score: named contributions, so that a decision can be read.

use super::Prompt;
use super::anatomy::Anatomy;
use super::lexicon::{Group, Sightings};

/// What a contribution to the score comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// What every request has.
    Base,
    /// How long the ask is.
    Length,
    /// Greetings, lookups, conversions: what pulls the score down.
    SimpleIndicators,
    /// Something is to be explained or written.
    Writing,
    /// Code is asked for or shown.
    Code,
    /// Something is to be built, debugged or analysed, and how large it is.
    Engineering,
    /// Words of trades: systems, operations, business, law.
    TechnicalTerms,
    /// Many things at once: lists, points, constraints.
    MultiStep,
    /// Proofs and derivations.
    ReasoningMarkers,
    /// Mathematics and its signs.
    Mathematics,
    /// Puzzles and plans under constraints.
    Puzzle,
    /// Earlier turns, tools, media.
    Conversation,
}

/// How many dimensions there are.
const DIMENSIONS: usize = 12;

impl Dimension {
    /// Every dimension with its name.
    pub const ALL: [(&'static str, Self); DIMENSIONS] = [
        ("base", Self::Base),
        ("length", Self::Length),
        ("simple_indicators", Self::SimpleIndicators),
        ("writing", Self::Writing),
        ("code", Self::Code),
        ("engineering", Self::Engineering),
        ("technical_terms", Self::TechnicalTerms),
        ("multi_step", Self::MultiStep),
        ("reasoning_markers", Self::ReasoningMarkers),
        ("mathematics", Self::Mathematics),
        ("puzzle", Self::Puzzle),
        ("conversation", Self::Conversation),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].0
    }
}

/// How much each dimension counts, 1 being as designed.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights([f32; DIMENSIONS]);

impl Default for Weights {
    fn default() -> Self {
        Self([1.0; DIMENSIONS])
    }
}

impl Weights {
    /// With that dimension counting so much.
    #[must_use]
    pub fn with(mut self, dimension: Dimension, weight: f32) -> Self {
        self.0[dimension as usize] = weight;
        self
    }
}

/// `first` for one, `more` for each further one, at most `most`.
fn rising(count: u16, first: f32, more: f32, most: f32) -> f32 {
    match count {
        0 => 0.0,
        count => (first + more * f32::from(count - 1)).min(most),
    }
}

struct Sum<'a> {
    weights: &'a Weights,
    shares: [f32; DIMENSIONS],
}

impl Sum<'_> {
    fn add(&mut self, dimension: Dimension, share: f32) {
        self.shares[dimension as usize] += share * self.weights.0[dimension as usize];
    }

    fn of(&self, dimensions: &[Dimension]) -> f32 {
        dimensions.iter().map(|dimension| self.shares[*dimension as usize]).sum()
    }

    fn scale(&mut self, dimensions: &[Dimension], factor: f32) {
        for dimension in dimensions {
            self.shares[*dimension as usize] *= factor;
        }
    }

    /// Scales those dimensions down until they sum to at most `most`.
    fn cap(&mut self, dimensions: &[Dimension], most: f32) {
        let sum = self.of(dimensions);
        if sum > most && sum > 0.0 {
            self.scale(dimensions, most / sum);
        }
    }
}

/// What ordinary requests are made of.
const PLAIN: [Dimension; 5] = [Dimension::Base, Dimension::SimpleIndicators, Dimension::Writing, Dimension::Code, Dimension::Conversation];
/// What large ones add.
const LARGE: [Dimension; 4] = [Dimension::Length, Dimension::Engineering, Dimension::TechnicalTerms, Dimension::MultiStep];
/// What asks for thought.
const THOUGHT: [Dimension; 3] = [Dimension::ReasoningMarkers, Dimension::Mathematics, Dimension::Puzzle];

/// How many bytes are shown of a text that is more than some lines.
const PAGE: usize = 400;

/// The score, and what it is made of.
pub(super) fn weigh(prompt: &Prompt<'_>, anatomy: &Anatomy<'_>, seen: &Sightings, weights: &Weights) -> (f32, Vec<(Dimension, f32)>) {
    let mut sum = Sum { weights, shares: [0.0; DIMENSIONS] };
    let lead = lead(anatomy, seen);
    plain(&mut sum, prompt, anatomy, seen, lead);
    large(&mut sum, anatomy, seen, lead);
    thought(&mut sum, anatomy, seen, lead);
    if lead == Some(Group::Transform) && !(seen.has(Group::Prove) && seen.has(Group::Maths)) && anatomy.letters < 3 {
        // A text is to be turned into another: what it speaks of does not matter much.
        sum.scale(&LARGE, 0.3);
        sum.scale(&THOUGHT, 0.3);
    }
    if is_small(seen, lead, anatomy) {
        sum.scale(&THOUGHT, 0.0);
        let most = (0.33 - sum.of(&PLAIN)).max(0.02);
        sum.cap(&LARGE, most);
    }
    if anatomy.words <= 150 && is_bare(seen, anatomy) {
        // A long story makes no large task.
        let most = (0.34 - sum.of(&PLAIN)).max(0.02);
        sum.cap(&LARGE, most);
    }
    sum.cap(&PLAIN, 0.33);
    let thought = sum.of(&THOUGHT);
    if thought >= 0.30 {
        sum.scale(&LARGE, 0.4);
    } else {
        sum.scale(&THOUGHT, 0.5);
        let plain = sum.of(&PLAIN).max(0.0);
        let most = (0.58 - plain).max(0.0);
        let both: Vec<Dimension> = LARGE.iter().chain(&THOUGHT).copied().collect();
        sum.cap(&both, most);
    }
    let score = sum.shares.iter().sum::<f32>().clamp(0.0, 1.0);
    let features = Dimension::ALL.iter().map(|(_, dimension)| (*dimension, sum.shares[*dimension as usize]));
    (score, features.filter(|(_, share)| share.abs() > 0.000_5).collect())
}

/// Whether what is wanted is small whatever it is about: a few lines, or what was read in fewer words.
fn is_small(seen: &Sightings, lead: Option<Group>, anatomy: &Anatomy<'_>) -> bool {
    let little = match lead {
        Some(Group::Compose | Group::Explain | Group::How) => seen.has(Group::Small) || seen.has(Group::Digest),
        Some(Group::Edit | Group::Lookup) => seen.has(Group::Digest),
        None => seen.has(Group::Digest) || seen.has(Group::Small) && seen.has(Group::Artefact),
        _ => false,
    };
    let more = [Group::Build, Group::Prove, Group::Riddle, Group::Heavy].into_iter().any(|group| seen.has(group));
    let listed = seen.count(Group::Constraint) >= 2 && anatomy.commas >= 4;
    little && !more && !listed && seen.count(Group::Scope) <= 2
}

/// Whether nothing in it speaks of a large task but its length.
fn is_bare(seen: &Sightings, anatomy: &Anatomy<'_>) -> bool {
    const LARGER: [Group; 7] = [Group::Build, Group::Scope, Group::Depth, Group::Technical, Group::Domain, Group::Heavy, Group::Code];
    anatomy.items < 4 && anatomy.code_lines + anatomy.machine_lines == 0 && !LARGER.into_iter().any(|group| seen.has(group))
}

/// What is asked for first; a lookup of how something is translated is a translation.
fn lead(anatomy: &Anatomy<'_>, seen: &Sightings) -> Option<Group> {
    let nothing_else = ![Group::Explain, Group::How, Group::Edit, Group::Compose, Group::Build].into_iter().any(|group| seen.has(group));
    match seen.lead {
        Some(Group::Lookup) if seen.has(Group::Transform) && nothing_else => Some(Group::Transform),
        // To convert a program is to build one.
        Some(Group::Transform) if anatomy.code_lines >= 8 && seen.count(Group::Code) >= 2 && seen.has(Group::Technical) => {
            Some(Group::Build)
        }
        // To write a number in Roman numerals is to turn one into the other.
        Some(Group::Compose)
            if seen.has(Group::Transform) && anatomy.words <= 9 && !seen.has(Group::Artefact) && !seen.has(Group::Code) =>
        {
            Some(Group::Transform)
        }
        lead => lead,
    }
}

fn plain(sum: &mut Sum<'_>, prompt: &Prompt<'_>, anatomy: &Anatomy<'_>, seen: &Sightings, lead: Option<Group>) {
    let words = anatomy.words;
    sum.add(Dimension::Base, 0.08);
    let asks = [Group::Explain, Group::Edit, Group::Compose, Group::How].into_iter().any(|group| seen.has(group));
    let written = [Group::How, Group::Explain, Group::Edit, Group::Compose].map(|group| rising(seen.count(group), 0.15, 0.02, 0.19));
    let named = lead.is_none() && seen.has(Group::Artefact);
    let written = written.into_iter().fold(if named { 0.15 } else { 0.0 }, f32::max);
    sum.add(Dimension::Writing, if lead == Some(Group::Transform) { written * 0.3 } else { written });
    sum.add(Dimension::Code, rising(seen.count(Group::Code), 0.04, 0.02, 0.08));
    if anatomy.code_lines + anatomy.machine_lines > 0 {
        sum.add(Dimension::Code, 0.06);
    }
    let thinks = seen.has(Group::Prove) || seen.has(Group::Riddle) || word_problem(anatomy, seen) > 0.0;
    let thinks = thinks || seen.has(Group::Maths) && lead == Some(Group::Lookup) && seen.count(Group::Maths) >= 2;
    match lead {
        // To turn code into other code is to write some.
        Some(Group::Transform) if anatomy.code_lines > 0 || seen.count(Group::Code) >= 2 => sum.add(Dimension::Writing, 0.06),
        // A page to translate is more than a line.
        Some(Group::Transform) if anatomy.shown >= PAGE => sum.add(Dimension::Writing, 0.07),
        Some(Group::Transform) => sum.add(Dimension::SimpleIndicators, -0.15),
        // What code does is explained, not looked up.
        Some(Group::Lookup) if !asks && anatomy.code_lines > 0 => sum.add(Dimension::Writing, 0.10),
        Some(Group::Lookup) if !asks && !thinks && words <= 16 => sum.add(Dimension::SimpleIndicators, -0.06),
        // One line of a language or a tool is looked up.
        Some(Group::How) if seen.has(Group::Howto) && seen.has(Group::Code) && words <= 12 && anatomy.commas <= 1 && !thinks => {
            sum.add(Dimension::SimpleIndicators, -0.21);
        }
        _ => {}
    }
    if seen.has(Group::Trivial) && !thinks {
        sum.add(Dimension::SimpleIndicators, -0.16);
    }
    if seen.has(Group::Greeting) && words <= 8 && !asks {
        sum.add(Dimension::SimpleIndicators, -0.12);
    }
    if lead.is_none() && (words > 8 || words >= 3 && is_ordered(anatomy, seen)) && !named {
        // Something is wanted that no marker names.
        sum.add(Dimension::Writing, 0.08);
    }
    conversation(sum, prompt);
}

/// Whether some code is ordered without a verb: "regex for postcodes".
fn is_ordered(anatomy: &Anatomy<'_>, seen: &Sightings) -> bool {
    let asks = anatomy.questions > 0 || seen.has(Group::Howto) || seen.has(Group::Greeting) || seen.has(Group::Trivial);
    seen.has(Group::Code) && !asks && anatomy.code_lines + anatomy.shown == 0
}

fn conversation(sum: &mut Sum<'_>, prompt: &Prompt<'_>) {
    let context = match prompt.context_bytes {
        0..=8_000 => 0.0,
        8_001..=40_000 => 0.02,
        40_001..=200_000 => 0.05,
        _ => 0.08,
    };
    let turns = if prompt.turns > 6 { 0.02 } else { 0.0 };
    let tools = if prompt.tools > 0 { 0.02 } else { 0.0 };
    let media = if prompt.media > 0 { 0.04 } else { 0.0 };
    sum.add(Dimension::Conversation, context + turns + tools + media);
}

fn large(sum: &mut Sum<'_>, anatomy: &Anatomy<'_>, seen: &Sightings, lead: Option<Group>) {
    let words = anatomy.words;
    let length = match words {
        0..=12 => 0.0,
        13..=17 => 0.02,
        18..=24 => 0.05,
        25..=34 => 0.09,
        35..=60 => 0.12,
        61..=120 => 0.17,
        _ => 0.24,
    };
    sum.add(Dimension::Length, length);
    let scope = rising(seen.count(Group::Scope), 0.07, 0.05, 0.24);
    let depth = rising(seen.count(Group::Depth), 0.08, 0.04, 0.17);
    let terms = rising(seen.count(Group::Technical), 0.05, 0.05, 0.26) + rising(seen.count(Group::Domain), 0.03, 0.03, 0.16);
    let steps = rising(seen.count(Group::Constraint), 0.01, 0.02, 0.07)
        + match anatomy.commas {
            0 | 1 => 0.0,
            2 => 0.02,
            3 | 4 => 0.05,
            _ => 0.08,
        }
        + if anatomy.items >= 3 { 0.06 } else { 0.0 };
    let much = anatomy.code_lines >= 8 || anatomy.machine_lines >= 4 || anatomy.shown > 3000 && seen.has(Group::Build);
    let shown = if much { 0.08 } else { 0.0 };
    let listed = if anatomy.commas >= 3 { 0.05 } else { 0.0 };
    let evidence = scope + depth + terms + shown + listed;
    let build = rising(seen.count(Group::Build), 0.14, 0.04, 0.22);
    // "Develop" alone says little: what is developed says the rest.
    let made = matches!(lead, Some(Group::Compose | Group::Build)) && seen.has(Group::Heavy);
    let build = if evidence >= 0.05 || made { build } else { build.min(0.07) };
    // A question about a large thing is not a large task, unless it is itself long.
    // Why what one runs behaves as it does is no question for a textbook.
    let own = matches!(lead, Some(Group::How | Group::Explain) | None) && seen.has(Group::Own) && seen.count(Group::Technical) >= 2;
    let factor = match lead {
        _ if own => 1.0,
        Some(Group::How | Group::Explain | Group::Lookup) if build < 0.1 && words < 25 => 0.45,
        _ if words < 10 && build < 0.1 => 0.6,
        _ => 1.0,
    };
    // A compiler is large whatever is said of it, where one is to be made.
    let heavy = if made { rising(seen.count(Group::Heavy), 0.18, 0.03, 0.24) } else { 0.0 };
    let own = if own { 0.12 } else { 0.0 };
    sum.add(Dimension::Engineering, build + heavy + own + (scope + depth + shown) * factor);
    sum.add(Dimension::TechnicalTerms, terms * factor);
    sum.add(Dimension::MultiStep, if words >= 12 { steps * factor } else { 0.0 });
}

fn thought(sum: &mut Sum<'_>, anatomy: &Anatomy<'_>, seen: &Sightings, lead: Option<Group>) {
    let prove = rising(seen.count(Group::Prove), 0.53, 0.06, 0.62);
    let show = rising(seen.count(Group::Show), 0.16, 0.08, 0.26);
    // To be told to think is decoration, unless it is said twice of something that is no plain question.
    let urged = seen.count(Group::Stepwise) >= 2 && anatomy.words >= 14 && !matches!(lead, Some(Group::Lookup | Group::Transform));
    let steps = if urged && !seen.has(Group::Trivial) { 0.50 } else { rising(seen.count(Group::Stepwise), 0.10, 0.05, 0.2) };
    let maths = rising(seen.count(Group::Maths), 0.20, 0.10, 0.45);
    let symbols = match anatomy.symbols {
        0 | 1 => 0.0,
        2..=4 => 0.10,
        _ => 0.18,
    };
    let riddle = rising(seen.count(Group::Riddle), 0.46, 0.10, 0.58) + rising(seen.count(Group::Puzzle), 0.12, 0.09, 0.3);
    let people = anatomy.letters >= 3 || anatomy.cast >= 3 && lead != Some(Group::Compose);
    let letters = if people && anatomy.code_lines == 0 && !seen.has(Group::Technical) { 0.30 } else { 0.0 };
    // To be asked for steps or an answer with mathematics in it says more than either.
    let equation = if anatomy.symbols >= 4 && (show > 0.0 || lead.is_none() || seen.count(Group::Maths) >= 2) && seen.has(Group::Maths) {
        0.10
    } else {
        0.0
    };
    let counted = (seen.has(Group::Quantity) || anatomy.numbers >= 4 || lead.is_none() && !seen.has(Group::Technical))
        && seen.has(Group::Maths)
        && anatomy.numbers >= 2
        && lead != Some(Group::Transform);
    let asked = show + steps > 0.0 || counted || lead == Some(Group::Lookup) && seen.count(Group::Maths) >= 2;
    let together = if asked && (maths + symbols > 0.0) { 0.18 } else { 0.0 };
    let programs = seen.has(Group::Code) && matches!(lead, Some(Group::Compose)) && !seen.has(Group::Prove);
    // Talk about proofs is not a proof.
    let factor = match lead {
        _ if programs => 0.3,
        Some(Group::Explain | Group::Compose | Group::How)
            if !seen.has(Group::Prove) && !seen.has(Group::Riddle) && !urged && anatomy.symbols < 2 =>
        {
            0.5
        }
        _ => 1.0,
    };
    sum.add(Dimension::ReasoningMarkers, (prove + show + steps + together) * factor);
    sum.add(Dimension::Mathematics, (maths + symbols + equation) * factor);
    sum.add(Dimension::Puzzle, (riddle + letters) * factor + word_problem(anatomy, seen));
}

/// A story with numbers and a question about them.
fn word_problem(anatomy: &Anatomy<'_>, seen: &Sightings) -> f32 {
    let speaks_of_more = [Group::Compose, Group::Explain, Group::Code, Group::Technical, Group::Build, Group::Transform];
    let tells = anatomy.words >= 12 && anatomy.sentences >= 2 || anatomy.words >= 16;
    let asks = anatomy.questions > 0 || seen.has(Group::Show);
    let numbers = anatomy.numbers + usize::from(seen.count(Group::Number));
    if numbers < 2 || !tells || !asks || anatomy.words > 120 || speaks_of_more.into_iter().any(|group| seen.has(group)) {
        return 0.0;
    }
    match numbers {
        // A story, and then how many of what it told of.
        2.. if seen.has(Group::Quantity) && anatomy.sentences >= 2 => 0.54,
        2 => 0.36,
        _ => 0.44,
    }
}
