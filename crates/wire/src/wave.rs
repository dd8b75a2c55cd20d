//! Bare samples of sound, and files of them that say what they are.

/// The type of those files.
pub(crate) const TYPE: &str = "audio/wav";
/// The type of bare samples as Gemini writes it: 16 bits each, the low byte first.
pub(crate) const SAMPLES: &str = "audio/L16;codec=pcm;rate=24000";

/// Samples a second where nothing is said.
const RATE: u32 = 24_000;
/// Bytes of a sample.
const WIDTH: u32 = 2;

/// Whether that is bare samples: `audio/L16;codec=pcm;rate=24000`.
pub(crate) fn is_samples(media_type: &str) -> bool {
    let kind = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    matches!(kind.as_str(), "audio/l16" | "audio/pcm")
}

fn parameter(media_type: &str, name: &str) -> Option<u32> {
    let said = media_type.split(';').filter_map(|parameter| parameter.trim().split_once('='));
    said.filter(|(known, _)| known.eq_ignore_ascii_case(name)).find_map(|(_, value)| value.trim().parse().ok())
}

/// A WAVE file of those samples, which are of that type.
pub(crate) fn of(samples: &[u8], media_type: &str) -> Vec<u8> {
    /// Of the head behind the file's own size.
    const HEAD: u32 = 36;
    let (rate, channels) = (parameter(media_type, "rate").unwrap_or(RATE), parameter(media_type, "channels").unwrap_or(1));
    let length = u32::try_from(samples.len()).unwrap_or(u32::MAX);
    let frame = WIDTH.saturating_mul(channels);
    let mut file = Vec::with_capacity(samples.len() + 44);
    let mut text = |part: &[u8]| file.extend_from_slice(part);
    text(b"RIFF");
    text(&length.saturating_add(HEAD).to_le_bytes());
    text(b"WAVEfmt ");
    text(&16_u32.to_le_bytes());
    text(&1_u16.to_le_bytes());
    text(&u16::try_from(channels).unwrap_or(1).to_le_bytes());
    text(&rate.to_le_bytes());
    text(&rate.saturating_mul(frame).to_le_bytes());
    text(&u16::try_from(frame).unwrap_or(2).to_le_bytes());
    text(&16_u16.to_le_bytes());
    text(b"data");
    text(&length.to_le_bytes());
    text(samples);
    file
}
