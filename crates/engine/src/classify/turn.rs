//! Turns of a conversation that say less, or ask less, than they are long.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, MatchKind};

use super::anatomy::Anatomy;
use super::lexicon::{Group, Sightings};

/// What only carries on with what was said.
const ONWARD: [&str; 54] = [
    "yes",
    "yes please",
    "yeah",
    "yep",
    "sure",
    "ok",
    "okay",
    "go ahead",
    "go on",
    "please do",
    "do it",
    "do that",
    "continue",
    "proceed",
    "sounds good",
    "let's do it",
    "let's go",
    "carry on",
    "keep going",
    "try again",
    "again",
    "and then",
    "next",
    "ja",
    "ja bitte",
    "gerne",
    "weiter",
    "mach weiter",
    "mach das",
    "oui",
    "vas-y",
    "continue s'il te plaît",
    "d'accord",
    "sí",
    "si",
    "adelante",
    "continúa",
    "sigue",
    "sim",
    "pode continuar",
    "sì",
    "vai avanti",
    "да",
    "давай",
    "продолжай",
    "是的",
    "好的",
    "继续",
    "はい",
    "お願いします",
    "続けて",
    "نعم",
    "تابع",
    "हाँ",
];
/// What ends a conversation rather than carrying on with it.
const CLOSING: [&str; 10] = ["thank", "thx", "cheers", "danke", "merci", "gracias", "obrigad", "grazie", "спасибо", "no"];
/// The longest turn that only carries on.
const LONGEST: usize = 60;

/// Whether a turn only carries on: "yes, please", "go ahead, three days".
pub(super) fn goes_on(text: &str) -> bool {
    let text = text.trim();
    if text.is_empty() || text.len() > LONGEST {
        return false;
    }
    let lower = text.to_lowercase();
    let heads = ONWARD.iter().filter_map(|onward| lower.strip_prefix(onward));
    heads.filter(|rest| !rest.starts_with(char::is_alphanumeric)).any(|rest| {
        let mut words = rest.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
        let closes = words.clone().any(|word| CLOSING.iter().any(|closing| word.starts_with(closing)));
        !rest.contains(['?', '？', '؟']) && !closes && words.nth(4).is_none()
    })
}

/// How a turn begins that changes or questions what was answered.
const CHANGES: [&str; 62] = [
    "now ",
    "also ",
    "and ",
    "same ",
    "more ",
    "again",
    "still ",
    "what about ",
    "how about ",
    "but ",
    "add ",
    "it still ",
    "that seems wrong",
    "that is wrong",
    "that's wrong",
    "this is wrong",
    "wrong",
    "check again",
    "are you sure",
    "instead ",
    "make it ",
    "shorter",
    "longer",
    "jetzt ",
    "und ",
    "auch ",
    "nochmal",
    "noch ",
    "füge ",
    "das stimmt nicht",
    "das ist falsch",
    "kürzer",
    "länger",
    "maintenant ",
    "et ",
    "aussi ",
    "encore ",
    "ajoute ",
    "plus ",
    "ahora ",
    "y ",
    "también ",
    "otra vez",
    "agrega ",
    "añade ",
    "agora ",
    "e ",
    "também ",
    "adicione ",
    "adesso ",
    "ora ",
    "anche ",
    "aggiungi ",
    "теперь ",
    "ещё ",
    "а ",
    "добавь ",
    "现在",
    "再",
    "加上",
    "次は",
    "이제 ",
];

/// Whether a turn works on with what was said: "now add two currencies", "it still fails". It needs about what that needed.
pub(super) fn works_on(text: &str) -> bool {
    let text = text.trim();
    if text.is_empty() || text.len() > LONGEST {
        return false;
    }
    let lower = text.to_lowercase();
    let begins = CHANGES.iter().any(|change| lower.starts_with(change));
    let closes = lower.split(|letter: char| !letter.is_alphanumeric()).any(|word| CLOSING.contains(&word) || word.starts_with("thank"));
    let looks_up = || text.ends_with(['?', '？', '؟']) && Sightings::of(&Anatomy::of(text)).lead == Some(Group::Lookup);
    begins && !closes && !looks_up()
}

/// What turns from one thing to another.
const ASIDES: [&str; 30] = [
    "anyway",
    "what i wanted to ask",
    "all i wanted to ask",
    "all i want to know",
    "i only want to know",
    "just kidding",
    "ok kidding",
    "jokes aside",
    "unrelated:",
    "unrelated question",
    "off topic",
    "by the way,",
    "btw,",
    "but first,",
    "übrigens",
    "jedenfalls",
    "eigentlich wollte ich nur",
    "was ich fragen wollte",
    "bref,",
    "en fait je voulais",
    "en fin,",
    "lo que quería preguntar",
    "enfim,",
    "comunque,",
    "кстати,",
    "короче,",
    "总之",
    "顺便问",
    "ところで",
    "على أي حال",
];
static ASIDE: LazyLock<Option<AhoCorasick>> =
    LazyLock::new(|| AhoCorasickBuilder::new().match_kind(MatchKind::LeftmostLongest).ascii_case_insensitive(true).build(ASIDES).ok());

pub(super) fn prepare() {
    LazyLock::force(&ASIDE);
}

/// Questions of this many bytes are asked without much ado.
const PLAIN: usize = 160;
/// Before fewer bytes there is no chatter.
const CHATTER: usize = 60;
/// Before so many there may be an article, in which nobody speaks of themselves.
const ARTICLE: usize = 300;
/// Words of a question that wants a judgement rather than a fact.
const JUDGES: [&str; 16] = [
    "best",
    "should",
    "would",
    "could",
    "recommend",
    "suggest",
    "improve",
    "wrong",
    "why",
    "how do",
    "how can",
    "what if",
    "explain",
    "cause",
    "maximi",
    "minimi",
];
/// Words of people who speak of themselves, or to somebody.
const PERSONAL: [&str; 40] = [
    "i", "i'm", "i've", "my", "me", "you", "your", "we", "hi", "hello", "hey", "ich", "mein", "meine", "du", "sie", "mir", "je", "j'ai",
    "mon", "ma", "vous", "yo", "mi", "me", "tengo", "eu", "meu", "minha", "io", "mio", "mia", "ik", "mijn", "я", "мне", "мой", "моя", "вы",
    "أنا",
];

/// What a text ends in that may be all it asks: what follows a turn to something else, or a question that stands by itself where all
/// before it is chatter. The nearest is last.
pub(super) fn last_words(text: &str) -> Vec<&str> {
    let text = text.trim();
    let mut found = Vec::new();
    if text.len() < CHATTER || !text.ends_with(['?', '？', '؟']) {
        return found;
    }
    if let Some(rest) = behind_aside(text) {
        found.push(rest);
        found.extend(last_sentence(rest).map(|(_, question)| question));
    }
    found.extend(last_sentence(text).filter(|(before, question)| stands_alone(before, question)).map(|(_, question)| question));
    found
}

fn behind_aside(text: &str) -> Option<&str> {
    let met = ASIDE.as_ref()?.find_iter(text).last()?;
    let rest = text[met.end()..].trim_start_matches(|letter: char| !letter.is_alphanumeric() && letter != '¿' && letter != '"');
    (met.start() >= CHATTER / 2 && rest.len() <= PLAIN && !rest.is_empty()).then_some(rest)
}

/// The last sentence, and what stands before it.
fn last_sentence(text: &str) -> Option<(&str, &str)> {
    let body = text.trim_end_matches(['?', '？', '؟']);
    let (at, mark) =
        body.char_indices().rfind(|(_, letter)| matches!(letter, '.' | '!' | '?' | '\n' | ':' | '。' | '！' | '？' | '।' | '：'))?;
    let from = at + mark.len_utf8();
    Some((&text[..at], text[from..].trim_start()))
}

fn stands_alone(before: &str, question: &str) -> bool {
    let lower = question.to_lowercase();
    let plain = question.len() <= PLAIN && !JUDGES.iter().any(|word| lower.contains(word));
    plain
        && before.len() >= CHATTER
        && (is_part(before, question) || (before.len() >= ARTICLE || is_personal(before)) && is_chatter(before, question))
}

fn is_personal(text: &str) -> bool {
    let mut words = text.split(|letter: char| !letter.is_alphanumeric() && letter != '\'').filter(|word| !word.is_empty());
    words.any(|word| PERSONAL.iter().any(|known| word.eq_ignore_ascii_case(known))) || text.contains(['我', '私', '僕'])
}

/// Whether what stands before a plain question only says as whom to answer it: "As an architect of large systems, tell me: …".
fn is_part(before: &str, question: &str) -> bool {
    const OPENERS: [&str; 10] = ["as a ", "as an ", "as the ", "you are ", "you're ", "imagine you", "als ", "en tant ", "como ", "come "];
    let head: String = before.chars().take(12).collect::<String>().to_lowercase();
    let opens = OPENERS.iter().any(|opener| head.starts_with(opener)) && !before.trim_end_matches('.').contains(['.', '!', '\n']);
    opens && Sightings::of(&Anatomy::of(question)).lead == Some(Group::Lookup)
}

/// Whether nothing is asked before the question, and nothing told that it must be worked out from.
fn is_chatter(before: &str, question: &str) -> bool {
    const WORKS: [Group; 13] = [
        Group::Scope,
        Group::Depth,
        Group::Build,
        Group::Prove,
        Group::Show,
        Group::Maths,
        Group::Riddle,
        Group::Puzzle,
        Group::Heavy,
        Group::Compose,
        Group::Edit,
        Group::Explain,
        Group::Transform,
    ];
    let anatomy = Anatomy::of(before);
    let seen = Sightings::of(&anatomy);
    let asked = Sightings::of(&Anatomy::of(question));
    let counts = asked.has(Group::Quantity) && anatomy.numbers >= 2 || anatomy.numbers >= 3 && before.len() < ARTICLE;
    let told = anatomy.cast >= 2 || anatomy.letters >= 2 || counts || anatomy.questions > 0 || anatomy.code_lines > 0;
    asked.lead == Some(Group::Lookup) && !told && seen.count(Group::Technical) <= 1 && !WORKS.into_iter().any(|group| seen.has(group))
}
