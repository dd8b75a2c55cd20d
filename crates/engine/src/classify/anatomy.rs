//! What a prompt consists of: what is asked in the caller's own words, and what is only shown.

use memchr::{memchr, memmem};

use super::signs::is_operator;

/// A paragraph longer than this is shown rather than said, where something shorter stands at the text's beginning or end.
const LONG_PARAGRAPH: usize = 320;
/// A text shorter than this is all ask.
const SHORT_TEXT: usize = 700;
/// How much of the ask is read for markers: its beginning and its end.
const HEAD: usize = 2400;
const TAIL: usize = 1200;
/// A quotation longer than this is no quotation but a quotation mark that was never closed.
const LONGEST_QUOTATION: usize = 4000;
/// How many bytes are searched for the ends of quotations that may have none.
const PATIENCE: usize = 12_000;

/// The parts of a prompt.
#[derive(Debug, Default)]
pub(super) struct Anatomy<'a> {
    /// What is asked, in pieces, in order; quotations are left out.
    pub(super) ask: Vec<&'a str>,
    /// Words of the ask; two signs of a script without spaces count as one.
    pub(super) words: usize,
    /// Lines of code.
    pub(super) code_lines: usize,
    /// Lines that a machine wrote: logs, stack traces.
    pub(super) machine_lines: usize,
    /// Points of a list.
    pub(super) items: usize,
    /// Questions asked.
    pub(super) questions: usize,
    /// Commas and semicolons of the ask: how many things it lists.
    pub(super) commas: usize,
    /// Signs of mathematics in the ask.
    pub(super) symbols: usize,
    /// Numbers in the ask.
    pub(super) numbers: usize,
    /// Sentences of the ask.
    pub(super) sentences: usize,
    /// Different letters that stand for themselves in the ask, as the people and points of puzzles do.
    pub(super) letters: usize,
    /// Different names that come up more than once in the ask.
    pub(super) cast: usize,
    /// Bytes that are shown.
    pub(super) shown: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Line {
    Blank,
    Fence,
    Code,
    Machine,
    Item,
    /// A row of a table: shown, and no mathematics.
    Row,
    Prose,
}

#[derive(Clone, Copy)]
struct Paragraph {
    start: usize,
    end: usize,
    listed: bool,
}

impl<'a> Anatomy<'a> {
    /// Cuts a prompt.
    pub(super) fn of(text: &'a str) -> Self {
        let mut anatomy = Self::default();
        let paragraphs = anatomy.paragraphs(text);
        let asked = asked(text, &paragraphs);
        anatomy.shown = text.len() - asked.iter().map(|part| part.end - part.start).sum::<usize>().min(text.len());
        let mut budget = HEAD;
        let last = asked.len().saturating_sub(1);
        for (at, part) in asked.iter().enumerate() {
            let said = &text[part.start..part.end];
            let room = if at == last { budget + TAIL } else { budget };
            if said.len() <= room {
                anatomy.say(said);
                budget = budget.saturating_sub(said.len());
                continue;
            }
            anatomy.say(&said[..said.floor_char_boundary(budget)]);
            if at == last {
                anatomy.say(&said[said.floor_char_boundary(said.len() - TAIL)..]);
            }
            budget = 0;
        }
        anatomy.cast = cast(&anatomy.ask);
        anatomy
    }

    /// The paragraphs of prose and lists; code and what machines wrote is counted and left out.
    fn paragraphs(&mut self, text: &str) -> Vec<Paragraph> {
        let mut paragraphs: Vec<Paragraph> = Vec::with_capacity(8);
        let (mut at, mut fenced, mut open) = (0, false, false);
        while at < text.len() {
            let end = memchr(b'\n', &text.as_bytes()[at..]).map_or(text.len(), |found| at + found);
            let line = &text[at..end];
            let kind = kind_of(line, fenced);
            match kind {
                Line::Fence => fenced = !fenced,
                Line::Code => self.code_lines += 1,
                Line::Machine => self.machine_lines += 1,
                Line::Item => self.items += 1,
                Line::Blank | Line::Row | Line::Prose => {}
            }
            match (kind, paragraphs.last_mut()) {
                (Line::Prose | Line::Item, Some(last)) if open => {
                    last.end = end;
                    last.listed |= kind == Line::Item;
                }
                (Line::Prose | Line::Item, _) => paragraphs.push(Paragraph { start: at, end, listed: kind == Line::Item }),
                _ => {}
            }
            open = matches!(kind, Line::Prose | Line::Item);
            at = end + 1;
        }
        paragraphs
    }

    /// Takes over a part of the ask: without its quotations, and counted.
    fn say(&mut self, said: &'a str) {
        let mut from = 0;
        let mut at = 0;
        let mut patience = PATIENCE;
        while let Some((open, close)) = quotation(said, at, &mut patience) {
            self.piece(&said[from..open]);
            self.shown += close - open;
            from = close;
            at = close;
        }
        self.piece(&said[from..]);
    }

    fn piece(&mut self, piece: &'a str) {
        if piece.trim().is_empty() {
            return;
        }
        let (mut in_word, mut in_number, mut signs) = (false, false, 0_usize);
        self.letters += lone_letters(piece);
        for (at, letter) in piece.char_indices() {
            let digit = letter.is_ascii_digit();
            self.numbers += usize::from(digit && !in_number);
            in_number = digit || (in_number && matches!(letter, '.' | ','));
            let word = letter.is_alphanumeric();
            if word && (letter as u32) >= 0x2E80 {
                signs += 1;
                in_word = false;
                continue;
            }
            self.words += usize::from(word && !in_word);
            in_word = word || (in_word && letter == '\'');
            match letter {
                '?' | '？' | '؟' => {
                    self.questions += 1;
                    self.sentences += 1;
                }
                '.' if !in_number => self.sentences += 1,
                '!' | '。' | '！' | '।' | '\n' => self.sentences += 1,
                ',' | ';' | '，' | '、' | '；' | '،' => self.commas += 1,
                // A power says more than a sum.
                '^' => self.symbols += 2,
                '≤' | '≥' | '∫' | '√' | '∑' | '∈' | '∀' | '∃' | '≠' | '²' | '³' => self.symbols += 1,
                '=' | '<' | '>' | '+' | '*' | '|' | '→' => self.symbols += usize::from(is_operator(piece, at, letter)),
                _ => {}
            }
        }
        self.words += signs.div_ceil(2);
        self.ask.push(piece);
    }
}

/// How many bytes a quotation or fence holds at least that may be what is asked.
const WRAPPED: usize = 24;

/// What is asked where all of it stands in quotation marks or in a fence without code, whatever else is said around it.
pub(super) fn wrapped(text: &str) -> Option<&str> {
    let text = text.trim();
    if text.len() > 3 * LONGEST_QUOTATION {
        return None;
    }
    let inner = fenced(text).or_else(|| {
        let triple = text.find("\"\"\"").and_then(|open| Some((open + 3, text.rfind("\"\"\"").filter(|close| *close > open + 3)?)));
        let quoted = || {
            let (open, close) = quotation(text, 0, &mut PATIENCE.clone())?;
            let mark = |letter: Option<char>| letter.map_or(0, char::len_utf8);
            Some((open + mark(text[open..].chars().next()), close - mark(text[..close].chars().next_back())))
        };
        triple.or_else(quoted).map(|(from, to)| &text[from..to])
    })?;
    (inner.len() >= WRAPPED && inner.len() * 3 > text.len()).then_some(inner.trim())
}

/// What stands in the first fence that says it holds text, or says nothing and holds no code.
fn fenced(text: &str) -> Option<&str> {
    let open = text.find("```")? + 3;
    let (name, body) = text[open..].split_once('\n')?;
    let inside = body.rfind("```").map(|close| &body[..close])?;
    let prose = || {
        let lines = inside.lines().filter(|line| !line.trim().is_empty());
        lines.clone().filter(|line| is_code(line.trim()) || is_machine(line.trim())).count() * 3 < lines.count().max(1)
    };
    (["", "text", "txt", "md", "markdown", "plain", "plaintext", "prompt"].contains(&name.trim()) && prose()).then_some(inside)
}

/// How many different capital letters stand alone as names do: "A lies, B tells the truth", but neither "I" nor the "A)" of a list.
fn lone_letters(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut met = 0_u32;
    for (at, byte) in bytes.iter().enumerate().filter(|(_, byte)| byte.is_ascii_uppercase()) {
        let before = at.checked_sub(1).and_then(|at| bytes.get(at)).copied().unwrap_or(b' ');
        let after = bytes.get(at + 1).copied().unwrap_or(b' ');
        let alone = matches!(before, b' ' | b'\n' | b'(' | b',') && matches!(after, b' ' | b',' | b'.' | b'?' | b'\'' | b'\n' | b':');
        if alone && *byte != b'I' {
            met |= 1 << (byte - b'A');
        }
    }
    met.count_ones() as usize
}

/// The most names that are told apart.
const CAST: usize = 24;

/// How many different names come up more than once, as those of a puzzle's people do.
fn cast(ask: &[&str]) -> usize {
    let mut met: Vec<(&str, bool)> = Vec::with_capacity(CAST);
    let words = ask.iter().flat_map(|piece| piece.split(|letter: char| !letter.is_alphanumeric()));
    for name in words.filter(|word| word.len() >= 3 && word.as_bytes()[0].is_ascii_uppercase() && word.as_bytes()[1].is_ascii_lowercase()) {
        if let Some((_, again)) = met.iter_mut().find(|(known, _)| *known == name) {
            *again = true;
        } else if met.len() < CAST {
            met.push((name, false));
        }
    }
    met.iter().filter(|(_, again)| *again).count()
}

/// The paragraphs in which something is asked.
fn asked(text: &str, paragraphs: &[Paragraph]) -> Vec<Paragraph> {
    let length = |part: &Paragraph| part.end - part.start;
    let total: usize = paragraphs.iter().map(length).sum();
    let (Some(first), Some(last)) = (paragraphs.first(), paragraphs.last()) else { return Vec::new() };
    if total <= SHORT_TEXT {
        return paragraphs.to_vec();
    }
    let short = |part: &Paragraph| length(part) <= LONG_PARAGRAPH || part.listed;
    let long = paragraphs.iter().filter(|part| !short(part)).count();
    if long == 0 {
        // No article: many short paragraphs are a long instruction.
        return paragraphs.to_vec();
    }
    let text_of = |part: &Paragraph| &text[part.start..part.end];
    let announces = text_of(first).trim_end().ends_with([':', '：']) || points(text_of(first));
    let mut asked = Vec::new();
    if short(first) {
        asked.push(*first);
    }
    let ends_in_question = text_of(last).trim_end().ends_with(['?', '？', '؟']);
    let ends_short = paragraphs.len() > 1 && short(last) && (length(last) <= LONG_PARAGRAPH / 2 || ends_in_question || last.listed);
    if ends_short && !(announces && short(first) && !ends_in_question) || paragraphs.len() > 1 && short(last) && points(text_of(last)) {
        asked.push(*last);
    }
    if asked.is_empty() {
        // One long speech: its beginning and its end say what it is about.
        let head = first.start + text_of(first).floor_char_boundary(LONG_PARAGRAPH * 2);
        let tail = last.start + text_of(last).floor_char_boundary(length(last).saturating_sub(LONG_PARAGRAPH));
        asked.push(Paragraph { end: head, ..*first });
        if tail > head {
            asked.push(Paragraph { start: tail, ..*last });
        }
    }
    asked
}

/// Whether a paragraph points at another: "the following text", "the article above".
fn points(paragraph: &str) -> bool {
    const WORDS: [&str; 22] = [
        "following",
        " below",
        " above",
        "this text",
        "this article",
        "folgende",
        "unten",
        "oben",
        "suivant",
        "ci-dessous",
        "ci-dessus",
        "siguiente",
        "seguinte",
        "seguente",
        "volgende",
        "poniższ",
        "powyższ",
        "следующ",
        "以下",
        "下面",
        "次の",
        "다음",
    ];
    WORDS.iter().any(|word| memmem::find(paragraph.as_bytes(), word.as_bytes()).is_some())
}

/// The first quotation that begins at or after `from`: its start and its end, marks included.
fn quotation(text: &str, from: usize, patience: &mut usize) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    let mut at = from;
    while at < bytes.len() {
        let rest = &text[at..];
        let Some(letter) = rest.chars().next() else { break };
        let width = letter.len_utf8();
        let closers: &[char] = match letter {
            '"' => &['"'],
            '`' => &['`'],
            '“' => &['”', '"'],
            '„' => &['“', '”', '"'],
            '«' => &['»'],
            '「' => &['」'],
            '『' => &['』'],
            '《' => &['》'],
            '\'' | '‘' if opens(text, at, width) => &['\'', '’'],
            _ => &[],
        };
        if !closers.is_empty() {
            let window = &rest[width..rest.floor_char_boundary(LONGEST_QUOTATION.min(*patience)).max(width)];
            let close = window
                .char_indices()
                .find(|(place, end)| closers.contains(end) && (!matches!(letter, '\'' | '‘') || closes(window, place + end.len_utf8())));
            if let Some((place, end)) = close {
                return Some((at, at + width + place + end.len_utf8()));
            }
            *patience = patience.saturating_sub(window.len());
        }
        at += width;
    }
    None
}

/// Whether an apostrophe there begins a quotation rather than standing in a word.
fn opens(text: &str, at: usize, width: usize) -> bool {
    let before = text[..at].chars().next_back();
    let after = text[at + width..].chars().next();
    before.is_none_or(|letter| letter.is_whitespace() || letter == '(' || letter == ':') && after.is_some_and(char::is_alphanumeric)
}

/// Whether an apostrophe before that place ends one.
fn closes(text: &str, after: usize) -> bool {
    text[after..].chars().next().is_none_or(|letter| !letter.is_alphanumeric())
}

/// What a line is.
fn kind_of(line: &str, fenced: bool) -> Line {
    let trimmed = line.trim();
    if trimmed.starts_with("```") || trimmed.starts_with("~~~") {
        return Line::Fence;
    }
    if fenced {
        return Line::Code;
    }
    if trimmed.is_empty() {
        return Line::Blank;
    }
    if trimmed.starts_with('|') && trimmed.ends_with('|') && trimmed.len() > 2 {
        return Line::Row;
    }
    if is_machine(trimmed) {
        return Line::Machine;
    }
    if is_item(trimmed) {
        return Line::Item;
    }
    if is_code(trimmed) {
        return Line::Code;
    }
    Line::Prose
}

fn is_item(line: &str) -> bool {
    if ["- ", "* ", "• ", "– ", "+ "].iter().any(|mark| line.starts_with(mark)) {
        return true;
    }
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    (1..=2).contains(&digits) && matches!(line.as_bytes().get(digits), Some(b'.' | b')')) && line.as_bytes().get(digits + 1) == Some(&b' ')
}

/// Whether a line looks like one of a log or a stack trace.
fn is_machine(line: &str) -> bool {
    let bytes = line.as_bytes();
    let dated =
        bytes.len() > 10 && bytes[..4].iter().all(u8::is_ascii_digit) && bytes[4] == b'-' && bytes[7] == b'-' && bytes[8].is_ascii_digit();
    let clocked = bytes.len() > 8 && bytes[..2].iter().all(u8::is_ascii_digit) && bytes[2] == b':' && bytes[5] == b':';
    let bracketed = line.starts_with('[') && bytes.get(1).is_some_and(u8::is_ascii_digit) && line.contains(']') && line.contains(':');
    let frame = (line.starts_with("at ") && line.contains('(')) || line.starts_with("File \"") || line.starts_with("Caused by:");
    let trace = line.starts_with("Traceback (") || line.starts_with("... ") || line.starts_with("goroutine ");
    let level = ["ERROR ", "WARN ", "INFO ", "DEBUG ", "FATAL "].iter().any(|level| line.starts_with(level));
    let thrown =
        line.split([' ', ':']).next().is_some_and(|word| word.contains('.') && (word.ends_with("Exception") || word.ends_with("Error")));
    // What commands and tests print, and what was typed to start them.
    let printed = ["$ ", "npm ERR!", "npm WARN", "thread '"].iter().any(|start| line.starts_with(start))
        || line.starts_with("test ") && (line.ends_with(" ok") || line.ends_with(" FAILED"));
    let called = line.contains("(0x") || line.contains("(*") && line.contains(").");
    // A line of a summary of differences.
    let counted = line
        .split_once(" | ")
        .is_some_and(|(_, rest)| rest.trim_start().starts_with(|sign: char| sign.is_ascii_digit()) && rest.contains('+'));
    dated || clocked || bracketed || frame || trace || level || thrown || printed || called || counted
}

/// Whether a line outside fences looks like code.
fn is_code(line: &str) -> bool {
    const STARTS: [&str; 22] = [
        "def ",
        "import ",
        "from ",
        "#include",
        "return ",
        "public ",
        "private ",
        "const ",
        "let ",
        "var ",
        "function ",
        "fn ",
        "func ",
        "class ",
        "if (",
        "for (",
        "while (",
        "SELECT ",
        "INSERT INTO ",
        "CREATE TABLE ",
        "</",
        "<div",
    ];
    const OPENERS: [&str; 9] = ["for ", "while ", "if ", "elif ", "else:", "with ", "try:", "except", "class "];
    let ends = line.ends_with(['{', '}', ';']) || line.ends_with("):") || line.ends_with(");") || line.ends_with("=>");
    let signs = line.bytes().filter(|byte| matches!(byte, b'(' | b')' | b'{' | b'}' | b'=' | b';' | b'<' | b'[')).count();
    let starts = STARTS.iter().any(|start| line.starts_with(start));
    let opens = line.ends_with(':') && OPENERS.iter().any(|start| line.starts_with(start)) && line.len() < 100;
    (ends && signs >= 1 && line.len() < 160)
        || (starts && signs >= 2)
        || (opens && line.contains([' ', ':']) && !line.contains(['.', ',', '?']))
        || (line.len() <= 2 && matches!(line, "{" | "}" | "};" | ")" | ");" | "]"))
}
