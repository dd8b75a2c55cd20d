//! State that a provider seals and only its vendor can open: thinking signatures, encrypted reasoning.
//!
//! A client's format has one field for it. What the format's own vendor sealed stands there bare; what another sealed travels as a
//! token that names its vendor, so that it comes back to the right one and to no other.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The vendor of Anthropic's models, wherever they are served.
pub const ANTHROPIC: &str = "anthropic";
/// The vendor of Google's models.
pub const GOOGLE: &str = "google";
/// The vendor of OpenAI's models.
pub const OPENAI: &str = "openai";
/// Models of other vendors behind Bedrock.
pub const BEDROCK: &str = "bedrock";

/// What a token begins with, and the ids that this gateway gives to items hold. A request in which it stands is not passed on as it
/// came: no provider knows what it names.
pub const MARK: &str = "swb1.";
/// What an id begins with before that, where it does: `msg_` is the longest.
const PREFIXES: [usize; 3] = ["".len(), "rs_".len(), "msg_".len()];
/// In so many bytes of a text it shows whether it is one of this gateway's own.
pub(crate) const HEAD: usize = PREFIXES[2] + MARK.len();

/// Whether a text begins like a token or like an id that this gateway gave. Every text of a request is asked: none of them is compared
/// byte by byte.
pub(crate) fn is_ours(text: &[u8]) -> bool {
    const OURS: Option<&[u8; MARK.len()]> = MARK.as_bytes().first_chunk();
    PREFIXES.iter().any(|prefix| text.get(*prefix..).is_some_and(|text| text.first_chunk() == OURS))
}

/// What is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealKind {
    /// A signature over a visible text.
    Signature,
    /// The thought itself, encrypted.
    Encrypted,
}

/// Opaque provider state, shown only to the vendor that sealed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Who can open it.
    pub vendor: Cow<'static, str>,
    /// What it is.
    pub kind: SealKind,
    /// The state, as sent.
    pub bytes: String,
}

impl Sealed {
    /// A signature by that vendor.
    pub fn signature(vendor: &'static str, bytes: impl Into<String>) -> Self {
        Self { vendor: Cow::Borrowed(vendor), kind: SealKind::Signature, bytes: bytes.into() }
    }

    /// An encrypted thought of that vendor.
    pub fn encrypted(vendor: &'static str, bytes: impl Into<String>) -> Self {
        Self { vendor: Cow::Borrowed(vendor), kind: SealKind::Encrypted, bytes: bytes.into() }
    }

    /// The state, if that vendor sealed it.
    pub fn open(&self, vendor: &str) -> Option<&str> {
        (self.vendor == vendor).then_some(self.bytes.as_str())
    }

    /// How it stands in a field that belongs to `native`: bare if that vendor sealed it, else as a token. `id` is the item's id,
    /// which some vendors need back.
    pub fn to_token(&self, native: &str, id: Option<&str>) -> String {
        if self.vendor == native {
            return self.bytes.clone();
        }
        let kind = match self.kind {
            SealKind::Signature => 's',
            SealKind::Encrypted => 'e',
        };
        let id = URL_SAFE_NO_PAD.encode(id.unwrap_or_default());
        format!("{MARK}{}.{kind}.{id}.{}", self.vendor, self.bytes)
    }

    /// Reads a field that belongs to `native`: what it holds and, for a token, the item's id.
    pub fn from_token(native: &'static str, kind: SealKind, text: &str) -> (Self, Option<String>) {
        let bare = || (Self { vendor: Cow::Borrowed(native), kind, bytes: text.to_owned() }, None);
        let Some(rest) = text.strip_prefix(MARK) else { return bare() };
        let mut fields = rest.splitn(4, '.');
        let (Some(vendor), Some(kind), Some(id), Some(bytes)) = (fields.next(), fields.next(), fields.next(), fields.next()) else {
            return bare();
        };
        let kind = if kind == "e" { SealKind::Encrypted } else { SealKind::Signature };
        let id = URL_SAFE_NO_PAD.decode(id).ok().and_then(|id| String::from_utf8(id).ok()).filter(|id| !id.is_empty());
        (Self { vendor: Cow::Owned(vendor.to_owned()), kind, bytes: bytes.to_owned() }, id)
    }
}
