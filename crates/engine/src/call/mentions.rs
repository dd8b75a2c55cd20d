//! What a body speaks of, found in one pass over its bytes.
//!
//! Most requests are text alone, and nobody need read them to know it: the words by which anything else begins are not in them. A
//! word that is found proves nothing, it may stand in the text; whoever must know reads the request.

use std::sync::{LazyLock, OnceLock};

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use bytes::Bytes;
use switchboard_wire::frames::Frames;

/// Pictures, sound, moving pictures, documents.
const MEDIA: u8 = 1;
/// Something that is elsewhere.
const REFERENCE: u8 = 2;
/// A cache that is kept for an hour.
const LONG_CACHE: u8 = 4;
/// What is to be cached.
const CACHE: u8 = 8;
/// Letters that are written as numbers, in which any of the words may stand.
const ESCAPED: u8 = 16;
const ALL: u8 = MEDIA | REFERENCE | LONG_CACHE | CACHE | ESCAPED;

/// The words, and what each stands for. None begins like another.
const WORDS: [(&str, u8); 21] = [
    ("_url\"", REFERENCE),
    ("\"url\"", REFERENCE),
    ("file_id\"", REFERENCE),
    ("fileUri\"", REFERENCE),
    ("file_uri\"", REFERENCE),
    ("fileId\"", REFERENCE),
    ("s3Location\"", REFERENCE),
    ("\"video\"", REFERENCE),
    ("image", MEDIA),
    ("input_audio", MEDIA),
    ("video_url", MEDIA),
    ("\"file", MEDIA),
    ("input_file", MEDIA),
    ("\"document\"", MEDIA),
    ("inlineData", MEDIA),
    ("inline_data", MEDIA),
    ("\"audio\"", MEDIA),
    ("fileData", MEDIA),
    ("\"1h\"", LONG_CACHE),
    ("\"cache_control\"", CACHE),
    (ESCAPE, ESCAPED),
];
/// How letters begin that are written as numbers.
const ESCAPE: &str = "\\u00";
/// The longest of them.
const LONGEST: usize = 15;
/// After so many finds in a frame, each kind that is still missing is looked for by itself.
const MANY: usize = 32;

static FINDER: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let mut builder = AhoCorasick::builder();
    builder.match_kind(MatchKind::LeftmostLongest).kind(Some(AhoCorasickKind::DFA));
    builder.build(WORDS.map(|(word, _)| word)).ok()
});

/// What a body speaks of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mentions(u8);

impl Mentions {
    /// What that body speaks of.
    pub fn of(body: &Frames) -> Self {
        let mut found = 0;
        // The end of what came before.
        let mut before: Vec<u8> = Vec::new();
        for (at, part) in body.parts().iter().enumerate() {
            if at > 0 {
                let end = before.len();
                before.extend_from_slice(&part[..part.len().min(LONGEST - 1)]);
                look(&before, &mut found);
                before.truncate(end);
            }
            look(part, &mut found);
            if found == ALL || at + 1 == body.parts().len() {
                break;
            }
            before.extend_from_slice(&part[part.len().saturating_sub(LONGEST - 1)..]);
            before.drain(..before.len().saturating_sub(LONGEST - 1));
        }
        Self(found)
    }

    /// Whether there may be pictures, sound, moving pictures or documents.
    pub fn media(self) -> bool {
        self.0 & MEDIA != 0
    }

    /// Whether there may be more than is said, at a place that is named.
    pub fn references(self) -> bool {
        self.0 & REFERENCE != 0
    }

    /// Whether something may be cached for an hour.
    pub fn long_cache(self) -> bool {
        self.0 & LONG_CACHE != 0
    }

    /// Whether words may be written in numbers.
    pub fn escaped(self) -> bool {
        self.0 & ESCAPED != 0
    }

    /// Whether there may be marks of what is to be cached.
    pub fn cache(self) -> bool {
        self.0 & CACHE != 0
    }
}

/// Words of a picture or a sound, one at least for each.
const PICTURES: [&str; 7] =
    ["image_url\"", "\"input_image\"", "\"image\"", "inlineData\"", "inline_data\"", "\"input_audio\"", "\"audio\""];
/// Words of a document.
const DOCUMENTS: [&str; 6] = ["\"document\"", "\"input_file\"", "\"file_data\"", "\"file_url\"", "file_id\"", "application/pdf"];
/// Words of what may be a film, of any length.
const FILMS: [&str; 6] = ["fileUri\"", "file_uri\"", "fileId\"", "s3Location\"", "\"video\"", "video_url\""];

/// How many pictures or sounds, documents and films there may be: no fewer than there are.
pub fn media(body: &[u8]) -> (u64, u64, u64) {
    let count = |words: &[&str]| words.iter().map(|word| memchr::memmem::find_iter(body, word).count() as u64).sum();
    (count(&PICTURES), count(&DOCUMENTS), count(&FILMS))
}

/// The body with letters, digits and underscores plain that it has as numbers; none where it has none so.
pub fn plain(body: &[u8]) -> Option<Bytes> {
    let word = |at: usize| {
        let digits = std::str::from_utf8(body.get(at + ESCAPE.len()..at + ESCAPE.len() + 2)?).ok()?;
        u8::from_str_radix(digits, 16).ok().filter(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
    };
    let found = memchr::memmem::find_iter(body, ESCAPE.as_bytes()).filter_map(|at| Some((at, word(at)?)));
    let (mut out, mut copied) = (Vec::new(), 0);
    for (at, byte) in found {
        out.extend_from_slice(body.get(copied..at)?);
        out.push(byte);
        copied = at + ESCAPE.len() + 2;
    }
    if copied == 0 {
        return None;
    }
    out.extend_from_slice(body.get(copied..)?);
    Some(out.into())
}

fn look(bytes: &[u8], found: &mut u8) {
    let Some(finder) = &*FINDER else { return look_for_each(bytes, found) };
    let mut rest = bytes;
    for _ in 0..MANY {
        let Some(met) = finder.find(rest) else { return };
        *found |= WORDS[met.pattern().as_usize()].1;
        if *found == ALL {
            return;
        }
        // Words may overlap.
        rest = &rest[met.start() + 1..];
    }
    look_for_each(rest, found);
}

fn look_for_each(bytes: &[u8], found: &mut u8) {
    for (word, kind) in WORDS {
        if *found & kind == 0 && memchr::memmem::find(bytes, word.as_bytes()).is_some() {
            *found |= kind;
        }
    }
}

/// The same, found when it is first asked for.
#[derive(Clone, Debug, Default)]
pub struct Mentioned(OnceLock<Mentions>);

impl Mentioned {
    /// What that body speaks of, which is always the same one.
    pub fn by(&self, body: &Frames) -> Mentions {
        *self.0.get_or_init(|| Mentions::of(body))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn every_word_is_found_wherever_the_frames_end() {
        assert_eq!(WORDS.iter().map(|(word, _)| word.len()).max(), Some(LONGEST));
        for (word, kind) in WORDS {
            let text = format!("{{\"messages\":[{{\"content\":\"Hello\",{word}}}]}}");
            let expected = WORDS.iter().filter(|(other, _)| word.contains(other)).fold(kind, |all, (_, kind)| all | kind);
            for width in 1..text.len() {
                let body: Frames = text.as_bytes().chunks(width).map(Bytes::copy_from_slice).collect();
                assert_eq!(Mentions::of(&body).0, expected, "{word} by {width}");
            }
        }
    }

    #[test]
    fn words_may_be_written_in_numbers() {
        let plain = |text: &str| plain(text.as_bytes()).map(|plain| String::from_utf8_lossy(&plain).into_owned());
        assert_eq!(plain(r#"{"file\u0055ri": "\u0031\u0068 \u00e9 \u003c"}"#).as_deref(), Some(r#"{"fileUri": "1h \u00e9 \u003c"}"#));
        assert_eq!(plain(r#"{"a": "\u00e9 \u003cb\u003e \u00"}"#), None);
        assert_eq!(media(br#"{"type":"image","source":{"type":"base64"}},{"type":"document"}"#), (1, 1, 0));
    }

    #[test]
    fn words_that_overlap_or_come_often_hide_none() {
        let often = "image ".repeat(MANY * 3);
        for (text, expected) in [
            ("\"file_id\"", MEDIA | REFERENCE),
            ("\"image_url\"", MEDIA | REFERENCE),
            (&format!("{often}\"1h\""), MEDIA | LONG_CACHE),
            (&format!("{often}\"url\" {often} \"cache_control\""), MEDIA | REFERENCE | CACHE),
            ("plain words, and none of them ours", 0),
            ("", 0),
        ] {
            assert_eq!(Mentions::of(&Bytes::from(text.to_owned()).into()).0, expected, "{text}");
        }
    }
}
